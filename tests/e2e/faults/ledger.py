# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The hub's database as a witness: every change of a task's state, written down by a trigger, and open sessions."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import koji
import psycopg2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

    from tests.e2e.kube import Kube

# devhub's own code knows nothing of it: it can't hide a second end.
TRIGGER = """
CREATE TABLE IF NOT EXISTS task_history (
    id SERIAL PRIMARY KEY, task_id INTEGER NOT NULL, state INTEGER NOT NULL, host_id INTEGER,
    time DOUBLE PRECISION NOT NULL
);
CREATE OR REPLACE FUNCTION write_history() RETURNS trigger AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.state <> OLD.state OR NEW.result IS DISTINCT FROM OLD.result THEN
        INSERT INTO task_history (task_id, state, host_id, time)
        VALUES (NEW.id, NEW.state, NEW.host_id, extract(epoch FROM clock_timestamp()));
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;
DROP TRIGGER IF EXISTS history ON task;
CREATE TRIGGER history AFTER INSERT OR UPDATE ON task FOR EACH ROW EXECUTE FUNCTION write_history();
"""
PATIENCE = 60.0  # seconds that a database which was stopped may need to answer again


class Ledger:
    """What the database of a devhub says. A connection that broke is made anew."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        given = kube.secret(namespace, "postgres")
        self._address: dict[str, Any] = {
            "host": f"{given['POSTGRES_HOST'].decode()}.{namespace}.svc",
            "dbname": given["POSTGRES_DB"].decode(),
            "user": given["POSTGRES_USER"].decode(),
            "password": given["POSTGRES_PASSWORD"].decode(),
            "connect_timeout": 3,
        }
        self._connection: Connection | None = None

    def install(self) -> None:
        """Write down every change of a task from now on."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(TRIGGER)

    def _connect(self) -> Connection:
        made: Connection = psycopg2.connect(**self._address)
        made.autocommit = True
        return made

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database; wait for it while it is down. psycopg2.OperationalError if that takes too long."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                with self._connection.cursor() as cursor:
                    cursor.execute(query, values)
                    return cursor.fetchall()
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                self.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)

    def execute(self, statement: str, *values: Any) -> None:
        """Change the database, past the hub."""
        self.rows(f"{statement} RETURNING 1", *values)

    def close(self) -> None:
        """Let go of the connection; the next question makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def states(self) -> dict[int, str]:
        """Task id -> name of its state, of all tasks."""
        return {task: koji.TASK_STATES[state] for task, state in self.rows("SELECT id, state FROM task ORDER BY id")}

    def state(self, task: int) -> str:
        """The name of a task's state."""
        return str(self.states()[task])

    def history(self, task: int) -> list[str]:
        """The states that a task has had, in order."""
        found = self.rows("SELECT state FROM task_history WHERE task_id = %s ORDER BY id", task)
        return [koji.TASK_STATES[state] for (state,) in found]

    def histories(self) -> dict[int, list[str]]:
        """The same of all tasks."""
        found: dict[int, list[str]] = {}
        for task, state in self.rows("SELECT task_id, state FROM task_history ORDER BY id"):
            found.setdefault(task, []).append(koji.TASK_STATES[state])
        return found

    def subsessions(self) -> dict[int, int]:
        """Open subsessions of hosts whose master is open too: their id -> their master's."""
        query = """
            SELECT s.id, s.master FROM sessions s JOIN sessions m ON m.id = s.master
            WHERE NOT s.closed AND NOT s.expired AND NOT m.closed AND NOT m.expired
        """
        return dict(self.rows(query))

    def masters(self, user: str) -> list[tuple[int, bool]]:
        """Open sessions of a user that are nobody's subsession: (id, exclusive)."""
        query = """
            SELECT s.id, coalesce(s.exclusive, false) FROM sessions s JOIN users u ON u.id = s.user_id
            WHERE u.name = %s AND s.master IS NULL AND NOT s.closed AND NOT s.expired ORDER BY s.id
        """
        return self.rows(query, user)

    def unended(self) -> Sequence[int]:
        """Tasks that have not ended."""
        return [task for task, state in self.states().items() if state in ("FREE", "OPEN", "ASSIGNED")]
