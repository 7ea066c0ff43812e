# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One tick's decisions for one builder: a pure function from what is there to what is to be done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import TaskPod, Trouble
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.actions import (
    Action,
    Answer,
    Delete,
    Fail,
    Free,
    GiveUp,
    Hold,
    Keep,
    Pause,
    Refuse,
    Revoke,
    Take,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.state import Attempts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import History

# For the daemon itself (koji.tasks: Foreground); a pod could not do them.
DAEMON_METHODS = frozenset({"restart", "restartVerify", "shutdown"})
ENDED = frozenset({koji.TASK_STATES["CLOSED"], koji.TASK_STATES["FAILED"]})

LINGER = 30.0  # seconds that a pod may go on after its task has ended
HOLD = 60.0  # seconds that a task may stay ASSIGNED for want of a slot; the hub's AssignTimeout is 300
CHECK_CLIENT_IP = "CheckClientIP"
SECRET_MISSING = Trouble("SecretMissing", "its Secret was deleted before it started")


@dataclass(frozen=True)
class OpenTask:
    """An OPEN task of this host, as host.getHostTasks gives it."""

    id: int
    waiting: bool = False


@dataclass(frozen=True)
class AssignedTask:
    """An ASSIGNED task of this host, as host.getTasks gives it."""

    id: int
    method: str
    channel_id: int | None = None


@dataclass(frozen=True)
class TaskState:
    """Where a task is that is not open here: koji.TASK_STATES number and host id."""

    state: int
    host_id: int | None


@dataclass(frozen=True)
class View:
    """All that a tick knows. Pods were read BEFORE the hub was asked: a pod that has ended, its task open, crashed."""

    now: float
    session: int  # id of the master session
    host_id: int
    slots: int  # usable now; 0 when there is none to be had
    reported_slots: int  # what the hub was told last, and assigned on the strength of
    reported_jobs: int  # the same as maxjobs, the larger one of this check-in and the last
    accepting: bool
    why_not: str  # why it takes no tasks, if so
    task_attempts: int
    start_deadline: float
    drain_deadline: float | None  # epoch after which running tasks are given back
    history: History
    open: Sequence[OpenTask]
    assigned: Sequence[AssignedTask]
    pods: Sequence[TaskPod]
    attempts: Mapping[int, Attempts] = field(default_factory=dict)
    states: Mapping[int, TaskState] = field(default_factory=dict)
    lingering: Mapping[int, float] = field(default_factory=dict)  # task id -> since when it is not open any more
    held: Mapping[int, float] = field(default_factory=dict)  # task id -> since when it is held
    surplus: frozenset[int] = frozenset()  # held ones that the hub's scheduler can't have assigned: a person did
    revoked: frozenset[int] = frozenset()  # subsessions that are closed for certain
    orphaned: Mapping[int, int] = field(default_factory=dict)  # subsession -> task id, of pods that have vanished
    dead: frozenset[int] = frozenset()  # pods' subsessions that the hub has ended by itself
    bound: Mapping[int, str] = field(default_factory=dict)  # denied, but open subsessions -> address they are bound to
    attempted: Mapping[int, int] = field(default_factory=dict)  # task id -> attempt of its newest pod, perhaps gone


def plan(view: View) -> list[Action]:
    """The actions of one tick, in order: revocations before anything that gives a task away."""
    return _Plan(view).actions()


def strangers(open_tasks: Iterable[OpenTask], pods: Iterable[TaskPod]) -> set[int]:
    """Tasks that live pods run although they are not open here: the hub has to be asked where they are."""
    here = {task.id for task in open_tasks}
    return {pod.task_id for pod in pods if pod.alive and pod.task_id not in here}


class _Plan:
    def __init__(self, view: View) -> None:
        self.view = view
        self.open = {task.id: task for task in view.open}
        self.newest: dict[int, TaskPod] = {}
        for pod in view.pods:
            if pod.task_id not in self.newest or pod.attempt > self.newest[pod.task_id].attempt:
                self.newest[pod.task_id] = pod
        self.revokes: dict[int, Revoke] = {}
        self.releases: list[Action] = []  # free, fail, refuse: after the revocations
        self.deletes: dict[str, Delete] = {}
        self.rest: list[Action] = []

    def actions(self) -> list[Action]:
        for subsession, task_id in self.view.orphaned.items():
            self.revokes[subsession] = Revoke(subsession, task_id)
        for task in self.view.open:
            self._open(task)
        for pod in self.view.pods:
            self._pod(pod)
        self._retention()
        takes = self._assigned()
        return [*self.revokes.values(), *self.releases, *takes, *self.deletes.values(), *self.rest]

    # Pods

    def _revoke(self, pod: TaskPod) -> None:
        # Subsessions of an earlier master are gone with it; logoutChild reaches only our own.
        if pod.subsession is not None and pod.session == self.view.session and pod.subsession not in self.view.revoked:
            self.revokes[pod.subsession] = Revoke(pod.subsession, pod.task_id)

    def _drop(self, pod: TaskPod, reason: str) -> None:
        """Stop a pod that has nothing to do here any more; its runner can report nothing, so it gets no grace."""
        self._revoke(pod)
        if pod.lost(self.view.now):
            self.deletes[pod.name] = Delete(pod, "NodeLost", grace=0)
        elif pod.deleting is None:
            self.deletes[pod.name] = Delete(pod, reason, grace=1)

    def _pod(self, pod: TaskPod) -> None:
        """A pod that does not carry an open task."""
        if pod.name in self.deletes:
            return
        if not pod.alive:
            # The pod of a task that is still open is dealt with by _open; it is cleaned up once the task is away.
            if pod.task_id not in self.open or self.newest[pod.task_id] is not pod:
                self._finished(pod)
            return
        if pod.task_id in self.open:
            if self.newest[pod.task_id] is not pod:
                self._drop(pod, "Superseded")
            return
        state = self.view.states.get(pod.task_id)
        if state is None:
            return  # asked in the next tick
        if state.state in ENDED and state.host_id == self.view.host_id:
            since = self.view.lingering.get(pod.task_id, self.view.now)
            if self.view.now - since > LINGER:
                self._drop(pod, "Lingering")
        else:
            gone = "Canceled" if state.state == koji.TASK_STATES["CANCELED"] else "TakenAway"
            self._drop(pod, gone)

    def _finished(self, pod: TaskPod) -> None:
        if pod.recorded:
            return
        self._revoke(pod)
        if pod.deleting is not None:
            return
        kept = pod.phase == "Failed" and pod.outcome in ("failed", "crashed") and self.view.history.count > 0
        if kept:
            self.rest.append(Keep(pod))
        else:
            self.deletes[pod.name] = Delete(pod, "Finished")

    def _retention(self) -> None:
        """failed_pod_history: at most `count` failed pods, none older than `max_age`."""
        kept = [pod for pod in self.view.pods if pod.recorded and not pod.alive and pod.deleting is None]
        kept.sort(key=lambda pod: pod.finished or pod.created, reverse=True)
        for index, pod in enumerate(kept):
            age = self.view.now - (pod.finished or pod.created)
            if index >= self.view.history.count or age > self.view.history.max_age:
                self.deletes[pod.name] = Delete(pod, "HistoryLimit")

    # Tasks that are open here

    def _open(self, task: OpenTask) -> None:
        pod = self.newest.get(task.id)
        if pod is None:
            message = "no pod runs it: it was deleted, or the scheduler was killed before making one"
            attempt = self.view.attempted.get(task.id, 0)
            self.releases.append(Free(task.id, "NoPod", message, attempt=attempt, confirm=True))
        elif pod.session != self.view.session or (pod.alive and pod.subsession in self.view.dead):
            self._drop_carrier(pod, "SessionLost", "the builder's hub session was replaced, and with it the pod's")
        elif not pod.alive:
            self._ended(pod)
        elif pod.lost(self.view.now):
            self._drop_carrier(pod, "NodeLost", f"node {pod.node} does not answer")
        elif pod.deleting is not None:
            return  # its runner is giving the task back
        else:
            self._running(pod)

    def _drop_carrier(self, pod: TaskPod, reason: str, message: str) -> None:
        if pod.alive:
            self._drop(pod, reason)
        else:
            self._revoke(pod)
        self.releases.append(Free(pod.task_id, reason, message, attempt=pod.attempt))

    def _running(self, pod: TaskPod) -> None:
        trouble = pod.overdue(self.view.now, self.view.start_deadline)
        if trouble is not None:
            self._drop_carrier(pod, trouble.reason, trouble.message)
            if trouble is not SECRET_MISSING:
                self.rest.append(Pause(trouble.reason, trouble.message))
        elif self.view.drain_deadline is not None and self.view.now > self.view.drain_deadline:
            # Not revoked: on SIGTERM the runner gives the task back itself.
            self.deletes[pod.name] = Delete(pod, "DrainTimeout")

    def _ended(self, pod: TaskPod) -> None:
        """Its pod has ended, and the hub still waits for it."""
        self._revoke(pod)
        known = self.view.attempts.get(pod.task_id, Attempts(0, 0, 0.0))
        stopped = pod.outcome in ("freed", "canceled") and not pod.own_fault
        counts = not pod.disrupted and not pod.never_ran and not stopped
        counted = known.counted + (counts and pod.attempt > known.last)
        if pod.outcome == "denied" and (address := self.view.bound.get(pod.subsession or 0)):
            message = (
                f"the hub accepts a session from the address of its login only ({address}), and task pods call from "
                "others: set CheckClientIP = False in hub.conf, or let task pods leave by that address"
            )
            self.releases.append(Free(pod.task_id, CHECK_CLIENT_IP, message, attempt=pod.attempt))
            self.rest.append(Pause(CHECK_CLIENT_IP, message))
        elif pod.never_ran:
            self.releases.append(Free(pod.task_id, pod.reason, pod.message, attempt=pod.attempt))
            self.rest.append(Pause(pod.reason, pod.message))
        elif pod.outcome == "refused" and counted < self.view.task_attempts:
            # Counted as well: a refusal that the hub does not heed must not go round for ever.
            message = pod.message or "this host can't do it"
            self.releases.append(Refuse(pod.task_id, message, soft=False, opened=True, attempt=pod.attempt))
        elif counts and counted >= self.view.task_attempts:
            self.releases.append(Fail(pod.task_id, pod, counted))
        else:
            reason = pod.reason if counts or pod.disrupted else "GivenBack"
            self.releases.append(Free(pod.task_id, reason, pod.message, attempt=pod.attempt, counted=counts))

    # Tasks that are assigned here

    def _assigned(self) -> list[Action]:
        waiting = {task.id for task in self.view.open if task.waiting}
        alive = [pod for pod in self.view.pods if pod.alive]
        busy = {pod.task_id for pod in alive}
        used = sum(pod.task_id not in waiting for pod in alive)
        shrunk = self.view.slots < self.view.reported_slots
        fresh = [task.id for task in self.view.assigned if task.id not in self.view.held]
        # A task that ended while the hub was asked counts once too often: a surplus is believed the second time.
        over = len(self.view.open) + len(self.view.assigned) - self.view.reported_jobs
        surplus = set(fresh[-over:]) if over > 0 else set()
        actions: list[Action] = []
        for task in self.view.assigned:
            since = self.view.held.get(task.id, self.view.now)
            if task.method in DAEMON_METHODS:
                actions.append(Answer(task.id, task.method))
            elif not self.view.accepting:
                actions.append(Refuse(task.id, self.view.why_not))
            elif self._counted(task.id) >= self.view.task_attempts:
                actions.append(GiveUp(task.id, self._counted(task.id)))
            elif task.id not in busy and used < self.view.slots:
                actions.append(Take(task.id, task.method, self._next_attempt(task.id)))
                used += 1
            elif (shrunk and used >= self.view.slots) or task.id in self.view.surplus or self.view.now - since > HOLD:
                actions.append(Refuse(task.id, "no free slot"))
            else:
                # A pod about to end, or a parent that has just woken up, has the slot: a refusal would keep the
                # task away from this host for SoftRefusalTimeout (900 s).
                actions.append(Hold(task.id, surplus=task.id in surplus))
        return actions

    def _counted(self, task_id: int) -> int:
        known = self.view.attempts.get(task_id)
        return known.counted if known else 0

    def _next_attempt(self, task_id: int) -> int:
        known = self.view.attempts.get(task_id)
        there = self.newest.get(task_id)
        return max(known.last if known else 0, there.attempt if there else 0) + 1
