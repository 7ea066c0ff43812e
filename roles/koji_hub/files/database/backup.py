# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A dump before an upgrade: by pg_dump where the image has one that is new enough for the server, else by ourselves."""

from __future__ import annotations

import datetime
import graphlib
import gzip
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql

from .outcome import Refused
from .schema import RECORD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_TABLES = "SELECT oid, relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
_REFERENCES = "SELECT conrelid, confrelid FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid"
_SEQUENCES = "SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = current_schema()::regnamespace"
_HEADER = """\
-- The data of database {database}, schema of Koji {version}. To restore it, load that version's schema.sql into an
-- empty database, then: gunzip -c {file} | psql -v ON_ERROR_STOP=1
SET client_encoding = 'UTF8';
BEGIN;
"""


def write(connection: Connection, version: str, folder: Path) -> Path:
    """Return the file, which is whole when it has this name. Raises Refused: then no upgrade begins."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"{connection.info.dbname.replace('/', '_')}-{version}-{now}"
    try:
        if _pg_dump_fits(connection.server_version // 10000):
            file = folder / f"{name}.dump"
            _write(file, _pg_dump)
        else:
            file = folder / f"{name}.sql.gz"
            _write(file, lambda part: _dump(connection, version, file, part))
    except (OSError, graphlib.CycleError, psycopg2.Error) as error:
        reason = f"{error.strerror} ({folder})" if isinstance(error, OSError) else " ".join(str(error).split())
        raise Refused("BackupFailed", f"no upgrade without a dump, and that failed: {reason}") from error
    return file


def _write(file: Path, produce: Callable[[Path], None]) -> None:
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    try:
        produce(part)
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


def _pg_dump_fits(server: int) -> bool:
    """pg_dump refuses servers that are newer than itself."""
    if not shutil.which("pg_dump"):
        return False
    said = subprocess.run(["pg_dump", "--version"], capture_output=True, text=True, check=False).stdout
    numbers = [word.split(".")[0] for word in said.split() if word[:1].isdigit()]
    return bool(numbers) and numbers[0].isdigit() and int(numbers[0]) >= server


def _pg_dump(part: Path) -> None:
    # It finds the server and the password by the variables that we have them from.
    done = subprocess.run(
        ["pg_dump", "--format=custom", "--no-password", "--file", str(part)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise Refused("BackupFailed", f"no upgrade without a dump, and that failed: {said[0]}")


def _dump(connection: Connection, version: str, file: Path, part: Path) -> None:
    """All rows as SQL, as of one moment, tables before those that refer to them."""
    with connection, connection.cursor() as cursor, gzip.open(part, "wb") as out:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL client_encoding = 'UTF8'")
        header = _HEADER.format(database=connection.info.dbname.replace("\n", " "), version=version, file=file.name)
        out.write(header.encode())
        tables = _in_order(cursor)
        names = sql.SQL(", ").join(map(sql.Identifier, tables))
        out.write(sql.SQL("TRUNCATE {};\n").format(names).as_string(connection).encode())
        for table in tables:
            cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(table)))
            columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in cursor.description or ())
            what = sql.SQL("COPY {} ({})").format(sql.Identifier(table), columns).as_string(connection)
            out.write(f"{what} FROM stdin;\n".encode())
            cursor.copy_expert(f"{what} TO STDOUT", out)
            out.write(b"\\.\n")
        cursor.execute(_SEQUENCES)
        for sequence in [name for (name,) in cursor.fetchall() if not name.startswith(RECORD)]:
            cursor.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(sequence)))
            values = sql.SQL("SELECT setval({}, {}, {});\n").format(
                sql.Literal(f'"{sequence}"'), *map(sql.Literal, cursor.fetchone() or ())
            )
            out.write(values.as_string(connection).encode())
        out.write(b"COMMIT;\n")


def _in_order(cursor: Cursor) -> list[str]:
    cursor.execute(_TABLES)
    # Our own record is not in schema.sql, and what it says is told by the schema as well.
    tables = {oid: name for oid, name in cursor.fetchall() if name != RECORD}
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter(dict.fromkeys(tables.values(), ()))
    cursor.execute(_REFERENCES)
    for table, other in cursor.fetchall():
        if table in tables and other in tables:
            sorter.add(tables[table], tables[other])
    return list(sorter.static_order())
