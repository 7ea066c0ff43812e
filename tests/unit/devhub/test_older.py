# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The schemas of older hubs and the upgrades from them lead to the present one."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devhub import older
from tests.devhub.core.schema import INHERENT_CHANNELS, INHERENT_PERMISSIONS
from tests.devhub.loopback import postgres

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
WHERE table_schema = 'public' ORDER BY 1, 2;
SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1;
SELECT name, description FROM permissions ORDER BY 1;
SELECT name FROM channels ORDER BY 1;
"""


class Database:
    """psql, on a server of one's own."""

    def __init__(self, address: dict[str, str]) -> None:
        self.folder = address["DBHost"]
        self.program = max(Path("/usr/lib/postgresql").glob("*/bin/psql"))

    def run(self, database: str, sql: str) -> str:
        words = [str(self.program), "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "koji", "-d", database]
        return subprocess.run(words, input=sql, capture_output=True, text=True, check=True).stdout

    def new(self, name: str, sql: str) -> str:
        self.run("postgres", f'CREATE DATABASE "{name}"')
        self.run(name, sql)
        return name


@pytest.fixture(scope="module")
def database(debian_servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("older")
    for parent in [folder, *folder.parents][:3]:
        parent.chmod(0o755)
    with postgres(folder / "db") as address:
        running = Database(address)
        for _ in range(100):
            try:
                running.run("postgres", "SELECT 1")
            except subprocess.CalledProcessError:
                continue
            break
        yield running


@pytest.mark.parametrize("version", older.VERSIONS[:-1])
def test_an_upgraded_database_is_a_new_one(database: Database, version: str) -> None:
    name = database.new(version, older.schema(version))
    assert (database.run(name, "SELECT to_regclass('scheduler_task_runs')") == "\n") == (version == "1.33")
    assert database.run(name, "SELECT to_regclass('repo_queue')") == "\n"
    for file in older.upgrades(version):
        database.run(name, file.read_text())
    new = database.new(f"new-{version}", older.schema(older.VERSIONS[-1]))
    assert database.run(name, COLUMNS) == database.run(new, COLUMNS)


def test_the_last_upgrade_cannot_be_run_twice(database: Database) -> None:
    name = database.new("twice", older.schema("1.35"))
    with pytest.raises(subprocess.CalledProcessError):
        database.run(name, older.upgrades("1.34")[-1].read_text())


def test_who_writes_past_the_hub_gets_an_event(database: Database) -> None:
    name = database.new("event", older.schema("1.35"))
    database.run(name, "INSERT INTO users (name, status, usertype) VALUES ('x', 0, 0)")
    database.run(name, "INSERT INTO user_perms (user_id, perm_id, creator_id) VALUES (1, 1, 1)")
    assert database.run(name, "SELECT count(*) FROM user_perms JOIN events ON id = create_event") == "1\n"


def test_what_is_there_from_the_start_is_the_same_in_memory() -> None:
    text = older.schema("1.35")
    rows = re.findall(r"^    \('([\w-]+)', '(.*)'\)[,;]$", text, re.MULTILINE)
    found = {name: description.replace("''", "'") for name, description in rows}
    assert found == INHERENT_PERMISSIONS
    [channels] = re.findall(r"INSERT INTO channels \(name\) VALUES (.*);", text)
    assert tuple(re.findall(r"'(\w+)'", channels)) == INHERENT_CHANNELS
