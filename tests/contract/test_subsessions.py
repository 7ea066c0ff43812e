# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Subsessions: what a worker gets to act for its host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .callers import Caller, Raw, fault, session_headers
from .scene import response

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hubs import Hub
    from .scene import Builder


@pytest.fixture
def worker(hub: Hub, builder: Builder) -> Caller:
    """A client that has only a subsession of the builder."""
    sinfo = builder.subsession()
    return builder.attached("worker", hub.address.url, hub.address.ca, sinfo)


def closed(raw: Raw, sinfo: dict[str, Any]) -> bool:
    """Whether the hub refuses the session as bad."""
    with fault(1002):
        raw.call("worker", "getAPIVersion", **session_headers(sinfo))
    return True


def test_a_subsession_counts_as_exclusive(builder: Builder, worker: Caller) -> None:
    assert worker.host.getID() == builder.host.getID()
    assert worker.sinfo["session-id"] != builder.sinfo["session-id"]


def test_a_subsession_knows_its_master(builder: Builder, worker: Caller) -> None:
    assert worker.getSessionInfo()["master"] == builder.sinfo["session-id"]


def test_a_subsession_of_a_subsession_hangs_off_the_top(builder: Builder, worker: Caller, raw: Raw) -> None:
    grandchild = worker.subsession()
    told = raw.call("grandchild", "getSessionInfo", **session_headers(grandchild))
    assert told["master"] == builder.sinfo["session-id"]


def test_a_subsession_cannot_become_exclusive_itself(worker: Caller) -> None:
    with fault(1000):
        worker.exclusiveSession()
    with fault(1000):
        worker.exclusiveSession(force=True)


def test_without_a_session_there_is_no_subsession(anonymous: Caller) -> None:
    with fault(1002):
        anonymous.subsession()


def test_a_session_that_is_not_exclusive_has_subsessions_without_the_lock(
    raw: Raw, login: Callable[..., Caller]
) -> None:
    child = login("host").subsession()
    assert raw.call("worker", "getAPIVersion", **session_headers(child)) == 1
    with fault(1002):
        raw.call("worker", "host.getHostTasks", **session_headers(child))


def test_a_task_can_be_run_through_a_subsession(builder: Builder, worker: Caller) -> None:
    task = builder.open_one()
    assert worker.getTaskInfo(task, request=True)["request"] == [0]
    assert worker.host.setTaskWeight(task, 1.5) is None
    assert worker.host.closeTask(task, response(None)) is None
    assert builder.tasks.state(task) == "CLOSED"


def test_logging_out_a_child_closes_that_one(builder: Builder, worker: Caller, raw: Raw) -> None:
    other = builder.subsession()
    assert builder.logoutChild(worker.sinfo["session-id"]) is None
    assert closed(raw, worker.sinfo)
    assert raw.call("other worker", "getAPIVersion", **session_headers(other)) == 1
    assert builder.getAPIVersion() == 1


def test_logging_out_a_child_may_be_repeated(builder: Builder, worker: Caller) -> None:
    for _ in range(2):
        assert builder.logoutChild(worker.sinfo["session-id"]) is None


def test_a_child_of_somebody_else_is_left_alone_silently(builder: Builder, hub: Hub) -> None:
    assert builder.logoutChild(hub.admin.sinfo["session-id"]) is None
    assert hub.admin.getAPIVersion() == 1


def test_logging_out_the_master_closes_its_subsessions(builder: Builder, worker: Caller, raw: Raw) -> None:
    assert builder.logout() is None
    assert closed(raw, worker.sinfo)
    assert closed(raw, builder.sinfo)
    builder.session.setSession(None)


def test_logging_out_a_subsession_leaves_the_master(builder: Builder, worker: Caller, raw: Raw) -> None:
    assert worker.logout() is None
    assert closed(raw, worker.sinfo)
    assert builder.getAPIVersion() == 1


def test_a_revoked_worker_cannot_close_the_task_that_was_opened_again(builder: Builder, worker: Caller) -> None:
    task = builder.open_one()
    builder.logoutChild(worker.sinfo["session-id"])
    builder.host.freeTasks([task])
    assert builder.host.openTask(task)["id"] == task
    with fault(1002):
        worker.host.closeTask(task, response(None))
    assert builder.tasks.state(task) == "OPEN"


def test_a_worker_that_is_not_revoked_can(builder: Builder, worker: Caller) -> None:
    task = builder.open_one()
    builder.host.freeTasks([task])
    builder.host.openTask(task)
    assert worker.host.closeTask(task, response(None)) is None
    assert builder.tasks.state(task) == "CLOSED"


def test_the_library_makes_a_client_of_a_subsession(builder: Builder) -> None:
    child = builder.session.subsession()
    assert Caller("worker", child, builder.recorder).getSessionInfo()["master"] == builder.sinfo["session-id"]
