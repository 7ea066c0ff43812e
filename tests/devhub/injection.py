# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Faults that tests ask for: slow, down, error, another answer, a dropped connection; for some calls, users, times.

A rule is a map: kind (slow, down, error, http, drop), method (a glob, default *; calls inside a multicall count),
user (a name, default anyone), times (default: until cleared), skip (let so many go first), seconds (slow),
code and message (error; http: a web page's status and text), when ("before" the call, the default, or "after" it)."""

import fcntl
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

KINDS = ("slow", "down", "error", "http", "drop")


@dataclass
class Rule:
    """One fault; `hits` counts how often it struck."""

    kind: str
    method: str = "*"
    user: str | None = None
    times: int | None = None
    skip: int = 0
    seconds: float = 1.0
    code: int = 1000
    message: str = "injected"
    when: str = "before"
    hits: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.when not in {"before", "after"}:
            raise ValueError(f"unknown fault: kind {self.kind}, when {self.when}")

    def strikes(self, methods: Iterable[str], user: str | None) -> bool:
        """Tell whether it is this call's turn, and count."""
        if self.user not in {None, user} or not any(fnmatchcase(method, self.method) for method in methods):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True


def rule_of(given: dict[str, Any]) -> Rule:
    """Read a rule. Raises ValueError for fields that there aren't."""
    unknown = set(given) - {one.name for one in fields(Rule)}
    if unknown:
        raise ValueError(f"unknown fields of a fault: {', '.join(sorted(unknown))}")
    return Rule(**given)


class Injection:
    """The rules in force. With a file, every process of the server shares them."""

    def __init__(self, file: Path | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self.file = file
        self.sleep = sleep
        self._rules: list[Rule] = []
        self._turn = threading.Lock()

    @contextmanager
    def _shared(self) -> Iterator[list[Rule]]:
        """Give the rules to be looked at and changed, to one at a time."""
        with self._turn:
            if self.file is None:
                yield self._rules
                return
            with self.file.open("a+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                rules = [Rule(**one) for one in json.loads(file.read() or "[]")]
                yield rules
                file.seek(0)
                file.truncate()
                json.dump([asdict(rule) for rule in rules], file)

    def add(self, *given: dict[str, Any]) -> None:
        """Add rules. Raises ValueError."""
        new = [rule_of(one) for one in given]
        with self._shared() as rules:
            rules.extend(new)

    def clear(self) -> None:
        """Take all rules back."""
        if self.file is None or self.file.exists():
            with self._shared() as rules:
                rules.clear()

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules with what they struck."""
        if self.file is not None and not self.file.exists():
            return []
        with self._shared() as rules:
            return [asdict(rule) for rule in rules]

    def take(self, methods: Iterable[str], user: str | None) -> list[Rule]:
        """Return the rules that strike this call, each counted."""
        # A hub that nobody has told anything to looks no further.
        if not self._rules and (self.file is None or not self.file.exists()):
            return []
        methods = list(methods)
        with self._shared() as rules:
            return [rule for rule in rules if rule.strikes(methods, user)]
