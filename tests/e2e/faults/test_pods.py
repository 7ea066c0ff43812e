# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Task pods that are deleted, killed, evicted, or lose what they were made from.

The file's builder allows one attempt that counts: whatever counts as a crash fails the task there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from kubernetes.client import CoreV1Api, V1Eviction, V1ObjectMeta
from kubernetes.client.exceptions import ApiException

from tests.e2e.resources import READY, SOON, builder

from . import causes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

    from .world import World

SPEC = {**causes.WITH_HANDLERS, "task_attempts": 1}
GIVEN_BACK = 5.0  # seconds from SIGTERM until the hub has the task back
LONG = 120  # seconds: longer than any test; the second attempt takes no time
AGAIN = "pods-again"  # a builder that allows two attempts, and its channel


@pytest.fixture(scope="module", autouse=True)
def _handlers(kube: Kube, hub: Hub) -> None:
    causes.install_handlers(kube, hub.namespace)


@pytest.fixture(scope="module")
def again(kube: Kube, hub: Hub, module_world: World) -> Iterator[str]:
    """A builder whose pods have little memory and whose tasks have two attempts; its channel is called like it."""
    module_world.session.addChannel(AGAIN)
    memory = {"limits": {"memory": "96Mi"}}
    spec = {**causes.WITH_HANDLERS, "task_attempts": 2, "resources": memory, "channels": [AGAIN]}
    kube.apply(builder(AGAIN, hub.namespace, **spec))
    kube.wait_condition("KojiBuilder", AGAIN, hub.namespace, READY)
    yield AGAIN
    kube.delete("KojiBuilder", AGAIN, hub.namespace)


def name_of(pod: Json) -> str:
    """A pod's name."""
    return str(pod["metadata"]["name"])


def evict(world: World, pod: Json) -> None:
    """Ask the API server to evict a pod. Raises ApiException."""
    eviction = V1Eviction(metadata=V1ObjectMeta(name=name_of(pod), namespace=world.namespace))
    CoreV1Api(world.kube.client).create_namespaced_pod_eviction(name_of(pod), world.namespace, eviction)


def second_attempt_closes(world: World, task: int) -> None:
    """The task runs once more and closes; with one attempt that counts, the first did not."""
    world.ended(task, "CLOSED")
    assert world.session.getTaskResult(task) == 2


@pytest.mark.fault("pod-deleted")
def test_a_deleted_pod_gives_its_task_back_in_time(world: World) -> None:
    task = world.task(0, "faultyFirst", LONG)
    pod = world.running(task)
    began = time.monotonic()
    world.kube.delete("Pod", name_of(pod), world.namespace)
    world.kube.wait_for(lambda: world.ledger.history(task).count("FREE") == 2, GIVEN_BACK, "the task is given back")
    assert time.monotonic() - began < GIVEN_BACK
    second_attempt_closes(world, task)
    world.settled(closed=[task])


@pytest.mark.fault("pod-force-deleted")
def test_a_pod_deleted_by_force_is_followed_by_another(world: World) -> None:
    task = world.task(0, "faultyFirst", LONG)
    pod = world.running(task)
    world.kube.kubectl("delete", "pod", name_of(pod), "-n", world.namespace, "--grace-period=0", "--force")
    second_attempt_closes(world, task)
    world.event("TaskFreed", f"task {task} is given back (NoPod)")
    world.settled(closed=[task])


@pytest.mark.fault("pod-killed")
def test_a_killed_pod_fails_its_task_with_a_story(world: World) -> None:
    task = world.task(0, "faultyFirst", LONG)
    pod = world.running(task)
    labels = pod["metadata"]["labels"]
    assert (labels["koji-method"], labels["koji-arch"]) == ("faultyFirst", "noarch")
    world.kube.wait_for(lambda: "at work" in world.kube.logs(world.namespace, name_of(pod)), SOON, "the handler works")
    causes.kill_container(pod)
    world.ended(task, "FAILED")
    story = world.result(task)
    where = f"pod {name_of(pod)} on node {pod['spec']['nodeName']}: Crashed, exit code 137"
    assert where in story
    assert "attempt 1 of 1" in story
    assert "Last lines of its log" in story
    assert "the handler is at work" in story
    world.event("TaskPodFailed", f"task {task} failed after 1 attempts: {where}")
    # The pod is kept: people look at it by the task's number.
    assert "at work" in world.kube.kubectl("logs", "-n", world.namespace, "-l", f"koji-task={task}")
    world.settled(failed=[task])


@pytest.mark.fault("pod-oom")
def test_a_task_that_eats_its_memory_twice_fails(world: World, again: str) -> None:
    task = world.task(0, "faultyHog", 1024, channel=again)
    world.ended(task, "FAILED")
    assert world.ledger.history(task) == ["FREE", "ASSIGNED", "OPEN", "FREE", "ASSIGNED", "OPEN", "FAILED"]
    story = world.result(task)
    assert f"pod koji-task-{task}-2" in story
    assert "OOMKilled" in story
    assert "attempt 2 of 2" in story
    assert "MiB taken" in story
    world.settled(failed=[task])


@pytest.mark.fault("task-failed")
def test_a_task_that_failed_is_not_run_again(world: World, again: str) -> None:
    # On the builder that would have an attempt left.
    task = world.task(0, "sleep", "not a number", channel=again)
    world.ended(task, "FAILED")
    with pytest.raises(Exception, match=r"not a number|TypeError|integer"):
        world.session.getTaskResult(task)
    world.settled(failed=[task])
    assert [name_of(pod) for pod in world.pods(task)] == [f"koji-task-{task}-1"]


@pytest.mark.fault("pod-evicted")
def test_an_evicted_pod_gives_its_task_back(world: World) -> None:
    task = world.task(0, "faultyFirst", LONG)
    pod = world.running(task)
    assert pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    evict(world, pod)
    second_attempt_closes(world, task)
    world.settled(closed=[task])


@pytest.mark.fault("pod-eviction-blocked")
def test_a_disruption_budget_keeps_a_pod_from_being_evicted(world: World) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "tasks", "namespace": world.namespace},
        "spec": {
            "minAvailable": 1,
            "selector": {"matchLabels": {"apps.fedoraproject.org/builder": world.name}},
        },
    }
    task = world.task(4)
    pod = world.running(task)
    world.kube.apply(budget)
    try:
        with pytest.raises(ApiException) as refused:
            evict(world, pod)
        assert refused.value.status == 429
        world.ended(task, "CLOSED")
    finally:
        world.kube.delete("PodDisruptionBudget", "tasks", world.namespace, "policy/v1")
    assert world.ledger.history(task) == ["FREE", "ASSIGNED", "OPEN", "CLOSED"]
    world.settled(closed=[task])


@pytest.mark.fault("task-secret-deleted")
def test_a_pod_whose_secret_is_deleted_before_it_starts_is_replaced(world: World) -> None:
    node = world.kube.find("Node")[0]["metadata"]["name"]
    world.kube.kubectl("cordon", node)
    try:
        task = world.task(1)
        pod = world.pod(task)
        world.kube.wait_for(lambda: world.kube.get("Secret", name_of(pod), world.namespace), SOON, "it has a Secret")
        world.kube.delete("Secret", name_of(pod), world.namespace)
    finally:
        world.kube.kubectl("uncordon", node)
    world.ended(task, "CLOSED")
    world.event("TaskFreed", f"task {task} is given back (SecretMissing)")
    # The template is not to blame: the builder did not pause.
    assert not [event for event in world.kube.events(world.namespace, world.name) if event["reason"] == "SecretMissing"]
    world.settled(closed=[task])


@pytest.mark.fault("runner-deleted")
def test_the_runner_s_config_map_comes_back(world: World) -> None:
    name = f"koji-{world.name}-runner"
    running = world.task(4)
    world.running(running)
    world.kube.delete("ConfigMap", name, world.namespace)
    new = world.task(1)
    world.ended(new, "CLOSED")
    assert world.kube.get("ConfigMap", name, world.namespace) is not None
    world.ended(running, "CLOSED")
    world.settled(closed=[running, new])
