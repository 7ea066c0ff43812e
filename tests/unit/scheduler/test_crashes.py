# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Pods that end without a word: what counts as an attempt, and what the task's result says."""

from __future__ import annotations

import json
from typing import Any

import koji
import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import result

from tests.unit.scheduler.world import World


def test_after_the_drain_timeout_running_tasks_are_given_back_by_their_runners() -> None:
    world = World(drain_timeout=30)
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.change(paused=True)
    world.tick()
    world.tick(31)
    assert "deletionTimestamp" in world.pod(task)["metadata"]
    world.worker(name).host.freeTasks([task])
    world.cluster.end(name, 75, json.dumps({"outcome": "freed"}))
    world.ticks(2)
    assert world.state(task) == "FREE"


def test_a_task_that_its_runner_gave_back_is_counted_once() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.worker(name).host.freeTasks([task])
    world.cluster.end(name, 75, json.dumps({"outcome": "freed"}))
    world.ticks(4)
    assert world.builder.report.counters["freed"] == 1


def test_crashes_are_freed_then_failed_with_a_story() -> None:
    world = World()
    task = world.task()
    for attempt in (1, 2, 3):
        world.ticks(3)
        assert world.state(task) == "OPEN"
        name = world.run(task, attempt)
        world.cluster.logs[name] = "first line\nlast words"
        world.cluster.end(name, 137, reason="OOMKilled")
        if attempt == 2:
            world.restart()  # the count survives
        world.tick()
    assert world.state(task) == "FAILED"
    with pytest.raises(koji.GenericError) as failure:
        world.admin.getTaskResult(task)
    for words in (f"koji-task-{task}-3", "node-1", "OOMKilled", "137", "attempt 3 of 3", "last words"):
        assert words in str(failure.value)
    assert "TaskPodFailed" in world.event_reasons()


def test_evictions_do_not_count() -> None:
    world = World(task_attempts=1)
    task = world.task()
    for attempt in (1, 2, 3):
        world.ticks(3)
        world.cluster.end(world.run(task, attempt), 137, pod_reason="Evicted")
        world.tick()
    world.ticks(2)
    assert world.state(task) == "OPEN"


def vanishes(world: World, task: int) -> None:
    """Let a task's pod vanish: the task is given back, and the runner can't report for it any more."""
    name = world.run(task)
    worker = world.worker(name)
    world.cluster.remove(name)
    world.tick()
    assert world.state(task) == "FREE"
    with pytest.raises(koji.AuthError):
        worker.host.closeTask(task, result("zombie"))


def test_a_pod_that_vanishes_gives_its_task_back_after_its_session_is_closed() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    vanishes(world, task)


def test_a_pod_that_vanishes_before_the_next_tick_is_fenced_too() -> None:
    world = World()
    world.tick()
    task = world.task()
    world.tick()
    vanishes(world, task)


def test_an_attempt_s_number_is_not_used_again_when_its_pod_vanishes() -> None:
    world = World(task_attempts=1)
    task = world.task()
    world.ticks(2)
    world.cluster.remove(world.run(task))
    world.ticks(3)
    assert world.state(task) == "OPEN"
    assert list(world.cluster.all_pods) == [f"koji-task-{task}-2"]


def test_a_task_given_back_by_a_pod_that_nobody_saw_end_is_counted() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.tick()
    world.worker(name).host.freeTasks([task])
    world.cluster.all_pods[name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.cluster.end(name, 75, json.dumps({"outcome": "freed"}))
    assert name not in world.cluster.all_pods
    world.ticks(3)
    assert world.builder.report.counters["freed"] == 1


def test_the_number_of_an_attempt_that_was_given_back_is_not_used_again() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.tick()
    world.worker(name).host.freeTasks([task])
    world.cluster.all_pods[name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.cluster.end(name, 75, json.dumps({"outcome": "freed"}))
    world.change(paused=True)
    world.tick()
    world.restart()
    world.change(paused=False)
    world.ticks(3)
    assert f"koji-task-{task}-2" in world.cluster.all_pods
    assert world.builder.state.attempts[task].counted == 0


def test_a_task_that_always_fills_its_disk_fails_in_the_end() -> None:
    world = World(task_attempts=2)
    task = world.task()
    for attempt in (1, 2):
        world.ticks(3)
        name = world.run(task, attempt)
        world.worker(name).host.freeTasks([task])  # the eviction's SIGTERM leaves time for that
        world.cluster.end(name, 75, json.dumps({"outcome": "freed"}), pod_reason="Evicted")
        world.pod(task, attempt)["status"]["message"] = "Pod ephemeral local storage usage exceeds the total limit"
        if attempt == 1:
            world.tick()
            world.restart()
    world.ticks(3)
    assert world.state(task) == "FAILED"
    with pytest.raises(koji.GenericError, match=r"all 2 attempts.*Evicted.*exceeds the total limit"):
        world.admin.getTaskResult(task)


@pytest.mark.parametrize(
    "end",
    [
        {"exit_code": 75, "message": json.dumps({"outcome": "freed"})},  # SIGTERM, and the hub did not answer in time
        {"exit_code": 143, "pod_reason": "Terminated"},  # node shutdown
        {"exit_code": 137, "pod_reason": "Preempting"},
    ],
)
def test_what_was_done_to_a_pod_from_outside_is_no_attempt(end: dict[str, Any]) -> None:
    world = World(task_attempts=1)
    task = world.task()
    for attempt in (1, 2, 3):
        world.ticks(3)
        world.cluster.end(world.run(task, attempt), **end)
        world.tick()
    world.ticks(2)
    assert world.state(task) == "OPEN"


def test_a_drained_node_s_pod_is_no_attempt_even_if_it_crashes_on_the_way() -> None:
    world = World(task_attempts=1)
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    target = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    world.cluster.end(name, 137)
    world.pod(task)["status"]["conditions"] = [target]
    world.ticks(3)
    assert world.state(task) == "OPEN"
    assert world.builder.state.attempts[task].counted == 0


def test_a_lost_node_s_task_is_free_once_its_pod_can_report_nothing() -> None:
    world = World(task_attempts=1)
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    worker = world.worker(name)
    world.cluster.delete_pod(name, world.pod(task)["metadata"]["uid"], 30)  # the node controller's doing
    world.ticks(5)
    assert world.state(task) == "OPEN", "its runner may still give the task back"
    world.tick(60)
    world.ticks(3)
    assert world.state(task) == "OPEN"
    assert f"koji-task-{task}-2" in world.cluster.all_pods
    assert name not in world.cluster.all_pods
    assert world.builder.state.attempts[task].counted == 0
    with pytest.raises(koji.AuthError):
        worker.host.closeTask(task, result("zombie"))
    assert "TaskFreed" in world.event_reasons()


def test_an_image_that_is_gone_at_the_second_start_is_no_attempt() -> None:
    world = World(task_attempts=2)
    task = world.task()
    world.ticks(2)
    world.cluster.end(world.run(task), 137, reason="OOMKilled")
    world.ticks(3)
    world.cluster.cannot_start(f"koji-task-{task}-2", "ErrImagePull", "gone")
    world.tick()
    world.cluster.end(f"koji-task-{task}-2", 1)
    world.restart()
    world.ticks(10)
    world.cluster.end(world.run(task, 3), 137, reason="OOMKilled")
    world.ticks(2)
    assert world.state(task) == "FAILED"
    assert world.builder.report.counters["failed"] == 1


def test_a_runner_that_only_says_that_it_failed_is_a_crash_and_counts() -> None:
    world = World(task_attempts=2)
    task = world.task()
    for attempt in (1, 2):
        world.ticks(3)
        world.cluster.end(world.run(task, attempt), 1, "Traceback (most recent call last): ...")
    world.ticks(2)
    assert world.state(task) == "FAILED"
