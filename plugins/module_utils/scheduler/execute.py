# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Does a tick's actions, in an order that survives being killed between any two calls."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils import pods
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.actions import (
    Action,
    Answer,
    Delete,
    Fail,
    Free,
    GiveUp,
    Keep,
    Pause,
    Refuse,
    Revoke,
    Take,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import (
    CONFLICT,
    Cluster,
    ClusterError,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.rejection import QUOTA, rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence
    from concurrent.futures import Executor as Pool

    from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import Settings
    from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import TaskPod
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import Hub, Opened
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.state import State

LOG_LINES = 20  # of a crashed pod, in its task's result
NAMES_TRIED = 5  # attempt numbers tried when pods of those names are there already
ASKED_AGAIN = 10.0  # seconds until a deletion that shows no effect is asked for again

A = TypeVar("A")


@dataclass
class Memory:
    """What an executor remembers from tick to tick; losing it costs a repeated call, nothing else."""

    revoked: set[int] = field(default_factory=set)
    seen: dict[int, int] = field(default_factory=dict)  # subsession -> task id, of all pods made or met
    deleted: dict[str, float] = field(default_factory=dict)  # pod uid -> when it was asked for
    counted: set[str] = field(default_factory=set)  # uids of pods that are in the counters
    unsure: bool = False  # a call to the cluster failed half-way: Secrets may be left that no pod has


@dataclass
class Done:
    """What came of a tick's actions."""

    counts: Counter[str] = field(default_factory=Counter)  # taken, closed, failed, freed
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)  # the same and refused, by reason
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)  # pods: outcome, reason of crashed ones
    opened: list[tuple[Mapping[str, Any], int]] = field(default_factory=list)  # task as host.openTask gave it, attempt
    notes: list[tuple[str, str]] = field(default_factory=list)  # (reason, message) of events
    restart: bool = False

    def tally(self, what: str, reason: str = "", number: int = 1) -> None:
        """Count tasks; a refused one was never ours, and is not in the status."""
        if number:
            self.reasons[what, reason] += number
        if what != "refused":
            self.counts[what] += number


@dataclass(frozen=True)
class _NotStarted:
    opened: Opened
    error: ClusterError
    secret: str = ""  # the one that was made, or may have been


def _only(kind: type[A], actions: Iterable[Action]) -> list[A]:
    return [action for action in actions if isinstance(action, kind)]


def story(pod: TaskPod) -> str:
    """One line on how a pod ended: "pod koji-task-7-1 on node n1: OOMKilled, exit code 137"."""
    where = f" on node {pod.node}" if pod.node else ""
    code = "" if pod.exit_code is None else f", exit code {pod.exit_code}"
    why = f" ({pod.message})" if pod.message else ""
    return f"pod {pod.name}{where}: {pod.reason or pod.outcome}{code}{why}"


class Executor:
    """Acts for one builder. `save` writes the state to its Secret; `jitter` gives numbers in [0, 1)."""

    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        cluster: Cluster,
        *,
        state: State,
        memory: Memory,
        pool: Pool,
        save: Callable[[], None],
        clock: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.hub = hub
        self.cluster = cluster
        self.state = state
        self.memory = memory
        self.pool = pool
        self.save = save
        self.clock = clock
        self.jitter = jitter
        self.done = Done()
        self._pausing = False  # in this tick

    def run(self, actions: Sequence[Action]) -> Done:
        """Do everything. Raises what the ports raise; the next tick sees what is left to do."""
        unsafe = self._revoke(_only(Revoke, actions))
        for pause in _only(Pause, actions)[:1]:
            self.pause(pause.reason, pause.message)
        # The fence: a task is given away only after its old subsession is closed for certain.
        self._release([a for a in actions if isinstance(a, (Free, Fail, Refuse)) and a.task_id not in unsafe])
        for answer in _only(Answer, actions):
            self._answer(answer)
        for hopeless in _only(GiveUp, actions):
            self._give_up(hopeless)
        self._take([take for take in _only(Take, actions) if take.task_id not in unsafe])
        for action in actions:
            if isinstance(action, Delete):
                self._delete(action)
            elif isinstance(action, Keep) and action.pod.task_id not in unsafe:  # a kept pod is not looked at again
                self._keep(action.pod)
        if self.state.dirty:
            self.save()
        return self.done

    def _note(self, reason: str, message: str) -> None:
        self.done.notes.append((reason, message))

    def _revoke(self, revokes: Sequence[Revoke]) -> set[int]:
        """Close subsessions; give the tasks for which that did not work."""
        closed = self.hub.revoke([action.subsession for action in revokes])
        self.memory.revoked |= closed
        return {action.task_id for action in revokes if action.subsession not in closed}

    def pause(self, reason: str, message: str) -> None:
        """Back off, and say so."""
        self._pausing = True
        # Whether the quota has room again is asked for without a task: soon, then.
        most = {"most": 1} if reason == QUOTA else {}
        self.state.pause(reason, message, self.clock(), self.jitter(), **most)
        self._note(reason, f"task pods do not start: {message or reason}")

    def _release(self, actions: Sequence[Free | Fail | Refuse]) -> None:
        free: dict[int, str] = {}  # task id -> why
        fail: dict[int, str] = {}
        why: dict[int, str] = {}  # of the failed ones
        refuse: dict[int, tuple[bool, str]] = {}
        now = self.clock()
        for action in actions:
            if isinstance(action, Fail):
                fail[action.task_id] = self._obituary(action)
                why[action.task_id] = action.pod.reason
                self.memory.counted.add(action.pod.uid)
                self.done.ended[action.pod.outcome, action.pod.reason] += 1
                self.state.ended(action.task_id, action.pod.attempt, counted=True, now=now, story=story(action.pod))
                self._note(
                    "TaskPodFailed",
                    f"task {action.task_id} failed after {action.attempts} attempts: {story(action.pod)}",
                )
            elif isinstance(action, Refuse):
                refuse[action.task_id] = (action.soft, action.message)
                if action.opened:
                    free[action.task_id] = "Refused"  # hubs that refuse ASSIGNED tasks only
                    self.state.ended(action.task_id, action.attempt, counted=True, now=now, story=action.message)
                    self._note("TaskRefused", f"task {action.task_id}: {action.message}")
            elif not (action.confirm and self.cluster.live_pods_of(action.task_id)):
                free[action.task_id] = action.reason
                if action.attempt:
                    how = f"{action.reason} {action.message}".strip()
                    self.state.ended(action.task_id, action.attempt, counted=action.counted, now=now, story=how)
                self._note(
                    "TaskFreed", f"task {action.task_id} is given back ({action.reason}): {action.message}".rstrip(": ")
                )
        if self.state.dirty:
            self.save()  # before the hub hands the task out again: the count must survive us
        problems = self.hub.release(list(free), fail, refuse, pausing=self._pausing)
        for task_id in fail:
            if task_id not in problems:
                self.state.forget(task_id)
                self.done.tally("failed", why[task_id])
        self._count_released(free, refuse, problems)

    def _count_released(
        self,
        free: Mapping[int, str],
        refuse: Mapping[int, tuple[bool, str]],
        problems: Mapping[int, str],
    ) -> None:
        for task_id, (soft, _message) in refuse.items():
            # Of an opened one the second call, freeTasks, may be what did not work.
            if task_id not in problems or task_id in free:
                self.done.tally("refused", "soft" if soft else "hard")
        for task_id, reason in free.items():
            if task_id not in problems:
                self.done.tally("freed", reason)

    def _obituary(self, action: Fail) -> str:
        """The result of a task whose pods kept dying, for the packager."""
        text = (
            f"the task's {story(action.pod)}. It ended without a result; this was attempt {action.attempts} of "
            f"{self.settings.task_attempts} that count."
        )
        log = self.cluster.pod_log(action.pod.name, LOG_LINES).strip()
        return f"{text}\nLast lines of its log:\n{log}" if log else text

    def _give_up(self, action: GiveUp) -> None:
        """Fail a task that comes back again and again, such as one that always fills its disk and is then evicted."""
        task = self.hub.open_here(action.task_id)
        if task is None:
            return
        known = self.state.attempts.get(action.task_id)
        how = f"; the last one: {known.story}" if known and known.story else ""
        message = f"all {action.attempts} attempts that count ended without a result{how}"
        self.hub.release([], {action.task_id: message}, {})
        self.state.forget(action.task_id)
        self._note("TaskPodFailed", f"task {action.task_id} failed: {message}")
        self.done.tally("taken")
        self.done.tally("failed", "AttemptsUsedUp")

    # Tasks for the daemon

    def _answer(self, action: Answer) -> None:
        task = self.hub.open_here(action.task_id)
        if task is None:
            return
        params, _method = koji.xmlrpcplus.loads(task["request"])
        args, _kwargs = koji.decode_args(*params)
        try:
            value = self._daemon(action.method, args)
        except koji.GenericError as error:
            self.hub.release([], {action.task_id: str(error)}, {})
            self.done.tally("failed", "DaemonTask")
        else:
            self.hub.close(action.task_id, value)
            self.done.tally("closed")
        self.done.tally("taken")

    def _daemon(self, method: str, args: Sequence[Any]) -> object:
        """What koji.tasks' RestartTask, RestartVerifyTask and ShutdownTask would answer."""
        if method == "shutdown":
            raise koji.GenericError(
                "this host is run by the Koji operator and can't be shut down from here: set spec.paused of "
                f"KojiBuilder {self.settings.namespace}/{self.settings.name}, or use koji disable-host"
            )
        host = args[-1] if args and isinstance(args[-1], dict) else {}
        if host.get("id") != self.hub.host_id:
            raise koji.GenericError("Host mismatch")
        if method == "restart":
            self.done.restart = True
            return "graceful restart initiated"
        first = self.hub.session.getTaskInfo(args[0])
        state = koji.TASK_STATES[first["state"]] if first else "unknown"
        if state != "CLOSED":
            raise koji.GenericError(f"Stage one restart task is {state}")
        return None

    # Tasks for pods

    def _take(self, takes: Sequence[Take]) -> None:
        if not takes:
            return
        attempts = {take.task_id: take.attempt for take in takes}
        opened, spare = self.hub.open(list(attempts))
        if spare:
            self._revoke([Revoke(subsession, 0) for subsession in spare])
        ready = [one for one in opened if one.sinfo is not None]
        self.memory.seen.update({int((one.sinfo or {})["session-id"]): one.task["id"] for one in ready})
        self.hub.may_write()  # nobody else can have looked at these tasks yet
        starts = [self.pool.submit(self._start, one, attempts[one.task["id"]]) for one in ready]
        ended = [start.result() for start in starts]
        # Now that all pods are on their way.
        for giving in [self.pool.submit(self._give_secret, pod) for pod in ended if not isinstance(pod, _NotStarted)]:
            giving.result()
        self.done.tally("taken", number=len(opened))
        self.done.opened += [(one.task, attempts[one.task["id"]]) for one in ready]
        failures = [failure for failure in ended if isinstance(failure, _NotStarted)]
        self._give_back(failures, [one.task["id"] for one in opened if one.sinfo is None])

    def _start(self, opened: Opened, attempt: int) -> Mapping[str, Any] | _NotStarted:
        """Make Secret, then pod: a kubelet that looks for the Secret too early looks again a second later only. Either
        name is a fence.
        """
        task, sinfo = opened.task, opened.sinfo or {}
        secret = ""
        try:
            for number in range(attempt, attempt + NAMES_TRIED):
                self.hub.may_write()
                secret = pods.pod_name(task["id"], number)
                if self._make_secret(pods.secret(self.settings, task, number, sinfo)):
                    pod = self._make_pod(task, number, int(sinfo["session-id"]))
                    if pod is not None:
                        return pod
                    self.cluster.delete_secret(secret)
        except ClusterError as error:
            return _NotStarted(opened, error, secret)
        taken = f"pods {pods.pod_name(task['id'], attempt)} and following exist"
        return _NotStarted(opened, ClusterError(CONFLICT, "NameTaken", taken))

    def _give_secret(self, pod: Mapping[str, Any]) -> None:
        try:
            self.cluster.give_secret(pod["metadata"]["name"], pod)
        except ClusterError:
            self.memory.unsure = True  # the next tick does it

    def _make_pod(self, task: Mapping[str, Any], attempt: int, subsession: int) -> Mapping[str, Any] | None:
        """The pod, or None if another one has the name."""
        channel = self.hub.channel(task.get("channel_id"))
        wanted = pods.manifest(self.settings, task, attempt, subsession, self.hub.session_id, channel=channel)
        try:
            return self.cluster.create_pod(wanted)
        except ClusterError as error:
            if error.status not in (CONFLICT, 0):
                raise
            # Made by a call of ours whose answer was lost? Then it has our subsession.
            there = self.cluster.get_pod(wanted["metadata"]["name"])
            notes = (there or {}).get("metadata", {}).get("annotations") or {}
            if there is not None and notes.get(pods.SUBSESSION) == str(subsession):
                return there
            if error.status == 0:
                raise
            return None

    def _make_secret(self, manifest: Mapping[str, Any]) -> bool:
        """Make it; False if another pod has the name."""
        name = manifest["metadata"]["name"]
        try:
            self.cluster.create_secret(manifest)
        except ClusterError as error:
            if error.status != CONFLICT:
                raise
            if self.cluster.get_pod(name) is not None:
                return False
            # Of an earlier pod of this name; garbage collection is slower than we are.
            self.cluster.delete_secret(name)
            self.cluster.create_secret(manifest)
        return True

    def _give_back(self, failures: Sequence[_NotStarted], without_session: Sequence[int]) -> None:
        if not failures and not without_session:
            return
        revokes = [Revoke(int((f.opened.sinfo or {})["session-id"]), f.opened.task["id"]) for f in failures]
        unsafe = self._revoke(revokes)
        task_ids = [f.opened.task["id"] for f in failures if f.opened.task["id"] not in unsafe] + list(without_session)
        reason = ""
        if failures:
            error = failures[0].error
            reason, message = rejection(error, self.settings)
            self.pause(reason, message)
            self.save()
        self.hub.release(task_ids, {}, {}, pausing=self._pausing)
        self.done.tally("freed", reason, len(task_ids) - len(without_session))
        self.done.tally("freed", "NoSubsession", len(without_session))
        self.memory.unsure = True  # until the Secrets are gone, and the pod whose making was not answered
        for failure in failures:
            if failure.secret and failure.error.status != 0:
                self.cluster.delete_secret(failure.secret)

    # Pods

    def _delete(self, action: Delete) -> None:
        pod, now = action.pod, self.clock()
        if now - self.memory.deleted.get(pod.uid, 0.0) < ASKED_AGAIN:
            return
        self.cluster.delete_pod(pod.name, pod.uid, action.grace)
        self.memory.deleted[pod.uid] = now
        if action.reason == "Lingering":
            self._note(
                "TaskPodLingered", f"task {pod.task_id} has ended, but its pod {pod.name} went on; it is deleted"
            )

    def _keep(self, pod: TaskPod) -> None:
        # Its session is closed; the pod is for people to look at, its Secret is for nobody.
        self.cluster.delete_secret(pod.name)
        self.cluster.annotate_pod(pod.name, {pods.RECORDED: pod.outcome})

    def count(self, pod: TaskPod, open_here: Container[int]) -> None:
        """Count how a pod's task ended, once; a runner that was told to stop gave its task back by itself.

        While the task is open here, whatever the pod says has not happened: it crashed.
        """
        if pod.alive or pod.recorded or pod.uid in self.memory.counted or pod.task_id in open_here:
            return
        self.memory.counted.add(pod.uid)
        self.done.ended[pod.outcome, pod.reason if pod.outcome == "crashed" else ""] += 1
        known = self.state.attempts.get(pod.task_id)
        if known is not None and pod.attempt <= known.last:
            return  # we have given its task back, or failed it
        if pod.outcome in ("closed", "failed"):
            self.done.tally(pod.outcome, "TaskFailed" if pod.outcome == "failed" else "")
            self.state.forget(pod.task_id)
        elif pod.outcome == "freed":
            self.done.tally("freed", "GivenBack")
            # Also an attempt that does not count has used up its number. One that was at fault had the time to give its
            # task back, but the next one would end in the same way.
            self.state.ended(pod.task_id, pod.attempt, counted=pod.own_fault, now=self.clock(), story=story(pod))
