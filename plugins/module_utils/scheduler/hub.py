# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The hub as the scheduler sees it: typed calls on a builder's exclusive session, as few requests as can be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HUB_ERRORS
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.plan import (
    AssignedTask,
    OpenTask,
    TaskState,
)
from koji.xmlrpcplus import Fault, dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class Stop(Exception):
    """The Lease is not ours any more: nothing more is written, to the hub or the cluster."""


@dataclass(frozen=True)
class CheckIn:
    """What one check-in brought back."""

    open: list[OpenTask]
    assigned: list[AssignedTask]
    elsewhere: Mapping[int, int] = field(default_factory=dict)  # task's id -> the other host that has it


@dataclass(frozen=True)
class Opened:
    """A task that is now ours: what host.openTask gave, and the subsession for its pod (None: the hub refused one)."""

    task: Mapping[str, Any]
    sinfo: Mapping[str, Any] | None


def fault(message: str) -> str:
    """A task's result that says it failed; koji raises it as GenericError where the result is read."""
    return str(dumps(Fault(koji.GenericError.faultCode, message)))


def result(value: object) -> str:
    """A task's result as host.closeTask wants it: the XML of (value,), as koji.daemon writes it."""
    return str(dumps((value,), methodresponse=1, allow_none=1))


def task_states(session: koji.ClientSession, task_ids: Iterable[int]) -> dict[int, TaskState]:
    """Where tasks are now; one that the hub does not know counts as cancelled. Any session will do."""
    ids = sorted(task_ids)
    if not ids:
        return {}
    with session.multicall(strict=True) as calls:
        infos = [calls.getTaskInfo(task_id) for task_id in ids]
    found = {}
    for task_id, info in zip(ids, (call.result for call in infos), strict=True):
        state = info["state"] if info else koji.TASK_STATES["CANCELED"]
        found[task_id] = TaskState(state, info["host_id"] if info else None)
    return found


class Hub:
    """Calls on the master session. `may_write` raises Stop when the Lease is lost; it is asked before every request."""

    def __init__(self, session: koji.ClientSession, may_write: Callable[[], None]) -> None:
        self.session = session
        self.may_write = may_write
        self.host_id = 0
        # Load and data of the last check-in.
        self._said: tuple[float, dict[str, Any]] = (0.0, {"methods": [], "maxjobs": 1})
        self._channels: dict[int | None, str] = {}

    @property
    def session_id(self) -> int:
        """The master session's id."""
        return int(self.session.sinfo["session-id"])

    def identify(self) -> None:
        """Learn the host's id; raises koji.AuthError if the user is no host."""
        self.may_write()
        self.host_id = int(self.session.host.getID())

    def check_in(self, load: float, *, ready: bool, maxjobs: int, others: Sequence[int] = ()) -> CheckIn:
        """Check in and read. The hub's scheduler runs inside host.getTasks, so what is read there and then, for
        this host and the `others`, comes last.
        """
        self.may_write()
        with self.session.multicall(strict=True) as calls:
            opened = calls.host.getHostTasks()
            # maxjobs 0 would count as unset (15): never sent.
            self._said = (load, {"methods": [], "maxjobs": max(1, maxjobs)})
            calls.host.updateHost(load, ready, data=self._said[1])
            assigned = calls.host.getTasks()
            theirs = {"state": [koji.TASK_STATES["ASSIGNED"]], "host_id": list(others)}
            elsewhere = calls.listTasks(opts=theirs) if others else None
        return CheckIn(
            [OpenTask(task["id"], bool(task["waiting"])) for task in opened.result],
            [
                AssignedTask(task["id"], task["method"], task.get("channel_id"))
                for task in assigned.result
                if self._ours(task)
            ],
            {int(task["id"]): int(task["host_id"]) for task in elsewhere.result} if elsewhere is not None else {},
        )

    def _ours(self, task: Mapping[str, Any]) -> bool:
        # host.openTask also opens FREE tasks, past scheduler and channel: only ASSIGNED ones of ours get there.
        return bool(task["state"] == koji.TASK_STATES["ASSIGNED"] and task["host_id"] == self.host_id)

    def learn_channels(self, channel_ids: Iterable[int | None]) -> None:
        """Ask for the channels' names if one of them is not known; the hub seldom gets new ones."""
        unknown = set(channel_ids) - self._channels.keys()
        if unknown:
            names = {channel["id"]: channel["name"] for channel in self.session.listChannels()}
            self._channels = {**dict.fromkeys(unknown, ""), **names}

    def channel(self, channel_id: int | None) -> str:
        """The name of a channel that has been learnt, else ''."""
        return self._channels.get(channel_id, "")

    def states(self, task_ids: Iterable[int]) -> dict[int, TaskState]:
        """Where tasks are now."""
        return task_states(self.session, task_ids)

    def revoke(self, subsessions: Sequence[int]) -> set[int]:
        """Close subsessions; give those that are closed for certain."""
        if not subsessions:
            return set()
        self.may_write()
        with self.session.multicall() as calls:
            done = {subsession: calls.logoutChild(subsession) for subsession in subsessions}
        return {subsession for subsession, call in done.items() if _failure(call) is None}

    def children(self) -> dict[int, str]:
        """Subsessions of this session that are open, with the address that each is bound to ("" if the hub does not
        check addresses).
        """
        return {
            one["id"]: "" if one.get("hostip") in (None, "-") else str(one["hostip"])
            for one in self._sessions()
            if one.get("master") == self.session_id
        }

    def strays(self, idle: float) -> tuple[list[int], bool]:
        """Other sessions of this user that nobody has used for `idle` seconds, and whether there are younger ones."""
        sessions = self._sessions()
        # By the hub's own clock: the call that asked has just used our session.
        now = next((one.get("update_ts") or 0.0 for one in sessions if one["id"] == self.session_id), 0.0)
        others = [one for one in sessions if self.session_id not in (one["id"], one.get("master"))]
        strays = [one["id"] for one in others if now - (one.get("update_ts") or now) > idle]
        return strays, len(strays) < len(others)

    def _sessions(self) -> list[Mapping[str, Any]]:
        """Live sessions of this user; a hub tells a user about their own."""
        self.may_write()
        user = self.session.getLoggedInUser()
        sessions: list[Mapping[str, Any]] = self.session.getSessionInfo(details=True, user_id=user["id"])
        return sessions

    def close_strays(self, strays: Sequence[int]) -> None:
        """Close other sessions of this user."""
        if not strays:
            return
        self.may_write()
        with self.session.multicall() as calls:
            for stray in strays:
                calls.logout(stray)

    def release(
        self,
        free: Sequence[int],
        fail: Mapping[int, str],
        refuse: Mapping[int, tuple[bool, str]],
        *,
        pausing: bool = False,
    ) -> dict[int, str]:
        """Give tasks back, fail them with a message, refuse them (soft, message); what did not work, per task.

        `pausing`: this host is not ready from now on. Else the hub, driven by another host's check-in, might assign it
        the same task once more before its own next one, and the refusal would keep it away for SoftRefusalTimeout.
        """
        if not (free or fail or refuse):
            return {}
        self.may_write()
        with self.session.multicall() as calls:
            if pausing:
                calls.host.updateHost(self._said[0], False, data=self._said[1])
            pending: list[tuple[int, Any]] = [
                (task_id, calls.host.refuseTask(task_id, soft=soft, msg=message))
                for task_id, (soft, message) in refuse.items()
            ]
            pending += [(task_id, calls.host.failTask(task_id, fault(message))) for task_id, message in fail.items()]
            # One call each: one bad task must not keep the others.
            pending += [(task_id, calls.host.freeTasks([task_id])) for task_id in free]
        return {task_id: str(error) for task_id, call in pending if (error := _failure(call)) is not None}

    def open(self, task_ids: Sequence[int]) -> tuple[list[Opened], list[int]]:
        """Open ASSIGNED tasks, a subsession for each. -> (opened, subsessions that nobody needs)."""
        if not task_ids:
            return [], []
        self.may_write()
        with self.session.multicall() as calls:
            pairs = [(calls.host.openTask(task_id), calls.subsession()) for task_id in task_ids]
        opened, spare = [], []
        for task_call, session_call in pairs:
            sinfo = None if _failure(session_call) else session_call.result
            task = None if _failure(task_call) else task_call.result
            if task:
                opened.append(Opened(task, sinfo))
            elif sinfo:
                spare.append(int(sinfo["session-id"]))  # not ours to open: cancelled or taken away meanwhile
        return opened, spare

    def open_here(self, task_id: int) -> Mapping[str, Any] | None:
        """Open one task to do it without a pod."""
        self.may_write()
        task: Mapping[str, Any] | None = self.session.host.openTask(task_id)
        return task

    def close(self, task_id: int, value: object) -> None:
        """Close a task with a result."""
        self.may_write()
        self.session.host.closeTask(task_id, result(value))

    def logout(self) -> None:
        """Close the master session and all its subsessions."""
        self.may_write()
        self.session.logout()


def _failure(call: Any) -> Exception | None:
    """The error of one call of a multicall, or None."""
    try:
        call.result  # noqa: B018 (raises)
    except HUB_ERRORS as error:
        return error
    return None
