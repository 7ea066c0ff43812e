# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Storage in PostgreSQL: one connection a thread, one transaction a call, advisory locks."""

# ruff: noqa: S608 - names of tables and columns come from the core's schema, values are bound

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class
from psycopg2.extras import RealDictCursor

from .core.schema import LOCKS
from .core.storage import Cond, ConstraintError, Row, StorageDown

SCHEMA = Path(__file__).with_name("schema.sql")
# The first key of our advisory locks: nobody else's by accident.
LOCK_SPACE = 0x4B4F4A49
SIGNS = {"=": "=", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "in": "= ANY", "not in": "<> ALL"}


def plain(value: Any) -> Any:
    """Return a value as the driver knows it: an enum's member as its number, in lists too."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def where(conds: Iterable[Cond]) -> tuple[str, list[Any]]:
    """Return the WHERE clause and its values."""
    parts, values = [], []
    for cond in conds:
        if cond.value is None and cond.sign in {"=", "!="}:
            parts.append(f'"{cond.column}" IS {"" if cond.sign == "=" else "NOT "}NULL')
        else:
            parts.append(f'"{cond.column}" {SIGNS[cond.sign]} {"(%s)" if "in" in cond.sign else "%s"}')
            values.append(plain(cond.value))
    return (f" WHERE {' AND '.join(parts)}" if parts else ""), values


def order_by(order: str) -> str:
    """Return the ORDER BY clause of "column,-column"; PostgreSQL takes NULL for the greatest, as the core does."""
    terms = [
        f'"{term.removeprefix("-")}"{" DESC" if term.startswith("-") else ""}' for term in order.split(",") if term
    ]
    return f" ORDER BY {', '.join(terms)}" if terms else ""


class PostgresStorage:
    """A database. `prepare` is called once a process with the first transaction, e.g. to make the first admin."""

    def __init__(
        self,
        *,
        create_schema: bool = False,
        prepare: Callable[["PostgresTransaction"], None] | None = None,
        **address: Any,
    ) -> None:
        self.address = {"connect_timeout": 5, "application_name": "devhub", **address}
        self.create_schema = create_schema
        self.prepare = prepare
        self.ready = False
        self.turn = threading.Lock()
        self.own = threading.local()

    def begin(self) -> "PostgresTransaction":
        """Start a transaction on this thread's connection, made anew if it broke. Raises StorageDown."""
        try:
            connection = self._connection()
            if not self.ready:
                self._make_ready(connection)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self._forget()
            raise StorageDown(f"database outage: {error}") from error
        return PostgresTransaction(connection)

    def _connection(self) -> Connection:
        for _ in range(2):
            connection: Connection | None = getattr(self.own, "connection", None)
            if connection is None or connection.closed:
                connection = self.own.connection = psycopg2.connect(**self.address)
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                # It was the server that went away since the last call: once more with a new connection.
                self._forget()
            else:
                return connection
        raise psycopg2.OperationalError("the connection breaks at once")

    def _forget(self) -> None:
        connection: Connection | None = getattr(self.own, "connection", None)
        if connection is not None:
            with suppress(psycopg2.Error):
                connection.close()
        self.own.connection = None

    def _make_ready(self, connection: Connection) -> None:
        with self.turn:
            if self.ready:
                return
            if self.create_schema:
                create_schema(connection)
            if self.prepare is not None:
                tx = PostgresTransaction(connection)
                tx.lock("scheduler", wait=True)
                self.prepare(tx)
                tx.close()
            self.ready = True


def create_schema(connection: Connection) -> None:
    """Create the tables and what is in them from the start, unless they exist."""
    with connection, connection.cursor() as cursor:
        # Several processes of the server may come here at once.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, -1)", (LOCK_SPACE,))
        cursor.execute("SELECT to_regclass('users')")
        if cursor.fetchone() == (None,):
            cursor.execute(SCHEMA.read_text(encoding="utf-8"))


class PostgresTransaction:
    """One call's view of the database."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dirty = False
        self.commits = 0

    def _run(self, text: str, values: Iterable[Any] = ()) -> tuple[list[Row], int]:
        try:
            with self.connection.cursor(cursor_factory=RealDictCursor) as cursor:
                cursor.execute(text, list(values))
                rows = [dict(row) for row in cursor.fetchall()] if cursor.description else []
                return rows, cursor.rowcount
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise StorageDown(str(error)) from error
        except psycopg2.Error as error:
            raise ConstraintError(str(error)) from error

    def insert(self, table: str, row: Row) -> Row:
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join(["%s"] * len(row))
        rows, _ = self._run(f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING *", map(plain, row.values()))
        self.dirty = True
        return rows[0]

    def select(
        self,
        table: str,
        conds: Iterable[Cond] = (),
        *,
        order: str = "",
        limit: int | None = None,
        lock: bool = False,
    ) -> list[Row]:
        clause, values = where(conds)
        cut = f" LIMIT {limit:d}" if limit is not None else ""
        text = f"SELECT * FROM {table}{clause}{order_by(order)}{cut}{' FOR UPDATE' if lock else ''}"
        return self._run(text, values)[0]

    def update(self, table: str, values: Row, conds: Iterable[Cond]) -> int:
        names = ", ".join(f'"{name}" = %s' for name in values)
        clause, bound = where(conds)
        _, count = self._run(f"UPDATE {table} SET {names}{clause}", [*map(plain, values.values()), *bound])
        self.dirty = True
        return count

    def delete(self, table: str, conds: Iterable[Cond]) -> int:
        clause, values = where(conds)
        _, count = self._run(f"DELETE FROM {table}{clause}", values)
        self.dirty = True
        return count

    def lock(self, name: str, *, wait: bool) -> bool:
        keys = (LOCK_SPACE, LOCKS.index(name))
        if wait:
            self._run("SELECT pg_advisory_xact_lock(%s, %s)", keys)
            return True
        rows, _ = self._run("SELECT pg_try_advisory_xact_lock(%s, %s) AS taken", keys)
        return bool(rows[0]["taken"])

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        self._run("SAVEPOINT call")
        self.dirty = True  # the hub counts a savepoint as a write
        commits = self.commits
        try:
            yield
        except BaseException:
            # A call that committed has ended the savepoint with it.
            if commits == self.commits:
                self._run("ROLLBACK TO SAVEPOINT call")
            else:
                self.rollback()
            raise
        if commits == self.commits:
            self._run("RELEASE SAVEPOINT call")

    def commit(self) -> None:
        self.connection.commit()
        self.commits += 1
        self.dirty = False

    def rollback(self) -> None:
        # A connection that broke has nothing left to undo; the next call makes a new one.
        with suppress(psycopg2.OperationalError, psycopg2.InterfaceError):
            self.connection.rollback()
        self.commits += 1
        self.dirty = False

    def close(self) -> None:
        self.rollback()
