# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Tasks: made, looked at, opened, closed, failed, freed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import koji
import pytest

from .callers import Caller, fault
from .scene import ARCH, failure, response

if TYPE_CHECKING:
    from .hubs import Hub
    from .scene import Builder, Tasks

NO_TASK = 2_000_000_000


def test_a_new_task_is_free(admin: Caller, tasks: Tasks, channel: str) -> None:
    task = admin.makeTask("sleep", [0], channel=channel, arch=ARCH)
    tasks.made.append(task)
    told = admin.getTaskInfo(task)
    assert koji.TASK_STATES[told["state"]] == "FREE"
    assert (told["host_id"], told["parent"], told["start_time"], told["completion_time"]) == (None,) * 4
    assert (told["method"], told["arch"], told["priority"], told["weight"]) == ("sleep", ARCH, 20, 1.0)


def test_a_task_is_noarch_in_the_default_channel_unless_said(admin: Caller, tasks: Tasks) -> None:
    task = admin.makeTask("sleep", [0])
    tasks.made.append(task)
    told = admin.getTaskInfo(task)
    assert told["arch"] == "noarch"
    assert admin.getChannel(told["channel_id"])["name"] == "default"


def test_a_task_keeps_its_request(admin: Caller, anonymous: Caller, tasks: Tasks) -> None:
    task = tasks.make("sleep", (3,))
    assert anonymous.getTaskInfo(task, request=True)["request"] == [3]
    assert anonymous.getTaskRequest(task) == [3]


def test_named_arguments_of_a_task_are_kept_as_the_library_encodes_them(admin: Caller, tasks: Tasks) -> None:
    task = tasks.make("default", ("a", {"__starstar": True, "b": 1}))
    assert admin.getTaskRequest(task) == ["a", {"__starstar": True, "b": 1}]


def test_priority_is_the_makers_choice(admin: Caller, tasks: Tasks) -> None:
    assert admin.getTaskInfo(tasks.make(priority=5))["priority"] == 5


def test_only_an_admin_makes_any_task(builder: Builder, anonymous: Caller) -> None:
    with fault(1004):
        builder.makeTask("sleep", [0])
    with fault(1004):
        anonymous.makeTask("sleep", [0])


def test_a_task_has_its_maker_as_owner(admin: Caller, tasks: Tasks) -> None:
    with fault(1004):
        admin.makeTask("sleep", [0], owner=1)
    assert admin.getTaskInfo(tasks.make())["owner"] == admin.quiet.getLoggedInUser()["id"]


def test_an_unknown_task_is_none_or_a_fault(admin: Caller) -> None:
    assert admin.getTaskInfo(NO_TASK) is None
    with fault(1000):
        admin.getTaskInfo(NO_TASK, strict=True)
    with fault(1000):
        admin.getTaskRequest(NO_TASK)
    with fault(1000):
        admin.getTaskResult(NO_TASK)


def test_several_tasks_are_looked_up_at_once(admin: Caller, tasks: Tasks) -> None:
    one, other = tasks.make(), tasks.make()
    assert [told["id"] for told in admin.getTaskInfo([one, other])] == [one, other]


def test_opening_gives_the_task_with_its_request(builder: Builder, tasks: Tasks) -> None:
    task = tasks.make("sleep", (3,))
    told = builder.host.openTask(task)
    assert told["id"] == task
    params, method = koji.xmlrpcplus.loads(told["request"])
    assert (list(params), method) == ([3], "sleep")
    assert koji.TASK_STATES[told["state"]] == "OPEN"
    assert told["host_id"] == builder.quiet.host.getID()


def test_an_open_task_is_not_opened_again(builder: Builder) -> None:
    task = builder.open_one()
    assert builder.host.openTask(task) is None


def test_opening_goes_past_channel_arch_and_disabled_state(admin: Caller, builder: Builder, hub: Hub) -> None:
    task = builder.tasks.make(channel="createrepo", arch="s390x")
    admin.disableHost(hub.address.host_name)
    try:
        assert builder.host.openTask(task)["id"] == task
    finally:
        admin.enableHost(hub.address.host_name)


def test_an_unknown_task_cannot_be_opened(builder: Builder) -> None:
    with fault(1000):
        builder.host.openTask(NO_TASK)


@pytest.mark.parametrize("end", ["closed", "failed", "canceled"])
def test_a_finished_task_is_not_opened(admin: Caller, builder: Builder, end: str) -> None:
    task = builder.open_one()
    if end == "closed":
        builder.host.closeTask(task, response("done"))
    elif end == "failed":
        builder.host.failTask(task, failure(1000, "no"))
    else:
        admin.cancelTask(task)
    assert builder.host.openTask(task) is None


def test_open_tasks_of_a_host_are_listed_with_weight_and_waiting(builder: Builder) -> None:
    task = builder.open_one()
    assert builder.host.getHostTasks() == [{"id": task, "waiting": None, "weight": 1.0}]


def test_closing_keeps_the_result(anonymous: Caller, builder: Builder) -> None:
    task = builder.open_one()
    assert builder.host.closeTask(task, response({"answer": 42, "list": [1, None, "x"]})) is None
    told = anonymous.getTaskInfo(task)
    assert koji.TASK_STATES[told["state"]] == "CLOSED"
    assert told["completion_ts"] is not None
    assert anonymous.getTaskResult(task) == {"answer": 42, "list": [1, None, "x"]}
    assert anonymous.taskFinished(task) is True


def test_closing_with_something_unreadable_is_an_uncaught_error_and_does_not_close(builder: Builder) -> None:
    task = builder.open_one()
    with fault(1):
        builder.host.closeTask(task, "<?xml version='1.0'?><methodResponse/>")
    assert builder.tasks.state(task) == "OPEN"


@pytest.mark.parametrize("code", [1000, 1005, 1004, 1], ids=["generic", "build", "not allowed", "uncaught"])
def test_failing_raises_the_matching_class_at_whoever_asks_for_the_result(
    anonymous: Caller, builder: Builder, code: int
) -> None:
    task = builder.open_one()
    assert builder.host.failTask(task, failure(code, "it broke")) is None
    assert builder.tasks.state(task) == "FAILED"
    with fault(code):
        anonymous.getTaskResult(task)
    assert anonymous.getTaskResult(task, raise_fault=False) == {"faultCode": code, "faultString": "it broke"}


def test_an_unfinished_task_has_no_result(admin: Caller, builder: Builder) -> None:
    with fault(1000):
        admin.getTaskResult(builder.tasks.make())
    with fault(1000):
        admin.getTaskResult(builder.open_one())
    assert admin.taskFinished(builder.tasks.make()) is False


def test_only_an_open_task_of_the_host_is_closed_or_failed(builder: Builder) -> None:
    free, closed = builder.tasks.make(), builder.open_one()
    builder.host.closeTask(closed, response(0))
    for task in (free, closed):
        with fault(1004):
            builder.host.closeTask(task, response(1))
        with fault(1004):
            builder.host.failTask(task, failure(1000, "no"))
        with fault(1004):
            builder.host.setTaskWeight(task, 2.0)


def test_an_unknown_task_cannot_be_closed_or_failed(builder: Builder) -> None:
    with fault(1000):
        builder.host.closeTask(NO_TASK, response(0))
    with fault(1000):
        builder.host.failTask(NO_TASK, failure(1000, "no"))


def test_a_freed_task_is_free_again_without_host(admin: Caller, builder: Builder) -> None:
    task = builder.open_one()
    assert builder.host.freeTasks([task]) is None
    told = admin.getTaskInfo(task)
    assert koji.TASK_STATES[told["state"]] == "FREE"
    assert told["host_id"] is None


def test_freeing_passes_over_what_is_not_open_here_silently(admin: Caller, builder: Builder) -> None:
    free, closed, open_ = builder.tasks.make(), builder.open_one(), builder.open_one()
    builder.quiet.host.closeTask(closed, response(0))
    assert builder.host.freeTasks([free, closed, open_]) is None
    assert [builder.tasks.state(task) for task in (free, closed, open_)] == ["FREE", "CLOSED", "FREE"]
    with fault(1000):
        builder.host.freeTasks([NO_TASK])


def test_freeing_does_not_touch_an_assigned_task(admin: Caller, builder: Builder, hub: Hub) -> None:
    task = builder.tasks.make()
    admin.assignTask(task, hub.address.host_name)
    assert builder.host.freeTasks([task]) is None
    assert builder.tasks.state(task) == "ASSIGNED"


def test_an_admin_frees_any_unfinished_task(admin: Caller, builder: Builder) -> None:
    task = builder.open_one()
    assert admin.freeTask(task) is None
    assert builder.tasks.state(task) == "FREE"
    assert builder.host.getHostTasks() == []
    with fault(1004):
        builder.freeTask(task)


def test_a_finished_task_is_not_freed(admin: Caller, builder: Builder) -> None:
    task = builder.open_one()
    builder.host.closeTask(task, response(0))
    with fault(1000):
        admin.freeTask(task)


def test_tasks_are_listed_by_state_method_and_host(admin: Caller, anonymous: Caller, builder: Builder) -> None:
    task = builder.open_one()
    options = {"host_id": builder.quiet.host.getID(), "state": [koji.TASK_STATES["OPEN"]], "method": "sleep"}
    (found,) = anonymous.listTasks(options)
    assert found["id"] == task
    assert anonymous.listTasks({**options, "method": "nosuchmethod"}) == []


def test_priority_can_be_changed_until_the_end(admin: Caller, builder: Builder) -> None:
    task = builder.tasks.make()
    assert admin.setTaskPriority(task, 3) is None
    assert admin.getTaskInfo(task)["priority"] == 3
    with fault(1004):
        builder.setTaskPriority(task, 1)
    admin.cancelTask(task)
    with fault(1000):
        admin.setTaskPriority(task, 5)
