# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a tick can do. plan.py lists actions, execute.py does them, check mode prints them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import TaskPod


@dataclass(frozen=True)
class Revoke:
    """Close a subsession (logoutChild): whoever works with it can't report any more."""

    subsession: int
    task_id: int


@dataclass(frozen=True)
class Free:
    """Give an OPEN task back to the hub (host.freeTasks). `confirm`: look for a pod that the cache may not have yet."""

    task_id: int
    reason: str
    message: str
    attempt: int = 0  # the attempt that ended; 0: none
    counted: bool = False  # whether it counts as one of task_attempts
    confirm: bool = False


@dataclass(frozen=True)
class Fail:
    """End an OPEN task as FAILED (host.failTask), its pod's story as the result."""

    task_id: int
    pod: TaskPod
    attempts: int


@dataclass(frozen=True)
class GiveUp:
    """Fail an ASSIGNED task: its attempts are used up, and it was given back all the same."""

    task_id: int
    attempts: int


@dataclass(frozen=True)
class Refuse:
    """Refuse a task (host.refuseTask); soft: for a while, else for good."""

    task_id: int
    message: str
    soft: bool = True
    opened: bool = False  # the runner said no after it was opened
    attempt: int = 0


@dataclass(frozen=True)
class Answer:
    """Do a task that is for the daemon itself."""

    task_id: int
    method: str


@dataclass(frozen=True)
class Take:
    """Open an ASSIGNED task and run it in a pod."""

    task_id: int
    method: str
    attempt: int


@dataclass(frozen=True)
class Hold:
    """Leave a task ASSIGNED: a slot is about to be free. `surplus`: more than the hub was told that may come."""

    task_id: int
    surplus: bool = False


@dataclass(frozen=True)
class Delete:
    """Delete a pod; its Secret follows. grace in seconds, None: the pod's own."""

    pod: TaskPod
    reason: str
    grace: int | None = None


@dataclass(frozen=True)
class Keep:
    """Mark a failed pod as dealt with and keep it for people to look at."""

    pod: TaskPod


@dataclass(frozen=True)
class Pause:
    """Take no tasks for a while: pods do not start."""

    reason: str
    message: str


Action = Revoke | Free | Fail | GiveUp | Refuse | Answer | Take | Hold | Delete | Keep | Pause


def described(action: Action) -> dict[str, Any]:
    """An action as the module returns it: {"action": "take", "task_id": 7, ...}."""
    fields = asdict(action)
    if isinstance(action, (Fail, Delete, Keep)):
        fields["pod"] = action.pod.name
        fields["task_id"] = action.pod.task_id
    return {"action": type(action).__name__.lower(), **fields}
