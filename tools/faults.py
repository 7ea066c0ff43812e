# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Check the table of faults: each line of docs/faults.md has one test that causes it, and each such test has a line.

A line is `| `id` | fault | what happens | what a person sees |`; its test in tests/e2e/faults/ has the decorator
`@pytest.mark.fault("id")`, or a parameter with that mark. No such test may be skipped, or fail as expected.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.generated import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCUMENT = "docs/faults.md"
TESTS = "tests/e2e/faults"
LINE = re.compile(r"^\|\s*`([^`]*)`\s*\|(.*)\|\s*$")
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
COLUMNS = 3  # beside the id
# Whatever of pytest's could keep a test from running.
EVASIONS = frozenset({"skip", "skipif", "xfail", "importorskip", "exit"})


@dataclass(frozen=True)
class Mark:
    """A mark in a test: the fault's id, or None if it is no text, and the test's place."""

    fault: str | None
    where: str


def lines(text: str) -> Iterator[tuple[str, list[str]]]:
    """The table's lines: id, other cells."""
    for line in text.splitlines():
        found = LINE.match(line)
        if found:
            yield found[1], [cell.strip() for cell in found[2].split("|")]


def problems_of_document(text: str) -> list[str]:
    """What is wrong with the table itself."""
    found = []
    ids = [fault for fault, _ in lines(text)]
    if not ids:
        return [f"{DOCUMENT}: has no line"]
    for fault, cells in lines(text):
        if not ID.fullmatch(fault):
            found.append(f"{DOCUMENT}: {fault}: an id has lower case letters, digits and dashes only")
        if len(cells) != COLUMNS or not all(cells):
            found.append(f"{DOCUMENT}: {fault}: wanted are the fault, what happens, what a person sees")
    found += [f"{DOCUMENT}: {fault}: has two lines" for fault in sorted({f for f in ids if ids.count(f) > 1})]
    return found


def _is_fault(node: ast.AST) -> bool:
    """Whether it is `pytest.mark.fault` or `mark.fault`."""
    return isinstance(node, ast.Attribute) and node.attr == "fault" and ast.unparse(node.value).endswith("mark")


def _marks(function: ast.FunctionDef | ast.AsyncFunctionDef, where: str) -> Iterator[Mark]:
    for decorator in function.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and _is_fault(node.func):
                first = node.args[0] if len(node.args) == 1 and not node.keywords else None
                text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
                yield Mark(text, where)


def read(path: Path, name: str) -> tuple[list[Mark], list[str]]:
    """The marks of a test file, and what is wrong with it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    marks: list[Mark] = []
    found: list[str] = []
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    found += [
        f"{name}:{one.lineno}: pytest's {one.attr}: a fault test always runs"
        for one in attributes
        if one.attr in EVASIONS and ast.unparse(one.value).split(".")[0] == "pytest"
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "pytest":
            found.append(f"{name}:{node.lineno}: write `import pytest`: this check looks for what is used of it")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            own = list(_marks(node, f"{name}::{node.name}"))
            marks += own
            if not own:
                found.append(f"{name}::{node.name}: has no @pytest.mark.fault")
    if sum(map(_is_fault, attributes)) > len(marks):
        found.append(f"{name}: a mark `fault` stands in no decorator of a test, so nobody knows what it is about")
    return marks, found


def problems(root: Path = ROOT) -> list[str]:
    """Everything that is wrong, in sentences."""
    text = (root / DOCUMENT).read_text(encoding="utf-8")
    known = [fault for fault, _ in lines(text)]
    found, marks = problems_of_document(text), []
    for path in sorted((root / TESTS).rglob("test_*.py")):
        own, wrong = read(path, path.relative_to(root).as_posix())
        marks += own
        found += wrong
    found += [f"{mark.where}: the mark wants one text, an id of {DOCUMENT}" for mark in marks if mark.fault is None]
    places: dict[str, list[str]] = {}
    for mark in marks:
        if mark.fault is not None:
            places.setdefault(mark.fault, []).append(mark.where)
    found += [f"{DOCUMENT}: {fault}: no test in {TESTS} has its mark" for fault in known if fault not in places]
    for fault, where in places.items():
        if fault not in known:
            found.append(f"{where[0]}: {DOCUMENT} has no line {fault}")
        if len(where) > 1:
            found.append(f"{fault}: two tests have its mark: {', '.join(where)}")
    return found


def main() -> int:
    """Check the table."""
    found = problems()
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
