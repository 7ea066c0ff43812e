# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whatever hosts and tasks do, the scheduler keeps its promises."""

import koji
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.devhub.local import Clock, LocalHub

from .answers import result

HOSTS = ("a", "b", "c")
ARCHES = {"a": ["x86_64"], "b": ["x86_64", "ppc64le"], "c": ["ppc64le"]}
names = st.sampled_from(HOSTS)
picks = st.integers(0, 50)


class Builders(RuleBasedStateMachine):
    """Three hosts that poll, open, close, wait, refuse and fall silent in any order."""

    @initialize(maxjobs=st.lists(st.integers(1, 4), min_size=3, max_size=3))
    def start(self, maxjobs: list[int]) -> None:
        self.clock = Clock()
        self.hub = LocalHub(clock=self.clock)
        self.admin = self.hub.admin()
        self.maxjobs = dict(zip(HOSTS, maxjobs, strict=True))
        self.capacity = dict(zip(HOSTS, (3.0, 6.0, 9.0), strict=True))
        self.builders = {name: self.hub.host(name, ARCHES[name], capacity=self.capacity[name]) for name in HOSTS}
        for name in HOSTS:
            self.check_in(name)
        self.hard: set[tuple[str, int]] = set()

    def check_in(self, name: str) -> None:
        """Check in with the host's maxjobs."""
        self.builders[name].host.updateHost(0, True, data={"maxjobs": self.maxjobs[name]})

    def mine(self, name: str, state: str) -> list[dict[str, object]]:
        """Tasks of a host in a state."""
        host_id = self.admin.getHost(name)["id"]
        found: list[dict[str, object]] = self.admin.listTasks({"host_id": host_id, "state": [koji.TASK_STATES[state]]})
        return found

    @rule(arch=st.sampled_from(["x86_64", "ppc64le", "noarch"]), priority=st.integers(1, 3))
    def make(self, arch: str, priority: int) -> None:
        self.admin.makeTask("sleep", [0], arch=arch, priority=priority)

    @rule(name=names)
    def poll(self, name: str) -> None:
        before = {host: len(self.mine(host, "OPEN")) + len(self.mine(host, "ASSIGNED")) for host in HOSTS}
        self.check_in(name)
        tasks = self.builders[name].host.getTasks()
        for host in HOSTS:
            after = self.mine(host, "ASSIGNED")
            if len(self.mine(host, "OPEN")) + len(after) > before[host]:
                assert len(self.mine(host, "OPEN")) + len(after) <= self.maxjobs[host]
        for task in tasks:
            assert task["arch"] in {*ARCHES[name], "noarch"}
            assert (name, task["id"]) not in self.hard

    @rule(name=names, pick=picks, weight=st.sampled_from([0.5, 1.0, 2.0, 7.0]))
    def open(self, name: str, pick: int, weight: float) -> None:
        tasks = self.mine(name, "ASSIGNED")
        if tasks:
            task_id = tasks[pick % len(tasks)]["id"]
            assert self.builders[name].host.openTask(task_id)["id"] == task_id
            self.builders[name].host.setTaskWeight(task_id, weight)

    @rule(name=names, pick=picks, how=st.sampled_from(["close", "free", "wait", "cancel"]))
    def go_on(self, name: str, pick: int, how: str) -> None:
        tasks = self.mine(name, "OPEN")
        if not tasks:
            return
        task_id, host = tasks[pick % len(tasks)]["id"], self.builders[name].host
        match how:
            case "close":
                host.closeTask(task_id, result(None))
            case "free":
                host.freeTasks([task_id])
            case "wait":
                host.taskSetWait(task_id, None)
            case "cancel":
                self.admin.cancelTask(task_id)

    @rule(name=names, pick=picks, soft=st.booleans())
    def refuse(self, name: str, pick: int, soft: bool) -> None:
        tasks = self.mine(name, "ASSIGNED")
        if tasks:
            task_id = tasks[pick % len(tasks)]["id"]
            self.builders[name].host.refuseTask(task_id, soft)
            assert isinstance(task_id, int)
            if not soft:
                self.hard.add((name, task_id))

    @rule(seconds=st.sampled_from([1, 200, 400, 1000]))
    def wait(self, seconds: int) -> None:
        self.clock.tick(seconds)

    @invariant()
    def a_task_has_a_host_exactly_while_assigned_open_or_ended_there(self) -> None:
        for task in self.admin.listTasks():
            state = koji.TASK_STATES[task["state"]]
            if state == "FREE":
                assert task["host_id"] is None
            if state in {"ASSIGNED", "OPEN", "CLOSED"}:
                assert task["host_id"] is not None

    @invariant()
    def at_most_one_run_of_a_task_is_active(self) -> None:
        active = [run["task_id"] for run in self.admin.scheduler.getTaskRuns([["active", True]])]
        assert len(active) == len(set(active))


TestBuilders = Builders.TestCase
TestBuilders.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
