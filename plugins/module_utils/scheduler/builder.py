# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One builder's scheduler: its session, what it remembers, its ticks."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils import sessions
from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import BUILDER_LABEL, KIND, Settings
from ansible_collections.fedoraproject.koji.plugins.module_utils.conditions import Condition
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HUB_ERRORS, HubAddress, HubError, explain
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import API_VERSION
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler import state as kept
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.actions import Action, Hold
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import Cluster
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.execute import Executor, Memory
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import CheckIn, Hub, task_states
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.plan import (
    AssignedTask,
    OpenTask,
    TaskState,
    View,
    plan,
    strangers,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.report import Reporter, stamp

if TYPE_CHECKING:
    from concurrent.futures import Executor as Pool

    from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import TaskPod

RETRY = (1.0, 2.0, 5.0, 10.0, 15.0)  # seconds between attempts to reach the hub
FOREVER = float("inf")

MakeAccess = Callable[[Settings, Cluster], sessions.HubAccess]


@dataclass(frozen=True)
class Surroundings:
    """What a builder works with. `may_write` raises hub.Stop unless the Lease is ours."""

    cluster: Cluster
    make_access: MakeAccess
    may_write: Callable[[], None]
    pool: Pool
    clock: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random


@dataclass(frozen=True)
class Tick:
    """What one tick found and did."""

    actions: list[Action] = field(default_factory=list)
    error: HubError | None = None
    drained: bool = False
    pods_left: int = 0


def certificate_access(settings: Settings, cluster: Cluster) -> sessions.HubAccess:
    """Access by the Secrets that the ConfigMap names: ca.crt, and client.pem or tls.crt with tls.key."""
    ca = _secret_texts(cluster, settings.ca_secret)
    client = _secret_texts(cluster, settings.client_secret)
    if "ca.crt" not in ca:
        raise HubError("SecretIncomplete", f"Secret {settings.ca_secret} has no key ca.crt: it must hold the hub's CA")
    pem = client.get("client.pem") or "\n".join(client.get(key, "") for key in ("tls.crt", "tls.key")).strip()
    if not pem:
        raise HubError(
            "SecretIncomplete", f"Secret {settings.client_secret} has no key client.pem, nor tls.crt and tls.key"
        )
    # The next tick is the better retry: it knows what has happened meanwhile.
    names = (f"Secret '{settings.ca_secret}'", f"Secret '{settings.client_secret}'")
    return sessions.CertificateAccess(settings.hub_url, ca["ca.crt"], pem, names, timeout=(5, 20), max_retries=0)


def _secret_texts(cluster: Cluster, name: str) -> dict[str, str]:
    secret = cluster.get_secret(name)
    if secret is None:
        raise HubError("SecretMissing", f"Secret {name} does not exist")
    # What isn't text is no PEM either; where it is, the hub's client says so.
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in (secret.get("data") or {}).items()}


class Builder:
    """One KojiBuilder. Not thread-safe: one thread ticks it."""

    def __init__(self, settings: Settings, around: Surroundings) -> None:
        self.settings = settings
        self.around = around
        self.cluster = around.cluster
        self.report = Reporter(around.cluster, settings.name)
        self.memory = Memory()
        self.state = kept.State()
        self.removed = False  # its ConfigMap is gone
        self.hub: Hub | None = None
        self._access: sessions.HubAccess | None = None
        self._sinfo: sessions.Sinfo | None = None
        self._master = sessions.MasterSession(settings.user, self._save_session, around.clock)
        self._loaded = False  # the Secret of an earlier run has been read
        self._unsure = True  # a run or a call was cut off: subsessions may be left that no pod has
        self._without_secret: frozenset[str] = frozenset()
        self._lingering: dict[int, float] = {}
        self._held: dict[int, float] = {}
        self._reported_slots = 0
        self._failures = 0
        self._retry_at = 0.0
        self._error: HubError | None = None

    def configure(self, settings: Settings) -> None:
        """Go on with new settings; a new template deserves a new attempt."""
        if settings == self.settings:
            return
        old, self.settings = self.settings, settings
        self.state.resume()
        self._retry_at = 0.0
        if (old.hub_url, old.user, old.ca_secret, old.client_secret) != (
            settings.hub_url,
            settings.user,
            settings.ca_secret,
            settings.client_secret,
        ):
            self._disconnect()
            self._master = sessions.MasterSession(settings.user, self._save_session, self.around.clock)

    # The CR

    def _resource(self) -> dict[str, Any] | None:
        """The KojiBuilder, if it is still the one that the ConfigMap belongs to."""
        found = self.cluster.builders().get(self.settings.name)
        if found is None or found["metadata"].get("uid") != self.settings.owner_uid:
            return None
        return found

    def _leaving(self, resource: Mapping[str, Any] | None) -> bool:
        return self.removed or resource is None or bool(resource["metadata"].get("deletionTimestamp"))

    # The session and its Secret

    def _save(self) -> None:
        data = {"state.json": self.state.dump(self.around.clock())}
        if self._sinfo is not None:
            data["session.json"] = self._sinfo.dump()
        owner = {"apiVersion": API_VERSION, "kind": KIND, "name": self.settings.name, "uid": self.settings.owner_uid}
        self.cluster.apply_secret(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "Opaque",
                "metadata": {
                    "name": self.settings.session_secret,
                    "namespace": self.settings.namespace,
                    "labels": {BUILDER_LABEL: self.settings.name},
                    "ownerReferences": [owner],
                },
                "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
            }
        )
        self.state.dirty = False

    def _save_session(self, sinfo: sessions.Sinfo) -> None:
        self.around.may_write()
        self._sinfo = sinfo
        self._save()

    def _load(self) -> None:
        """Read the Secret of an earlier run."""
        secret = self.cluster.get_secret(self.settings.session_secret) or {}
        texts = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
        self._sinfo = sessions.load(texts.get("session.json"))
        self.state = kept.load(texts.get("state.json"))

    def _connect(self, *, leaving: bool) -> bool:
        """Resume or make the session; False if there is none and none is to be made."""
        if not self._loaded:
            self._load()
            self._loaded = True
        if self._access is None:
            self._access = self.around.make_access(self.settings, self.cluster)
        self.around.may_write()
        session = self._master.resume(self._access, self._sinfo) if self._sinfo is not None else None
        if session is None:
            if leaving:
                return False  # a builder that is being deleted is never logged in for again
            self.around.may_write()
            session = self._master.start(self._access)
        self.hub = Hub(session, self.around.may_write)
        self.hub.identify()
        return True

    def _disconnect(self) -> None:
        """Forget the client; the session stays on the hub."""
        self.hub = None
        if self._access is not None:
            self._access.close()
            self._access = None

    def _inspect(self, hub: Hub, pods: list[TaskPod]) -> None:
        """After a start, and after an answer that was lost: what was it in the middle of?"""
        if not self._unsure:
            return
        secrets = self.cluster.task_secrets(self.settings.name)
        self._without_secret = frozenset(pod.name for pod in pods if pod.phase == "Pending" and pod.name not in secrets)
        # A pod that a killed run was just about to make would work with one of these.
        claimed = {pod.subsession for pod in pods}
        try:
            children = hub.children()
        except koji.AuthError:
            raise
        except koji.GenericError:
            children = []  # a hub that does not say
        self.memory.revoked |= hub.revoke([child for child in children if child not in claimed])
        self._unsure = False

    # Ticks

    def tick(self) -> Tick:
        """One tick. Raises hub.Stop and ClusterError; what goes wrong with the hub is in the result and the status."""
        resource = self._resource()
        leaving = self._leaving(resource)
        now = self.around.clock()
        if now < self._retry_at and self.hub is None:
            return Tick(error=self._error, pods_left=self._pods_left())
        try:
            tick = self._tick(resource, now, leaving=leaving)
        except (HubError, *HUB_ERRORS) as error:
            tick = self._failed(error, now)
        else:
            self._failures, self._error = 0, None
        if resource is not None:
            self._say(resource, leaving=leaving)
        return tick

    def _pods_left(self) -> int:
        return sum(pod.alive for pod in self.cluster.pods(self.settings.name))

    def _failed(self, error: BaseException, now: float) -> Tick:
        self._unsure = True
        if isinstance(error, (koji.SequenceError, koji.RetryError)) and self.hub is not None:
            # An answer was lost on the way. What the call did shows in the next tick.
            self.hub = None
            return Tick(pods_left=self._pods_left())
        self._disconnect()
        # A session that was closed is replaced at once; a hub that is down is given time.
        gone = isinstance(error, koji.AuthError) and not isinstance(error, koji.AuthLockError) and self._failures == 0
        self._retry_at = now + (0.0 if gone else RETRY[min(self._failures, len(RETRY) - 1)])
        self._failures += 1
        self._error = None if gone else self._explained(error)
        return Tick(error=self._error, pods_left=self._pods_left())

    def _explained(self, error: BaseException) -> HubError:
        try:
            return explain(error, HubAddress(self.settings.hub_url, f"of Secret {self.settings.ca_secret}"))
        except HubError as invalid:
            return invalid

    def _tick(self, resource: Mapping[str, Any] | None, now: float, *, leaving: bool) -> Tick:
        self.around.may_write()
        if resource is not None:
            self.report.load(resource)
        if self.hub is None and not self._connect(leaving=leaving):
            return self._leave_without_session()
        hub = self.hub
        assert hub is not None  # noqa: S101 (for mypy)
        # Before the hub is asked: a pod that has ended by now, and whose task is still open THEN, has crashed.
        pods = self.cluster.pods(self.settings.name)
        self._inspect(hub, pods)
        self._started(pods)
        accepting, why_not = self._accepting(now, leaving=leaving)
        draining = leaving or self.settings.paused or self.settings.slots == 0
        self.state.drain(now if draining else None)
        slots = self._slots(pods) if accepting else 0
        there = hub.check_in(
            float(self.report.running), ready=accepting and slots > 0, maxjobs=slots + self.report.waiting
        )
        if self.settings.by_channel:
            hub.learn_channels(task.channel_id for task in there.assigned)
        states = hub.states(strangers(there.open, pods))
        view = self._view(
            (hub.session_id, hub.host_id), there, states, pods, now, slots=slots, accepting=accepting, why_not=why_not
        )
        actions = plan(view)
        executor = Executor(
            self.settings,
            hub,
            self.cluster,
            state=self.state,
            memory=self.memory,
            pool=self.around.pool,
            save=self._save,
            clock=self.around.clock,
            jitter=self.around.jitter,
        )
        for pod in pods:
            executor.count(pod)
        try:
            done = executor.run(actions)
        finally:
            self._count(executor, resource, now)
        self._remember(there, view, actions)
        if done.restart:
            self.state.resume()
            self._disconnect()
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

    def _slots(self, pods: list[TaskPod]) -> int:
        """Slots to offer. After start-up trouble one pod at a time tries whether it is over."""
        if not self.state.backoff.step:
            return self.settings.slots
        return max(1, min(self.settings.slots, sum(pod.alive and pod.phase != "Pending" for pod in pods) + 1))

    def _started(self, pods: list[TaskPod]) -> None:
        """End a backoff when a pod made after it began has started; creationTimestamp has whole seconds."""
        backoff = self.state.backoff
        if backoff.step and any(
            pod.phase != "Pending" and not pod.never_ran and pod.created + 1 >= backoff.until for pod in pods
        ):
            self.state.resume()

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
            revoked=frozenset(self.memory.revoked),
            orphaned=orphaned,
            without_secret=self._without_secret,
        )

    def _count(self, executor: Executor, resource: Mapping[str, Any] | None, now: float) -> None:
        self.report.counters.update(executor.done.counts)
        for reason, message in executor.done.notes if resource is not None else ():
            self.report.note(resource or {}, reason, message, now)

    def _remember(self, there: CheckIn, view: View, actions: list[Action]) -> None:
        pods, now = view.pods, view.now
        uids = {pod.uid for pod in pods}
        self.memory.counted &= uids
        self.memory.given_back &= {(pod.task_id, pod.attempt) for pod in pods}
        self.memory.deleted = {uid: when for uid, when in self.memory.deleted.items() if uid in uids}
        held = {action.task_id for action in actions if isinstance(action, Hold)}
        self._held = {task: self._held.get(task, now) for task in held}
        self._lingering = {task: self._lingering.get(task, now) for task in view.states}
        present = {pod.subsession: pod.task_id for pod in pods if pod.subsession is not None}
        ours = {s: t for s, t in present.items() if s not in self.memory.revoked}
        self.memory.seen = {**{s: t for s, t in self.memory.seen.items() if s not in self.memory.revoked}, **ours}
        self.memory.revoked &= present.keys() | self.memory.seen.keys()
        self._without_secret &= {pod.name for pod in pods}
        self._reported_slots = view.slots
        self.report.waiting = sum(task.waiting for task in there.open)
        self.report.running = len(there.open) - self.report.waiting
        self.report.slots = view.slots
        self.report.last_check_in = now

    # Leaving

    def _leave(self, hub: Hub, resource: Mapping[str, Any] | None) -> None:
        """Nothing runs any more: close the session on the hub, then forget it."""
        hub.logout()
        self.cluster.delete_secret(self.settings.session_secret)
        self._disconnect()
        self._sinfo = None
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
            self.cluster.delete_secret(self.settings.session_secret)
            self._disconnect()
        return Tick(drained=not pods, pods_left=len(pods))

    # What people see

    def _say(self, resource: Mapping[str, Any], *, leaving: bool) -> None:
        now = self.around.clock()
        condition = self._condition(now, leaving=leaving)
        if self._error is not None:
            self.report.note(resource, self._error.reason, self._error.message, now)
        self.report.write(resource, condition, now)

    def _condition(self, now: float, *, leaving: bool) -> Condition:
        backoff = self.state.backoff
        if self._error is not None:
            return Condition("Scheduling", status=False, reason=self._error.reason, message=self._error.message)
        if leaving:
            return Condition(
                "Scheduling", status=False, reason="Draining", message="no new tasks; running ones may end"
            )
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
        self._load()
        try:
            access = self.around.make_access(self.settings, self.cluster)
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
                (self._sinfo.id if self._sinfo else 0, host["id"]),
                CheckIn(opened, assigned),
                task_states(session, strangers(opened, pods)),
                pods,
                now,
                slots=self._slots(pods) if accepting else 0,
                accepting=accepting,
                why_not=why_not,
            )
            return Tick(plan(view), pods_left=self._pods_left())
        except (HubError, *HUB_ERRORS) as error:
            return Tick(error=self._explained(error), pods_left=self._pods_left())
        finally:
            access.close()
