# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The schemas of older hubs: the present one without what its upgrades have added."""

import re
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).parent
VERSIONS = ("1.33", "1.34", "1.35")
CREATED = re.compile(r"^CREATE TABLE (\w+)", re.MULTILINE)
GRANTED = re.compile(r"INSERT INTO permissions .*?;", re.DOTALL)


def upgrades(version: str) -> list[Path]:
    """The files that lead from a version to the present one, in order."""
    later = VERSIONS[VERSIONS.index(version) :]
    return [HERE / f"upgrades/schema-upgrade-{a}-{b}.sql" for a, b in pairwise(later)]


def schema(version: str) -> str:
    """SQL that makes an empty database of a version; the present one's is schema.sql itself."""
    text = (HERE / "schema.sql").read_text("utf-8")
    undone = []
    for file in reversed(upgrades(version)):
        added = file.read_text("utf-8")
        undone += [f"DROP TABLE {table};" for table in reversed(CREATED.findall(added))]
        for insert in GRANTED.findall(added):
            names = ", ".join(re.findall(r"\(('[a-z-]+'),", insert))
            undone.append(f"DELETE FROM permissions WHERE name IN ({names});")  # noqa: S608 - of our own files
    return text.replace("COMMIT WORK;", "\n".join([*undone, "", "COMMIT WORK;"])) if undone else text
