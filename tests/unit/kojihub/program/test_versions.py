# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""An image's version is told by its files; a step is safe beside a hub only if its file shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from roles.koji_hub.files.database.outcome import Refused
from roles.koji_hub.files.database.versions import SchemaFiles, Step, number, statements

from .conftest import SAFE_STEP, image

if TYPE_CHECKING:
    from pathlib import Path


def step(tmp_path: Path, text: str) -> Step:
    file = tmp_path / "step.sql"
    file.write_text(text, "utf-8")
    return Step("1.35", "1.36", file)


@pytest.mark.parametrize(
    "text",
    [
        SAFE_STEP,
        "-- This version introduced no changes in db schema\n",
        "INSERT INTO archivetypes (name, description) VALUES ('wsl', 'For Windows, Linux') ON CONFLICT DO NOTHING;",
    ],
)
def test_rows_in_archivetypes_and_nothing_are_safe(tmp_path: Path, text: str) -> None:
    assert step(tmp_path, text).safe_online


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE sessions ADD COLUMN renew_time TIMESTAMPTZ;",
        "CREATE TABLE locks (name TEXT);",
        "UPDATE archivetypes SET extensions = 'x' WHERE name = 'y';",
        "INSERT INTO archivetypes (name) VALUES ('wsl');",
        "INSERT INTO locks(name) VALUES('scheduler') ON CONFLICT DO NOTHING;",
        "INSERT INTO archivetypes (name) VALUES (pg_sleep(9)) ON CONFLICT DO NOTHING;",
        SAFE_STEP.replace("COMMIT;", "DROP TABLE host;\nCOMMIT;"),
        SAFE_STEP.replace("'squashfs'", "'a -- b'), ('c'); DROP TABLE host; --'"),
    ],
)
def test_anything_else_is_not(tmp_path: Path, text: str) -> None:
    assert not step(tmp_path, text).safe_online


def test_the_files_own_transaction_is_left_out_and_no_block_is() -> None:
    text = "BEGIN WORK;\nDO $$\nBEGIN\n  PERFORM 1;\nEND\n$$;\n  commit;\n"
    assert statements(text).split() == ["DO", "$$", "BEGIN", "PERFORM", "1;", "END", "$$;"]


def test_versions_are_numbers() -> None:
    assert number("1.9") < number("1.10") < number("2.0")


def test_steps_are_in_order_and_begin_at_the_schema(tmp_path: Path) -> None:
    files = image(tmp_path, "1.35")
    for name in ("1.9-1.10", "1.10-1.11"):
        (tmp_path / f"schema-upgrade-{name}.sql").write_text("", "utf-8")
    (tmp_path / "schema-update-cgen.sql").write_text("", "utf-8")
    files = SchemaFiles(tmp_path)
    assert [s.before for s in files.steps] == ["1.9", "1.10", "1.32", "1.33", "1.34"]
    assert files.version == "1.35"
    assert [s.after for s in files.path("1.33")] == ["1.34", "1.35"]
    # 1.27 changed nothing and has no file.
    assert [s.after for s in files.path("1.31")] == ["1.33", "1.34", "1.35"]
    assert files.path("1.35") == []


def test_an_image_whose_last_upgrade_is_missing_is_told_by_its_schema(tmp_path: Path) -> None:
    image(tmp_path, "1.35")
    (tmp_path / "schema-upgrade-1.34-1.35.sql").unlink()
    assert SchemaFiles(tmp_path).version == "1.35"


def test_columns_tell_a_schema_apart_as_well(tmp_path: Path) -> None:
    image(tmp_path, "1.33")
    (tmp_path / "schema-upgrade-1.32-1.33.sql").rename(tmp_path / "schema-upgrade-1.30-1.31.sql")
    assert SchemaFiles(tmp_path).version == "1.33"


def test_an_image_without_schema_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"no schema.sql in {tmp_path}"):
        SchemaFiles.find((str(tmp_path),))
    (tmp_path / "schema.sql").write_text("", "utf-8")
    with pytest.raises(Refused, match=r"no schema-upgrade-A-B\.sql beside it"):
        SchemaFiles.find((str(tmp_path),))


def test_files_are_found_among_the_documentation_too(tmp_path: Path) -> None:
    image(tmp_path / "koji-1.34", "1.34")
    assert SchemaFiles.find(("/nowhere", f"{tmp_path}/koji*")).version == "1.34"
