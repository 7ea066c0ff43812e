# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What became of the tasks, from the history of each that the hub's database has written down."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ENDED = ("CLOSED", "FAILED", "CANCELED")


@dataclass(frozen=True)
class Tally:
    """The figures of a soak. `attempts`: how often tasks were opened; `seconds`: from the first task to the end."""

    tasks: int
    attempts: int
    lost: int
    double_closed: int
    left_over: int
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether nothing went wrong."""
        return self.lost == self.double_closed == self.left_over == 0

    def write(self, path: Path) -> None:
        """Write soak.json."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")


def lost(histories: Mapping[int, Sequence[str]], meant: Mapping[int, str], canceled: set[int]) -> dict[int, str]:
    """Tasks that have not ended, or otherwise than they were meant to: task id -> its history.

    meant: the end of each task that was made; children of such tasks may end in any way. canceled: tasks that a person
    has cancelled, maybe after their end.
    """
    wrong = {}
    for task, history in histories.items():
        end = history[-1] if history else ""
        good = end in ENDED and (end == meant.get(task, end) or (end == "CANCELED" and task in canceled))
        if not good:
            wrong[task] = " ".join(history)
    wrong.update(dict.fromkeys(meant.keys() - histories.keys(), "never made"))
    return wrong


def ended_twice(histories: Mapping[int, Sequence[str]]) -> dict[int, str]:
    """Tasks with something after their end: task id -> its history."""
    found = {}
    for task, history in histories.items():
        first = next((index for index, state in enumerate(history) if state in ENDED), len(history))
        if len(history) > first + 1:
            found[task] = " ".join(history)
    return found


def attempts(histories: Mapping[int, Sequence[str]]) -> int:
    """How often tasks were opened."""
    return sum(list(history).count("OPEN") for history in histories.values())
