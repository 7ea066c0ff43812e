# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How it ended: a sentence for the resource's status, never with a password in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

SUCCEEDED, FAILED, NEEDS_OFFLINE = "succeeded", "failed", "needs_offline"
EXIT_CODES = {SUCCEEDED: 0, FAILED: 1, NEEDS_OFFLINE: 3}


class Refused(Exception):
    """What a person has to mend: reason is CamelCase, the message says what and where."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Outcome:
    """What the operator reads from the pod's termination message."""

    outcome: str
    reason: str
    message: str
    schema_version: str = ""

    @property
    def exit_code(self) -> int:
        """Of the process."""
        return EXIT_CODES[self.outcome]

    def as_json(self) -> str:
        """Kubernetes keeps 4096 bytes of it."""
        return json.dumps({**asdict(self), "message": self.message[:2000]})
