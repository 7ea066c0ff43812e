# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Cancelling tasks, and what whoever runs them notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import koji

from .callers import Caller, fault
from .scene import ARCH, failure, response

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hubs import Hub
    from .scene import Builder


def test_a_free_task_is_cancelled(admin: Caller, builder: Builder) -> None:
    task = builder.tasks.make()
    assert admin.cancelTask(task) is None
    told = admin.getTaskInfo(task)
    assert koji.TASK_STATES[told["state"]] == "CANCELED"
    assert told["completion_ts"] is not None
    assert told["host_id"] is None


def test_cancelling_may_be_repeated(admin: Caller, builder: Builder) -> None:
    task = builder.tasks.make()
    admin.cancelTask(task)
    assert admin.cancelTask(task) is None


def test_a_closed_task_stays_closed(admin: Caller, builder: Builder) -> None:
    task = builder.open_one()
    builder.host.closeTask(task, response(0))
    assert admin.cancelTask(task) is None
    assert builder.tasks.state(task) == "CLOSED"


def test_a_cancelled_task_has_no_result(admin: Caller, builder: Builder) -> None:
    task = builder.tasks.make()
    admin.cancelTask(task)
    with fault(1000):
        admin.getTaskResult(task)
    with fault(1000):
        admin.getTaskResult(task, raise_fault=False)
    assert admin.taskFinished(task) is True


def test_after_a_cancel_the_host_does_not_own_the_task(admin: Caller, builder: Builder) -> None:
    task = builder.open_one()
    admin.cancelTask(task)
    assert builder.host.getHostTasks() == []
    with fault(1004):
        builder.host.closeTask(task, response(0))
    with fault(1004):
        builder.host.failTask(task, failure(1000, "no"))
    with fault(1004):
        builder.host.setTaskWeight(task, 2.0)
    with fault(1004):
        builder.host.subtask("sleep", [0], task)
    assert builder.host.freeTasks([task]) is None
    assert builder.tasks.state(task) == "CANCELED"


def test_a_cancelled_assigned_task_is_not_handed_out(admin: Caller, builder: Builder, hub: Hub) -> None:
    task = builder.tasks.make()
    admin.assignTask(task, hub.address.host_name)
    assert [entry["id"] for entry in builder.host.getTasks()] == [task]
    admin.cancelTask(task)
    assert builder.host.getTasks() == []
    assert builder.host.openTask(task) is None


def test_a_parent_takes_its_children_along(admin: Caller, builder: Builder) -> None:
    parent = builder.open_one("waittest", (1,))
    free, running = (builder.quiet.host.subtask("sleep", [0], parent, arch=ARCH) for _ in range(2))
    builder.quiet.host.openTask(running)
    admin.cancelTask(parent)
    assert [builder.tasks.state(task) for task in (parent, free, running)] == ["CANCELED"] * 3


def test_unless_told_not_to(admin: Caller, builder: Builder) -> None:
    parent = builder.open_one("waittest", (1,))
    child = builder.quiet.host.subtask("sleep", [0], parent, arch=ARCH)
    admin.cancelTask(parent, recurse=False)
    assert builder.tasks.state(child) == "FREE"


def test_a_cancelled_child_leaves_its_parent(admin: Caller, builder: Builder) -> None:
    parent = builder.open_one("waittest", (1,))
    child = builder.quiet.host.subtask("sleep", [0], parent, arch=ARCH)
    admin.cancelTask(child)
    assert builder.tasks.state(parent) == "OPEN"


def test_children_alone_can_be_cancelled(admin: Caller, builder: Builder) -> None:
    parent = builder.open_one("waittest", (1,))
    child = builder.quiet.host.subtask("sleep", [0], parent, arch=ARCH)
    assert admin.cancelTaskChildren(parent) is None
    assert (builder.tasks.state(parent), builder.tasks.state(child)) == ("OPEN", "CANCELED")


def test_a_whole_group_is_cancelled_from_the_top(admin: Caller, builder: Builder) -> None:
    parent = builder.open_one("waittest", (1,))
    child = builder.quiet.host.subtask("sleep", [0], parent, arch=ARCH)
    with fault(1000):
        admin.cancelTaskFull(child)
    assert admin.cancelTaskFull(child, strict=False) is None
    assert (builder.tasks.state(parent), builder.tasks.state(child)) == ("CANCELED", "CANCELED")


def test_the_host_of_an_open_task_may_cancel_it(builder: Builder) -> None:
    task = builder.open_one()
    assert builder.cancelTask(task) is None
    assert builder.tasks.state(task) == "CANCELED"


def test_others_may_not(
    admin: Caller, anonymous: Caller, builder: Builder, login: Callable[..., Caller], name: Callable[[str], str]
) -> None:
    user = name("user")
    admin.createUser(user)
    task = builder.open_one()
    with fault(1004):
        login("user", user).cancelTask(task)
    with fault(1004):
        anonymous.cancelTask(task)


def test_an_unknown_task_cannot_be_cancelled(admin: Caller) -> None:
    with fault(1000):
        admin.cancelTask(2_000_000_000)
