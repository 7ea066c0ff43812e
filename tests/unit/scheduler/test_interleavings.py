# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whatever happens, in whatever order: every task ends exactly once or is still queued, and nothing is left over."""

from __future__ import annotations

import os
from typing import Any

import koji
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.scheduler.world import HOST, NAME, Killed, World

ENDED = {"CLOSED", "FAILED", "CANCELED"}
SLOTS = 2


class Interleavings(RuleBasedStateMachine):
    """Ticks, kills between any two calls, pod events, users and administrators."""

    @initialize()
    def start(self) -> None:
        """Begin with an idle builder."""
        self.world = World(slots=SLOTS, task_attempts=2, drain_timeout=60, start_deadline=60)
        self.tasks: list[int] = []
        self.ended: dict[int, str] = {}  # task -> how it ended, as first seen
        self.closings: dict[int, int] = {}  # task -> how many runners the hub let end it
        self.deleted = False

    # The scheduler

    @rule(seconds=st.sampled_from([0.1, 1, 5]))
    def tick(self, seconds: float) -> None:
        """One tick."""
        self.world.tick(seconds)

    @rule(calls=st.integers(0, 8), after=st.booleans())
    def tick_and_be_killed(self, calls: int, after: bool) -> None:
        """One tick that is killed before or after its nth call, and a new process."""
        self.world.fuse.left, self.world.fuse.after = calls, after
        try:
            self.world.tick()
        except Killed:
            self.world.restart()
        self.world.fuse.left = None

    @rule(method=st.sampled_from(["host.openTask", "subsession", "host.getTasks", "logoutChild", "host.freeTasks"]))
    def lose_an_answer(self, method: str) -> None:
        """The next such call is done, but its answer is lost."""
        self.world.hub.injection.add({"kind": "drop", "method": method, "times": 1, "when": "after"})

    # People

    @precondition(lambda self: len(self.tasks) < 8)
    @rule()
    def make_task(self) -> None:
        """A user makes a task."""
        self.tasks.append(self.world.task())

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A user cancels a task."""
        self.world.admin.cancelTask(data.draw(st.sampled_from(self.tasks)))

    @precondition(lambda self: any(self.world.state(task) in {"OPEN", "ASSIGNED"} for task in self.tasks))
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        """An administrator frees a task."""
        here = [task for task in self.tasks if self.world.state(task) in {"OPEN", "ASSIGNED"}]
        self.world.admin.freeTask(data.draw(st.sampled_from(here)))

    @rule(slots=st.sampled_from([0, 1, SLOTS]), paused=st.booleans())
    def scale(self, slots: int, paused: bool) -> None:
        """Somebody scales or pauses the builder."""
        self.world.change(slots=slots, paused=paused)

    # Pods

    def _some(self, data: st.DataObject, *phases: str) -> str | None:
        names = sorted(n for n, p in self.world.cluster.all_pods.items() if p["status"]["phase"] in phases)
        return data.draw(st.sampled_from(names)) if names else None

    @rule(data=st.data())
    def pod_starts(self, data: st.DataObject) -> None:
        """The kubelet starts a pod."""
        if name := self._some(data, "Pending"):
            self.world.cluster.begin(name)

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
            except koji.GenericError:
                self.world.cluster.end(name, 3)
                done = False
        self.closings[task] = self.closings.get(task, 0) + done

    @rule(data=st.data(), how=st.sampled_from([("OOMKilled", ""), ("Error", ""), ("", "Evicted")]))
    def pod_dies(self, data: st.DataObject, how: tuple[str, str]) -> None:
        """A pod dies with its task open."""
        if name := self._some(data, "Running"):
            self.world.cluster.end(name, 137, reason=how[0], pod_reason=how[1])

    @rule(data=st.data())
    def pod_vanishes(self, data: st.DataObject) -> None:
        """Somebody deletes a pod by force."""
        if name := self._some(data, "Pending", "Running", "Failed"):
            self.world.cluster.remove(name)

    @rule(data=st.data())
    def pod_cannot_start(self, data: st.DataObject) -> None:
        """A pod's image is not there."""
        if name := self._some(data, "Pending"):
            self.world.cluster.cannot_start(name, "ErrImagePull")

    # What holds at all times

    @invariant()
    def a_task_ends_once(self) -> None:
        """What has ended stays as it ended, and no second runner was let end it."""
        if not hasattr(self, "world"):
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
        world.change(slots=SLOTS, paused=False)
        self._rest(60)
        assert {world.state(task) for task in self.tasks} <= ENDED, [(t, world.state(t)) for t in self.tasks]
        self.a_task_ends_once()
        self.slots_are_kept()
        assert not world.subsessions()
        world.cluster.resources[NAME]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self._rest(5)
        world.clock.tick(4000)
        assert not any(p["status"]["phase"] in ("Pending", "Running") for p in world.cluster.all_pods.values())
        assert "koji-default-session" not in world.cluster.secrets
        # A login whose answer never came leaves a session whose key nobody has; it locks nothing, and hubs sweep it.
        left = world.admin.getSessionInfo(details=True, user_id=HOST)
        assert not [session for session in left if session["exclusive"] or session["master"]]

    def _rest(self, ticks: int) -> None:
        """Tick, with pods that do as they should; refusals time out meanwhile (900 s)."""
        for _ in range(ticks):
            self.world.tick(20)
            for name, pod in list(self.world.cluster.all_pods.items()):
                self._behave(name, pod)

    def _behave(self, name: str, pod: dict[str, Any]) -> None:
        phase = pod["status"]["phase"]
        if "deletionTimestamp" in pod["metadata"]:
            if phase in ("Pending", "Running"):
                self.world.cluster.end(name, 143)
            else:
                self.world.cluster.remove(name)
        elif phase == "Running":
            self._end_task(name)
        elif phase == "Pending" and "containerStatuses" not in pod["status"]:
            self.world.cluster.begin(name)


# More by hand: KOJI_OPERATOR_EXAMPLES=500 pytest tests/unit/scheduler/test_interleavings.py
Interleavings.TestCase.settings = settings(
    max_examples=int(os.environ.get("KOJI_OPERATOR_EXAMPLES", "25")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="KOJI_OPERATOR_EXAMPLES" not in os.environ,
)
TestInterleavings = Interleavings.TestCase
