# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Queries that clients put together themselves: clauses, fields and options, as the hub's QueryView takes them."""

import operator
from collections.abc import Callable, Iterable
from typing import Any

from .convert import apply_query_opts
from .faults import ParameterError
from .storage import Row

SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "IN": lambda has, wanted: has in wanted,
    "IS": operator.is_,
    "IS NOT": operator.is_not,
}
OF_NULL = ("IS", "IS NOT")


def _holds(row: Row, field: str, sign: str, value: Any) -> bool:
    # As in SQL, NULL fulfils nothing but a test for it.
    return (sign in OF_NULL or row[field] is not None) and SIGNS[sign](row[field], value)


def _clauses(clauses: Iterable[Any], known: dict[str, str]) -> list[tuple[str, str, Any]]:
    found = []
    for clause in clauses:
        match clause:
            case [field, value]:
                sign = "IN" if isinstance(value, list | tuple) else "="
            case [field, sign, value]:
                sign = sign.upper()
                if sign not in SIGNS:
                    raise ParameterError(f"Invalid operator: {sign}")
            case _:
                raise ParameterError(f"Invalid clause: {clause}")
        _check(field, known)
        found.append((field, sign, value))
    return found


def _check(field: str, known: dict[str, str]) -> None:
    if field not in known:
        raise ParameterError(f"Invalid field for query {field}")


def view(
    rows: Iterable[Row],
    known: dict[str, str],
    default: tuple[str, ...],
    clauses: Any = None,
    fields: Any = None,
    opts: Row | None = None,
) -> Any:
    """Return those rows, cut to the fields. `known`: each field with the other table that it is of, if it is.

    '*' in `fields` is all that need no other table, '**' is all."""
    wanted = _clauses(clauses or [], known)
    asked = [fields] if isinstance(fields, str) else (fields or default)
    joined = {known[field] for field, _, _ in wanted} - {""}
    names: list[str] = []
    for name in asked:
        if name == "**":
            names += known
        elif name == "*":
            names += [field for field, other in known.items() if not other or other in joined]
        else:
            _check(name, known)
            names.append(name)
    found = [row for row in rows if all(_holds(row, *clause) for clause in wanted)]
    ordered = apply_query_opts(found, opts, tuple(known))
    return [{name: row[name] for name in names} for row in ordered] if isinstance(ordered, list) else ordered
