# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""From what is in the database to what the image wants: one at a time, each step in a transaction with its record."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2
import psycopg2.errors

from . import admin, backup, schema
from .outcome import NEEDS_OFFLINE, SUCCEEDED, Outcome, Refused
from .versions import SchemaFiles, Step, statements

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

# "koji" and "db", as a number: PostgreSQL's advisory locks have no names.
LOCK = int.from_bytes(b"kojidb", "big")
# Seconds that somebody else may hold what we need.
PATIENCE = 60


@dataclass(frozen=True)
class Wish:
    """What to do."""

    files: SchemaFiles
    admin: str
    principal: str = ""
    online: bool = True
    backup: Path | None = None
    patience: int = PATIENCE


def bring_in_line(connection: Connection, wish: Wish) -> Outcome:
    """Load the schema or upgrade it, and make the admin. Raises Refused."""
    with _alone(connection, wish.patience):
        with _transaction(connection, "reading the schema") as cursor:
            found = schema.look(cursor, connection.info.dbname)
        done: list[str] = []
        image = wish.files.version
        if found.empty:
            _load(connection, wish)
            done.append(f"loaded schema {image}")
        else:
            version = found.version(image)
            steps = wish.files.path(version)
            unsafe = [step.file.name for step in steps if not step.safe_online]
            if unsafe and wish.online:
                message = f"schema {version} -> {image}: {', '.join(unsafe)} must not run beside a hub"
                return Outcome(NEEDS_OFFLINE, "UpgradeNeedsOffline", message, version)
            if steps and wish.backup:
                done.append(f"wrote {backup.write(connection, version, wish.backup)}")
            for step in steps:
                _upgrade(connection, step)
                done.append(f"ran {step.file.name}")
            if not steps and found.recorded != image:
                with _transaction(connection, "writing the record") as cursor:
                    schema.record(cursor, image, f"found as {version}")
        with _transaction(connection, f"making the admin '{wish.admin}'") as cursor:
            done += admin.ensure(cursor, wish.admin, wish.principal)
    return Outcome(SUCCEEDED, "SchemaCurrent", "; ".join([f"schema {image}", *done]), image)


def _load(connection: Connection, wish: Wish) -> None:
    file = wish.files.schema
    with _transaction(connection, f"{file.name} of {wish.files.version}") as cursor:
        cursor.execute(statements(file.read_text("utf-8")))
        schema.record(cursor, wish.files.version, file.name)


def _upgrade(connection: Connection, step: Step) -> None:
    with _transaction(connection, step.file.name) as cursor:
        if step.parts:
            cursor.execute(step.sql)
        schema.record(cursor, step.after, step.file.name)


@contextmanager
def _alone(connection: Connection, patience: int) -> Iterator[None]:
    """Hold the lock that the others wait for; the server lets go of it when the connection ends."""
    with _transaction(connection, "") as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", (f"{patience}s",))
        try:
            cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        except psycopg2.errors.LockNotAvailable as error:
            message = f"somebody else has been working on this database's schema for {patience} seconds"
            raise Refused("DatabaseBusy", message) from error
    yield
    # Not after an error: then the connection ends.
    with _transaction(connection, "") as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


@contextmanager
def _transaction(connection: Connection, what: str) -> Iterator[psycopg2.extensions.cursor]:
    """All of it or nothing. Raises Refused with what PostgreSQL says."""
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    except psycopg2.errors.LockNotAvailable as error:
        raise Refused(
            "DatabaseInUse",
            f"{what} waited too long for a table that somebody uses: stop what works with this database beside the hub",
        ) from error
    except psycopg2.errors.InsufficientPrivilege as error:
        raise Refused(
            "DatabasePermissionDenied",
            f"{what}: {_said(error)}: let user '{connection.info.user}' own the database or its schema",
        ) from error
    except psycopg2.Error as error:
        raise Refused("DatabaseStepFailed", f"{what}: {_said(error)}; nothing of it was kept") from error


def _said(error: psycopg2.Error) -> str:
    """The first line only: further ones may quote rows."""
    lines = (error.diag.message_primary or str(error)).strip().splitlines()
    return lines[0] if lines else "the connection was lost"
