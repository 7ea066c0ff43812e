# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The node that task pods run on: drained by an administrator, or lost with its kubelet."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from tests.cluster.processes import start_time
from tests.e2e.resources import SOON

from . import causes

if TYPE_CHECKING:
    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

    from .world import World

SPEC: Json = causes.WITH_HANDLERS
LONG = 120  # seconds
ZOMBIE = 36  # seconds: until the node is given up (its pod's grace and 30 s more), and then some
AGAIN = ["FREE", "ASSIGNED", "OPEN", "FREE", "ASSIGNED", "OPEN", "CLOSED"]


@pytest.fixture(scope="module", autouse=True)
def _handlers(kube: Kube, hub: Hub) -> None:
    causes.install_handlers(kube, hub.namespace)


def still_there(kube: Kube, node: str) -> None:
    """A sign of life of a node: the hub of this test runs on the same one and must not go with it."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    kube.patch("Lease", node, "kube-node-lease", {"spec": {"renewTime": now}})


@pytest.mark.fault("node-drained")
def test_a_drained_node_gives_its_tasks_back(world: World) -> None:
    task = world.task(0, "faultyFirst", LONG)
    node = world.running(task)["spec"]["nodeName"]
    try:
        # Only task pods: the hub of this test has no other node to go to.
        options = ("--pod-selector=koji-task", "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=30s")
        world.kube.kubectl("drain", node, *options)
        # It gets its next pod, which waits for a node.
        world.kube.wait_for(lambda: world.ledger.history(task).count("FREE") == 2, SOON, "the task was given back")
    finally:
        world.kube.kubectl("uncordon", node)
    world.ended(task)
    assert world.session.getTaskResult(task) == 2
    assert world.ledger.history(task) == AGAIN
    world.settled(closed=[task])


@pytest.mark.fault("node-lost")
def test_a_lost_node_s_tasks_run_elsewhere_and_only_count_there(world: World) -> None:
    task = world.task(0, "faultyFirst", ZOMBIE)
    pod = world.running(task)
    zombie = causes.container_pid(pod)
    with causes.kubelet_stopped():
        # As the node controller does, minutes later; nobody is there to end the pod.
        world.kube.kubectl(
            "delete", "pod", pod["metadata"]["name"], "-n", world.namespace, "--grace-period=1", "--wait=false"
        )

        def free() -> bool:
            still_there(world.kube, pod["spec"]["nodeName"])
            return world.ledger.history(task).count("FREE") == 2

        world.kube.wait_for(free, SOON, "the task is free", world.seen)
        world.event(
            "TaskFreed", f"task {task} is given back (NodeLost): node {pod['spec']['nodeName']} does not answer"
        )
        # The container goes on, ends, and reports: the hub must not hear it.
        world.kube.wait_for(lambda: start_time(zombie) is None, SOON, "the container of the first attempt has ended")
        assert "CLOSED" not in world.ledger.history(task)
    world.ended(task)
    assert world.session.getTaskResult(task) == 2
    assert world.ledger.history(task) == AGAIN
    world.settled(closed=[task])
