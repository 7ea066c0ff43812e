# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One builder's ticks against a hub in memory, called by the real Koji client."""

from __future__ import annotations

import contextlib
import json

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.actions import described
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import result

from tests.unit.scheduler.world import HOST, NAME, Killed, World


def test_a_task_runs_in_a_pod_of_its_own() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    assert world.state(task) == "OPEN"
    pod = world.pod(task)
    assert pod["metadata"]["labels"]["koji-task"] == str(task)
    assert pod["metadata"]["labels"]["koji-method"] == "sleep"
    assert pod["metadata"]["ownerReferences"][0]["uid"] == "cr-1"
    name = world.run(task)
    assert pod["spec"]["volumes"][0]["secret"]["secretName"] == name
    assert world.content(name)["task_id"] == task
    assert world.close(name)
    world.tick()
    assert world.state(task) == "CLOSED"
    assert not world.cluster.all_pods
    assert set(world.cluster.secrets) == {"koji-default-session"}
    assert not world.subsessions()
    world.ticks(3)
    status = world.cluster.resources[NAME]["status"]
    assert (status["tasks_taken"], status["tasks_closed"], status["running_tasks"]) == (1, 1, 0)


def test_a_task_that_failed_is_not_run_again_and_its_pod_is_kept() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    world.fail(world.run(task))
    world.ticks(3)
    assert world.state(task) == "FAILED"
    assert list(world.cluster.all_pods) == [f"koji-task-{task}-1"]
    assert set(world.cluster.secrets) == {"koji-default-session"}
    world.clock.tick(3600)
    world.tick()
    assert not world.cluster.all_pods


def test_failed_pod_history_keeps_the_newest() -> None:
    world = World(slots=4)
    tasks = [world.task() for _ in range(4)]
    world.ticks(2)
    for task in tasks:
        world.clock.tick(1)
        world.fail(world.run(task))
    world.ticks(3)
    assert set(world.cluster.all_pods) == {f"koji-task-{task}-1" for task in tasks[2:]}


def test_never_more_pods_than_slots_and_no_task_is_refused_for_it() -> None:
    world = World(slots=3)
    tasks = [world.task() for _ in range(12)]
    for _ in range(40):
        world.tick()
        for name, pod in list(world.cluster.all_pods.items()):
            if pod["status"]["phase"] == "Running":
                world.close(name)
            elif pod["status"]["phase"] == "Pending":
                world.cluster.begin(name)
    assert {world.state(task) for task in tasks} == {"CLOSED"}
    assert world.cluster.most_alive == 3
    assert not world.admin.scheduler.getTaskRefusals()


def test_a_waiting_parent_leaves_its_slot_to_its_child() -> None:
    world = World(slots=1)
    parent = world.task()
    world.ticks(2)
    worker = world.worker(world.run(parent))
    child = worker.host.subtask(method="sleep", arglist=[0], parent=parent)
    worker.host.taskSetWait(parent, [child])
    world.ticks(3)
    assert world.state(child) == "OPEN"
    assert world.pod(child)["metadata"]["labels"]["koji-parent"] == str(parent)


def test_a_task_assigned_when_a_parent_wakes_up_is_held_not_refused() -> None:
    world = World(slots=1)
    parent = world.task()
    world.ticks(2)
    parent_name = world.run(parent)
    worker = world.worker(parent_name)
    child = worker.host.subtask(method="sleep", arglist=[0], parent=parent)
    worker.host.taskSetWait(parent, [child])
    world.ticks(3)
    assert world.close(world.run(child))
    other = world.task()
    world.admin.assignTask(other, HOST)
    worker.host.taskWaitResults(parent, [child])
    world.ticks(2)
    assert world.state(other) == "ASSIGNED"
    assert world.close(parent_name)
    world.tick()
    assert world.state(other) == "OPEN"


def test_a_new_process_refuses_nothing_that_its_predecessor_had_slots_for() -> None:
    world = World(slots=1)
    parent = world.task()
    world.ticks(2)
    worker = world.worker(world.run(parent))
    child = worker.host.subtask(method="sleep", arglist=[0], parent=parent)
    worker.host.taskSetWait(parent, [child])
    world.ticks(3)  # maxjobs is 2 now, for the parent and its child
    assert world.close(world.run(child))
    other = world.task()
    world.admin.assignTask(other, HOST)
    worker.host.taskWaitResults(parent, [child])
    world.restart()
    world.ticks(3)
    assert world.state(other) == "ASSIGNED"
    assert world.close(f"koji-task-{parent}-1")
    world.tick()
    assert world.state(other) == "OPEN"


def test_a_pod_that_lingers_after_its_task_is_deleted_in_the_end() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.worker(name).host.closeTask(task, result("done"))
    world.ticks(10)
    assert "deletionTimestamp" not in world.pod(task)["metadata"]
    world.ticks(25)
    assert "deletionTimestamp" in world.pod(task)["metadata"]


def test_a_refusing_runner_becomes_a_refusal_for_good() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    world.cluster.end(world.run(task), 77, json.dumps({"outcome": "refused", "message": "wrong arch"}))
    world.ticks(3)
    assert world.state(task) == "FREE"
    [refusal] = world.admin.scheduler.getTaskRefusals([["task_id", task]])
    assert not refusal["soft"]


def test_check_mode_says_what_a_tick_would_do_and_writes_nothing() -> None:
    world = World()
    world.tick()
    crashed = world.task()
    world.ticks(2)
    world.cluster.end(world.run(crashed), 137)
    waiting = world.task()
    world.admin.assignTask(waiting, HOST)
    session = world.admin.getSessionInfo(details=True, user_id=HOST)
    writes = len(world.cluster.calls)
    world.restart()
    tick = world.builder.peek()
    kinds = [(action["action"], action["task_id"]) for action in map(described, tick.actions)]
    assert ("free", crashed) in kinds
    assert ("take", waiting) in kinds
    assert len(world.cluster.calls) == writes
    assert world.admin.getSessionInfo(details=True, user_id=HOST) == session
    assert world.state(waiting) == "ASSIGNED"


def test_a_quiet_builder_writes_nothing_but_a_heartbeat() -> None:
    world = World()
    world.ticks(5)
    world.cluster.calls.clear()
    world.ticks(60)
    assert world.cluster.calls == ["apply_status"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("calls", range(10))
def test_killed_at_any_step_of_taking_a_task(calls: int, after: bool) -> None:
    world = World()
    world.tick()
    task = world.task()
    world.fuse.left, world.fuse.after = calls, after
    with contextlib.suppress(Killed):
        world.ticks(3)
    world.restart()
    for _ in range(12):
        world.tick()
        for name in list(world.cluster.all_pods):
            if world.cluster.all_pods[name]["metadata"].get("deletionTimestamp"):
                world.cluster.end(name, 143)
            else:
                world.cluster.begin(name)
    [name] = [n for n, p in world.cluster.all_pods.items() if p["status"]["phase"] == "Running"]
    assert world.close(name)
    world.ticks(3)
    assert world.state(task) == "CLOSED"
    assert not world.subsessions()
    assert set(world.cluster.secrets) == {"koji-default-session"}


def test_a_secret_is_there_before_its_pod_and_goes_with_it() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    calls = world.cluster.calls
    assert calls.index("create_secret") < calls.index("create_pod") < calls.index("give_secret")
    name = f"koji-task-{task}-1"
    [owner] = world.cluster.secrets[name]["metadata"]["ownerReferences"]
    assert owner["uid"] == world.pod(task)["metadata"]["uid"]


def test_a_secret_that_could_not_be_given_to_its_pod_is_given_in_the_next_tick() -> None:
    world = World()
    task = world.task()
    world.tick()
    world.cluster.refuse["give_secret"] = ClusterError(0, "Unreachable", "down")
    world.ticks(2)
    [owner] = world.cluster.secrets[f"koji-task-{task}-1"]["metadata"]["ownerReferences"]
    assert owner["kind"] == "Pod"
