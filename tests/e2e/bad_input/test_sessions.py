# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Two builders of one name in two namespaces, for one hub: the first keeps its session."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import koji
import pytest

from tests.e2e.resources import builder

from .world import JUDGED

if TYPE_CHECKING:
    from tests.e2e.kube import Json

    from .world import World

SECRET = "koji-shared-session"
TASK_TIME = 120  # seconds


@pytest.fixture(scope="module")
def first(world: World) -> Json:
    """The builder that has the session."""
    world.apply([builder("shared", world.namespace, channels=["createrepo"])])
    return world.kube.wait_condition("KojiBuilder", "shared", world.namespace, JUDGED)


@pytest.fixture(scope="module")
def session_before(world: World, first: Json) -> bytes:
    return world.kube.secret(world.namespace, SECRET)["session.json"]


@pytest.fixture(scope="module")
def second(world: World, session_before: bytes) -> Json:
    """The other one, for the same host of the same hub."""
    spec = {"hub_host": world.hub.url, "admin_secret": "first-admin", "cacert_secret": "first-ca-cert"}
    world.apply([builder("shared", world.other.namespace, channels=["createrepo"], **spec)])
    return world.judged("KojiBuilder", "shared", world.other.namespace).item


def test_the_second_says_who_holds_the_session(world: World, second: Json) -> None:
    judged = world.judged("KojiBuilder", "shared", world.other.namespace)
    judged.says("SessionHeld", "host shared", "last checked in at", "stop it, or give this builder another user")


def test_the_first_keeps_its_session_and_runs_tasks(world: World, second: Json, session_before: bytes) -> None:
    task = world.hub.session().makeTask("sleep", [2], channel="createrepo")
    deadline = time.monotonic() + TASK_TIME
    while (state := world.hub.session().getTaskInfo(task)["state"]) in (
        koji.TASK_STATES["FREE"], koji.TASK_STATES["ASSIGNED"], koji.TASK_STATES["OPEN"],
    ) and time.monotonic() < deadline:  # fmt: skip
        time.sleep(0.5)
    assert koji.TASK_STATES[state] == "CLOSED"
    assert not world.kube.find("Pod", world.other.namespace, "koji-task")
    assert world.kube.secret(world.namespace, SECRET)["session.json"] == session_before
    world.kube.wait_condition("KojiBuilder", "shared", world.namespace, 15)
    world.judged("KojiBuilder", "shared", world.other.namespace).says("SessionHeld")
