# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One builder's scheduler: what it remembers, its ticks."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils.conditions import Condition
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HUB_ERRORS, HubError
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.observer import Observer
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler import trouble
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.actions import Action, Hold, Take
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.connection import Connection, Surroundings
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.execute import Executor, Memory
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import CheckIn, Hub, task_states
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.leftovers import Leftovers
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.plan import (
    AssignedTask,
    OpenTask,
    TaskState,
    View,
    plan,
    strangers,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.report import Reporter, stamp
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.slow import SlowStarts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import Settings
    from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import TaskPod
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.state import State

RETRY = (1.0, 2.0, 5.0, 10.0, 15.0)  # seconds between attempts to reach the hub


@dataclass(frozen=True)
class Tick:
    """What one tick found and did."""

    actions: list[Action] = field(default_factory=list)
    error: HubError | None = None
    drained: bool = False
    pods_left: int = 0


class Builder:
    """One KojiBuilder. Not thread-safe: one thread ticks it."""

    def __init__(self, settings: Settings, around: Surroundings) -> None:
        self.settings = settings
        self.around = around
        self.cluster = around.cluster
        self.report = Reporter(around.cluster, settings.name)
        self.observer = Observer(around.ledger, settings.name)
        self.memory = Memory()
        self.slow = SlowStarts(around.cluster, settings.name)
        self.leftovers = Leftovers(around.cluster, settings.name, around.clock)
        self.connection = Connection(settings, around, self.observer.request)
        self.complaint = ""  # why its ConfigMap can't be used; it goes on with the settings that it had
        self._lingering: dict[int, float] = {}
        self._attempted: dict[int, int] = {}
        self._held: dict[int, float] = {}
        self._reported_slots = 0
        self._reported_jobs = sys.maxsize  # of an earlier process: not known
        self._surplus: frozenset[int] = frozenset()
        self._failures = 0
        self._retry_at = 0.0
        self._error: HubError | None = None

    def configure(self, settings: Settings) -> None:
        """Go on with new settings; a new template deserves a new attempt."""
        if settings == self.settings:
            return
        self.settings = settings
        self.connection.configure(settings)
        self.state.resume()
        self._retry_at = 0.0

    @property
    def state(self) -> State:
        """What is remembered from run to run."""
        return self.connection.state

    @property
    def hub(self) -> Hub | None:
        """The hub, while there is a session."""
        return self.connection.hub

    # The CR

    def _resource(self) -> dict[str, Any] | None:
        """The KojiBuilder, if it is still the one that the ConfigMap belongs to."""
        found = self.cluster.builders().get(self.settings.name)
        if found is None or found["metadata"].get("uid") != self.settings.owner_uid:
            return None
        return found

    def _leaving(self, resource: Mapping[str, Any] | None) -> bool:
        return resource is None or bool(resource["metadata"].get("deletionTimestamp"))

    # Ticks

    def tick(self) -> Tick:
        """One tick. Raises hub.Stop and ClusterError; what goes wrong with the hub is in the result and the status."""
        resource = self._resource()
        leaving = self._leaving(resource)
        now = self.around.clock()
        self.observer.seen(now)
        if now < self._retry_at and self.hub is None:
            return Tick(error=self._error, pods_left=self._pods_left())
        began = time.perf_counter()
        try:
            tick = self._tick(resource, now, leaving=leaving)
        except (HubError, *HUB_ERRORS) as error:
            tick = self._failed(error)
        except ClusterError:
            self.leftovers.unsure = True
            raise
        else:
            self._failures, self._error = 0, None
        if resource is not None:
            self._say(resource, leaving=leaving)
        self.observer.tick(time.perf_counter() - began)
        if tick.drained:
            self.observer.retire()
        return tick

    def _pods_left(self) -> int:
        return sum(pod.alive for pod in self.cluster.pods(self.settings.name))

    def _failed(self, error: BaseException) -> Tick:
        self.leftovers.unsure = True
        if isinstance(error, (koji.SequenceError, koji.RetryError)) and self.hub is not None:
            # An answer was lost on the way. What the call did shows in the next tick.
            self.connection.hub = None
            return Tick(pods_left=self._pods_left())
        self.connection.disconnect()
        # A session that was closed is replaced at once; a hub that is down is given time.
        gone = isinstance(error, koji.AuthError) and not isinstance(error, koji.AuthLockError) and self._failures == 0
        # From now on, not from the tick's start: a call that is given up has taken 20 s.
        self._retry_at = self.around.clock() + (0.0 if gone else RETRY[min(self._failures, len(RETRY) - 1)])
        self._failures += 1
        self._error = None if gone else self.connection.explained(error)
        return Tick(error=self._error, pods_left=self._pods_left())

    def _tick(self, resource: Mapping[str, Any] | None, now: float, *, leaving: bool) -> Tick:
        self.around.may_write()
        if resource is not None:
            self.report.load(resource)
        if self.hub is None and not self.connection.connect(leaving=leaving):
            return self._leave_without_session()
        hub = self.hub
        assert hub is not None  # noqa: S101 (for mypy)
        self.connection.keep()
        # Before the hub is asked: a pod that has ended by now, and whose task is still open THEN, has crashed.
        pods = self.slow.explained(self.cluster.pods(self.settings.name), now, self.settings.start_deadline)
        self.leftovers.clean(hub, pods, self.memory)
        self.observer.pods(pods)
        if trouble.is_over(self.state.backoff, self.settings, pods, now):
            self.state.resume()
        if self._accepting(now, leaving=False)[0]:
            trouble.probe(self.around, self.state, self.settings, pods, now)
        accepting, why_not = self._accepting(now, leaving=leaving)
        draining = leaving or self.settings.paused or self.settings.slots == 0
        self.state.drain(now if draining else None)
        slots = trouble.slots(self.state.backoff, self.settings, pods) if accepting else 0
        jobs = slots + self.report.waiting
        others = self.around.board.others(self.settings.hub_url, hub.host_id, self.settings.name)
        ready = accepting and slots > 0
        there = hub.check_in(float(self.report.running), ready=ready, maxjobs=jobs, others=others)
        self.around.board.tell(self.settings.hub_url, there.elsewhere, others)
        if self.settings.by_channel:
            hub.learn_channels(task.channel_id for task in there.assigned)
        states = hub.states(strangers(there.open, pods))
        view = self._view(
            (hub.session_id, hub.host_id), there, states, pods, now, slots=slots, accepting=accepting, why_not=why_not,
            jobs=max(jobs, self._reported_jobs),
        )  # fmt: skip
        view = replace(view, bound=self._bound(hub, view), dead=self.leftovers.dead)
        self._reported_jobs = jobs
        executor = Executor(
            self.settings,
            hub,
            self.cluster,
            state=self.state,
            memory=self.memory,
            pool=self.around.pool,
            save=self.connection.save,
            clock=self.around.clock,
            jitter=self.around.jitter,
        )
        open_here = {task.id for task in there.open}
        for pod in (*pods, *self.cluster.vanished(self.settings.name)):
            executor.count(pod, open_here)
        actions = plan(view)
        try:
            done = executor.run(actions)
        finally:
            self._count(executor, resource, now)
        self._remember(there, view, actions)
        if done.restart:
            self.state.resume()
            self.connection.disconnect()
        left = sum(pod.alive for pod in pods)
        if leaving and not left and not there.open and not there.assigned:
            self._leave(hub, resource)
            return Tick(actions, drained=True)
        return Tick(actions, pods_left=left)

    def _accepting(self, now: float, *, leaving: bool) -> tuple[bool, str]:
        backoff = self.state.backoff
        if leaving:
            return False, "this host is being removed"
        if self.settings.paused:
            return False, "this host is paused"
        if self.settings.slots == 0:
            return False, "this host is scaled down to 0"
        if now < backoff.until:
            return False, f"task pods do not start: {backoff.message or backoff.reason}"
        return True, ""

    def _bound(self, hub: Hub, view: View) -> dict[int, str]:
        """Subsessions that pods were denied although they are open, with the address that they are bound to."""
        opened = {task.id for task in view.open}
        denied = {pod.subsession for pod in view.pods if pod.outcome == "denied" and pod.task_id in opened}
        if not denied:
            return {}
        try:
            return {child: address for child, address in hub.children().items() if child in denied and address}
        except koji.AuthError:
            raise
        except koji.GenericError:
            return {}  # a hub that does not say

    def _view(
        self,
        ids: tuple[int, int],  # of session and host
        there: CheckIn,
        states: Mapping[int, TaskState],
        pods: list[TaskPod],
        now: float,
        *,
        slots: int,
        accepting: bool,
        why_not: str,
        jobs: int = sys.maxsize,
    ) -> View:
        present = {pod.subsession for pod in pods}
        orphaned = {
            subsession: task
            for subsession, task in self.memory.seen.items()
            if subsession not in present and subsession not in self.memory.revoked
        }
        deadline = None if self.state.drain_since is None else self.state.drain_since + self.settings.drain_timeout
        return View(
            now=now,
            session=ids[0],
            host_id=ids[1],
            slots=slots,
            reported_slots=self._reported_slots,
            reported_jobs=jobs,
            accepting=accepting,
            why_not=why_not,
            task_attempts=self.settings.task_attempts,
            start_deadline=self.settings.start_deadline,
            drain_deadline=deadline,
            history=self.settings.history,
            open=there.open,
            assigned=there.assigned,
            pods=pods,
            attempts=self.state.attempts,
            states=states,
            lingering=self._lingering,
            held=self._held,
            surplus=self._surplus,
            revoked=frozenset(self.memory.revoked),
            orphaned=orphaned,
            attempted=self._attempted,
        )

    def _count(self, executor: Executor, resource: Mapping[str, Any] | None, now: float) -> None:
        self.observer.done(executor.done)
        self.report.counters.update(executor.done.counts)
        for reason, message in executor.done.notes if resource is not None else ():
            self.report.note(resource or {}, reason, message, now)

    def _remember(self, there: CheckIn, view: View, actions: list[Action]) -> None:
        pods, now = view.pods, view.now
        uids = {pod.uid for pod in pods}
        self.memory.counted &= uids
        self.memory.deleted = {uid: when for uid, when in self.memory.deleted.items() if uid in uids}
        held = {action.task_id: action.surplus for action in actions if isinstance(action, Hold)}
        self._held = {task: self._held.get(task, now) for task in held}
        self._surplus = frozenset(task for task, surplus in held.items() if surplus)
        self._lingering = {task: self._lingering.get(task, now) for task in view.states}
        present = {pod.subsession: pod.task_id for pod in pods if pod.subsession is not None}
        ours = {s: t for s, t in present.items() if s not in self.memory.revoked}
        self.memory.seen = {**{s: t for s, t in self.memory.seen.items() if s not in self.memory.revoked}, **ours}
        self.memory.revoked &= present.keys() | self.memory.seen.keys()
        here = {task.id: self._attempted.get(task.id, 0) for task in there.open}
        here |= {action.task_id: action.attempt for action in actions if isinstance(action, Take)}
        for pod in pods:
            if pod.task_id in here:
                here[pod.task_id] = max(here[pod.task_id], pod.attempt)
        self._attempted = here
        self._reported_slots = view.slots
        self.report.waiting = sum(task.waiting for task in there.open)
        self.report.running = len(there.open) - self.report.waiting
        self.report.slots = view.slots
        self.report.last_check_in = now
        self.observer.checked_in(
            slots=view.slots,
            running=self.report.running,
            waiting=self.report.waiting,
            assigned=len(there.assigned),
            now=now,
        )

    # Leaving

    def _leave(self, hub: Hub, resource: Mapping[str, Any] | None) -> None:
        """Nothing runs any more: close the session on the hub, then forget it."""
        self.leftovers.close_strays(hub, -1.0)
        hub.logout()
        self.connection.forget()
        if resource is not None:
            self.report.note(
                resource, "Drained", "all tasks have ended; the hub session is closed", self.around.clock()
            )

    def _leave_without_session(self) -> Tick:
        """The session is gone and none is made again: what is left are pods that can report nothing."""
        pods = [pod for pod in self.cluster.pods(self.settings.name) if pod.alive]
        for pod in pods:
            if pod.deleting is None:
                self.cluster.delete_pod(pod.name, pod.uid, 1)
        if not pods:
            self.connection.forget()
        return Tick(drained=not pods, pods_left=len(pods))

    # What people see

    def _say(self, resource: Mapping[str, Any], *, leaving: bool) -> None:
        now = self.around.clock()
        condition = self._condition(now, leaving=leaving)
        if self._error is not None:
            self.report.note(resource, self._error.reason, self._error.message, now)
        backoff = self.state.backoff.reason if now < self.state.backoff.until else ""
        self.observer.says(condition, backoff, resource)
        self.report.write(resource, condition, now)

    def _condition(self, now: float, *, leaving: bool) -> Condition:
        backoff = self.state.backoff
        if self._error is not None:
            return Condition("Scheduling", status=False, reason=self._error.reason, message=self._error.message)
        if leaving:
            return Condition(
                "Scheduling", status=False, reason="Draining", message="no new tasks; running ones may end"
            )
        if self.complaint:
            message = f"{self.complaint}; until it can, the settings before hold"
            return Condition("Scheduling", status=False, reason="SettingsInvalid", message=message)
        if self.settings.paused or self.settings.slots == 0:
            why = "spec.paused is true" if self.settings.paused else "there are no replicas"
            return Condition("Scheduling", status=False, reason="Paused", message=f"no new tasks: {why}")
        if now < backoff.until:
            message = f"{backoff.message or 'task pods do not start'}; tried again at {stamp(backoff.until)}"
            return Condition("Scheduling", status=False, reason=backoff.reason, message=message)
        return Condition("Scheduling", status=True, reason="CheckedIn")

    # Check mode

    def peek(self) -> Tick:
        """What a tick would do, by anonymous reads alone: nothing is written, to the hub or the cluster."""
        self.connection.load()
        try:
            access = self.connection.access()
        except HubError as error:
            return Tick(error=error, pods_left=self._pods_left())
        now = self.around.clock()
        try:
            pods = self.cluster.pods(self.settings.name)
            session = access.anonymous()
            host = session.getHost(self.settings.user)
            if host is None:
                message = f"the hub has no host {self.settings.user}"
                return Tick(error=HubError("NoSuchHost", message), pods_left=self._pods_left())
            wanted = [koji.TASK_STATES["OPEN"], koji.TASK_STATES["ASSIGNED"]]
            tasks = session.listTasks(opts={"host_id": host["id"], "state": wanted})
            opened = [OpenTask(t["id"], bool(t["waiting"])) for t in tasks if t["state"] == wanted[0]]
            assigned = [AssignedTask(t["id"], t["method"]) for t in tasks if t["state"] == wanted[1]]
            accepting, why_not = self._accepting(now, leaving=self._leaving(self._resource()))
            view = self._view(
                (self.connection.sinfo.id if self.connection.sinfo else 0, host["id"]),
                CheckIn(opened, assigned),
                task_states(session, strangers(opened, pods)),
                pods,
                now,
                slots=trouble.slots(self.state.backoff, self.settings, pods) if accepting else 0,
                accepting=accepting,
                why_not=why_not,
            )
            return Tick(plan(view), pods_left=self._pods_left())
        except (HubError, *HUB_ERRORS) as error:
            return Tick(error=self.connection.explained(error), pods_left=self._pods_left())
        finally:
            self.connection.disconnect()
