# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""All that can happen to a builder: to its process, pods, hub and cluster, and by people; how likely each is."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import SESSION
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import Stop, fault, result

from tests.unit.scheduler.world import ADDRESS, HOST, Killed, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENDED = {"CLOSED", "FAILED", "CANCELED"}
SLOTS = 2
HISTORY = 2
ATTEMPTS = 2
MANY = 12  # tasks at most
SESSION_SECRET = "koji-default-session"
# Where a run is killed or overtaken; "" is any call.
CALLS = (
    "",
    "",
    "",
    "create_pod",
    "create_secret",
    "openTask",
    "freeTasks",
    "logoutChild",
    "give_secret",
    "apply_secret",
)

T = TypeVar("T")


class Choose:
    """Draws: `choose(["a", "b"], "which")`."""

    def __init__(self, draw: Callable[[Sequence[Any], str], Any]) -> None:
        self._draw = draw

    def __call__(self, among: Sequence[T], label: str) -> T:
        """One of these; the first is the simplest."""
        chosen: T = self._draw(among, label)
        return chosen


@dataclass(frozen=True)
class Event:
    """`weight` is its share among what is possible; an example has more of the events of one of its `themes`."""

    name: str
    weight: int
    themes: str
    happens: Callable[[Life, Choose], None]
    possible: Callable[[Life], Any]


EVENTS: list[Event] = []


def event(
    themes: str, weight: int, possible: Callable[[Life], Any] = lambda _life: True
) -> Callable[[Callable[[Life, Choose], None]], Callable[[Life, Choose], None]]:
    """Make a method an event."""

    def add(method: Callable[[Life, Choose], None]) -> Callable[[Life, Choose], None]:
        EVENTS.append(Event(method.__name__, weight, themes, method, possible))
        return method

    return add


@dataclass(frozen=True)
class Ghost:
    """A runner that goes on though its pod's object is gone, or its node does not answer."""

    task: int
    uid: str
    session: Any


@dataclass
class Seen:
    """What happened, to be checked."""

    ended: dict[int, str] = field(default_factory=dict)  # task -> how it ended, as first seen
    closings: Counter[int] = field(default_factory=Counter)  # task -> how many runners the hub let end it
    usurped: list[str] = field(default_factory=list)  # runners that did something to a task that another one has
    crashes: dict[int, set[str]] = field(default_factory=dict)  # task -> pods whose end counts
    counts: Counter[str] = field(default_factory=Counter)  # for people: what the examples were made of


class Life:
    """A World, and what happens in it."""

    def __init__(self, hub_conf: dict[str, Any]) -> None:
        self.world = World(
            {"SoftRefusalTimeout": 20, **hub_conf},
            slots=SLOTS,
            task_attempts=ATTEMPTS,
            drain_timeout=60,
            start_deadline=60,
            failed_pod_history={"count": HISTORY, "max_age": 3600},
        )
        self.cluster = self.world.cluster
        self.cluster.waits = lambda task: bool(self.world.task_row(task)["waiting"])
        self.seen = Seen()
        self.tasks: list[int] = []
        self.ghosts: list[Ghost] = []
        self.lost: set[str] = set()  # pods whose node does not answer
        self.deaf: set[str] = set()  # uids of pods whose runner hangs: it ends when it is killed
        self.thief: Any = None  # somebody else's session, which forced ours away
        self._session = 0

    # What there is

    def state(self, task: int) -> str:
        """Where a task is: by the table, as a call to the hub costs more than a tick should."""
        return str(koji.TASK_STATES[self.world.task_row(task)["state"]])

    def names(self, *phases: str, deleting: bool | None = None) -> list[str]:
        """Pods in one of these phases whose node answers."""
        return sorted(
            name
            for name, pod in self.cluster.all_pods.items()
            if pod["status"]["phase"] in phases
            and name not in self.lost
            and deleting in (None, "deletionTimestamp" in pod["metadata"])
        )

    def running(self) -> list[str]:
        """Pods whose runner works."""
        return [name for name in self.names("Running") if self.uid(name) not in self.deaf]

    def uid(self, name: str) -> str:
        """A pod's uid."""
        return str(self.cluster.all_pods[name]["metadata"]["uid"])

    def unended(self, *states: str) -> list[int]:
        """Tasks that have not ended, or are in one of these states."""
        wanted = states or ("FREE", "ASSIGNED", "OPEN")
        return [task for task in self.tasks if self.state(task) in wanted]

    # The scheduler

    def tick(self, seconds: float = 1.0) -> None:
        """Let time pass, then tick."""
        try:
            self.world.tick(seconds)
        except ClusterError:
            pass  # its thread logs that, and ticks again
        except Killed:
            self.seen.counts["kills in the middle"] += 1
            self.world.restart()
        self._notice()

    def _notice(self) -> None:
        """Attempts do not count when the session was lost before they were looked at."""
        hub = self.world.builder.hub
        if hub is not None and hub.session_id != self._session:
            self._session = hub.session_id
            self.seen.crashes.clear()

    def go_on(self, ticks: int, seconds: float = 1.0) -> None:
        """Ticks, and a kubelet that starts pods and ends those that are to be deleted."""
        for _ in range(ticks):
            self.tick(seconds)
            self.kubelet()

    def kubelet(self) -> None:
        """What has to start starts; what is being deleted goes."""
        for name in self.names("Pending", "Running", "Failed", "Succeeded"):
            pod = self.cluster.all_pods[name]
            if "deletionTimestamp" in pod["metadata"]:
                self._goes(name)
            elif pod["status"] == {"phase": "Pending"}:
                self._start(name)

    @event("kill", 12, lambda life: life.world.fuse.left is None)
    def is_killed(self, choose: Choose) -> None:
        """The process will be killed before or after one of its next calls."""
        fuse = self.world.fuse
        fuse.at = choose(CALLS, "at")
        fuse.left = choose(range(20), "calls") if fuse.at == "" else 0
        fuse.after = choose([False, True], "after")

    @event("kill", 5)
    def is_overtaken(self, choose: Choose) -> None:
        """A tick stands still before or after a call until its Lease is over and a successor has ticked."""
        at, after = choose(CALLS, "at"), choose([False, True], "after")
        calls = choose(range(8), "calls") if at == "" else 0
        ticks = choose([1, 2, 3], "ticks")
        builder = self.world.builder
        for _ in range(3):
            fuse = self.world.fuse
            fuse.at, fuse.after = at, after
            with contextlib.suppress(ClusterError, Stop):
                self.world.overtaken_tick(calls, ticks)
            fuse.at = ""
            self._notice()
            if self.world.builder is not builder:
                self.seen.counts["takeovers in the middle"] += 1
                break
            self.kubelet()

    # Hub and cluster

    @event("hub", 3)
    def hub_loses_an_answer(self, choose: Choose) -> None:
        """The next such call is done, but its answer is lost."""
        method = choose(["host.openTask", "subsession", "host.getTasks", "logoutChild", "host.freeTasks"], "method")
        self.world.hub.injection.add({"kind": "drop", "method": method, "times": 1, "when": "after"})

    @event("hub fence", 4, lambda life: not life.world.failing)
    def hub_fails_at(self, choose: Choose) -> None:
        """For some ticks the hub has an error for each call of a method."""
        methods = [
            "logoutChild",
            "logoutChild",
            "logoutChild",
            "getSessionInfo",
            "subsession",
            "host.openTask",
            "host.freeTasks",
            "host.failTask",
        ]
        self.world.failing.add(choose(methods, "method"))

    @event("hub", 2)
    def hub_restarts(self, choose: Choose) -> None:
        """The hub does not answer for a while, or its database does not."""
        self.world.storage.down = choose([False, True], "database")
        if not self.world.storage.down:
            self.world.hub.injection.add({"kind": "drop"})
        for _ in range(choose([1, 2, 3], "ticks")):
            self.tick(5)
        self.world.storage.down = False
        self.world.hub.injection.clear()

    @event("hub", 1)
    def session_expires(self, choose: Choose) -> None:
        """SessionRenewalTimeout is over: for the builder's session and those of its pods."""
        self.seen.crashes.clear()
        self.world.expire()

    @event("cluster", 3)
    def cluster_fails(self, choose: Choose) -> None:
        """The API server does not do the next such call, or does it and its answer is lost."""
        call = choose(
            ["create_pod", "create_secret", "give_secret", "delete_pod", "apply_secret", "delete_secret"], "c"
        )
        if choose([False, True], "answer lost"):
            self.cluster.lose.add(call)
        else:
            self.cluster.refuse[call] = ClusterError(0, "Unreachable", "down")

    @event("cluster", 1)
    def pods_are_rejected(self, choose: Choose) -> None:
        """The next pod is not admitted."""
        message = choose(["exceeded quota: small", "violates PodSecurity", ""], "message")
        status = 403 if message else 422
        self.cluster.refuse["create_pod"] = ClusterError(status, "Forbidden", f"pods is forbidden: {message}")

    @event("cluster", 1)
    def quota_changes(self, choose: Choose) -> None:
        """Somebody sets a ResourceQuota, or takes it away."""
        self.cluster.quota = None if self.cluster.quota is not None else choose([1, 0], "pods")

    @event("cluster", 1)
    def pods_leave_by(self, choose: Choose) -> None:
        """The cluster's network changes; that matters where the hub checks addresses."""
        self.world.pod_address = "10.0.0.9" if self.world.pod_address == ADDRESS else ADDRESS

    # People

    @event("work", 14, lambda life: len(life.tasks) < MANY)
    def task_is_made(self, choose: Choose) -> None:
        """A user makes a task."""
        self.tasks.append(self.world.task())

    @event("people", 2, lambda life: life.unended())
    def task_is_cancelled(self, choose: Choose) -> None:
        """A user cancels a task, and with it its children."""
        self.world.admin.cancelTask(choose(self.unended(), "task"))

    @event("people", 3, lambda life: life.unended("OPEN", "ASSIGNED"))
    def task_is_freed(self, choose: Choose) -> None:
        """An administrator frees a task."""
        task = choose(self.unended("OPEN", "ASSIGNED"), "task")
        self.seen.crashes.pop(task, None)
        self.world.admin.freeTask(task)

    @event("people", 3, lambda life: life.unended())
    def task_is_assigned(self, choose: Choose) -> None:
        """An administrator assigns a task to this host; forced, even one that is open here already."""
        task = choose(self.unended(), "task")
        self.seen.crashes.pop(task, None)
        self.world.admin.assignTask(task, HOST, force=choose([False, True], "force"))

    @event("people", 2)
    def builder_is_scaled(self, choose: Choose) -> None:
        """Somebody scales or pauses the builder; or puts it back."""
        as_it_was = (self.world.config["slots"], self.world.config["paused"]) == (SLOTS, False)
        slots, paused = choose([(1, False), (0, False), (SLOTS, True)], "slots") if as_it_was else (SLOTS, False)
        self.world.change(slots=slots, paused=paused)

    @event("people", 1)
    def host_is_disabled(self, choose: Choose) -> None:
        """An administrator disables the host, or enables it again."""
        enabled = self.world.admin.getHost(HOST)["enabled"]
        (self.world.admin.disableHost if enabled else self.world.admin.enableHost)(HOST)

    @event("people", 1, lambda life: len(life.tasks) < MANY)
    def host_is_restarted(self, choose: Choose) -> None:
        """An administrator restarts the builder's daemon, or shuts it down."""
        method = choose(["restart", "shutdown"], "method")
        task = self.world.task(method, [self.world.admin.getHost(HOST)] if method == "restart" else [])
        self.world.admin.assignTask(task, HOST)
        self.tasks.append(task)

    @event("people", 1)
    def session_is_taken(self, choose: Choose) -> None:
        """A person forces the builder's session away and checks in; or is done with that."""
        if self.thief is not None:
            self.give_the_session_back()
            return
        self.seen.crashes.clear()
        self.thief = self.world.hub.session(HOST)
        self.thief.exclusiveSession(force=True)
        self.thief.host.updateHost(0, False)

    def give_the_session_back(self) -> None:
        """The person logs out."""
        with contextlib.suppress(koji.AuthError):  # closed by an administrator, or expired
            self.thief.logout()
        self.thief = None

    @event("people", 2)
    def session_is_closed(self, choose: Choose) -> None:
        """An administrator closes one of the host's sessions."""
        rows = self.world.admin.getSessionInfo(details=True, user_id=HOST)
        if rows:
            self.seen.crashes.clear()
            self.world.admin.logout(choose(sorted(row["id"] for row in rows), "session"))

    @event("people", 2, lambda life: life.cluster.secrets)
    def secret_is_deleted(self, choose: Choose) -> None:
        """Somebody deletes a task's Secret, or the one with the session."""
        self._delete_secret(choose(sorted(self.cluster.secrets, reverse=True), "Secret"))

    @event("kill", 1, lambda life: SESSION_SECRET in life.cluster.secrets)
    def key_is_lost(self, choose: Choose) -> None:
        """The Secret with the session is deleted, and the process killed before it could write it again."""
        self._delete_secret(SESSION_SECRET)
        self.world.restart()

    def _delete_secret(self, name: str) -> None:
        del self.cluster.secrets[name]
        if name == SESSION_SECRET:
            self.seen.crashes.clear()

    @event("work", 10, lambda life: life.troubled())
    def trouble_ends(self, choose: Choose) -> None:
        """All that people and networks have done is undone."""
        self.peace()

    def troubled(self) -> bool:
        """Whether something keeps the builder from its work until it is undone."""
        world = self.world
        changed = (world.config["slots"], world.config["paused"]) != (SLOTS, False)
        return bool(
            changed or world.failing or self.thief or self.cluster.quota is not None or world.pod_address != ADDRESS
        )

    def peace(self) -> None:
        """Nothing fails any more."""
        world = self.world
        world.fuse.left = None
        world.hub.injection.clear()
        world.failing.clear()
        world.cluster.refuse.clear()
        world.cluster.lose.clear()
        if self.thief is not None:
            self.give_the_session_back()
        world.cluster.quota = None
        world.pod_address = ADDRESS
        world.admin.enableHost(HOST)
        world.change(slots=SLOTS, paused=False)

    # Runners

    @event("work", 22, running)
    def runner_ends_its_task(self, choose: Choose) -> None:
        """A runner closes or fails its task; the hub may not let it."""
        self.end_task(choose(self.running(), "pod"), closes=choose([True, False], "closes"))

    def end_task(self, name: str, *, closes: bool = True) -> None:
        """Let a runner end its task and exit."""
        task = int(name.split("-")[2])
        if self._report(task, self.uid(name), self.world.worker(name), "closeTask" if closes else "failTask"):
            word = "closed" if closes else "failed"
            self.cluster.end(name, 0 if closes else 1, json.dumps({"outcome": word}))
        else:
            self.cluster.end(name, 70)

    def _report(self, task: int, uid: str, session: Any, how: str) -> bool:
        """Let a runner close, fail or free its task; False if the hub would not have it, or does not answer."""
        before = self.state(task)
        try:
            if how == "closeTask":
                session.host.closeTask(task, result("done"))
            elif how == "failTask":
                session.host.failTask(task, fault("it does not build"))
            else:
                session.host.freeTasks([task])
        except (koji.GenericError, OSError):
            return False
        if how == "freeTasks":
            self.seen.crashes.pop(task, None)
            if before != "OPEN" or self.state(task) == "OPEN":
                return True  # passed over, as another's
        else:
            self.seen.closings[task] += 1
            self.seen.counts["tasks ended"] += 1
        if self.cluster.newest[str(task)] != uid:
            self.seen.usurped.append(f"{how} of task {task} by {uid}")
        return True

    @event("work", 3, lambda life: len(life.tasks) < MANY and life.running())
    def runner_makes_a_child_and_waits(self, choose: Choose) -> None:
        """A runner makes a child task and waits for it."""
        name = choose(self.running(), "pod")
        task = int(name.split("-")[2])
        with contextlib.suppress(koji.GenericError, OSError):
            worker = self.world.worker(name)
            child = worker.host.subtask(method="sleep", arglist=[0], parent=task)
            self.tasks.append(child)
            worker.host.taskSetWait(task, [child])

    @event("work", 3, lambda life: life.waiting())
    def parent_wakes_up(self, choose: Choose) -> None:
        """A runner whose children have ended goes on."""
        name = choose(self.waiting(), "pod")
        with contextlib.suppress(koji.GenericError, OSError):
            self.world.worker(name).host.taskWait(int(name.split("-")[2]))

    def waiting(self) -> list[str]:
        """Pods of parents that wait."""
        return [name for name in self.running() if self.cluster.waits(int(name.split("-")[2]))]

    @event("pods", 3, running)
    def runner_refuses(self, choose: Choose) -> None:
        """A runner's checkHost says no."""
        self.cluster.end(choose(self.running(), "pod"), 77, json.dumps({"outcome": "refused", "message": "no"}))

    @event("pods people", 2, running)
    def runner_hangs(self, choose: Choose) -> None:
        """A runner does nothing any more, not even on SIGTERM."""
        self.deaf.add(self.uid(choose(self.running(), "pod")))

    @event("pods", 2, running)
    def pod_is_drained(self, choose: Choose) -> None:
        """A node drain: the runner gives its task back and the pod is gone."""
        name = choose(self.running(), "pod")
        self._give_back(name)
        if name in self.cluster.all_pods:
            self.cluster.remove(name)

    def _give_back(self, name: str, reason: str = "") -> None:
        done = self._report(int(name.split("-")[2]), self.uid(name), self.world.worker(name), "freeTasks")
        self.cluster.end(name, 75 if done else 70, json.dumps({"outcome": "freed"}) if done else "", pod_reason=reason)

    @event("pods", 2, running)
    def pod_fills_its_disk(self, choose: Choose) -> None:
        """A pod is evicted for what its task does."""
        name = choose(self.running(), "pod")
        pod = self.cluster.all_pods[name]
        self._give_back(name, "Evicted")
        pod["status"]["message"] = "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi"

    @event("attempts", 9, running)
    def pod_dies(self, choose: Choose) -> None:
        """A pod dies with its task open."""
        # Rather one whose task has crashed before: attempts are counted.
        again = [name for name in self.running() if int(name.split("-")[2]) in self.seen.crashes]
        name = choose([*again, *again, *again, *self.running()], "pod")
        reason, pod_reason = choose([("OOMKilled", ""), ("OOMKilled", ""), ("Error", ""), ("", "Evicted")], "how")
        self._note_crash(name, counts=not pod_reason)
        self.cluster.end(name, 137, reason=reason, pod_reason=pod_reason)

    def _note_crash(self, name: str, *, counts: bool) -> None:
        """Remember a crash that has to count: the task is open, its newest pod's, and the session is the builder's."""
        meta, task = self.cluster.all_pods[name]["metadata"], int(name.split("-")[2])
        ours = int(meta["annotations"][SESSION]) == self._session
        if not counts or not ours or "deletionTimestamp" in meta or self.cluster.newest[str(task)] != meta["uid"]:
            return
        if self.state(task) == "OPEN":
            self.seen.counts["crashes"] += 1
            self.seen.crashes.setdefault(task, set()).add(meta["uid"])

    @event("pods fence", 8, lambda life: life.names("Pending", "Running", "Failed"))
    def pod_vanishes(self, choose: Choose) -> None:
        """Somebody deletes a pod by force: its runner goes on for a while."""
        name = choose([*self.names("Running"), *self.names("Pending", "Failed")], "pod")
        self._haunt(name)
        self.seen.crashes.pop(int(name.split("-")[2]), None)
        self.cluster.remove(name)

    @event("pods", 3, lambda life: life.names("Running"))
    def node_is_lost(self, choose: Choose) -> None:
        """A pod's node does not answer; the node controller has the pod deleted, which nobody does."""
        name = choose(self.names("Running"), "pod")
        self._haunt(name)
        self.lost.add(name)
        self.cluster.mark_deleted(name, 30)

    def _haunt(self, name: str) -> None:
        if self.cluster.all_pods[name]["status"]["phase"] == "Running":
            self.ghosts.append(Ghost(int(name.split("-")[2]), self.uid(name), self.world.worker(name)))
            self.seen.counts["ghosts"] += 1

    @event("pods", 8, lambda life: life.ghosts)
    def ghost_reports(self, choose: Choose) -> None:
        """A runner that nobody sees any more ends its task or gives it back, if the hub lets it."""
        how = choose(["closeTask", "failTask", "freeTasks"], "how")
        uid = choose([ghost.uid for ghost in self.ghosts], "ghost")
        self.ghost_tries(next(ghost for ghost in self.ghosts if ghost.uid == uid), how)

    def ghost_tries(self, ghost: Ghost, how: str) -> None:
        """Let a ghost report."""
        self.seen.counts["ghosts that tried"] += 1
        another = self.cluster.newest[str(ghost.task)] != ghost.uid and self.state(ghost.task) == "OPEN"
        self.seen.counts["ghosts that tried, their task taken again"] += another
        self._report(ghost.task, ghost.uid, ghost.session, how)

    # Kubelet

    def _start(self, name: str) -> None:
        if not self.cluster.begin(name):
            return
        self.seen.counts["pods started"] += 1
        try:
            self.world.worker(name).host.getID()
        except (koji.AuthLockError, koji.AuthExpired):
            self.cluster.end(name, 70, json.dumps({"outcome": "crashed"}))
        except koji.AuthError:
            self.cluster.end(name, 76, json.dumps({"outcome": "denied"}))
        except (koji.GenericError, OSError):
            self.cluster.end(name, 70, json.dumps({"outcome": "crashed"}))

    @event("pods", 2, lambda life: life.names("Pending"))
    def pod_cannot_start(self, choose: Choose) -> None:
        """A pod's image is not there."""
        reason = choose(["ErrImagePull", "CreateContainerConfigError"], "reason")
        self.cluster.cannot_start(choose(self.names("Pending"), "pod"), reason)

    def _goes(self, name: str) -> None:
        """A pod that is being deleted ends."""
        phase = self.cluster.all_pods[name]["status"]["phase"]
        if phase == "Running" and self.uid(name) not in self.deaf:
            self._give_back(name)
        elif phase in ("Running", "Pending"):
            self.cluster.end(name, 137 if phase == "Running" else 143)
        else:
            self.cluster.remove(name)

    def behave(self) -> None:
        """All pods do as they should: those that hang do so only when their task is not theirs any more."""
        self.kubelet()
        for name in self.names("Running", deleting=False):
            task = int(name.split("-")[2])
            if self.uid(name) in self.deaf and self.state(task) != "OPEN":
                continue
            children = {child["id"] for child in self.world.admin.getTaskChildren(task)} - self.refused()
            if all(self.state(child) in ENDED for child in children):
                self.end_task(name)

    def refused(self) -> set[int]:
        """Tasks that this host has refused for good: another one does them."""
        return {int(one["task_id"]) for one in self.world.admin.scheduler.getTaskRefusals() if not one["soft"]}


# Hypothesis draws the first rather often.
EVENTS.sort(key=lambda one: (one.themes != "work", -one.weight))
