# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a builder's scheduler remembers from run to run; kept in the Secret `<fullname>-session`, key state.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

KEEP_ATTEMPTS = 7 * 86400.0  # seconds; a task freed here may have gone to another host for good
MAX_ATTEMPTS_KEPT = 1000  # a Secret holds 1 MiB
STORY = 300  # characters kept of how an attempt ended
STEPS = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)  # seconds


@dataclass(frozen=True)
class Attempts:
    """One task's attempts: the highest number that has ended, how many of them count, when that was, and how the last
    that counts ended.
    """

    last: int
    counted: int
    time: float
    story: str = ""


@dataclass(frozen=True)
class Backoff:
    """No new pods until `until` (epoch); `step` indexes STEPS and stays until a pod has started."""

    step: int = 0
    until: float = 0.0
    reason: str = ""
    message: str = ""


@dataclass
class State:
    """Everything but the session itself. `dirty`: not yet written to the Secret."""

    attempts: dict[int, Attempts] = field(default_factory=dict)
    backoff: Backoff = Backoff()
    drain_since: float | None = None
    dirty: bool = False

    def ended(self, task_id: int, attempt: int, *, counted: bool, now: float, story: str = "") -> None:
        """Note that an attempt has ended; noting the same one again changes nothing."""
        old = self.attempts.get(task_id, Attempts(0, 0, now))
        if attempt <= old.last:
            return
        self.attempts[task_id] = Attempts(attempt, old.counted + counted, now, story[:STORY] if counted else old.story)
        self.dirty = True

    def forget(self, task_id: int) -> None:
        """Drop a task that has ended on the hub; written with the next change."""
        self.attempts.pop(task_id, None)

    def pause(self, reason: str, message: str, now: float, jitter: float, most: int = len(STEPS) - 1) -> None:
        """Back off by one more step, up to step `most`; jitter in [0, 1) adds up to a quarter.

        Several pods that were started at once and can't are one failure.
        """
        if self.backoff.step and now < self.backoff.until:
            return
        step = min(self.backoff.step + 1, most)
        self.backoff = Backoff(step, now + STEPS[step] * (1 + jitter / 4), reason, message)
        self.dirty = True

    def resume(self) -> None:
        """End the backoff: a pod has started, or the template has changed."""
        if self.backoff.step:
            self.backoff = Backoff()
            self.dirty = True

    def drain(self, since: float | None) -> None:
        """Note when draining began; None: not draining."""
        if since is None and self.drain_since is not None:
            self.drain_since, self.dirty = None, True
        elif since is not None and self.drain_since is None:
            self.drain_since, self.dirty = since, True

    def dump(self, now: float) -> str:
        """As JSON, without what is too old to matter."""
        recent = sorted(
            ((task, a) for task, a in self.attempts.items() if now - a.time < KEEP_ATTEMPTS),
            key=lambda item: item[1].time,
        )[-MAX_ATTEMPTS_KEPT:]
        return json.dumps(
            {
                "attempts": {str(task): [a.last, a.counted, round(a.time), a.story] for task, a in recent},
                "backoff": asdict(self.backoff),
                "drain_since": self.drain_since,
            }
        )


def load(text: str | None) -> State:
    """Read state.json; what can't be read counts as nothing remembered."""
    try:
        raw: Any = json.loads(text or "{}")
        if not isinstance(raw, Mapping):
            return State()
        return State(
            attempts={
                int(task): Attempts(int(a[0]), int(a[1]), float(a[2]), str((*a, "")[3]))
                for task, a in raw.get("attempts", {}).items()
            },
            backoff=Backoff(**raw.get("backoff", {})),
            drain_since=raw.get("drain_since"),
        )
    except (ValueError, TypeError, IndexError, AttributeError):
        return State()
