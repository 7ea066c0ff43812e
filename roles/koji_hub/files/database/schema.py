# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What is in a database: nothing, a schema of Koji's, something else. And the record that is kept of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .marks import MARKS, ROWS
from .outcome import Refused
from .versions import number

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class

RECORD = "koji_operator_schema"
KOJI_TABLES = {"users", "sessions", "permissions", "user_perms", "events", "task", "channels", "host"}

# All that is in reach by its plain name, but for what extensions brought.
_RELATIONS = """
    SELECT c.relname, c.relkind IN ('r', 'p', 'v', 'm', 'f')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE pg_table_is_visible(c.oid) AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
"""
_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"


@dataclass
class Found:
    """What is there. `structure` is told by tables and columns alone, `recorded` is what we once wrote."""

    relations: set[str] = field(default_factory=set)
    structure: str = ""
    rows: str = ""
    recorded: str = ""

    @property
    def empty(self) -> bool:
        """Whether nobody has put anything there."""
        return not self.relations

    def version(self, image: str) -> str:
        """The schema's version. Raises Refused for one that is newer than the image's."""
        sure = max((v for v in (self.structure, self.recorded) if v), key=number)
        if number(sure) > number(image):
            raise Refused(
                "SchemaNewer",
                f"the database's schema is of Koji {sure}, the image's of {image}: use an image of {sure} or later; "
                "a schema can't go back",
            )
        # Rows alone don't make it newer than the image: an older hub works with them.
        rows = [v for v in ROWS if self.rows and number(v) <= min(number(self.rows), number(image))]
        return max((sure, *rows), key=number)


def look(cursor: Cursor, database: str) -> Found:
    """Read what is in a database. Raises Refused for something else, or a schema of before our time."""
    cursor.execute(_RELATIONS)
    kinds = dict(cursor.fetchall())
    found = Found({name for name, is_table in kinds.items() if is_table and name != RECORD})
    if RECORD in kinds:
        cursor.execute(f"SELECT version FROM {RECORD}")  # noqa: S608 - a constant
        found.recorded = max((version for (version,) in cursor.fetchall()), key=number, default="")
    if found.empty:
        return found
    if not found.relations >= KOJI_TABLES:
        some = ", ".join(sorted(found.relations)[:5])
        raise Refused(
            "DatabaseOfSomethingElse",
            f"database '{database}' holds something else than Koji ({some}): give the hub a database of its own",
        )
    found.structure = next((v for v, mark in reversed(MARKS.items()) if _has(cursor, kinds, mark)), "")
    if not found.structure:
        raise Refused(
            "SchemaTooOld",
            f"the schema in database '{database}' is older than {next(iter(MARKS))}: upgrade it to that by hand first",
        )
    for version, row in ROWS.items():
        if "archivetypes" not in kinds or not _exists(cursor, "SELECT FROM archivetypes WHERE name = %s", row):
            break
        found.rows = version
    return found


def _has(cursor: Cursor, kinds: dict[str, bool], mark: str) -> bool:
    table, _, column = mark.partition(".")
    if not column:
        return mark in kinds
    cursor.execute(_COLUMNS, (table,))
    return (column,) in cursor.fetchall()


def _exists(cursor: Cursor, query: str, value: str) -> bool:
    cursor.execute(query, (value,))
    return cursor.fetchone() is not None


def record(cursor: Cursor, version: str, what: str) -> None:
    """Write down which version the schema is of from now on, in the transaction that makes it so."""
    cursor.execute(
        f"CREATE TABLE IF NOT EXISTS {RECORD} (id SERIAL PRIMARY KEY, version TEXT NOT NULL, what TEXT NOT NULL, "
        "time TIMESTAMPTZ NOT NULL DEFAULT now())"
    )
    cursor.execute(f"INSERT INTO {RECORD} (version, what) VALUES (%s, %s)", (version, what))  # noqa: S608 - a constant
