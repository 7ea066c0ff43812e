# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The table of fields: complete for every CRD, and its checker notices what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import fields
from tools.fields import Table

from .schemas import KINDS

if TYPE_CHECKING:
    from pathlib import Path

TITLES = ["An issue"]


def test_every_field_has_a_test_or_an_issue() -> None:
    assert fields.all_problems() == []


def test_every_kind_has_fields_and_a_table() -> None:
    assert sorted(fields.fields()) == KINDS
    assert {path.stem for path in fields.TABLES.glob("koji*.yaml")} == {kind.lower() for kind in KINDS}


def test_kubernetes_types_are_entered_at_their_root_only() -> None:
    builder = fields.fields()["KojiBuilder"]
    assert {"spec.affinity", "spec.tolerations", "spec.overrides[].env", "status.conditions"} <= set(builder)
    assert not [field for field in builder if field.startswith(("spec.affinity.", "status.conditions["))]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "tests" / "e2e"
    folder.mkdir(parents=True)
    (folder / "test_a.py").write_text(
        "def helper(): ...\ndef test_it(): ...\nclass TestB:\n    async def test_in_it(self): ...\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    "node_id",
    ["tests/e2e/test_a.py::test_it", "tests/e2e/test_a.py::test_it[x::y]", "tests/e2e/test_a.py::TestB::test_in_it"],
)
def test_a_test_that_exists(root: Path, node_id: str) -> None:
    assert fields.problem_of_test(node_id, root) is None


@pytest.mark.parametrize(
    ("node_id", "problem"),
    [
        ("tests/unit/test_a.py::test_it", "is not below tests/e2e/"),
        ("tests/e2e/test_b.py::test_it", "there is no file tests/e2e/test_b.py"),
        ("tests/e2e/test_a.py", "names no test; wanted is FILE::TEST"),
        ("tests/e2e/test_a.py::test_other", "tests/e2e/test_a.py has no test_other"),
        ("tests/e2e/test_a.py::test_in_it", "tests/e2e/test_a.py has no test_in_it"),
        ("tests/e2e/test_a.py::helper", "helper is no test"),
        ("tests/e2e/test_a.py::TestB", "TestB is no test"),
    ],
)
def test_a_test_that_does_not_exist(root: Path, node_id: str, problem: str) -> None:
    assert fields.problem_of_test(node_id, root) == problem


def test_a_complete_table_has_no_problems(root: Path) -> None:
    table = Table("KojiHub", {"spec.a": ["tests/e2e/test_a.py::test_it"]}, {"An issue": ["spec.options.*"]})
    assert fields.problems(table, ["spec.a", "spec.options.X", "spec.options.Y"], TITLES, root) == []


def test_a_field_in_no_list_is_named_with_what_to_do(root: Path) -> None:
    (problem,) = fields.problems(Table("KojiHub", {}, {}), ["spec.a"], TITLES, root)
    assert problem == (
        "KojiHub spec.a: is in no list of tests/fields/kojihub.yaml; add it to `shown_by` with the test that shows its "
        "effect, or to `not_implemented` under the title of the issue that will implement it"
    )


FILE, IT = "tests/fields/kojihub.yaml", "tests/e2e/test_a.py::test_it"


@pytest.mark.parametrize(
    ("shown_by", "not_implemented", "problem"),
    [
        ({}, {"An issue": ["spec.a", "spec.b"]}, f"KojiHub spec.b: {FILE} lists it, but the CRD has no such field"),
        ({}, {"An issue": ["spec.a", "spec.b.*"]}, f"KojiHub spec.b.*: {FILE} lists it, but the CRD has no such field"),
        ({}, {"An issue": ["spec.a", "spec.a"]}, f"KojiHub spec.a: {FILE} lists it twice"),
        ({"spec.a": [IT]}, {"An issue": ["spec.a"]}, f"KojiHub spec.a: {FILE} lists it twice"),
        (
            {"spec.a": []},
            {},
            f"KojiHub spec.a: {FILE} names no test; move it to `not_implemented` until there is one",
        ),
        (
            {"spec.a": ["tests/e2e/test_a.py::test_x"]},
            {},
            "KojiHub spec.a: tests/e2e/test_a.py::test_x: tests/e2e/test_a.py has no test_x",
        ),
        (
            {},
            {"Another": ["spec.a"]},
            f"{FILE}: no issue has the title 'Another'; those known are in tests/fields/issues.yaml",
        ),
    ],
)
def test_what_is_wrong_in_a_table_is_said(
    root: Path, shown_by: dict[str, list[str]], not_implemented: dict[str, list[str]], problem: str
) -> None:
    assert fields.problems(Table("KojiHub", shown_by, not_implemented), ["spec.a"], TITLES, root) == [problem]
