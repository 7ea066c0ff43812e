# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Two builders of one name in two namespaces, for one hub: the first keeps its session."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import koji
import pytest

from .world import JUDGED

if TYPE_CHECKING:
    from .conftest import Shared
    from .world import World

SECRET = "koji-shared-session"
TASK_TIME = 120  # seconds


@pytest.fixture(scope="module")
def session_before(world: World, shared: Shared) -> bytes:
    """The first builder's session when there was no other one; now there is, and it has been judged."""
    return shared.result(3 * JUDGED)[0]


def test_the_second_says_who_holds_the_session(world: World, session_before: bytes) -> None:
    judged = world.judged("KojiBuilder", "shared", world.other.namespace)
    judged.says("SessionHeld", "host shared", "last checked in at", "stop it, or give this builder another user")


def test_the_first_keeps_its_session_and_runs_tasks(world: World, session_before: bytes) -> None:
    task = world.hub.session().makeTask("sleep", [2], channel="createrepo")
    deadline = time.monotonic() + TASK_TIME
    while (state := world.hub.session().getTaskInfo(task)["state"]) in (
        koji.TASK_STATES["FREE"], koji.TASK_STATES["ASSIGNED"], koji.TASK_STATES["OPEN"],
    ) and time.monotonic() < deadline:  # fmt: skip
        time.sleep(0.5)
    assert koji.TASK_STATES[state] == "CLOSED"
    assert not world.kube.find("Pod", world.other.namespace, "koji-task")
    assert world.kube.secret(world.namespace, SECRET)["session.json"] == session_before
    world.kube.wait_condition("KojiBuilder", "shared", world.namespace, JUDGED)
    world.judged("KojiBuilder", "shared", world.other.namespace).says("SessionHeld")
