# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whatever happens, in whatever order: every task ends exactly once or is still queued, and nothing is left over."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import Stop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.scheduler.world import ADDRESS, HOST, NAME, Killed, World

ENDED = {"CLOSED", "FAILED", "CANCELED"}
SLOTS = 2
HISTORY = 2
MANY = 8  # tasks at most
REST = 90  # ticks of 20 s: longer than a refusal (900 s), and than the wait for a holder that is silent (210 s)


class Interleavings(RuleBasedStateMachine):
    """Ticks, kills and takeovers between any two calls, hubs and clusters that fail, pods, users, administrators."""

    world: World

    @initialize(checks_addresses=st.booleans())
    def start(self, checks_addresses: bool) -> None:
        """Begin with an idle builder."""
        self.world = World(
            {"CheckClientIP": checks_addresses},
            slots=SLOTS,
            task_attempts=2,
            drain_timeout=60,
            start_deadline=60,
            failed_pod_history={"count": HISTORY, "max_age": 3600},
        )
        self.tasks: list[int] = []
        self.ended: dict[int, str] = {}  # task -> how it ended, as first seen
        self.closings: dict[int, int] = {}  # task -> how many runners the hub let end it
        self.ghosts: list[tuple[int, Any]] = []  # task, session: runners whose pod object is gone, or their node
        self.lost: set[str] = set()  # pods whose node does not answer
        self.thief: Any = None  # somebody else's session, which forced ours away

    # The scheduler

    def _tick(self, seconds: float = 1.0) -> None:
        with contextlib.suppress(ClusterError):  # its thread logs that, and ticks again
            self.world.tick(seconds)

    @rule(seconds=st.sampled_from([0.1, 1, 5]))
    def tick(self, seconds: float) -> None:
        """One tick."""
        self._tick(seconds)

    @rule(calls=st.integers(0, 9), after=st.booleans())
    def tick_and_be_killed(self, calls: int, after: bool) -> None:
        """One tick that is killed before or after its nth call, and a new process."""
        self.world.fuse.left, self.world.fuse.after = calls, after
        try:
            self._tick()
        except Killed:
            self.world.restart()
        self.world.fuse.left = None

    @rule(calls=st.integers(0, 9), ticks=st.integers(1, 2))
    def tick_and_be_overtaken(self, calls: int, ticks: int) -> None:
        """One tick that stands still before its nth call until its Lease is over and a successor has ticked."""
        with contextlib.suppress(ClusterError, Stop):
            self.world.overtaken_tick(calls, ticks)

    @rule(method=st.sampled_from(["host.openTask", "subsession", "host.getTasks", "logoutChild", "host.freeTasks"]))
    def lose_an_answer(self, method: str) -> None:
        """The next such call is done, but its answer is lost."""
        self.world.hub.injection.add({"kind": "drop", "method": method, "times": 1, "when": "after"})

    # Hub and cluster

    @rule(ticks=st.integers(1, 3), down=st.booleans())
    def hub_restarts(self, ticks: int, down: bool) -> None:
        """The hub does not answer for a while, or its database does not."""
        self.world.storage.down = down
        if not down:
            self.world.hub.injection.add({"kind": "drop"})
        for _ in range(ticks):
            self._tick(5)
        self.world.storage.down = False
        self.world.hub.injection.clear()

    @rule()
    def session_expires(self) -> None:
        """SessionRenewalTimeout is over: for the builder's session and those of its pods."""
        self.world.expire()

    @rule(call=st.sampled_from(["create_pod", "create_secret", "give_secret", "delete_pod", "apply_secret"]))
    def cluster_fails(self, call: str) -> None:
        """The API server does not do the next such call."""
        self.world.cluster.refuse[call] = ClusterError(0, "Unreachable", "down")

    @rule(message=st.sampled_from(["exceeded quota: small", "violates PodSecurity", ""]))
    def pods_are_rejected(self, message: str) -> None:
        """The next pod is not admitted."""
        status = 403 if message else 422
        self.world.cluster.refuse["create_pod"] = ClusterError(status, "Forbidden", f"pods is forbidden: {message}")

    @rule(quota=st.sampled_from([None, 0, 1]))
    def quota_changes(self, quota: int | None) -> None:
        """Somebody sets a ResourceQuota, or takes it away."""
        self.world.cluster.quota = quota

    @rule(address=st.sampled_from([ADDRESS, "10.0.0.9"]))
    def pods_leave_by(self, address: str) -> None:
        """The cluster's network changes; that matters where the hub checks addresses."""
        self.world.pod_address = address

    # People

    @precondition(lambda self: len(self.tasks) < MANY)
    @rule()
    def make_task(self) -> None:
        """A user makes a task."""
        self.tasks.append(self.world.task())

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A user cancels a task, and with it its children."""
        self.world.admin.cancelTask(data.draw(st.sampled_from(self.tasks)))

    @precondition(lambda self: any(self.world.state(task) in {"OPEN", "ASSIGNED"} for task in self.tasks))
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        """An administrator frees a task."""
        here = [task for task in self.tasks if self.world.state(task) in {"OPEN", "ASSIGNED"}]
        self.world.admin.freeTask(data.draw(st.sampled_from(here)))

    @precondition(lambda self: any(self.world.state(task) not in ENDED for task in self.tasks))
    @rule(data=st.data(), force=st.booleans())
    def assign(self, data: st.DataObject, force: bool) -> None:
        """An administrator assigns a task to this host; forced, even one that is open here already."""
        task = data.draw(st.sampled_from([task for task in self.tasks if self.world.state(task) not in ENDED]))
        self.world.admin.assignTask(task, HOST, force=force)

    @rule(slots=st.sampled_from([0, 1, SLOTS]), paused=st.booleans())
    def scale(self, slots: int, paused: bool) -> None:
        """Somebody scales or pauses the builder."""
        self.world.change(slots=slots, paused=paused)

    @rule(enabled=st.booleans())
    def enable_or_disable_the_host(self, enabled: bool) -> None:
        """An administrator disables or enables the host."""
        (self.world.admin.enableHost if enabled else self.world.admin.disableHost)(HOST)

    @rule(method=st.sampled_from(["restart", "shutdown"]))
    def restart_host(self, method: str) -> None:
        """An administrator restarts the builder's daemon, or shuts it down."""
        task = self.world.task(method, [self.world.admin.getHost(HOST)] if method == "restart" else [])
        self.world.admin.assignTask(task, HOST)
        self.tasks.append(task)

    @rule()
    def somebody_takes_the_session(self) -> None:
        """A person forces the builder's session away and checks in; or is done with that."""
        if self.thief is not None:
            self._give_the_session_back()
        else:
            self.thief = self.world.hub.session(HOST)
            self.thief.exclusiveSession(force=True)
            self.thief.host.updateHost(0, False)

    def _give_the_session_back(self) -> None:
        with contextlib.suppress(koji.AuthError):  # closed by an administrator, or expired
            self.thief.logout()
        self.thief = None

    @rule(data=st.data(), subsession=st.booleans())
    def an_admin_closes_a_session(self, data: st.DataObject, subsession: bool) -> None:
        """An administrator closes one of the host's sessions."""
        rows = self.world.admin.getSessionInfo(details=True, user_id=HOST)
        ids = [row["id"] for row in rows if bool(row["master"]) is subsession]
        if ids:
            self.world.admin.logout(data.draw(st.sampled_from(ids)))

    @rule(data=st.data())
    def somebody_deletes_a_secret(self, data: st.DataObject) -> None:
        """Somebody deletes a task's Secret, or the one with the session."""
        names = sorted(self.world.cluster.secrets)
        if names:
            del self.world.cluster.secrets[data.draw(st.sampled_from(names))]

    # Pods

    def _some(self, data: st.DataObject, *phases: str) -> str | None:
        names = sorted(
            n for n, p in self.world.cluster.all_pods.items() if p["status"]["phase"] in phases and n not in self.lost
        )
        return data.draw(st.sampled_from(names)) if names else None

    @rule(data=st.data())
    def pod_starts(self, data: st.DataObject) -> None:
        """The kubelet starts a pod, whose runner makes its first call."""
        if name := self._some(data, "Pending"):
            self._start(name)

    def _start(self, name: str) -> None:
        if not self.world.cluster.begin(name):
            return
        try:
            self.world.worker(name).host.getID()
        except (koji.AuthLockError, koji.AuthExpired):
            self.world.cluster.end(name, 70, json.dumps({"outcome": "crashed"}))
        except koji.AuthError:
            self.world.cluster.end(name, 76, json.dumps({"outcome": "denied"}))
        except (koji.GenericError, OSError):
            self.world.cluster.end(name, 70, json.dumps({"outcome": "crashed"}))

    @rule(data=st.data(), closes=st.booleans())
    def runner_ends_its_task(self, data: st.DataObject, closes: bool) -> None:
        """A runner closes or fails its task; the hub may not let it."""
        if name := self._some(data, "Running"):
            self._end_task(name, closes=closes)

    def _end_task(self, name: str, *, closes: bool = True) -> None:
        task = int(name.split("-")[2])
        if closes:
            done = self.world.close(name)
        else:
            try:
                self.world.fail(name)
                done = True
            except (koji.GenericError, OSError):
                self.world.cluster.end(name, 70)
                done = False
        self.closings[task] = self.closings.get(task, 0) + done

    @precondition(lambda self: len(self.tasks) < MANY)
    @rule(data=st.data())
    def runner_makes_a_child_and_waits(self, data: st.DataObject) -> None:
        """A runner makes a child task and waits for it."""
        if name := self._some(data, "Running"):
            task = int(name.split("-")[2])
            with contextlib.suppress(koji.GenericError, OSError):
                worker = self.world.worker(name)
                child = worker.host.subtask(method="sleep", arglist=[0], parent=task)
                self.tasks.append(child)
                worker.host.taskSetWait(task, [child])

    @rule(data=st.data())
    def runner_refuses(self, data: st.DataObject) -> None:
        """A runner's checkHost says no."""
        if name := self._some(data, "Running"):
            self.world.cluster.end(name, 77, json.dumps({"outcome": "refused", "message": "no"}))

    @rule(data=st.data())
    def pod_is_drained(self, data: st.DataObject) -> None:
        """A node drain: the runner gives its task back and the pod is gone."""
        if name := self._some(data, "Running"):
            self._give_back(name)
            self.world.cluster.remove(name)

    def _give_back(self, name: str, reason: str = "") -> None:
        task = int(name.split("-")[2])
        try:
            self.world.worker(name).host.freeTasks([task])
            self.world.cluster.end(name, 75, json.dumps({"outcome": "freed"}), pod_reason=reason)
        except (koji.GenericError, OSError):
            if name in self.world.cluster.all_pods:
                self.world.cluster.end(name, 70, pod_reason=reason)

    @rule(data=st.data())
    def pod_fills_its_disk(self, data: st.DataObject) -> None:
        """A pod is evicted for what its task does."""
        if name := self._some(data, "Running"):
            pod = self.world.cluster.all_pods[name]
            self._give_back(name, "Evicted")
            pod["status"]["message"] = "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi"

    @rule(data=st.data(), how=st.sampled_from([("OOMKilled", ""), ("Error", ""), ("", "Evicted")]))
    def pod_dies(self, data: st.DataObject, how: tuple[str, str]) -> None:
        """A pod dies with its task open."""
        if name := self._some(data, "Running"):
            self.world.cluster.end(name, 137, reason=how[0], pod_reason=how[1])

    @rule(data=st.data())
    def pod_vanishes(self, data: st.DataObject) -> None:
        """Somebody deletes a pod by force: its runner goes on for a while."""
        if name := self._some(data, "Pending", "Running", "Failed"):
            self._haunt(name)
            self.world.cluster.remove(name)

    @rule(data=st.data())
    def node_is_lost(self, data: st.DataObject) -> None:
        """A pod's node does not answer; the node controller has the pod deleted, which nobody does."""
        if name := self._some(data, "Running"):
            self._haunt(name)
            self.lost.add(name)
            self.world.cluster.delete_pod(name, self.world.cluster.all_pods[name]["metadata"]["uid"], 30)

    def _haunt(self, name: str) -> None:
        if self.world.cluster.all_pods[name]["status"]["phase"] == "Running":
            self.ghosts.append((int(name.split("-")[2]), self.world.worker(name)))

    @precondition(lambda self: self.ghosts)
    @rule(data=st.data())
    def ghost_ends_its_task(self, data: st.DataObject) -> None:
        """A runner that nobody sees any more ends its task, if the hub lets it."""
        ghost = data.draw(st.sampled_from(self.ghosts))
        self.ghosts.remove(ghost)
        task, worker = ghost
        self.closings[task] = self.closings.get(task, 0) + self.world.report(task, worker)

    @rule(data=st.data(), reason=st.sampled_from(["ErrImagePull", "CreateContainerConfigError"]))
    def pod_cannot_start(self, data: st.DataObject, reason: str) -> None:
        """A pod's image is not there."""
        if name := self._some(data, "Pending"):
            self.world.cluster.cannot_start(name, reason)

    @rule(data=st.data())
    def pod_goes(self, data: st.DataObject) -> None:
        """The kubelet ends a pod that is being deleted."""
        names = sorted(
            n
            for n, p in self.world.cluster.all_pods.items()
            if "deletionTimestamp" in p["metadata"] and n not in self.lost
        )
        if names:
            self._behave(data.draw(st.sampled_from(names)))

    # What holds at all times

    @invariant()
    def a_task_ends_once(self) -> None:
        """What has ended stays as it ended, and no second runner was let end it."""
        if not hasattr(self, "world") or self.world.storage.down:
            return
        for task in self.tasks:
            state = self.world.state(task)
            if task in self.ended:
                assert self.ended[task] == state
            elif state in ENDED:
                self.ended[task] = state
        assert all(count <= 1 for count in self.closings.values())

    @invariant()
    def slots_are_kept(self) -> None:
        """Never more pods than slots, not even for a moment."""
        if hasattr(self, "world"):
            assert self.world.cluster.most_alive <= SLOTS

    def teardown(self) -> None:
        """Let everything come to rest: then all tasks have ended, and deleting the builder leaves nothing."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.hub.injection.clear()
        if self.thief is not None:
            self._give_the_session_back()
        world.cluster.refuse.clear()
        world.cluster.quota = None
        world.pod_address = ADDRESS
        world.admin.enableHost(HOST)
        world.change(slots=SLOTS, paused=False)
        self._rest(REST)
        states = {task: world.state(task) for task in self.tasks}
        refused = {one["task_id"] for one in world.admin.scheduler.getTaskRefusals() if not one["soft"]}
        # A task that this host has refused for good waits for another one.
        assert {state for task, state in states.items() if task not in refused} <= ENDED, (states, world.condition())
        assert all(states[task] in ENDED | {"FREE"} for task in refused & states.keys()), states
        self.a_task_ends_once()
        self.slots_are_kept()
        assert not world.subsessions() - {pod.subsession for pod in world.cluster.pods(NAME) if pod.alive}
        assert not any(pod.alive for pod in world.cluster.pods(NAME))
        assert set(world.cluster.secrets) == {"koji-default-session"}
        assert len(world.cluster.all_pods) <= HISTORY
        world.cluster.resources[NAME]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self._rest(5)
        assert not any(pod.alive for pod in world.cluster.pods(NAME))
        assert not world.cluster.secrets
        assert not world.admin.getSessionInfo(details=True, user_id=HOST)

    def _rest(self, ticks: int) -> None:
        """Tick, with pods that do as they should."""
        for _ in range(ticks):
            self._tick(20)
            for name in list(self.world.cluster.all_pods):
                if name not in self.lost:
                    self._behave(name)

    def _behave(self, name: str) -> None:
        pod = self.world.cluster.all_pods[name]
        phase = pod["status"]["phase"]
        if "deletionTimestamp" in pod["metadata"]:
            if phase == "Running":
                self._give_back(name)
            elif phase == "Pending":
                self.world.cluster.end(name, 143)
            else:
                self.world.cluster.remove(name)
        elif phase == "Running":
            children = self.world.admin.getTaskChildren(int(name.split("-")[2]))
            if all(koji.TASK_STATES[child["state"]] in ENDED for child in children):
                self._end_task(name)
        elif phase == "Pending" and "containerStatuses" not in pod["status"]:
            self._start(name)


# More by hand: KOJI_OPERATOR_EXAMPLES=250 pytest tests/unit/scheduler/test_interleavings.py  (10,000 steps)
Interleavings.TestCase.settings = settings(
    max_examples=int(os.environ.get("KOJI_OPERATOR_EXAMPLES", "25")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    derandomize="KOJI_OPERATOR_EXAMPLES" not in os.environ,
    print_blob=True,
)
TestInterleavings = Interleavings.TestCase
