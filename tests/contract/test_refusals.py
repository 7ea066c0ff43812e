# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A host that doesn't want a task that was assigned to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .callers import Caller, fault
from .scene import response

if TYPE_CHECKING:
    from .hubs import Hub
    from .scene import Builder


@pytest.mark.parametrize("soft", [True, False], ids=["soft", "hard"])
def test_a_refused_task_is_free_and_does_not_come_back(builder: Builder, soft: bool) -> None:
    task = builder.tasks.make()
    builder.gets(task)
    assert builder.host.refuseTask(task, soft=soft, msg="not now") is None
    assert builder.tasks.state(task) == "FREE"
    builder.never_gets(task)


def test_another_host_gets_it(builder: Builder, second_builder: Builder) -> None:
    second_builder.check_in(ready=False)
    task = builder.tasks.make()
    builder.gets(task)
    builder.host.refuseTask(task)
    builder.check_in()
    second_builder.check_in()
    assert second_builder.gets(task)["id"] == task


def test_an_admin_may_assign_it_all_the_same(admin: Caller, builder: Builder, hub: Hub) -> None:
    task = builder.tasks.make()
    admin.assignTask(task, hub.address.host_name)
    builder.host.refuseTask(task)
    assert admin.assignTask(task, hub.address.host_name) is True
    assert builder.host.openTask(task)["id"] == task


def test_refusing_again_is_fine(admin: Caller, builder: Builder, hub: Hub) -> None:
    task = builder.tasks.make()
    for _ in range(2):
        admin.assignTask(task, hub.address.host_name)
        assert builder.host.refuseTask(task, soft=True, msg="again") is None


def test_refusing_a_task_of_nobody_does_nothing(builder: Builder) -> None:
    task = builder.tasks.make()
    assert builder.host.refuseTask(task) is None
    assert builder.gets(task)["id"] == task


def test_an_open_task_can_be_refused_too_and_is_freed(builder: Builder) -> None:
    task = builder.open_one()
    assert builder.host.refuseTask(task) is None
    assert builder.tasks.state(task) == "FREE"


def test_a_closed_task_cannot_be_refused(builder: Builder) -> None:
    task = builder.open_one()
    builder.host.closeTask(task, response(0))
    with fault(1000):
        builder.host.refuseTask(task)


def test_an_unknown_task_cannot_be_refused(builder: Builder) -> None:
    with fault(1000):
        builder.host.refuseTask(2_000_000_000)


def test_refusals_are_about_one_task(builder: Builder) -> None:
    refused, other = builder.tasks.make(), builder.tasks.make()
    builder.gets(refused)
    builder.host.refuseTask(refused)
    assert builder.gets(other)["id"] == other
