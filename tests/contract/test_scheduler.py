# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The hub's scheduler: when it runs, and which host gets which task."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from .callers import Caller, until
from .scene import ARCH

if TYPE_CHECKING:
    from .hubs import Hub
    from .scene import Builder


def test_a_free_task_is_assigned_to_a_ready_host(builder: Builder) -> None:
    task = builder.tasks.make()
    told = builder.gets(task)
    assert (told["state"], told["host_id"]) == (4, builder.quiet.host.getID())


def test_it_is_assigned_within_the_run_interval_of_polling(builder: Builder, hub: Hub) -> None:
    took: list[float] = []
    while len(took) < 3:  # times, for a machine that is busy with other things
        builder.gets(builder.tasks.make())
        (assigned,) = builder.poll()
        builder.quiet.host.openTask(assigned["id"])
        task = builder.tasks.make()
        start = time.monotonic()
        until(lambda: [entry for entry in builder.quiet.host.getTasks() if entry["id"] == task], 70, "assignment")  # noqa: B023
        took.append(time.monotonic() - start)
        if took[-1] < hub.settings["RunInterval"] + 1:
            return
        builder.quiet.host.openTask(task)
    pytest.fail(f"it took {took} s")


def test_it_is_not_run_again_within_the_interval(builder: Builder, hub: Hub) -> None:
    interval = hub.settings["RunInterval"]
    for _ in range(5):
        task = builder.tasks.make()
        builder.gets(task)
        start = time.monotonic()
        builder.quiet.host.openTask(task)
        other = builder.tasks.make()
        told = builder.quiet.host.getTasks()
        if interval and time.monotonic() - start > interval / 2:
            continue  # too slow to tell
        assert told == ([] if interval else told)
        assert builder.gets(other)["id"] == other
        return
    pytest.fail("the hub is too slow: two calls took longer than half of RunInterval, five times")


def test_nothing_happens_unless_a_host_polls(builder: Builder, hub: Hub) -> None:
    task = builder.tasks.make()
    time.sleep(min(hub.settings["RunInterval"], 2) + 0.3)
    assert builder.tasks.state(task) == "FREE"


def test_it_does_not_run_for_a_host_that_has_an_assigned_task(admin: Caller, builder: Builder, hub: Hub) -> None:
    held, waiting = builder.tasks.make(), builder.tasks.make()
    admin.assignTask(held, hub.address.host_name, override=True)
    end = time.monotonic() + min(hub.settings["RunInterval"], 2) + 0.5
    while time.monotonic() < end:
        assert [entry["id"] for entry in builder.quiet.host.getTasks()] == [held]
        time.sleep(0.1)
    assert builder.tasks.state(waiting) == "FREE"
    builder.host.openTask(held)
    assert builder.gets(waiting)["id"] == waiting


def test_a_host_gets_several_tasks_in_one_run(builder: Builder) -> None:
    made = [builder.tasks.make() for _ in range(3)]

    # All or none: once one is assigned, the scheduler doesn't run for this host until that one is opened.
    told = until(builder.poll, 20, "assignment")
    assert [entry["id"] for entry in told] == made


def test_urgent_tasks_come_first(builder: Builder) -> None:
    usual, urgent = builder.tasks.make(), builder.tasks.make(priority=1)
    assert builder.gets(urgent, maxjobs=1)["id"] == urgent
    assert builder.tasks.state(usual) == "FREE"


def test_at_equal_priority_the_older_comes_first(builder: Builder) -> None:
    older, younger = builder.tasks.make(), builder.tasks.make()
    assert builder.gets(older, maxjobs=1)["id"] == older
    assert builder.tasks.state(younger) == "FREE"


def test_a_noarch_task_fits_every_host_of_the_channel(builder: Builder) -> None:
    task = builder.tasks.make(arch="noarch")
    assert builder.gets(task)["arch"] == "noarch"


def test_another_arch_does_not_fit(builder: Builder) -> None:
    builder.never_gets(builder.tasks.make(arch="s390x"))


def test_another_channel_does_not_fit(builder: Builder) -> None:
    builder.never_gets(builder.tasks.make(channel="createrepo"))


def test_a_host_of_several_arches_gets_tasks_of_each(admin: Caller, builder: Builder, hub: Hub) -> None:
    admin.editHost(hub.address.host_name, arches=f"{ARCH} aarch64")
    task = builder.tasks.make(arch="aarch64")
    assert builder.gets(task)["arch"] == "aarch64"


def test_a_host_that_is_not_ready_gets_nothing(builder: Builder) -> None:
    task = builder.tasks.make()
    builder.check_in(ready=False)
    end = time.monotonic() + min(builder.hub.settings["RunInterval"], 2) + 0.5
    while time.monotonic() < end:
        assert builder.poll() == []
        time.sleep(0.1)
    assert builder.tasks.state(task) == "FREE"
    builder.gets(task)


def test_a_disabled_host_gets_nothing(admin: Caller, builder: Builder, hub: Hub) -> None:
    admin.disableHost(hub.address.host_name)
    try:
        task = builder.tasks.make()
        builder.never_gets(task)
    finally:
        admin.enableHost(hub.address.host_name)
    assert builder.gets(task)["id"] == task


def test_a_disabled_channel_gives_nothing_out(admin: Caller, builder: Builder, channel: str) -> None:
    task = builder.tasks.make()
    admin.disableChannel(channel)
    try:
        builder.never_gets(task)
    finally:
        admin.enableChannel(channel)
    assert builder.gets(task)["id"] == task


def test_of_two_hosts_the_less_busy_one_gets_the_task(builder: Builder, second_builder: Builder) -> None:
    builder.open_one()
    second_builder.check_in()
    task = builder.tasks.make()
    assert second_builder.gets(task)["id"] == task


def test_a_poll_of_one_host_assigns_to_the_other_too(builder: Builder, second_builder: Builder) -> None:
    builder.check_in(ready=False)
    task = builder.tasks.make()

    def assigned() -> bool:
        second_builder.check_in()
        builder.poll()
        return builder.tasks.state(task) == "ASSIGNED"

    until(assigned, 20, "assignment to the second host")
    assert [entry["id"] for entry in second_builder.host.getTasks()] == [task]


def test_a_task_given_back_is_assigned_again(builder: Builder) -> None:
    task = builder.open_one()
    builder.host.freeTasks([task])
    assert builder.gets(task)["id"] == task
