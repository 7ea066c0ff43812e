# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The hub's policy language, as far as the policies `channel` and `priority` use it.

A line is `test args && test args :: action`, or `!!` for "if not"; an action `{` opens lines up to `}`."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .faults import GenericError

Data = dict[str, Any]
Test = Callable[[Data, list[str]], bool]


def _match(value: Any, patterns: list[str]) -> bool:
    return value is not None and any(fnmatchcase(str(value), pattern) for pattern in patterns)


# What a test looks at is in the data under these names; `permissions` and `groups` are the owner's.
TESTS: dict[str, Test] = {
    "all": lambda data, args: True,
    "true": lambda data, args: True,
    "none": lambda data, args: False,
    "false": lambda data, args: False,
    "has": lambda data, args: args[0] in data,
    "bool": lambda data, args: bool(data.get(args[0])),
    "match": lambda data, args: _match(data.get(args[0]), args[1:]),
    "is_child_task": lambda data, args: bool(data.get("parent")),
    "method": lambda data, args: _match(data.get("method"), args),
    "user": lambda data, args: _match(data.get("user_name"), args),
    "has_perm": lambda data, args: any(_match(name, args) for name in data.get("permissions", ())),
    "user_in_group": lambda data, args: any(_match(name, args) for name in data.get("groups", ())),
}


@dataclass
class Rule:
    """If every test holds (or not, with negate) the action counts: a text, or the rules inside braces."""

    tests: list[tuple[Test, list[str]]]
    negate: bool
    action: "str | list[Rule]"


def parse(text: str) -> list[Rule]:
    """Read a policy. Raises GenericError for an unknown test or braces that don't match."""
    rules: list[Rule] = []
    outer: list[list[Rule]] = []
    for line in (raw.split("#", 1)[0].strip() for raw in text.splitlines()):
        if not line:
            continue
        if line == "}":
            if not outer:
                raise GenericError("nesting error in rule set")
            rules = outer.pop()
            continue
        sign = "::" if "::" in line else "!!"
        head, found, action = line.rpartition(sign)
        if not found:
            raise GenericError(f"bad policy line: {line}")
        rule = Rule([_test(part) for part in head.split("&&")], sign == "!!", action.strip())
        rules.append(rule)
        if rule.action == "{":
            rule.action = []
            outer.append(rules)
            rules = rule.action
    if outer:
        raise GenericError("nesting error in rule set")
    return rules


def _test(text: str) -> tuple[Test, list[str]]:
    name, *args = text.split()
    if name not in TESTS:
        raise GenericError(f"Undefined policy test: {name}")
    return TESTS[name], args


def decide(rules: list[Rule], data: Data) -> str | None:
    """Return the action of the first rule that fits, or None."""
    for rule in rules:
        if all(test(data, args) for test, args in rule.tests) == rule.negate:
            continue
        action = rule.action if isinstance(rule.action, str) else decide(rule.action, data)
        if action is not None:
            return action
    return None
