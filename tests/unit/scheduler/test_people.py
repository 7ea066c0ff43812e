# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What administrators and packagers do: cancel, free, assign, disable, scale, pause, delete."""

from __future__ import annotations

import koji
import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import result

from tests.unit.scheduler.world import HOST, NAME, World


def test_a_task_that_a_person_assigns_to_a_full_host_is_refused_at_once() -> None:
    world = World(slots=1)
    running = world.task()
    world.ticks(2)
    world.run(running)
    surplus = world.task()
    world.admin.assignTask(surplus, HOST, override=True)
    world.ticks(2)
    assert world.state(surplus) == "FREE"
    [refusal] = world.admin.scheduler.getTaskRefusals([["task_id", surplus]])
    assert (refusal["soft"], refusal["msg"]) == (True, "no free slot")
    assert world.state(running) == "OPEN"


def test_scaling_down_refuses_the_surplus_at_once() -> None:
    world = World(slots=2)
    world.task()
    world.ticks(2)
    surplus = [world.task(), world.task()]
    for task in surplus:
        world.admin.assignTask(task, HOST)
    world.change(slots=1)
    world.tick()
    assert {world.state(task) for task in surplus} == {"FREE"}
    assert len(world.cluster.all_pods) == 1


@pytest.mark.parametrize("change", [{"paused": True}, {"slots": 0}])
def test_paused_takes_nothing_and_lets_running_tasks_end(change: dict[str, object]) -> None:
    world = World()
    running = world.task()
    world.ticks(2)
    name = world.run(running)
    world.change(**change)
    world.tick()
    late = world.task()
    world.admin.assignTask(late, HOST)
    world.ticks(2)
    assert world.state(late) == "FREE"
    assert world.state(running) == "OPEN"
    assert world.admin.getHost(HOST)["ready"] is False
    assert world.condition()["reason"] == "Paused"
    assert world.close(name)
    assert world.state(running) == "CLOSED"


def test_a_cancelled_task_s_pod_is_deleted_and_its_session_closed() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.admin.cancelTask(task)
    world.tick()
    assert "deletionTimestamp" in world.pod(task)["metadata"]
    assert not world.subsessions()
    world.cluster.end(name, 1)
    world.ticks(2)
    assert not world.cluster.all_pods
    assert world.state(task) == "CANCELED"


def test_a_task_that_an_admin_freed_is_run_again_after_its_old_pod_is_gone() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    worker = world.worker(name)
    world.admin.freeTask(task)
    world.ticks(2)
    with pytest.raises(koji.AuthError):
        worker.host.closeTask(task, result("zombie"))
    world.cluster.end(name, 3)
    world.ticks(3)
    assert world.state(task) == "OPEN"
    assert f"koji-task-{task}-2" in world.cluster.all_pods or f"koji-task-{task}-1" in world.cluster.all_pods


def test_deletion_drains_logs_out_and_never_logs_in_again() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.cluster.resources[NAME]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not world.tick().drained
    assert world.close(name)
    assert world.tick().drained
    assert not world.cluster.secrets
    assert not world.admin.getSessionInfo(details=True, user_id=HOST)
    world.restart()
    assert world.tick().drained
    assert not world.admin.getSessionInfo(details=True, user_id=HOST)


def test_daemon_methods_are_answered_without_a_pod() -> None:
    world = World()
    world.tick()
    host = world.admin.getHost(HOST)
    restart = world.task("restart", [host])
    world.admin.assignTask(restart, HOST)
    world.tick()
    assert world.state(restart) == "CLOSED"
    verify = world.task("restartVerify", [restart, host])
    world.admin.assignTask(verify, HOST)
    shutdown = world.task("shutdown", [])
    world.admin.assignTask(shutdown, HOST)
    world.ticks(3)
    assert world.state(verify) == "CLOSED"
    assert world.state(shutdown) == "FAILED"
    with pytest.raises(koji.GenericError, match=r"spec\.paused"):
        world.admin.getTaskResult(shutdown)
    assert not world.cluster.all_pods


def test_daemon_methods_are_answered_when_paused() -> None:
    world = World(paused=True)
    world.tick()
    restart = world.task("restart", [world.admin.getHost(HOST)])
    world.admin.assignTask(restart, HOST)
    world.tick()
    assert world.state(restart) == "CLOSED"


def test_a_disabled_host_gets_no_new_tasks_and_its_running_ones_end() -> None:
    world = World()
    running = world.task()
    world.ticks(2)
    name = world.run(running)
    world.admin.disableHost(HOST)
    late = world.task()
    world.ticks(5)
    assert world.state(late) == "FREE"
    assert world.close(name)
    world.admin.enableHost(HOST)
    world.ticks(3)
    assert (world.state(running), world.state(late)) == ("CLOSED", "OPEN")


def test_a_task_that_an_admin_assigns_is_run() -> None:
    world = World()
    world.tick()
    world.admin.addHost("builder-2", ["x86_64"])
    task = world.task()
    world.admin.assignTask(task, HOST, override=True)
    world.tick()
    assert world.state(task) == "OPEN"


def test_a_task_that_an_admin_assigns_elsewhere_leaves_its_pod() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    worker = world.worker(name)
    world.admin.addHost("builder-2", ["x86_64"])
    world.admin.assignTask(task, "builder-2", force=True)
    world.tick()
    assert "deletionTimestamp" in world.pod(task)["metadata"]
    with pytest.raises(koji.AuthError):
        worker.host.getID()


def test_cancelling_a_parent_ends_the_pods_of_all_its_children() -> None:
    world = World(slots=3)
    parent = world.task()
    world.ticks(2)
    worker = world.worker(world.run(parent))
    children = [worker.host.subtask(method="sleep", arglist=[0], parent=parent) for _ in range(2)]
    worker.host.taskSetWait(parent, children)
    world.ticks(3)
    for child in children:
        world.run(child)
    world.admin.cancelTask(parent)
    world.tick()
    assert len(world.cluster.all_pods) == 3
    assert all("deletionTimestamp" in pod["metadata"] for pod in world.cluster.all_pods.values())
    assert not world.subsessions()
    assert {world.state(task) for task in (parent, *children)} == {"CANCELED"}


def test_the_more_urgent_task_comes_first_and_another_arch_s_never() -> None:
    world = World(slots=1)
    world.tick()
    later = world.task(priority=20)
    foreign = world.task(arch="ppc64le", priority=1)
    first = world.task(priority=5)
    world.ticks(3)
    assert [world.state(task) for task in (first, later, foreign)] == ["OPEN", "FREE", "FREE"]
