# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The schema is loaded, upgraded, left alone or refused; each step is in it altogether or not at all."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import pytest

from roles.koji_hub.files.database.bring import Wish, bring_in_line
from roles.koji_hub.files.database.outcome import Outcome, Refused

from .conftest import Server, image, message, records, rows

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

ADMIN = "koji-admin"
GRANTED = """
    SELECT u.name, u.status, u.usertype, p.name, up.creator_id = u.id
    FROM user_perms up JOIN users u ON u.id = user_id JOIN permissions p ON p.id = perm_id WHERE active
"""


def test_an_empty_database_gets_schema_record_and_admin(database: Connection, tmp_path: Path) -> None:
    outcome = bring_in_line(database, Wish(image(tmp_path, "1.35"), ADMIN, "koji-admin@EXAMPLE.ORG"))
    assert (outcome.outcome, outcome.exit_code, outcome.schema_version) == ("succeeded", 0, "1.35")
    assert records(database) == ["1.35"]
    assert rows(database, GRANTED) == [(ADMIN, 0, 0, "admin", True)]
    assert rows(database, "SELECT krb_principal FROM user_krb_principals") == [("koji-admin@EXAMPLE.ORG",)]


def test_a_second_time_nothing_is_written(database: Connection, tmp_path: Path) -> None:
    wish = Wish(image(tmp_path, "1.35"), ADMIN, "koji-admin@EXAMPLE.ORG")
    bring_in_line(database, wish)
    rows(database, "SELECT pg_stat_force_next_flush()")
    written = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables"
    before = rows(database, written)
    assert message(bring_in_line(database, wish)) == "schema 1.35"
    rows(database, "SELECT pg_stat_force_next_flush()")
    assert rows(database, written) == before


def test_of_two_at_once_one_loads_and_the_other_finds_it_done(server: Server, tmp_path: Path) -> None:
    name, files = server.new(), image(tmp_path, "1.35")
    outcomes: list[Outcome] = []

    def run() -> None:
        with closing(server.connect(name)) as connection:
            outcomes.append(bring_in_line(connection, Wish(files, ADMIN)))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(message(outcome) for outcome in outcomes) == [
        *["schema 1.35"] * 3,
        f"schema 1.35; loaded schema 1.35; made user {ADMIN}; granted admin to {ADMIN}",
    ]


def test_one_that_waits_too_long_for_another_says_so(server: Server, tmp_path: Path) -> None:
    name, files = server.new(), image(tmp_path, "1.35")
    with closing(server.connect(name)) as other, closing(server.connect(name)) as connection:
        rows(other, f"SELECT pg_advisory_lock({int.from_bytes(b'kojidb', 'big')})")
        with pytest.raises(Refused, match="somebody else has been working on this database's schema for 1 seconds"):
            bring_in_line(connection, Wish(files, ADMIN, patience=1))
        assert rows(connection, "SELECT to_regclass('users')") == [(None,)]


def test_an_older_schema_is_refused_beside_a_hub_and_upgraded_without_one(database: Connection, tmp_path: Path) -> None:
    bring_in_line(database, Wish(image(tmp_path / "old", "1.33"), ADMIN))
    files = image(tmp_path / "new", "1.35")
    outcome = bring_in_line(database, Wish(files, ADMIN))
    assert (outcome.outcome, outcome.exit_code, outcome.schema_version) == ("needs_offline", 3, "1.33")
    assert "schema 1.33 -> 1.35: schema-upgrade-1.33-1.34.sql, schema-upgrade-1.34-1.35.sql" in outcome.message
    assert records(database) == ["1.33"]
    offline = bring_in_line(database, Wish(files, ADMIN, online=False))
    assert message(offline) == "schema 1.35; ran schema-upgrade-1.33-1.34.sql; ran schema-upgrade-1.34-1.35.sql"
    assert records(database) == ["1.33", "1.34", "1.35"]
    assert message(bring_in_line(database, Wish(files, ADMIN))) == "schema 1.35"


def test_a_step_that_only_adds_archive_types_runs_beside_a_hub(database: Connection, tmp_path: Path) -> None:
    bring_in_line(database, Wish(image(tmp_path / "old", "1.35"), ADMIN))
    outcome = bring_in_line(database, Wish(image(tmp_path / "new", "1.36"), ADMIN))
    assert message(outcome) == "schema 1.36; ran schema-upgrade-1.35-1.36.sql"


def test_a_schema_that_nobody_recorded_is_recognised(database: Connection, tmp_path: Path) -> None:
    files = image(tmp_path, "1.36")
    for version in ("1.33", "1.34", "1.35", "1.36"):
        rows(database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; SELECT 1")
        bring_in_line(database, Wish(image(tmp_path / version, version), ADMIN))
        rows(database, "DROP TABLE koji_operator_schema; SELECT 1")
        bring_in_line(database, Wish(files, ADMIN, online=False))
        steps = {"1.33": ["1.34", "1.35", "1.36"], "1.34": ["1.35", "1.36"], "1.35": ["1.36"], "1.36": ["1.36"]}
        assert records(database) == steps[version]


def test_an_upgrade_that_somebody_made_by_hand_is_recorded(database: Connection, tmp_path: Path) -> None:
    bring_in_line(database, Wish(image(tmp_path / "old", "1.34"), ADMIN))
    rows(database, "CREATE TABLE repo_queue (id INTEGER); SELECT 1")
    assert message(bring_in_line(database, Wish(image(tmp_path / "new", "1.35"), ADMIN))) == "schema 1.35"
    assert records(database) == ["1.34", "1.35"]


@pytest.mark.parametrize("recorded", [True, False])
def test_a_schema_newer_than_the_image_is_refused(database: Connection, tmp_path: Path, recorded: bool) -> None:
    bring_in_line(database, Wish(image(tmp_path / "new", "1.35"), ADMIN))
    if not recorded:
        rows(database, "DROP TABLE koji_operator_schema; SELECT 1")
    with pytest.raises(
        Refused, match=r"schema is of Koji 1\.35, the image's of 1\.34: use an image of 1\.35"
    ) as refused:
        bring_in_line(database, Wish(image(tmp_path / "old", "1.34"), ADMIN, online=False))
    assert refused.value.reason == "SchemaNewer"


def test_an_archive_type_that_somebody_added_makes_no_schema_newer(database: Connection, tmp_path: Path) -> None:
    files = image(tmp_path, "1.35")
    bring_in_line(database, Wish(files, ADMIN))
    rows(database, "INSERT INTO archivetypes (name) VALUES ('erofs'), ('wsl') RETURNING 1")
    assert message(bring_in_line(database, Wish(files, ADMIN))) == "schema 1.35"


@pytest.mark.parametrize("table", ["wp_posts", "users"])
def test_a_database_of_something_else_is_refused_and_left_alone(
    database: Connection, tmp_path: Path, table: str
) -> None:
    rows(database, f"CREATE TABLE {table} (id INTEGER); SELECT 1")
    with pytest.raises(
        Refused, match=f"holds something else than Koji \\({table}\\): give the hub a database of its own"
    ):
        bring_in_line(database, Wish(image(tmp_path, "1.35"), ADMIN, online=False))
    assert rows(database, "SELECT relname FROM pg_class WHERE relname LIKE 'koji%'") == []


def test_what_an_extension_brought_is_nothing(database: Connection, tmp_path: Path) -> None:
    rows(database, "CREATE EXTENSION pg_stat_statements; SELECT 1")
    assert bring_in_line(database, Wish(image(tmp_path, "1.35"), ADMIN)).outcome == "succeeded"


def test_a_schema_older_than_any_that_is_known_is_refused(database: Connection, tmp_path: Path) -> None:
    tables = ("users", "sessions", "permissions", "user_perms", "events", "task", "channels", "host")
    rows(database, "".join(f"CREATE TABLE {table} (id INTEGER);" for table in tables) + "SELECT 1")
    with pytest.raises(Refused, match=r"is older than 1\.23: upgrade it to that by hand first"):
        bring_in_line(database, Wish(image(tmp_path, "1.35"), ADMIN, online=False))


def test_upgrades_that_begin_later_than_the_schema_are_refused(database: Connection, tmp_path: Path) -> None:
    bring_in_line(database, Wish(image(tmp_path / "old", "1.33"), ADMIN))
    files = image(tmp_path / "new", "1.35")
    for step in ("1.32-1.33", "1.33-1.34"):
        (tmp_path / f"new/schema-upgrade-{step}.sql").unlink()
    with pytest.raises(Refused, match=r"upgrades begin with schema-upgrade-1\.34-1\.35\.sql: upgrade with an image"):
        bring_in_line(database, Wish(type(files)(tmp_path / "new"), ADMIN, online=False))


def test_a_failing_step_is_rolled_back_and_those_before_it_stay(database: Connection, tmp_path: Path) -> None:
    bring_in_line(database, Wish(image(tmp_path / "old", "1.33"), ADMIN))
    files = image(tmp_path / "new", "1.35")
    broken = tmp_path / "new/schema-upgrade-1.34-1.35.sql"
    whole = broken.read_text("utf-8")
    broken.write_text(
        "BEGIN;\nCREATE TABLE repo_queue (id INTEGER);\nALTER TABLE nothing ADD COLUMN x TEXT;\nCOMMIT;\n"
    )
    expected = 'schema-upgrade-1.34-1.35.sql: relation "nothing" does not exist; nothing of it was kept'
    with pytest.raises(Refused, match=expected):
        bring_in_line(database, Wish(files, ADMIN, online=False))
    assert rows(database, "SELECT to_regclass('repo_queue')") == [(None,)]
    assert records(database) == ["1.33", "1.34"]
    broken.write_text(whole, "utf-8")
    assert "ran schema-upgrade-1.34-1.35.sql" in message(bring_in_line(database, Wish(files, ADMIN, online=False)))


def test_a_schema_that_can_not_be_loaded_leaves_the_database_empty(database: Connection, tmp_path: Path) -> None:
    files = image(tmp_path, "1.35")
    files.schema.write_text(
        files.schema.read_text("utf-8").replace("COMMIT WORK;", "SELECT 1/0;\nCOMMIT WORK;"), "utf-8"
    )
    with pytest.raises(Refused, match=r"schema\.sql of 1\.35: division by zero; nothing of it was kept"):
        bring_in_line(database, Wish(files, ADMIN))
    assert rows(database, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []


def test_a_step_that_needs_what_somebody_uses_says_so(server: Server, tmp_path: Path) -> None:
    name = server.new()
    with closing(server.connect(name)) as connection, closing(server.connect(name)) as other:
        bring_in_line(connection, Wish(image(tmp_path / "old", "1.34"), ADMIN))
        step = "ALTER TABLE users ADD COLUMN x TEXT;\nCREATE TABLE repo_queue (id INTEGER);\n"
        files = image(tmp_path / "new", "1.35")
        (tmp_path / "new/schema-upgrade-1.34-1.35.sql").write_text(step, "utf-8")
        other.cursor().execute("SELECT FROM users")
        with pytest.raises(Refused, match="waited too long for a table that somebody uses") as refused:
            bring_in_line(connection, Wish(files, ADMIN, online=False, patience=1))
        assert refused.value.reason == "DatabaseInUse"


def test_a_user_who_may_not_make_tables_is_told_so(server: Server, tmp_path: Path) -> None:
    name = server.new()
    with closing(psycopg2.connect(host=server.host, user="guarded", password="s3cret-of-guarded", dbname=name)) as poor:
        with pytest.raises(Refused, match="permission denied for schema public: let user 'guarded' own") as refused:
            bring_in_line(poor, Wish(image(tmp_path, "1.35"), ADMIN))
        assert refused.value.reason == "DatabasePermissionDenied"
