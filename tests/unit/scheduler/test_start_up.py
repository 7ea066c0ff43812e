# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Pods that can't start: the backoff, what is said of it, how it ends."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.state import State

from tests.unit.scheduler.world import HOST, World


@pytest.mark.parametrize("reason", ["ErrImagePull", "CreateContainerConfigError", "InvalidImageName"])
def test_start_up_trouble_pauses_the_builder_and_recovers(reason: str) -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    world.cluster.cannot_start(f"koji-task-{task}-1", reason, "no such image")
    world.tick()
    assert world.state(task) == "FREE"
    world.tick()
    assert world.condition()["reason"] == reason
    assert world.admin.getHost(HOST)["ready"] is False
    world.cluster.end(f"koji-task-{task}-1", 1)
    world.ticks(10)
    name = next(iter(world.cluster.all_pods))
    assert world.cluster.begin(name)
    world.ticks(2)
    assert world.condition()["status"] == "True"


def test_an_unschedulable_pod_is_given_time() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    world.pod(task)["status"]["conditions"] = [unschedulable]
    world.ticks(5)
    assert world.state(task) == "OPEN"
    world.tick(120)
    world.tick()
    assert world.state(task) == "FREE"
    assert world.condition()["reason"] == "Unschedulable"


def test_a_pod_that_does_not_start_in_time_says_what_its_events_say() -> None:
    world = World(start_deadline=30)
    task = world.task()
    world.ticks(2)
    world.cluster.warnings[world.pod(task)["metadata"]["uid"]] = ("FailedMount", 'configmap "site" not found')
    world.ticks(25)
    assert world.state(task) == "OPEN"
    world.ticks(7)
    assert world.state(task) == "FREE"
    assert world.condition()["reason"] == "StartDeadlineExceeded"
    assert 'not started within 30 s: configmap "site" not found' in world.condition()["message"]


def test_a_pod_whose_secret_was_deleted_is_replaced_without_a_pause() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = f"koji-task-{task}-1"
    world.cluster.delete_secret(name)
    world.ticks(8)
    assert world.pod(task)["metadata"]["deletionTimestamp"]
    assert world.state(task) in ("FREE", "ASSIGNED")
    assert world.condition()["status"] == "True"
    world.cluster.remove(name)
    world.ticks(2)
    assert world.state(task) == "OPEN"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ClusterError(403, "Forbidden", "pods is forbidden: exceeded quota: small"), "QuotaExceeded"),
        (ClusterError(403, "Forbidden", "pods is forbidden: status unknown for quota: small"), "QuotaExceeded"),
        (ClusterError(403, "Forbidden", "violates PodSecurity restricted"), "PodRejected"),
        (ClusterError(422, "Invalid", "spec.containers[0].image: Required value"), "PodRejected"),
    ],
)
def test_a_pod_that_is_not_admitted_gives_the_task_back(error: ClusterError, reason: str) -> None:
    world = World()
    task = world.task()
    world.cluster.refuse["create_pod"] = error
    world.ticks(2)
    assert world.state(task) == "FREE"
    assert not world.subsessions()
    world.tick()
    assert world.condition()["reason"] == reason
    world.change(start_deadline=121)  # somebody has repaired the template
    world.ticks(2)
    assert world.state(task) == "OPEN"


def test_a_host_that_backs_off_says_so_before_the_hub_can_give_it_the_task_again() -> None:
    """The hub's scheduler runs in any host's check-in: a second assignment would have to be refused, for 15 min."""
    world = World()
    other = world.hub.host("other", capacity=100.0)
    other.host.updateHost(0.0, True, data={"methods": [], "maxjobs": 5})
    world.admin.addChannel("pods")
    world.admin.addHostToChannel(HOST, "pods")
    task = world.task(channel="pods")
    world.cluster.refuse["create_pod"] = ClusterError(403, "Forbidden", "exceeded quota: small")
    for _ in range(3):
        world.tick()
        world.clock.tick(1)
        other.host.getTasks()
    assert world.event_reasons() >= {"QuotaExceeded"}
    assert world.state(task) == "FREE"
    assert not world.admin.scheduler.getTaskRefusals()


VIOLATES = 'pods "koji-task-1-1" is forbidden: violates PodSecurity "{level}:latest": allowPrivilegeEscalation != false'


@pytest.mark.parametrize(
    ("profile", "level", "words"),
    [
        (
            "userns",
            "restricted",
            "namespace ns enforces Pod Security restricted, which security profile userns does not",
        ),
        ("userns", "restricted", "label the namespace pod-security.kubernetes.io/enforce=baseline, or set spec."),
        ("userns", "restricted", "or set spec.security_profile to restricted, which can't run mock. The API server"),
        (
            "sysadmin",
            "baseline",
            "pod-security.kubernetes.io/enforce=privileged, or set spec.security_profile to userns",
        ),
        ("sysadmin", "baseline", "userns or spec.security_profile to restricted, which can't run mock. The API server"),
        ("restricted", "restricted", "which security profile restricted fits, but not with what the KojiBuilder adds"),
    ],
)
def test_a_namespace_that_forbids_the_profile_is_named_with_what_to_change(
    profile: str, level: str, words: str
) -> None:
    world = World(security_profile=profile)
    task = world.task()
    world.cluster.refuse["create_pod"] = ClusterError(403, "Forbidden", VIOLATES.format(level=level))
    world.ticks(2)
    assert world.state(task) == "FREE"
    world.tick()
    assert world.condition()["reason"] == "SecurityProfileForbidden"
    assert words in world.condition()["message"]
    assert "allowPrivilegeEscalation != false" in world.condition()["message"]


def test_a_node_that_forbids_the_profile_costs_no_attempt_and_the_builder_backs_off() -> None:
    world = World()
    task = world.task()
    said = json.dumps({"outcome": "forbidden", "message": "unshare: Operation not permitted. Set spec.seccomp_profile"})
    waits = []
    attempt = 0
    for _ in range(120):
        world.tick()
        for name, pod in list(world.cluster.all_pods.items()):
            if pod["status"]["phase"] == "Pending":
                world.cluster.begin(name)
                world.tick()  # it runs for a moment: no proof that the node lets it work
                world.cluster.end(name, 78, said)
                attempt += 1
                waits.append(world.clock())
                world.tick()
                assert world.condition()["reason"] == "UserNamespacesForbidden"
                assert "Set spec.seccomp_profile" in world.condition()["message"]
                world.tick()
                assert world.admin.getHost(HOST)["ready"] is False
    assert attempt >= 4  # more than task_attempts
    assert world.state(task) in ("FREE", "ASSIGNED")
    gaps = [b - a for a, b in itertools.pairwise(waits)]
    assert gaps[0] < gaps[1] < gaps[2]
    world.change(security_profile="sysadmin")
    world.ticks(3)
    assert world.state(task) == "OPEN"


def test_a_node_that_lets_its_pods_work_again_ends_the_backoff() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    world.cluster.end(world.run(task), 78, json.dumps({"outcome": "forbidden", "message": "unshare"}))
    world.ticks(10)
    name = world.run(task, 2)
    world.ticks(2)
    assert world.builder.state.backoff.step == 1
    assert world.close(name)
    world.tick()
    assert world.builder.state.backoff.step == 0


def test_a_name_that_is_taken_is_a_fence() -> None:
    world = World()
    task = world.task()
    foreign = {"metadata": {"name": f"koji-task-{task}-1", "labels": {}}, "spec": {}}
    world.cluster.create_pod(foreign)
    world.ticks(2)
    assert world.content(world.run(task, 2))["attempt"] == 2


def test_backing_off_is_longer_each_time_and_different_for_each_builder() -> None:
    state = State()
    lengths = []
    for _ in range(9):
        state.pause("ErrImagePull", "gone", 1000.0, jitter=0.0)
        lengths.append(state.backoff.until - 1000.0)
        state.backoff = replace(state.backoff, until=0.0)
    assert lengths == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    state.pause("ErrImagePull", "gone", 1000.0, jitter=0.99)
    assert 300 * 1.2 < state.backoff.until - 1000.0 < 300 * 1.25


def test_many_pods_that_cannot_start_are_one_failure() -> None:
    world = World(slots=4)
    tasks = [world.task() for _ in range(4)]
    world.ticks(2)
    for task in tasks:
        world.cluster.cannot_start(f"koji-task-{task}-1", "ErrImagePull")
        world.tick(0.5)
    assert world.builder.state.backoff.step == 1


def test_while_a_builder_backs_off_another_host_gets_its_tasks() -> None:
    world = World()
    world.tick()
    task = world.task()
    world.tick()
    world.cluster.cannot_start(f"koji-task-{task}-1", "ErrImagePull")
    world.ticks(2)
    other = world.hub.host("builder-2", capacity=100.0)
    assert [one["id"] for one in other.host.getTasks()] == [task]
    assert world.state(task) == "ASSIGNED"


def test_a_template_that_is_rejected_is_tried_without_taking_a_task() -> None:
    world = World()
    task = world.task()
    world.cluster.refuse["create_pod"] = ClusterError(403, "Forbidden", "violates PodSecurity restricted")
    world.ticks(2)
    taken = world.builder.report.counters["taken"]
    for _ in range(60):
        world.cluster.refuse["try_pod"] = ClusterError(403, "Forbidden", "violates PodSecurity restricted")
        world.tick()
    assert world.builder.report.counters["taken"] == taken
    assert world.cluster.calls.count("try_pod") <= 4
    assert world.condition()["reason"] == "PodRejected"
    del world.cluster.refuse["try_pod"]  # the namespace's label was repaired
    world.ticks(60)
    assert world.state(task) == "OPEN"


def test_a_quota_is_used_up_to_the_last_pod_without_taking_tasks_that_do_not_fit() -> None:
    world = World(slots=4)
    tasks = [world.task() for _ in range(6)]
    world.cluster.quota = 2
    for _ in range(100):
        world.tick()
        world.behave()
    assert sum(world.state(task) == "OPEN" for task in tasks) == 2
    assert world.condition()["reason"] == "QuotaExceeded"
    assert world.builder.report.counters["freed"] <= 4
    # One ends: its place is taken soon, without waiting for a long backoff.
    running = next(n for n, p in world.cluster.all_pods.items() if p["status"]["phase"] == "Running")
    assert world.close(running)
    world.ticks(10)
    assert sum(world.state(task) == "OPEN" for task in tasks) == 2
    world.cluster.quota = None
    for _ in range(20):
        world.tick()
        world.behave()
    assert sum(world.state(task) == "OPEN" for task in tasks) == 4
    assert world.condition()["status"] == "True"
