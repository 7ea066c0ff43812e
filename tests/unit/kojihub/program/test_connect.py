# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What keeps the program from the database is named in the Secret's own words, and never with the password."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import pytest

from roles.koji_hub.files.database import __main__ as program
from roles.koji_hub.files.database import connect
from roles.koji_hub.files.database.outcome import Refused
from roles.koji_hub.files.database.versions import SchemaFiles
from tests.devhub.loopback import free_port

from .conftest import PASSWORD, Server, image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def guarded(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of a Job for a new database, as a Secret made with echo gives it."""
    name = server.new()
    values = {
        "PGHOST": f"{server.host}\n",
        "PGDATABASE": f" {name}\n",
        "PGUSER": "guarded\n",
        "PGPASSWORD": f"{PASSWORD}\n",
    }
    for variable, value in {**values, "PGSSLMODE": "", "PGPORT": "", "KOJI_POSTGRES_SECRET": "postgres"}.items():
        monkeypatch.setenv(variable, value)
    server.execute(f'ALTER DATABASE "{name}" OWNER TO guarded')
    return name


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *more: str
) -> dict[str, str]:
    """Run the program to its end. -> its last word"""
    monkeypatch.setattr(sys, "argv", ["database", "--online", "--admin=koji-admin", *more])
    monkeypatch.setattr(SchemaFiles, "find", lambda: image(tmp_path / "image", "1.35"))
    monkeypatch.setattr(connect, "PATIENCE", 0)
    monkeypatch.setattr(program, "TERMINATION_MESSAGE", tmp_path / "termination")
    (tmp_path / "termination").touch()
    code = program.main()
    said = capsys.readouterr()
    assert PASSWORD not in said.out + said.err
    last: dict[str, str] = json.loads((tmp_path / "termination").read_text())
    assert json.loads(said.out) == last
    assert code == {"succeeded": 0, "failed": 1}[last["outcome"]]
    return last


def test_blanks_around_the_secrets_values_do_no_harm(
    guarded: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = run(capsys, monkeypatch, tmp_path)
    assert said["schema_version"] == "1.35", said


def test_a_wrong_password_is_named(
    guarded: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PGPASSWORD", f"not-{PASSWORD}")
    said = run(capsys, monkeypatch, tmp_path)
    assert said["reason"] == "WrongDatabasePassword"
    assert (
        "does not accept user 'guarded' with this password: mend POSTGRES_USER or POSTGRES_PASSWORD" in said["message"]
    )
    assert said["message"].endswith("(Secret 'postgres')")


def test_a_missing_database_is_named(
    guarded: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PGDATABASE", "kojj")
    said = run(capsys, monkeypatch, tmp_path)
    assert said["reason"] == "DatabaseMissing"
    assert "has no database 'kojj': create it, owned by 'guarded', or mend POSTGRES_DB" in said["message"]


def test_an_unreachable_server_is_named(
    guarded: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = free_port()
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(port))
    said = run(capsys, monkeypatch, tmp_path)
    assert said["reason"] == "DatabaseUnreachable"
    assert f"PostgreSQL at 127.0.0.1:{port} can't be reached (Connection refused)" in said["message"]


def test_a_missing_user_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {"PGHOST": server.host, "PGDATABASE": "postgres", "PGUSER": "nobody"}.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(Refused, match="has no user 'nobody' who may log in") as refused:
        connect.connect(0)
    assert refused.value.reason == "DatabaseUserMissing"


def test_a_server_that_comes_up_is_waited_for(guarded: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    connect.tidy_environment()
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(free_port()))

    def comes_up(seconds: float) -> None:
        monkeypatch.setenv("PGHOST", server.host)
        monkeypatch.delenv("PGPORT")

    monkeypatch.setattr(time, "sleep", comes_up)
    connect.connect(5).close()


@pytest.mark.parametrize(
    ("text", "reason", "part"),
    [
        (
            'could not translate host name "db" to address: Name or service not known',
            "DatabaseUnreachable",
            "not known",
        ),
        (
            'connection to server at "db" (10.0.0.1), port 5432 failed: Connection timed out\n\tIs the server running?',
            "DatabaseUnreachable",
            "(Connection timed out)",
        ),
        (
            'connection to server at "db" (10.0.0.1), port 54 failed: FATAL:  no pg_hba.conf entry for host "1.2.3.4"',
            "DatabaseAccessDenied",
            '(no pg_hba.conf entry for host "1.2.3.4")',
        ),
        ('server certificate for "a" does not match host name "b"', "DatabaseTlsFailed", "POSTGRES_SSLMODE or ca.crt"),
        ("server does not support SSL, but SSL was required", "DatabaseTlsFailed", "no TLS with"),
        ("FATAL:  the database system is starting up", "DatabaseNotReady", "(the database system is starting up)"),
        ("FATAL:  sorry, too many clients already", "DatabaseNotReady", "too many clients"),
        ("", "DatabaseUnreachable", "can't be reached"),
    ],
)
def test_what_else_libpq_says_is_told_apart(text: str, reason: str, part: str) -> None:
    refused = connect.explain(text)
    assert refused.reason == reason
    assert part in refused.message
