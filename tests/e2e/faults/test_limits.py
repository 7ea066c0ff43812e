# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Tasks that a builder may not take or keep: refused, no free slot, paused, scaled down, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import koji
import pytest

from tests.e2e.resources import READY, SOON, builder

from . import causes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

    from .world import World

SHARED = "limits-shared"  # a channel of the file's builder and of `limits-other`
OWN = "limits-own"  # a channel of the builder that is deleted
SPEC: Json = {**causes.WITH_HANDLERS, "replicas": 2, "channels": ["default", SHARED]}
LONG = 120  # seconds: longer than any test; the second attempt takes no time
ONCE = ["FREE", "ASSIGNED", "OPEN"]


@pytest.fixture(scope="module", autouse=True)
def _surroundings(kube: Kube, hub: Hub) -> None:
    causes.install_handlers(kube, hub.namespace)
    for name in (SHARED, OWN):
        hub.session().addChannel(name)


@pytest.fixture
def other(kube: Kube, hub: Hub, module_world: World) -> Iterator[str]:
    """A second host of the shared channel, ready, but disabled on the hub for now."""
    name = "limits-other"
    kube.apply(builder(name, hub.namespace, **{**SPEC, "channels": [SHARED]}))
    kube.wait_condition("KojiBuilder", name, hub.namespace, READY)
    module_world.session.disableHost(name)
    yield name
    kube.delete("KojiBuilder", name, hub.namespace)


def refusals(world: World, task: int) -> list[Json]:
    """What the hub has written down about hosts that refused a task."""
    found: list[Json] = world.session.scheduler.getTaskRefusals([["task_id", task]])
    return found


@pytest.mark.fault("host-unfit")
def test_a_host_that_a_task_does_not_fit_refuses_it_once(world: World, other: str) -> None:
    task = world.task(0, "faultyChoice", world.name, channel=SHARED)
    world.event("TaskRefused", f"task {task}: failed host check")
    later = world.task(0)
    world.ended(later)
    # For good, and without a loop: it waits for another host.
    assert world.ledger.history(task) == [*ONCE, "FREE"]
    assert [one["soft"] for one in refusals(world, task)] == [False]
    world.session.enableHost(other)
    world.ended(task)
    assert world.session.getTaskInfo(task)["host_id"] == world.session.getHost(other)["id"]
    assert world.ledger.history(task) == [*ONCE, "FREE", "ASSIGNED", "OPEN", "CLOSED"]
    world.settled(closed=[task, later])


@pytest.mark.fault("no-free-slot")
def test_a_task_that_is_assigned_to_a_full_host_is_refused_at_once(world: World) -> None:
    running = [world.task(0, "faultyFirst", LONG) for _ in range(2)]
    for task in running:
        world.running(task)
    surplus = world.task(0, channel=OWN)  # which no other host serves
    world.session.assignTask(surplus, world.name, override=True)
    world.is_now(surplus, "FREE", timeout=10)
    assert [(one["soft"], one["msg"]) for one in refusals(world, surplus)] == [(True, "no free slot")]
    for task in running:
        world.kube.delete("Pod", world.pod(task)["metadata"]["name"], world.namespace)
        world.ended(task)
    world.settled(closed=running, queued=[surplus])


@pytest.mark.fault("paused")
@pytest.mark.fault("drain-timeout")
def test_a_paused_builder_lets_tasks_end_or_gives_them_back(world: World) -> None:
    short, long = world.task(8), world.task(0, "faultyFirst", LONG)
    for task in (short, long):
        world.running(task)
    world.apply(paused=True, drain_timeout=10)
    world.scheduling("False", "Paused")
    waiting, assigned = world.task(0), world.task(0, channel=OWN)
    world.session.assignTask(assigned, world.name, override=True)
    world.is_now(assigned, "FREE")
    assert [(one["soft"], one["msg"]) for one in refusals(world, assigned)] == [(True, "this host is paused")]
    world.ended(short)
    assert world.ledger.history(short) == [*ONCE, "CLOSED"]
    world.is_now(long, "FREE")
    world.kube.wait_for(lambda: not world.pods(long), SOON, "its pod is gone")
    assert world.ledger.history(waiting) == ["FREE"]
    assert world.session.getHost(world.name)["ready"] is False
    world.apply()
    world.ended(waiting)
    world.ended(long)
    assert world.session.getTaskResult(long) == 2
    world.settled(closed=[short, long, waiting], queued=[assigned])


@pytest.mark.fault("scaled-down")
def test_scaling_down_ends_no_running_task(world: World) -> None:
    running = world.tasks(2, 10)
    for task in running:
        world.running(task)
    world.kube.kubectl("scale", f"kojibuilder/{world.name}", "-n", world.namespace, "--replicas=0")
    assert "replicas" in world.scheduling("False", "Paused")["message"]
    waiting = world.task(0)
    for task in running:
        world.ended(task)
        assert world.ledger.history(task) == [*ONCE, "CLOSED"]
    assert world.ledger.history(waiting) == ["FREE"]
    world.kube.kubectl("scale", f"kojibuilder/{world.name}", "-n", world.namespace, "--replicas=1")
    world.ended(waiting)
    world.apply()
    world.settled(closed=[*running, waiting])


@pytest.mark.fault("builder-deleted")
def test_a_deleted_builder_lets_tasks_end_or_gives_them_back(world: World) -> None:
    kube, session = world.kube, world.session
    wanted = builder("short-lived", world.namespace, **{**SPEC, "channels": [OWN], "drain_timeout": 8})
    kube.apply(wanted)
    kube.wait_condition("KojiBuilder", "short-lived", world.namespace, READY)
    short, long = world.task(6, channel=OWN), world.task(0, "faultyFirst", LONG, channel=OWN)
    for task in (short, long):
        world.running(task)
    kube.delete("KojiBuilder", "short-lived", world.namespace)
    world.ended(short)
    world.is_now(long, "FREE")
    kube.wait_gone("KojiBuilder", "short-lived", world.namespace, SOON)
    assert not session.getHost("short-lived")["enabled"]
    assert session.getUser("short-lived")["status"] == koji.USER_STATUS["BLOCKED"]
    kube.wait_gone("Secret", "koji-short-lived-session", world.namespace, SOON)
    assert world.ledger.history(long) == [*ONCE, "FREE"]

    kube.apply(wanted)
    world.ended(long)
    assert session.getHost("short-lived")["enabled"]
    assert session.getUser("short-lived")["status"] == koji.USER_STATUS["NORMAL"]
    kube.delete("KojiBuilder", "short-lived", world.namespace)
    world.settled(closed=[short, long])
