# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a hub answered: brought into a form that is the same on every hub, kept, compared.

A record is one JSON file a hub version, `recorded/<version>.json`:
``{"hub": "1.35.3", "tests": {"test_users.py::test_...": [{"call": "admin: getUser", "answer": ...}, ...]}}``.
A call that was refused has ``"fault"`` (the XML-RPC fault code) and ``"raises"`` (the class the koji library
makes of it) instead of ``"answer"``. Messages are not part of the contract.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "recorded"
JOIN = ",\n"

# Methods whose answer consists of ids alone.
ANSWERS_IDS = {
    "addChannel",
    "addHost",
    "addUserKrbPrincipal",
    "createTag",
    "createUser",
    "host.getID",
    "host.repoInit",
    "host.subtask",
    "host.subtask2",
    "host.taskWait",
    "makeTask",
    "removeUserKrbPrincipal",
    "resubmitTask",
    "tagFirstChangeEvent",
    "tagLastChangeEvent",
}
# Methods whose answer is a time.
ANSWERS_TIMES = {"getLastHostUpdate"}
ID_KEYS = {"id", "owner", "parent", "master", "session-id", "channels"}
TIME_TEXT = re.compile(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:?\d\d)?$")


@dataclass
class Names:
    """Texts that differ from run to run, and what stands for them in a record."""

    replace: dict[str, str] = field(default_factory=dict)

    def plain(self, text: str) -> str:
        """The text with every name of this run replaced, the longest first."""
        for name in sorted(self.replace, key=len, reverse=True):
            text = text.replace(name, self.replace[name])
        return text


def normalise(value: Any, names: Names, key: str = "", ids: bool = False) -> Any:
    """`value` without what differs between two hubs or two runs: ids, times, keys, names. Types stay visible."""
    plain: Any = value
    if isinstance(value, dict):
        plain = {str(k): normalise(v, names, str(k), ids) for k, v in sorted(value.items())}
    elif isinstance(value, (list, tuple)):
        plain = [normalise(v, names, key, ids) for v in value]
    elif isinstance(value, str):
        plain = _plain_text(value, names, key)
    elif isinstance(value, float) and (key == "ts" or key.endswith(("_ts", "mtime"))):
        plain = "<time>"
    elif type(value) is int and (ids or key in ID_KEYS or key.endswith(("_id", "_event"))):
        plain = "<id>"
    return plain


def without_numbers(value: Any) -> Any:
    """The same on a hub that does not look at the numbers of calls: it tells None."""
    if isinstance(value, dict):
        return {k: None if k == "callnum" else without_numbers(v) for k, v in value.items()}
    return [without_numbers(v) for v in value] if isinstance(value, list) else value


def _plain_text(text: str, names: Names, key: str) -> str:
    if key == "session-key":
        return "<key>"
    if key == "hostip":
        return "<address>"
    if TIME_TEXT.match(text):
        return "<time text>"
    return names.plain(text)


def same(left: Any, right: Any) -> bool:
    """Equal in value and in type: 1, 1.0 and True are three answers."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)


class Record:
    """The record of one hub version."""

    def __init__(self, version: str, tests: dict[str, list[dict[str, Any]]] | None = None) -> None:
        self.version = version
        self.tests = tests if tests is not None else {}

    @classmethod
    def load(cls, version: str) -> Record:
        """The record of this version; of the newest recorded one if there is none."""
        known = sorted(RECORDED.glob("*.json"), key=lambda path: _version_key(path.stem))
        path = RECORDED / f"{version}.json"
        if not path.exists():
            if not known:
                return cls(version)
            path = known[-1]
        data = json.loads(path.read_text(encoding="utf-8"))
        return cls(data["hub"], data["tests"])

    def save(self) -> None:
        """Write the record, one call a line, so that a change reads well in a diff."""
        tests = []
        for name in sorted(self.tests):
            calls = JOIN.join(f"      {json.dumps(call, sort_keys=True)}" for call in self.tests[name])
            tests.append(f"    {json.dumps(name)}: [\n{calls}\n    ]" if calls else f"    {json.dumps(name)}: []")
        text = f'{{\n  "hub": {json.dumps(self.version)},\n  "tests": {{\n{JOIN.join(tests)}\n  }}\n}}\n'
        (RECORDED / f"{self.version}.json").write_text(text, encoding="utf-8")


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


class Recorder:
    """The calls of one test, in order, beside what was recorded of them, on a hub that numbers calls or does not."""

    def __init__(
        self, names: Names, expected: list[dict[str, Any]] | None, version: str, *, numbered: bool = True
    ) -> None:
        self.names = names
        self.expected = expected if numbered or expected is None else without_numbers(expected)
        self.version = version
        self.calls: list[dict[str, Any]] = []

    def answered(self, who: str, method: str, answer: Any) -> None:
        """Note an answer."""
        key = "ts" if method in ANSWERS_TIMES else ""
        value = normalise(answer, self.names, key, ids=method in ANSWERS_IDS)
        self.calls.append({"call": f"{who}: {method}", "answer": json.loads(json.dumps(value))})

    def refused(self, who: str, method: str, error: Exception) -> None:
        """Note a fault or another error that the client raised."""
        code = getattr(error, "faultCode", None)
        self.calls.append({"call": f"{who}: {method}", "fault": code, "raises": type(error).__name__})

    def differences(self) -> list[str]:
        """What differs from the record, one text a call."""
        if self.expected is None:
            return [f"not in the record of {self.version}: run with --record on a real hub"]
        found = []
        for number, (was, now) in enumerate(zip(self.expected, self.calls, strict=False), 1):
            if not same(was, now):
                found.append(f"call {number}, {now['call']}:\n  recorded {_told(was)}\n  came     {_told(now)}")
        if len(self.expected) != len(self.calls):
            found.append(f"recorded {len(self.expected)} calls, came {len(self.calls)}")
        return found


def _told(call: dict[str, Any]) -> str:
    return json.dumps(call, sort_keys=True)
