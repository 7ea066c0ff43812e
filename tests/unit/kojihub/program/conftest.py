# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One server for all tests, a database for each, and images of several versions."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2 import sql

from roles.koji_hub.files.database.versions import SchemaFiles
from tests.devhub.loopback import postgres
from tests.devhub.older import schema, upgrades

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

    from roles.koji_hub.files.database.outcome import Outcome

PASSWORD = "s3cret-of-guarded"
# Rows only, as Koji's own of that version.
SAFE_STEP = """\
-- from version 1.35 to 1.36

BEGIN;

INSERT INTO archivetypes (name) VALUES ('erofs') ON CONFLICT DO NOTHING;
INSERT INTO archivetypes (name) VALUES ('squashfs') ON CONFLICT DO NOTHING;

COMMIT;
"""


class Server:
    """A running PostgreSQL: `koji` is trusted, `guarded` needs a password."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._numbers = itertools.count()
        self._root = self.connect("postgres")
        self._root.autocommit = True
        self.execute("CREATE ROLE guarded LOGIN PASSWORD %s", PASSWORD)
        hba = Path(host) / "data/pg_hba.conf"
        hba.write_text(f"local all guarded scram-sha-256\n{hba.read_text()}", encoding="ascii")
        self.execute("SELECT pg_reload_conf()")

    def connect(self, database: str) -> Connection:
        """A connection as the superuser."""
        return psycopg2.connect(host=self.host, user="koji", dbname=database)

    def execute(self, query: str, *values: Any) -> None:
        """Outside any transaction."""
        with self._root.cursor() as cursor:
            cursor.execute(query, values)

    def close(self) -> None:
        """The server waits for us otherwise."""
        self._root.close()

    def new(self) -> str:
        """The name of a new, empty database."""
        name = f"koji{next(self._numbers)}"
        with self._root.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name


@pytest.fixture(scope="session")
def server(debian_servers: None) -> Iterator[Server]:
    """A PostgreSQL."""
    # In /tmp and short: a socket's path has 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="koji-db-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with postgres(folder / "db") as options:
            running = _started(options["DBHost"])
            yield running
            running.close()
    finally:
        shutil.rmtree(folder)


def _started(host: str) -> Server:
    end = time.monotonic() + 20
    while True:
        try:
            return Server(host)
        except psycopg2.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@pytest.fixture
def database(server: Server) -> Iterator[Connection]:
    """A connection to a new database."""
    with closing(server.connect(server.new())) as connection:
        yield connection


def image(folder: Path, version: str, **files: str) -> SchemaFiles:
    """The schema files of an image: devhub's older ones, or 1.36 with a step that is safe beside a hub."""
    folder.mkdir(exist_ok=True)
    base = "1.35" if version == "1.36" else version
    text = schema(base)
    steps = [*upgrades("1.33")][: ["1.33", "1.34", "1.35"].index(base)]
    if version == "1.36":
        text = text.replace("COMMIT WORK;", "INSERT INTO archivetypes (name) VALUES ('erofs');\nCOMMIT WORK;")
        (folder / "schema-upgrade-1.35-1.36.sql").write_text(SAFE_STEP, "utf-8")
    (folder / "schema.sql").write_text(text, "utf-8")
    # A version that changed nothing, as 1.29 did.
    (folder / "schema-upgrade-1.32-1.33.sql").write_text("-- no changes\n", "utf-8")
    for step in steps:
        shutil.copy(step, folder)
    for name, content in files.items():
        (folder / f"{name.replace('_', '-').replace('x', '.')}.sql").write_text(content, "utf-8")
    return SchemaFiles(folder)


def rows(connection: Connection, query: str) -> list[Any]:
    """What a query gives."""
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def records(connection: Connection) -> list[str]:
    """What the marker table says, in order."""
    return [version for (version,) in rows(connection, "SELECT version FROM koji_operator_schema ORDER BY id")]


def message(outcome: Outcome) -> str:
    """What the status would say of a success."""
    assert outcome.outcome == "succeeded", outcome
    return outcome.message
