# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How long Koji tasks take from their creation, by the hub's own clock."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import koji

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.hub import Hub

TIMEOUT = 300  # seconds for tasks to end
ENDED = {koji.TASK_STATES[state] for state in ("CLOSED", "CANCELED", "FAILED")}


@dataclass(frozen=True)
class Timed:
    """A closed task, in seconds since its creation (getTaskInfo: create_ts, start_ts, completion_ts)."""

    opened: float
    closed: float
    created_at: float

    @classmethod
    def of(cls, info: dict[str, Any]) -> Timed:
        """From getTaskInfo. AssertionError if the task did not close."""
        state = koji.TASK_STATES[info["state"]]
        assert state == "CLOSED", f"task {info['id']} is {state}"
        created = info["create_ts"]
        return cls(info["start_ts"] - created, info["completion_ts"] - created, created)


def create(admin: koji.ClientSession, channel: str, count: int = 1) -> list[int]:
    """Make `count` tasks sleep(0) at once; returns their ids."""
    with admin.multicall(strict=True) as calls:
        made = [calls.makeTask("sleep", [0], channel=channel) for _ in range(count)]
    return [call.result for call in made]


def wait_closed(
    session: koji.ClientSession, task_ids: Sequence[int], poll: float = 0.5, timeout: float = TIMEOUT
) -> list[Timed]:
    """Wait until all tasks have ended. AssertionError if they don't, or not well."""
    deadline = time.monotonic() + timeout
    while True:
        found = session.getTaskInfo(list(task_ids))
        if all(info["state"] in ENDED for info in found):
            return [Timed.of(info) for info in found]
        assert time.monotonic() < deadline, f"tasks of {timeout:g} s ago are still open: {task_ids}"
        time.sleep(poll)


def one_after_another(hub: Hub, channel: str, count: int, longest_pause: float) -> list[Timed]:
    """`count` tasks, the next one a random time of up to `longest_pause` s after the end of the one before."""
    admin, found = hub.session(), []
    for _ in range(count):
        time.sleep(random.uniform(0, longest_pause))  # noqa: S311 - a moment, not a secret
        found += wait_closed(admin, create(admin, channel))
    return found


def at_once(hub: Hub, channel: str, count: int, timeout: float = TIMEOUT) -> list[float]:
    """`count` tasks at once: for each, the seconds from the first one's creation to its own end."""
    admin = hub.session()
    timed = wait_closed(admin, create(admin, channel, count), poll=1, timeout=timeout)
    first = min(one.created_at for one in timed)
    return [one.created_at + one.closed - first for one in timed]
