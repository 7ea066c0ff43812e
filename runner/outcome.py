# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How a run ended: the pod's termination message and its exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

CLOSED = "closed"  # the hub has the result
FAILED = "failed"  # the hub has the fault
CANCELED = "canceled"  # someone cancelled the task; there was nothing left to report
FREED = "freed"  # the task is free again on the hub
DENIED = "denied"  # the hub does not accept the session that the pod was given: the operator finds out why
REFUSED = "refused"  # this host may not run the task: the operator refuses it on the hub
FORBIDDEN = "forbidden"  # the pod may not have what its security profile needs: no task can run here
CRASHED = "crashed"  # nothing was reported: the operator frees or fails the task

EXIT_CODES = {
    CLOSED: 0,
    CANCELED: 0,
    FAILED: 1,
    CRASHED: 70,
    FREED: 75,
    DENIED: 76,
    REFUSED: 77,
    FORBIDDEN: 78,
}

# The kubelet keeps 4096 bytes of a termination message.
MESSAGE_BYTES = 3000


class Problem(Exception):
    """Something in the pod is not as it must be, so that no task can run; its text is for people."""


class Outcome(NamedTuple):
    """One of the words above, and a sentence for people."""

    outcome: str
    message: str

    @property
    def exit_code(self) -> int:
        """The pod's exit code."""
        return EXIT_CODES[self.outcome]

    def dumps(self) -> bytes:
        """One line of JSON, short enough for a termination message and for one write to a pipe."""
        message = self.message.encode("ascii", "backslashreplace").decode("ascii")
        if len(message) > MESSAGE_BYTES:
            message = message[: MESSAGE_BYTES - 3] + "..."
        line = json.dumps({"outcome": self.outcome, "message": message})
        # A message of nothing but quotes and newlines doubles in JSON.
        excess = len(line) - MESSAGE_BYTES - 100
        if excess > 0:
            line = json.dumps({"outcome": self.outcome, "message": message[: MESSAGE_BYTES // 2] + "..."})
        return line.encode("ascii") + b"\n"

    @classmethod
    def loads(cls, data: bytes) -> Outcome | None:
        """The outcome in `data`, or None if it holds no whole one."""
        try:
            found = json.loads(data)
            return cls(found["outcome"], found["message"])
        except (ValueError, KeyError, TypeError):
            return None


def write_termination_message(outcome: Outcome, path: Path) -> bool:
    """Leave the outcome where the kubelet looks for it; False if it can't be written there."""
    try:
        path.write_bytes(outcome.dumps())
    except OSError:
        return False
    return True
