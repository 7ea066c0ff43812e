# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The schema files of the image: which version they are of, and which steps lead there.

Which steps are safe while a hub runs: none, unless it is shown to be. Read were all of Koji's from 1.23 on:

  1.23-1.24 .. 1.25-1.26, 1.27-1.28, 1.29-1.30, 1.31-1.32 .. 1.34-1.35   ALTER TABLE, which waits for every transaction
      on that table and stops all later ones; some rewrite or check the largest tables (rpminfo, build); and a hub of
      the old version doesn't fill the new columns (rpminfo.draft has a constraint that makes its imports fail).
  1.30-1.31   CREATE INDEX on rpminfo: no import as long as it takes.
  1.28-1.29   nothing at all: safe.
  1.35-1.36, 1.36-1.37   new rows in `archivetypes`, where they aren't there yet. A hub reads that table anew for each
      call and knows its rows by name only; nothing is locked that anybody else wants: safe.

So a step is safe if its file holds nothing but such rows, which is looked at, not looked up by its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .marks import told_by
from .outcome import Refused

# The first is where Fedora's packages have them; older ones have them among their documentation.
FOLDERS = ("/usr/share/koji", "/usr/share/doc/koji*/docs", "/usr/share/doc/koji*")
_STEP = re.compile(r"^schema-upgrade-(\d+\.\d+)-(\d+\.\d+)\.sql$")
_TRANSACTION = re.compile(
    r"^[ \t]*(BEGIN|COMMIT)([ \t]+(WORK|TRANSACTION))?[ \t]*;[ \t]*$", re.MULTILINE | re.IGNORECASE
)
_COMMENT = re.compile(r"--[^\n]*")
_SAFE = re.compile(
    r"INSERT\s+INTO\s+archivetypes\s*\([a-z_,\s]+\)\s*VALUES\s*\((\s*'[^']*'\s*,?)+\)\s*ON\s+CONFLICT\s+DO\s+NOTHING",
    re.IGNORECASE,
)


def number(version: str) -> tuple[int, ...]:
    """For comparing: 1.9 is before 1.10."""
    return tuple(int(part) for part in version.split("."))


def statements(text: str) -> str:
    """SQL without the file's own BEGIN and COMMIT: the transaction is ours, and our record is in it."""
    return _TRANSACTION.sub("", text)


@dataclass(frozen=True)
class Step:
    """One upgrade file."""

    before: str
    after: str
    file: Path

    @property
    def sql(self) -> str:
        """What it does."""
        return statements(self.file.read_text("utf-8"))

    @property
    def parts(self) -> list[str]:
        """Its statements, as far as a semicolon ends one; [] for a version that changed nothing."""
        return [part.strip() for part in _COMMENT.sub("", self.sql).split(";") if part.strip()]

    @property
    def safe_online(self) -> bool:
        """Whether a running hub would not notice."""
        return all(_SAFE.fullmatch(part) for part in self.parts)


class SchemaFiles:
    """Those of one folder."""

    def __init__(self, folder: Path) -> None:
        self.schema = folder / "schema.sql"
        found = [(match, file) for file in folder.iterdir() if (match := _STEP.match(file.name))]
        self.steps = sorted(
            (Step(match[1], match[2], file) for match, file in found),
            key=lambda step: (number(step.before), number(step.after)),
        )
        if not self.steps:
            raise Refused(
                "NoSchemaFiles",
                f"the image has {self.schema} but no schema-upgrade-A-B.sql beside it: which version is it?",
            )
        last = max((step.after for step in self.steps), key=number)
        self.version = max(told_by(self.schema.read_text("utf-8")) or last, last, key=number)

    @classmethod
    def find(cls, folders: tuple[str, ...] = FOLDERS) -> SchemaFiles:
        """The image's. Raises Refused."""
        for pattern in folders:
            for folder in sorted(Path("/").glob(pattern.lstrip("/"))):
                if (folder / "schema.sql").is_file():
                    return cls(folder)
        raise Refused("NoSchemaFiles", f"the image has no schema.sql in {' or '.join(folders)}: is it a koji-hub?")

    def path(self, version: str) -> list[Step]:
        """The steps from a version to the image's. A version that changed nothing may have no file. Raises Refused."""
        steps = [step for step in self.steps if number(step.before) >= number(version)]
        if steps and not any(number(step.before) <= number(version) for step in self.steps):
            raise Refused(
                "UpgradeStepMissing",
                f"the schema is of {version}, and the image's upgrades begin with {self.steps[0].file.name}: upgrade "
                "with an image in between first",
            )
        return steps
