# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Check the table of fields: tests/fields/<kind>.yaml says of every field of the CRDs which test shows its effect.

    shown_by:
      spec.image: [tests/e2e/test_builder.py::test_image]
    not_implemented:
      The issue's title:
        - spec.vendor

A field is `spec.a.b`, `spec.a[].b` in a list of objects; `spec.a.*` stands for everything below `spec.a` (for maps of
options that one test with parameters shows). A value of a Kubernetes type counts as one field.
"""

from __future__ import annotations

import argparse
import ast
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tools import crds
from tools.generated import ROOT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

TABLES = ROOT / "tests" / "fields"
ISSUES = TABLES / "issues.yaml"
E2E = "tests/e2e/"


@dataclass(frozen=True)
class Table:
    """One kind's table: field -> tests, and issue title -> fields."""

    kind: str
    shown_by: Mapping[str, list[str]]
    not_implemented: Mapping[str, list[str]]

    def entries(self) -> list[str]:
        """All entries, in the order of the file."""
        return [*self.shown_by, *(field for listed in self.not_implemented.values() for field in listed)]


def leaves(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """The fields of an expanded schema: values, lists of values, maps, and values of Kubernetes' types."""
    items = schema.get("items", {})
    if crds.TYPE_MARK in schema or crds.TYPE_MARK in items:
        yield path
    elif "properties" in schema:
        for name, child in schema["properties"].items():
            yield from leaves(child, f"{path}.{name}")
    elif "properties" in items:
        yield from leaves(items, f"{path}[]")
    else:
        yield path


@functools.cache
def fields() -> dict[str, list[str]]:
    """Kind -> its fields."""
    return {
        source["kind"]: [field for part in ("spec", "status") for field in leaves(crds.expand(source[part]), part)]
        for source in crds.sources()
    }


def covers(entry: str, field: str) -> bool:
    """Whether an entry of the table is about the field."""
    return entry == field or (entry.endswith(".*") and field.startswith(entry[:-1]))


def table(kind: str, folder: Path = TABLES) -> Table:
    """The table of a kind, as it is in its file."""
    loaded = yaml.safe_load((folder / f"{kind.lower()}.yaml").read_text(encoding="utf-8")) or {}
    return Table(kind, loaded.get("shown_by") or {}, loaded.get("not_implemented") or {})


def problem_of_test(node_id: str, root: Path = ROOT) -> str | None:
    """What is wrong with the id of a test, or None. Parameters in [] aren't looked at."""
    path, *names = node_id.split("[", 1)[0].split("::")
    if not path.startswith(E2E):
        return f"is not below {E2E}"
    if not (root / path).is_file():
        return f"there is no file {path}"
    if not names:
        return "names no test; wanted is FILE::TEST"
    body: list[ast.stmt] = ast.parse((root / path).read_text(encoding="utf-8")).body
    for name in names:
        found = [
            node
            for node in body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name
        ]
        if not found:
            return f"{path} has no {name}"
        body = found[0].body
    return None if names[-1].startswith("test_") else f"{names[-1]} is no test"


def problems(checked: Table, known: Iterable[str], titles: Collection[str], root: Path = ROOT) -> list[str]:
    """Everything that is wrong with a table, in sentences."""
    where, known = f"tests/fields/{checked.kind.lower()}.yaml", list(known)
    entries = checked.entries()
    found = [
        f"{checked.kind} {field}: is in no list of {where}; add it to `shown_by` with the test that shows its effect, "
        f"or to `not_implemented` under the title of the issue that will implement it"
        for field in known
        if not any(covers(entry, field) for entry in entries)
    ]
    for entry in dict.fromkeys(entries):
        if not any(covers(entry, field) for field in known):
            found.append(f"{checked.kind} {entry}: {where} lists it, but the CRD has no such field")
        if entries.count(entry) > 1:
            found.append(f"{checked.kind} {entry}: {where} lists it twice")
    for field, tests in checked.shown_by.items():
        if not tests:
            found.append(
                f"{checked.kind} {field}: {where} names no test; move it to `not_implemented` until there is one"
            )
        wrong = ((test, problem_of_test(test, root)) for test in tests or [])
        found += [f"{checked.kind} {field}: {test}: {problem}" for test, problem in wrong if problem]
    found += [
        f"{where}: no issue has the title {title!r}; those known are in tests/fields/{ISSUES.name}"
        for title in checked.not_implemented
        if title not in titles
    ]
    return found


def all_problems() -> list[str]:
    """The problems of all tables."""
    titles = yaml.safe_load(ISSUES.read_text(encoding="utf-8"))
    return [problem for kind, known in fields().items() for problem in problems(table(kind), known, titles)]


def main() -> int:
    """Check the tables; `--list` prints the fields instead."""
    parser = argparse.ArgumentParser(prog="python -m tools.fields", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print every field and exit")
    if parser.parse_args().list:
        print("\n".join(f"{kind} {field}" for kind, known in fields().items() for field in known))
        return 0
    found = all_problems()
    for problem in found:
        print(problem)
    for kind in fields():
        for title, listed in table(kind).not_implemented.items():
            print(f"{kind}: {len(listed)} not implemented yet ({title})")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
