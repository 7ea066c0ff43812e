# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The hub and its database are gone, come back, or talk nonsense; running tasks go on and report later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .world import World

SOON = 60.0
HUB, DATABASE = "koji-hub", "postgresql"
ONCE = ["FREE", "ASSIGNED", "OPEN", "CLOSED"]
TWICE = ["FREE", "ASSIGNED", "OPEN", *ONCE]


@pytest.mark.fault("hub-stopped")
def test_the_hub_is_stopped_and_started(world: World) -> None:
    task = world.task(2)
    world.running(task)
    world.scale(HUB, 0)
    said = world.scheduling("False", "HubUnreachable")
    assert world.hub.url in said["message"]
    world.scale(HUB, 1)
    world.ended(task)
    world.settled(closed=[task])
    assert world.ledger.history(task) == ONCE
    world.scheduling()


@pytest.mark.fault("hub-killed")
def test_the_hub_is_killed_and_starts_again(world: World) -> None:
    sessions = world.ledger.masters(world.name)
    task = world.task(4)
    world.running(task)
    world.kube.kubectl("delete", "pod", "-l", f"app={HUB}", "-n", world.namespace, "--grace-period=0", "--force")
    world.ended(task)
    world.settled(closed=[task])
    assert world.ledger.history(task) == ONCE
    assert world.ledger.masters(world.name) == sessions


@pytest.mark.fault("database-stopped")
def test_the_database_is_stopped_and_started(world: World) -> None:
    task = world.task(2)
    world.running(task)
    world.ledger.close()
    world.scale(DATABASE, 0)
    said = world.scheduling("False", "HubDown")
    assert "database" in said["message"]
    world.scale(DATABASE, 1)
    world.ended(task)
    world.settled(closed=[task])
    assert world.ledger.history(task) == ONCE


@pytest.mark.fault("database-and-hub-stopped")
def test_the_database_and_then_the_hub_are_stopped_while_a_handler_asks_the_hub(world: World) -> None:
    # A parent asks every 2 s how its children are.
    parent = world.task(0, "waittest", 1, 3)
    world.running(parent)
    world.kube.wait_for(lambda: len(world.session.getTaskChildren(parent)) == 2, SOON, "it has children", world.seen)
    world.ledger.close()
    world.scale(DATABASE, 0)
    world.scheduling("False", "HubDown")
    world.scale(HUB, 0)
    world.scheduling("False", "HubUnreachable")
    world.scale(DATABASE, 1)
    world.scale(HUB, 1)
    world.ended(parent)
    world.settled(closed=[parent])
    assert world.ledger.history(parent) == ONCE


@pytest.mark.fault("hub-bad-gateway")
def test_a_proxy_answers_for_the_hub(world: World) -> None:
    task = world.task(2)
    world.running(task)
    world.inject(kind="http", code=502, message="<html>Bad Gateway</html>")
    said = world.scheduling("False", "HubDown")
    assert "HTTP 502" in said["message"]
    world.clear()
    world.ended(task)
    world.settled(closed=[task])
    assert world.ledger.history(task) == ONCE


@pytest.mark.fault("hub-garbage")
def test_something_else_answers(world: World) -> None:
    task = world.task(2)
    world.running(task)
    world.inject(kind="http", code=200, message="<html><p>Welcome</html>")
    world.scheduling("False", "NotAHub")
    world.clear()
    world.ended(task)
    world.settled(closed=[task])
    assert world.ledger.history(task) == ONCE


@pytest.mark.fault("hub-hangs")
def test_the_hub_hangs(world: World) -> None:
    task = world.task(2)
    world.running(task)
    # Longer than the scheduler waits for an answer (20 s), the runner waits for its own. Twice: between the two, people
    # have twenty seconds to see it.
    world.inject(kind="slow", seconds=24, method="host.updateHost", user=world.name, times=2)
    world.scheduling("False", "HubUnreachable")
    world.event("HubUnreachable", "in time")
    world.clear()
    world.ended(task)
    world.settled(closed=[task])
    assert world.ledger.history(task) == ONCE


@pytest.mark.fault("hub-answer-lost")
def test_the_hubs_answers_are_lost(world: World) -> None:
    for method in ("host.openTask", "host.freeTasks", "host.closeTask"):
        world.inject(kind="drop", when="after", method=method, user=world.name, times=1)
    task = world.task(1)
    world.ended(task)
    world.settled(closed=[task])
    # Opened, but nobody was told: given back, opened again, closed once.
    assert world.ledger.history(task) == TWICE
