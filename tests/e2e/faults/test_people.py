# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""People do with tasks, hosts and resources what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.bad_input.world import copied_secret
from tests.e2e.resources import builder

from .world import READY, SOON, TASK

if TYPE_CHECKING:
    from .world import World

ONCE = ["FREE", "ASSIGNED", "OPEN", "CLOSED"]
TWICE = ["FREE", "ASSIGNED", "OPEN", *ONCE]


@pytest.mark.fault("task-cancelled")
def test_a_task_is_cancelled_with_its_children(world: World) -> None:
    # They would take an hour: what ends them is the cancel.
    parent = world.task(0, "waittest", 2, 3600)
    world.kube.wait_for(lambda: len(world.session.getTaskChildren(parent)) == 3, SOON, "it has all its children")
    children = [task["id"] for task in world.session.getTaskChildren(parent) if task["label"] != "bad"]
    for child in children:
        world.running(child)
    world.hub.cli("cancel", str(parent))
    world.settled(canceled=[parent, *children])


@pytest.mark.fault("task-freed")
def test_a_running_task_is_freed(world: World) -> None:
    task = world.task(3)
    first = world.running(task)["metadata"]["name"]
    world.hub.cli("free-task", str(task))
    world.ended(task)
    assert world.ledger.history(task) == TWICE
    world.settled(closed=[task])
    assert first == f"koji-task-{task}-1"


@pytest.mark.fault("task-assigned")
def test_a_task_is_assigned_by_hand(world: World) -> None:
    # No host is in this channel: its tasks wait.
    task = world.task(1, channel="createrepo")
    world.hub.cli("assign-task", str(task), world.name)
    world.ended(task)
    world.settled(closed=[task])


@pytest.mark.fault("task-taken-away")
def test_a_running_task_is_assigned_to_another_host(world: World) -> None:
    world.session.addHost("elsewhere", ["x86_64"])
    task = world.task(60)
    world.running(task)
    world.hub.cli("assign-task", "-f", str(task), "elsewhere")
    world.settled(queued=[task])
    world.hub.cli("disable-host", "elsewhere")


@pytest.mark.fault("host-disabled")
def test_the_host_is_disabled_and_enabled(world: World) -> None:
    running = world.task(3)
    world.running(running)
    world.hub.cli("disable-host", world.name)
    waiting = world.task(1)
    world.ended(running)
    assert world.ledger.state(waiting) == "FREE"
    assert world.scheduling()["reason"] == "CheckedIn"
    world.apply(comment="The role has a look")
    world.kube.wait_condition("KojiBuilder", world.name, world.namespace, READY, "Ready", "False", "HostDisabled")
    assert not world.session.getHost(world.name)["enabled"]
    world.hub.cli("enable-host", world.name)
    world.apply()
    world.ready()
    world.ended(waiting)
    world.settled(closed=[running, waiting])
    assert world.ledger.history(running) == ONCE


@pytest.mark.fault("hosts-restarted")
def test_the_hosts_are_restarted(world: World) -> None:
    running = world.task(5)
    world.running(running)
    # What `koji restart-hosts` makes.
    restart = world.task(0, "restartHosts")
    world.ended(restart)
    children = {task["method"]: task["id"] for task in world.session.getTaskChildren(restart)}
    assert set(children) == {"restart", "restartVerify"}
    world.settled(closed=[running, restart, *children.values()])
    assert world.ledger.history(running) == ONCE


@pytest.mark.fault("host-shut-down")
def test_the_host_is_to_shut_down(world: World) -> None:
    task = world.task(0, "shutdown")
    world.ended(task, "FAILED")
    assert f"set spec.paused of KojiBuilder {world.namespace}/{world.name}" in world.result(task)
    world.settled(failed=[task])


@pytest.mark.fault("priority-set")
def test_a_queued_task_gets_a_higher_priority(world: World) -> None:
    world.hub.cli("disable-host", world.name)
    tasks = world.tasks(6, 2)
    urgent = tasks[-1]
    world.hub.cli("set-task-priority", "--priority=5", str(urgent))
    world.hub.cli("enable-host", world.name)
    world.settled(closed=tasks)
    query = "SELECT task_id FROM task_history WHERE state = 1 AND task_id = ANY(%s) ORDER BY id"
    opened = [task for (task,) in world.ledger.rows(query, tasks)]
    assert urgent in opened[:4]  # four slots


@pytest.mark.fault("builder-renamed")
def test_the_builder_is_replaced_by_one_of_another_name(world: World) -> None:
    running = world.task(4)
    world.running(running)
    world.kube.delete("KojiBuilder", world.name, world.namespace)
    # The same host on the hub: it waits until the first has let go of the session.
    renamed = builder("renamed", world.namespace, **world.spec, koji_hub_user=world.name)
    world.kube.apply(renamed)
    world.ended(running)
    world.kube.wait_condition("KojiBuilder", "renamed", world.namespace, TASK)
    task = world.task(1)
    world.ended(task)
    world.kube.delete("KojiBuilder", "renamed", world.namespace, timeout=READY)
    world.apply()
    world.ready()
    world.settled(closed=[running, task])
    assert world.ledger.history(running) == ONCE


@pytest.mark.fault("namespace-deleted")
def test_the_namespace_is_deleted(world: World, namespace: str) -> None:
    """A builder in a namespace of its own, its hub elsewhere."""
    kube = world.kube
    for source, name in (("admin", "admin"), ("ca-cert", "hub-ca"), ("ca-cert-key", "hub-ca-key")):
        kube.apply(copied_secret(kube, f"koji-hub-{source}", name, world.namespace, namespace))
    spec = {"hub_host": world.hub.url, "admin_secret": "admin", "cacert_secret": "hub-ca", "channels": ["createrepo"]}
    kube.apply(builder("short-lived", namespace, **spec))
    kube.wait_condition("KojiBuilder", "short-lived", namespace, READY)
    task = world.task(60, channel="createrepo")
    kube.wait_for(
        lambda: [pod for pod in kube.find("Pod", namespace, "koji-task") if pod["status"].get("phase") == "Running"],
        SOON,
        "its pod runs",
    )
    kube.delete("Namespace", namespace, timeout=READY)
    # Its runner gave it back.
    world.is_now(task, "FREE")
    world.settled(queued=[task])
