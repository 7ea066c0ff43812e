# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Both storages are described alike, and the one in memory keeps the schema's promises."""

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.devhub.core.memory import MemoryStorage, in_order
from tests.devhub.core.schema import REQUIRED, TABLES
from tests.devhub.core.storage import Cond, ConstraintError, eq
from tests.devhub.postgres import SCHEMA, order_by, where

SQL_TYPES = {"INTEGER": int, "SERIAL": int, "TEXT": str, "VARCHAR": str, "DOUBLE": float, "BOOLEAN": bool}


def test_schema_sql_has_the_same_tables_and_columns() -> None:
    found: dict[str, dict[str, Any]] = {}
    for table, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\);", SCHEMA.read_text(), re.DOTALL):
        lines = [line.strip() for line in body.splitlines() if line.startswith("    ")]
        columns = [line for line in lines if not line.startswith(("CHECK", "UNIQUE"))]
        found[table] = {
            line.split()[0]: (
                SQL_TYPES[re.split(r"[ (,]", line.split(None, 1)[1])[0]],
                "NOT NULL" not in line and "SERIAL" not in line,
                (re.search(r"REFERENCES (\w+)", line) or ["", ""])[1],
            )
            for line in columns
        }
    described = {
        name: {key: (column.kind, column.null, column.ref) for key, column in table.columns.items()}
        for name, table in TABLES.items()
    }
    assert set(found) - set(described) == {"archivetypes"}  # by which a schema's version can be told
    assert {name: found.get(name) for name in described} == described


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("users", {"name": "x", "status": 0}),
        ("users", {"name": None, "status": 0, "usertype": 0}),
        ("users", {"name": 5, "status": 0, "usertype": 0}),
        ("users", {"name": "x", "status": True, "usertype": 0}),
        ("users", {"name": "x" * 256, "status": 0, "usertype": 0}),
        ("channels", {"name": "default"}),
        ("host", {"user_id": 77, "name": "x"}),
    ],
)
def test_rows_that_the_schema_forbids(table: str, row: dict[str, Any]) -> None:
    storage = MemoryStorage()
    tx = storage.begin()
    before = {name: len(rows) for name, rows in storage.rows.items()}
    with pytest.raises(ConstraintError):
        tx.insert(table, row)
    tx.close()
    assert {name: len(rows) for name, rows in storage.rows.items()} == before


@given(st.lists(st.tuples(st.sampled_from("iud"), st.integers(0, 3)), max_size=20), st.integers(0, 20))
def test_rollback_and_savepoints_undo_exactly(steps: list[tuple[str, int]], cut: int) -> None:
    storage = MemoryStorage()
    tx = storage.begin()

    def snapshot() -> list[dict[str, Any]]:
        return tx.select("channels", order="id")

    def do(step: tuple[str, int]) -> None:
        kind, number = step
        name = f"c{number}"
        if kind == "i" and not tx.select("channels", eq(name=name)):
            tx.insert("channels", {"name": name})
        elif kind == "u":
            tx.update("channels", {"comment": f"n{number}"}, [Cond("id", ">", number)])
        elif kind == "d":
            tx.delete("channels", eq(name=name))

    start = snapshot()
    for step in steps[:cut]:
        do(step)
    middle = snapshot()
    with suppress(ZeroDivisionError), tx.savepoint():
        for step in steps[cut:]:
            do(step)
        raise ZeroDivisionError
    assert snapshot() == middle
    tx.rollback()
    assert snapshot() == start
    tx.close()


def test_null_is_the_greatest() -> None:
    rows: list[dict[str, Any]] = [{"a": None, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 3}]
    assert [row["b"] for row in in_order(rows, "a")] == [2, 3, 1]
    assert [row["b"] for row in in_order(rows, "-a,b")] == [1, 3, 2]


def test_every_default_fits_its_column() -> None:
    for table in TABLES.values():
        for column in table.columns.values():
            if column.default not in {REQUIRED, None}:
                assert isinstance(column.default, column.kind)


def test_conditions_as_sql() -> None:
    conds = [Cond("a", "=", None), Cond("b", "!=", None), Cond("c", "in", [1, 2]), Cond("d", "<=", 3.5)]
    assert where(conds) == (' WHERE "a" IS NULL AND "b" IS NOT NULL AND "c" = ANY (%s) AND "d" <= %s', [[1, 2], 3.5])
    assert order_by("priority,-id") == ' ORDER BY "priority", "id" DESC'
