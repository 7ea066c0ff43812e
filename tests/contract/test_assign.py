# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Assigning tasks by hand, and who wins when several open one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import koji

from .callers import Caller, client, fault
from .scene import response

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hubs import Hub
    from .scene import Builder


def test_an_admin_assigns_a_free_task(admin: Caller, builder: Builder, hub: Hub) -> None:
    task = builder.tasks.make()
    assert admin.assignTask(task, hub.address.host_name) is True
    told = admin.getTaskInfo(task)
    assert koji.TASK_STATES[told["state"]] == "ASSIGNED"
    assert told["host_id"] == builder.quiet.host.getID()
    assert told["start_time"] is None


def test_an_assigned_task_is_handed_out(admin: Caller, builder: Builder, hub: Hub) -> None:
    task = builder.tasks.make(priority=7)
    admin.assignTask(task, hub.address.host_name)
    (told,) = builder.host.getTasks()
    assert (told["id"], told["state"], told["method"], told["priority"]) == (task, 4, "sleep", 7)
    assert set(told) == {"id", "state", "host_id", "channel_id", "arch", "method", "priority", "create_ts"}


def test_it_is_handed_out_until_it_is_opened(admin: Caller, builder: Builder, hub: Hub) -> None:
    task = builder.tasks.make()
    admin.assignTask(task, hub.address.host_name)
    for _ in range(2):
        assert [entry["id"] for entry in builder.host.getTasks()] == [task]
    assert builder.host.openTask(task)["id"] == task
    assert builder.quiet.host.getTasks() == []


def test_assigned_tasks_come_by_priority_then_age(admin: Caller, builder: Builder, hub: Hub) -> None:
    late, early, urgent = builder.tasks.make(priority=9), builder.tasks.make(), builder.tasks.make(priority=1)
    same = builder.tasks.make()
    for task in (same, late, urgent, early):
        admin.assignTask(task, hub.address.host_name)
    assert [entry["id"] for entry in builder.host.getTasks()] == [urgent, late, early, same]


def test_assigning_goes_past_channel_arch_and_readiness(admin: Caller, builder: Builder, hub: Hub) -> None:
    builder.check_in(ready=False)
    task = builder.tasks.make(channel="createrepo", arch="s390x")
    assert admin.assignTask(task, hub.address.host_name) is True
    assert [entry["id"] for entry in builder.host.getTasks()] == [task]


def test_an_open_task_is_reassigned_only_with_force(admin: Caller, builder: Builder, second_builder: Builder) -> None:
    task = builder.open_one()
    second = admin.quiet.getHost(second_builder.quiet.host.getID())["name"]
    assert admin.assignTask(task, second) is False
    assert builder.tasks.state(task) == "OPEN"
    assert admin.assignTask(task, second, force=True) is True
    assert builder.host.getHostTasks() == []
    with fault(1004):
        builder.host.closeTask(task, response(0))
    assert second_builder.host.openTask(task)["id"] == task


def test_a_task_assigned_to_another_host_is_not_opened(
    admin: Caller, builder: Builder, second_builder: Builder, hub: Hub
) -> None:
    task = builder.tasks.make()
    admin.assignTask(task, hub.address.host_name)
    assert second_builder.host.openTask(task) is None
    assert builder.host.openTask(task)["id"] == task


def test_a_task_open_at_another_host_is_nobody_elses(builder: Builder, second_builder: Builder) -> None:
    task = builder.open_one()
    assert second_builder.host.openTask(task) is None
    with fault(1004):
        second_builder.host.closeTask(task, response(0))
    assert second_builder.host.freeTasks([task]) is None
    assert builder.tasks.state(task) == "OPEN"


def test_only_an_admin_assigns(builder: Builder, hub: Hub) -> None:
    with fault(1004):
        builder.assignTask(builder.tasks.make(), hub.address.host_name)


def test_assigning_to_an_unknown_host_is_refused(admin: Caller, builder: Builder, name: Callable[[str], str]) -> None:
    with fault(1000):
        admin.assignTask(builder.tasks.make(), name("host"))


def test_an_unknown_task_is_not_assigned(admin: Caller, hub: Hub) -> None:
    with fault(1000):
        admin.assignTask(2_000_000_000, hub.address.host_name)


def test_of_several_that_open_a_task_at_once_exactly_one_gets_it(builder: Builder, hub: Hub) -> None:
    workers = [client(hub.address.url, hub.address.ca, builder.quiet.subsession()) for _ in range(4)]
    for _ in range(3):
        task = builder.tasks.make()
        with ThreadPoolExecutor(len(workers)) as pool:
            told = list(pool.map(lambda worker, task=task: worker.host.openTask(task), workers))
        assert [entry["id"] for entry in told if entry] == [task]
