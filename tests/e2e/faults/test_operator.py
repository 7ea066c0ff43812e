# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The operator, or its scheduling process, ends in every way there is."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.cluster import Cluster

from .world import pid_of

if TYPE_CHECKING:
    from .world import World

ONCE = ["FREE", "ASSIGNED", "OPEN", "CLOSED"]
TWICE = ["FREE", "ASSIGNED", "OPEN", *ONCE]
# Where a task is on the hub when the process dies at a step of taking it.
TAKING = {
    "leased": "FREE",
    "assigned": "ASSIGNED",
    "opened": "OPEN",
    "secret-made": "OPEN",
    "pod-made": "OPEN",
    "secret-given": "OPEN",
}
# What is there then.
MADE = {"secret-made": [True, False], "pod-made": [True, True], "secret-given": [True, True]}  # Secret, pod
# The last process may have taken it again, before it deals with the old pod.
GIVING_BACK = {"revoked": "OPEN", "written": "OPEN", "freed": "FREE", "recorded": ""}
SUBSESSION = "apps.fedoraproject.org/subsession"


@pytest.mark.fault("scheduler-killed")
def test_the_scheduling_process_is_killed(world: World) -> None:
    sessions = world.ledger.masters(world.name)
    long = world.task(6)
    world.running(long)
    killed = world.kill_scheduler()
    short = world.task(1)
    world.held(not_by=killed)
    world.ended(short)
    world.ended(long)
    # The pod went on, and the session was resumed.
    assert world.ledger.history(long) == ONCE
    assert world.ledger.masters(world.name) == sessions
    world.settled(closed=[short, long])


@pytest.mark.fault("scheduler-killed-while-taking")
def test_the_scheduling_process_is_killed_at_each_step_of_taking_a_task(world: World) -> None:
    sessions = world.ledger.masters(world.name)
    tasks = {}
    with world.no_scheduler():
        for step, state in TAKING.items():
            tasks[step] = world.task(1)
            world.dies_at(step, tasks[step])
            assert world.ledger.state(tasks[step]) == state, step
            made = [world.kube.get(kind, f"koji-task-{tasks[step]}-1", world.namespace) for kind in ("Secret", "Pod")]
            assert [item is not None for item in made] == MADE.get(step, [False, False]), step
    world.settled(closed=tasks.values())
    histories = {step: world.ledger.history(task) for step, task in tasks.items()}
    # Only a task that was opened and has no pod is given back; nothing is started twice.
    again = {step for step, history in histories.items() if history != ONCE}
    assert again == {"opened", "secret-made"}, histories
    assert [histories[step] for step in sorted(again)] == [TWICE, TWICE]
    assert world.ledger.masters(world.name) == sessions


@pytest.mark.fault("scheduler-killed-while-giving-back")
def test_the_scheduling_process_is_killed_at_each_step_of_giving_tasks_back(world: World) -> None:
    tasks = world.tasks(3, 8)
    notes = [world.running(task)["metadata"]["annotations"] for task in tasks]
    with world.no_scheduler():
        for task in tasks:
            world.kill_runner(task)
        for step, state in GIVING_BACK.items():
            world.dies_at(step, int(notes[-1][SUBSESSION]) if step == "revoked" else tasks[-1])
            assert state in ("", world.ledger.state(tasks[-1])), step
    world.settled(closed=tasks)
    # Each was given back exactly once, whoever did it.
    assert [world.ledger.history(task) for task in tasks] == [TWICE] * len(tasks)


@pytest.mark.fault("scheduler-frozen")
def test_the_scheduling_process_is_frozen(world: World) -> None:
    frozen = world.held()
    with world.by_hand() as standby:
        os.kill(pid_of(frozen), signal.SIGSTOP)
        try:
            task = world.task(1)
            assert pid_of(world.held(not_by=frozen)) == standby.pid
            world.ended(task)
        finally:
            os.kill(pid_of(frozen), signal.SIGCONT)
        # It is awake, and works on nothing: the other one has the Lease.
        late = world.task(1)
        world.ended(late)
        assert pid_of(world.holder()) == standby.pid
        standby.terminate()
        assert world.held(not_by=world.holder()) == frozen
    world.settled(closed=[task, late])


@pytest.mark.fault("two-schedulers")
def test_several_schedulers_at_once(world: World) -> None:
    with world.by_hand() as one, world.by_hand() as other:
        first = world.held()
        tasks = world.tasks(6)
        for task in tasks:
            world.ended(task)
        assert world.holder() == first
        assert (one.poll(), other.poll()) == (None, None)  # they wait
        os.kill(pid_of(first), signal.SIGKILL)
        second = world.held(not_by=first)
        last = world.task(1)
        world.ended(last)
        assert world.holder() == second
    world.settled(closed=[*tasks, last])
    assert all(world.ledger.history(task) == ONCE for task in [*tasks, last])


@pytest.mark.fault("operator-killed")
def test_the_whole_operator_is_killed(world: World) -> None:
    sessions = world.ledger.masters(world.name)
    running = world.task(4)
    world.running(running)
    world.operator.kill()
    queued = world.task(1)
    world.ended(running)  # its pod needs nobody
    world.operator.start()
    world.ended(queued)
    world.settled(closed=[running, queued])
    assert [world.ledger.history(task) for task in (running, queued)] == [ONCE, ONCE]
    assert world.ledger.masters(world.name) == sessions


@pytest.mark.fault("operator-updated")
def test_the_operator_is_stopped_and_started(world: World) -> None:
    running = world.task(4)
    world.running(running)
    world.operator.stop()
    queued = world.task(1)
    world.operator.start()
    world.ended(queued)
    world.settled(closed=[running, queued])
    assert [world.ledger.history(task) for task in (running, queued)] == [ONCE, ONCE]


@pytest.mark.fault("api-server-killed")
def test_the_api_server_is_killed_and_starts_again(world: World) -> None:
    cluster = Cluster(os.environ["KOJI_TEST_CLUSTER"])
    holder = world.held()
    running = world.task(3)
    world.running(running)
    cluster.restart("apiserver")
    queued = world.task(1)
    world.ended(queued)
    world.ended(running)
    assert world.held() == holder
    world.settled(closed=[running, queued])
    assert world.ledger.history(running) == ONCE
