# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The operator, or its scheduling process, ends in every way there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .world import World


@pytest.mark.fault("scheduler-killed")
def test_the_scheduling_process_is_killed(world: World) -> None:
    long = world.task(6)
    pod = world.running(long)
    killed = world.kill_scheduler()
    short = world.task(1)
    world.held(not_by=killed)
    world.ended(short)
    world.ended(long)
    assert [one["metadata"]["uid"] for one in world.pods(long)] in ([pod["metadata"]["uid"]], [])
    assert world.ledger.history(long) == ["FREE", "ASSIGNED", "OPEN", "CLOSED"]
    world.settled(closed=[short, long])
