# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A subsession that the hub does not close: whoever has it could still report, so its task goes to nobody else."""

from __future__ import annotations

from tests.unit.scheduler.world import World


def _crashed(world: World) -> tuple[int, int]:
    """A task whose pod has crashed, and the pod's subsession; from now on the hub closes none."""
    task = world.task()
    world.ticks(2)
    world.cluster.end(world.run(task), 137, reason="OOMKilled")
    (subsession,) = world.subsessions()
    world.failing.add("logoutChild")
    return task, subsession


def test_a_task_is_not_taken_again_before_its_subsession_is_closed() -> None:
    world = World()
    task, subsession = _crashed(world)
    world.ticks(2)
    assert world.state(task) == "OPEN"
    world.admin.freeTask(task)
    world.ticks(3)
    assert world.state(task) == "ASSIGNED"
    assert world.subsessions() == {subsession}
    world.failing.clear()
    world.ticks(2)
    assert world.state(task) == "OPEN"
    assert subsession not in world.subsessions()


def test_a_failed_pod_is_kept_only_once_its_subsession_is_closed() -> None:
    world = World()
    task, _subsession = _crashed(world)
    world.admin.cancelTask(task)
    world.ticks(3)
    world.failing.clear()
    world.ticks(2)
    assert not world.subsessions()
    assert world.cluster.all_pods, "it is kept"


def test_a_new_process_waits_until_subsessions_without_a_pod_are_closed() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    ghost = world.worker(name)
    ghost.host.getID()
    world.cluster.remove(name)
    world.restart()
    world.failing.add("logoutChild")
    for _ in range(3):
        world.tick(20)
    assert world.state(task) == "OPEN"
    assert not world.cluster.all_pods
    world.failing.clear()
    for _ in range(4):
        world.tick(20)
    assert world.pod(task)
    assert not world.report(task, ghost)
