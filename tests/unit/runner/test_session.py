# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The worker's client while its hub comes and goes: a handler's call waits, as kojid's would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import koji
import pytest

from runner.session import TaskSession
from tests.devhub.local import local_session
from tests.unit.runner.builder import Builder

if TYPE_CHECKING:
    from collections.abc import Callable

    Attach = Callable[..., TaskSession]

OFFLINE = {"kind": "error", "code": koji.ServerOffline.faultCode, "message": "database outage"}


@pytest.fixture
def builder() -> Builder:
    return Builder()


@pytest.fixture
def attach(builder: Builder) -> Attach:
    def attach(**opts: Any) -> TaskSession:
        task = builder.open("sleep", 0)
        patient = {"max_retries": 5, "offline_retry": True, "offline_retry_interval": 0, **opts}
        session: TaskSession = local_session(builder.hub, sinfo=task.sinfo, base=TaskSession, **patient)
        return session

    return attach


def test_a_hub_that_reports_an_outage_is_waited_for(builder: Builder, attach: Attach) -> None:
    builder.hub.injection.add({**OFFLINE, "method": "echo", "times": 3})
    assert attach().echo("x") == ["x"]


def test_a_hub_that_reports_an_outage_and_then_is_gone_is_waited_for(builder: Builder, attach: Attach) -> None:
    """Both happen when a database and then the hub's pod is replaced."""
    builder.hub.injection.add({**OFFLINE, "method": "echo", "times": 1})
    builder.hub.injection.add({"kind": "drop", "method": "echo", "skip": 1, "times": 2})
    assert attach().echo("x") == ["x"]


def test_an_answer_that_was_lost_after_an_outage_is_not_asked_for_twice(builder: Builder, attach: Attach) -> None:
    session = attach()
    [task] = builder.admin.listTasks()
    builder.hub.injection.add({**OFFLINE, "method": "host.subtask", "times": 1})
    builder.hub.injection.add({"kind": "drop", "method": "host.subtask", "when": "after", "skip": 1, "times": 2})
    with pytest.raises(koji.RetryError):
        session.host.subtask(method="sleep", arglist=[0], parent=task["id"])
    assert len(builder.admin.getTaskChildren(task["id"])) == 1


def test_a_site_that_does_not_want_to_wait_is_heard(builder: Builder, attach: Attach) -> None:
    builder.hub.injection.add({**OFFLINE, "method": "echo", "times": 1})
    with pytest.raises(koji.ServerOffline, match="database outage"):
        attach(offline_retry=False).echo("x")
