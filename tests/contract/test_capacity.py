# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How much a host takes: maxjobs counts tasks, capacity and load count weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .callers import until
from .scene import ARCH

if TYPE_CHECKING:
    from .callers import Caller
    from .hubs import Hub
    from .scene import Builder


def test_maxjobs_limits_the_tasks_of_a_host(builder: Builder) -> None:
    builder.open_one()
    task = builder.tasks.make()
    builder.never_gets(task, maxjobs=1)
    assert builder.gets(task, maxjobs=2)["id"] == task


def test_assigned_tasks_count_for_maxjobs(admin: Caller, builder: Builder) -> None:
    first, second = builder.tasks.make(), builder.tasks.make()
    builder.gets(first, maxjobs=1)
    assert builder.tasks.state(second) == "FREE"
    builder.host.openTask(first)
    builder.never_gets(second, maxjobs=1)


def test_maxjobs_zero_counts_as_unset(builder: Builder) -> None:
    task = builder.tasks.make()
    assert builder.gets(task, maxjobs=0)["id"] == task


def test_without_maxjobs_the_hubs_own_number_holds(builder: Builder, hub: Hub) -> None:
    builder.quiet.host.setHostData({})
    for _ in range(3):
        builder.open_one()
    task = builder.tasks.make()
    if hub.settings["MaxJobs"] > 3:
        builder.gets(task, maxjobs=0)
    else:
        builder.never_gets(task, maxjobs=0)


def test_a_waiting_parent_counts_for_maxjobs(builder: Builder) -> None:
    parent = builder.open_one("waittest", (1,))
    child = builder.quiet.host.subtask("sleep", [0], parent, arch=ARCH)
    builder.host.taskSetWait(parent, [child])
    builder.never_gets(child, maxjobs=1)
    assert builder.gets(child, maxjobs=2)["id"] == child


def test_weights_fill_a_host(builder: Builder, hub: Hub) -> None:
    # Capacity 10: a load of 10 leaves nothing, whatever the next task weighs.
    heavy = builder.open_one()
    builder.host.setTaskWeight(heavy, 10.0)
    task = builder.tasks.make()
    builder.never_gets(task)
    builder.host.setTaskWeight(heavy, 9.9)
    assert builder.gets(task)["id"] == task


def test_waiting_parents_weigh_nothing(builder: Builder) -> None:
    parent = builder.open_one("waittest", (1,))
    builder.host.setTaskWeight(parent, 10.0)
    child = builder.quiet.host.subtask("sleep", [0], parent, arch=ARCH)
    builder.never_gets(child)
    builder.host.taskSetWait(parent, [child])
    assert builder.gets(child)["id"] == child


def test_the_load_that_a_host_tells_does_not_matter(builder: Builder) -> None:
    task = builder.tasks.make()
    builder.quiet.host.updateHost(1000.0, True, data={"methods": [], "maxjobs": 10})
    told = builder.gets(task)
    assert told["id"] == task


@pytest.mark.parametrize("methods", [[], ["somethingElse"]], ids=["none", "others"])
def test_the_methods_that_a_host_tells_do_not_matter(builder: Builder, methods: list[str]) -> None:
    builder.quiet.host.updateHost(0.0, True, data={"methods": methods, "maxjobs": 10})
    task = builder.tasks.make()

    def poll_only() -> bool:
        builder.quiet.host.updateHost(0.0, True, data={"methods": methods, "maxjobs": 10})
        return task in [entry["id"] for entry in builder.poll()]

    until(poll_only, 20, "assignment")


def test_a_heavy_task_may_overcommit_a_host(admin: Caller, builder: Builder, hub: Hub) -> None:
    # A task made again after it was given a weight keeps it: weight - CapacityOvercommit must be free.
    overcommit = hub.settings["CapacityOvercommit"]
    task = builder.open_one()
    builder.host.setTaskWeight(task, overcommit + 9.5)
    builder.host.freeTasks([task])
    assert builder.gets(task)["id"] == task
    builder.host.openTask(task)
    builder.host.setTaskWeight(task, overcommit + 10.0)
    builder.host.freeTasks([task])
    builder.never_gets(task)


def test_capacity_can_be_raised_while_tasks_wait(admin: Caller, builder: Builder, hub: Hub) -> None:
    heavy = builder.open_one()
    builder.host.setTaskWeight(heavy, 10.0)
    task = builder.tasks.make()
    builder.never_gets(task)
    admin.editHost(hub.address.host_name, capacity=20.0)
    assert builder.gets(task)["id"] == task


def test_ten_tasks_of_weight_two_fit_a_capacity_of_sixty(admin: Caller, builder: Builder, hub: Hub) -> None:
    admin.editHost(hub.address.host_name, capacity=60.0)
    for _ in range(9):
        builder.quiet.host.setTaskWeight(builder.open_one(), 2.0)
    task = builder.tasks.make()
    assert builder.gets(task, maxjobs=10)["id"] == task
