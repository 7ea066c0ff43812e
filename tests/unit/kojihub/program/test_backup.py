# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The dump is whole before an upgrade begins, and can be restored; without it there is no upgrade."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from roles.koji_hub.files.database import backup
from roles.koji_hub.files.database.bring import Wish, bring_in_line
from roles.koji_hub.files.database.outcome import Refused
from tests.devhub.older import schema

from .conftest import Server, image, records, rows

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

DATA = """
    INSERT INTO users (name, status, usertype) VALUES (E'tab\\there \\\\ "q"', 0, 0), ('zwölf', 0, 0);
    INSERT INTO task (create_time, channel_id, owner, method, arch, parent)
        SELECT 1.5, 1, u.id, NULL, 'noarch', NULL FROM users u;
    INSERT INTO task (create_time, channel_id, owner, method, arch, parent) VALUES (2, 1, 1, 'build', 'x86_64', 1);
    SELECT 1
"""
TABLES = ("users", "permissions", "user_perms", "events", "task", "channels")


@pytest.fixture
def old(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of 1.34 with something in it."""
    name = server.new()
    with closing(server.connect(name)) as connection:
        bring_in_line(connection, Wish(image(tmp_path / "old", "1.34"), "koji-admin"))
        rows(connection, DATA)
    for variable, value in {"PGHOST": server.host, "PGUSER": "koji", "PGDATABASE": name}.items():
        monkeypatch.setenv(variable, value)
    return name


def contents(connection: Connection) -> dict[str, Any]:
    return {table: sorted(rows(connection, f"SELECT t::text FROM {table} t")) for table in TABLES}  # noqa: S608


def upgraded(server: Server, name: str, tmp_path: Path) -> tuple[dict[str, Any], Path]:
    folder = tmp_path / "backup"
    folder.mkdir()
    with closing(server.connect(name)) as connection:
        before = contents(connection)
        bring_in_line(connection, Wish(image(tmp_path / "new", "1.35"), "koji-admin", online=False, backup=folder))
        assert records(connection)[-1] == "1.35"
    [file] = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.name.startswith(f"{name}-1.34-")
    return before, file


def test_a_dump_by_pg_dump_restores_the_database_of_before(server: Server, old: str, tmp_path: Path) -> None:
    before, file = upgraded(server, old, tmp_path)
    restored = server.new()
    subprocess.run(["pg_restore", "--exit-on-error", "-d", restored, str(file)], check=True)
    with closing(server.connect(restored)) as connection:
        assert contents(connection) == before
        assert records(connection) == ["1.34"]


def test_without_pg_dump_the_data_goes_over_that_versions_schema(
    server: Server, old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    before, file = upgraded(server, old, tmp_path)
    restored = server.new()
    for text in (schema("1.34"), gzip.decompress(file.read_bytes()).decode()):
        subprocess.run(
            ["psql", "-qX", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", restored], input=text.encode(), check=True
        )
    with closing(server.connect(restored)) as connection:
        assert contents(connection) == before
        # Numbers go on where they were.
        [(last,)] = rows(connection, "SELECT max(id) FROM users")
        assert rows(connection, "SELECT nextval('users_id_seq')") == [(last + 1,)]


def test_a_pg_dump_that_is_older_than_the_server_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.5 (Debian 15.5-0+deb12u1)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert backup._pg_dump_fits(15)
    assert not backup._pg_dump_fits(16)


@pytest.mark.parametrize("pg_dump", [True, False])
def test_no_upgrade_begins_without_the_dump(
    server: Server, old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pg_dump: bool
) -> None:
    if not pg_dump:
        monkeypatch.setattr(shutil, "which", lambda name: None)
    wish = Wish(image(tmp_path / "new", "1.35"), "koji-admin", online=False, backup=tmp_path / "missing")
    with closing(server.connect(old)) as connection:
        with pytest.raises(Refused, match="no upgrade without a dump, and that failed: No such file or directory"):
            bring_in_line(connection, wish)
        assert records(connection) == ["1.34"]


def test_what_needs_no_upgrade_gets_no_dump(database: Connection, tmp_path: Path) -> None:
    wish = Wish(image(tmp_path / "image", "1.35"), "koji-admin", backup=tmp_path / "missing")
    for _ in range(2):
        assert bring_in_line(database, wish).outcome == "succeeded"
