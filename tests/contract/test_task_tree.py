# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Parents and children: subtasks, waiting, results, what the parent's host is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import koji
import pytest

from .callers import Caller, fault
from .scene import ARCH, failure, response

if TYPE_CHECKING:
    from .scene import Builder


@pytest.fixture
def parent(builder: Builder) -> int:
    """An open task."""
    return builder.open_one("waittest", (1,))


def child(builder: Builder, parent: int, **options: object) -> int:
    """A free child, unrecorded."""
    task: int = builder.quiet.host.subtask("sleep", [0], parent, **{"arch": ARCH, **options})
    return task


def finish(builder: Builder, task: int, value: object = None) -> None:
    """Open a task and close it, unrecorded."""
    builder.quiet.host.openTask(task)
    builder.quiet.host.closeTask(task, response(value))


def test_a_child_takes_after_its_parent(admin: Caller, builder: Builder, parent: int) -> None:
    task = builder.host.subtask("sleep", [0], parent)
    told, of_parent = admin.getTaskInfo(task, request=True), admin.quiet.getTaskInfo(parent)
    assert told["parent"] == parent
    for field in ("owner", "channel_id", "arch"):
        assert told[field] == of_parent[field]
    assert told["priority"] == of_parent["priority"] - 1
    assert koji.TASK_STATES[told["state"]] == "FREE"


def test_a_child_may_have_its_own_arch_label_and_channel(admin: Caller, builder: Builder, parent: int) -> None:
    task = builder.host.subtask("sleep", [0], parent, arch="noarch", label="one", channel="createrepo", priority=4)
    told = admin.getTaskInfo(task)
    assert (told["arch"], told["label"], told["priority"]) == ("noarch", "one", 4)
    assert admin.getChannel(told["channel_id"])["name"] == "createrepo"


def test_a_label_names_one_child(builder: Builder, parent: int) -> None:
    one = builder.host.subtask("sleep", [0], parent, label="one")
    assert builder.host.subtask("sleep", [5], parent, label="one") == one
    assert builder.host.subtask("sleep", [0], parent, label="two") != one


def test_the_second_spelling_takes_options_first(admin: Caller, builder: Builder, parent: int) -> None:
    task = builder.host.subtask2(parent, {"label": "x"}, "sleep", 7)
    told = admin.getTaskInfo(task, request=True)
    assert (told["label"], told["request"], told["parent"]) == ("x", [7], parent)


def test_only_the_host_of_an_open_parent_makes_children(admin: Caller, builder: Builder) -> None:
    free = builder.tasks.make("waittest", (1,))
    with fault(1004):
        builder.host.subtask("sleep", [0], free)
    with fault(1002):
        admin.host.subtask("sleep", [0], free)


def test_the_owner_of_a_child_cannot_be_chosen(builder: Builder, parent: int) -> None:
    with fault(1004):
        builder.host.subtask("sleep", [0], parent, owner=1)


def test_an_admin_makes_children_of_an_open_task_only(admin: Caller, builder: Builder, parent: int) -> None:
    task = admin.makeTask("sleep", [0], parent=parent)
    assert admin.getTaskInfo(task)["parent"] == parent
    free = builder.tasks.make()
    with fault(1000):
        admin.makeTask("sleep", [0], parent=free)


def test_children_are_listed(anonymous: Caller, builder: Builder, parent: int) -> None:
    assert anonymous.getTaskChildren(parent) == []
    task = child(builder, parent)
    (told,) = anonymous.getTaskChildren(parent, request=True)
    assert (told["id"], told["request"]) == (task, [0])


def test_descendents_are_a_map_by_task(anonymous: Caller, builder: Builder, parent: int) -> None:
    task = child(builder, parent)
    told = anonymous.quiet.getTaskDescendents(parent)
    assert set(told) == {str(parent), str(task)}
    assert [entry["id"] for entry in told[str(parent)]] == [task]


def test_a_waiting_parent_says_so(builder: Builder, parent: int) -> None:
    task = child(builder, parent)
    assert builder.host.taskSetWait(parent, [task]) is None
    assert builder.host.getHostTasks() == [{"id": parent, "waiting": True, "weight": 1.0}]


def test_a_waiting_parent_is_alerted_when_an_awaited_child_ends(builder: Builder, parent: int) -> None:
    task = child(builder, parent)
    builder.host.taskSetWait(parent, [task])
    finish(builder, task)
    assert builder.host.getHostTasks() == [{"id": parent, "waiting": True, "weight": 1.0, "alert": True}]


@pytest.mark.parametrize("end", ["failed", "canceled"])
def test_every_end_of_a_child_alerts(admin: Caller, builder: Builder, parent: int, end: str) -> None:
    task = child(builder, parent)
    builder.host.taskSetWait(parent, None)
    if end == "failed":
        builder.quiet.host.openTask(task)
        builder.host.failTask(task, failure(1000, "no"))
    else:
        admin.cancelTask(task)
    (entry,) = builder.host.getHostTasks()
    assert entry["alert"] is True


def test_waiting_tells_finished_and_unfinished_once(builder: Builder, parent: int) -> None:
    one, other = child(builder, parent), child(builder, parent)
    builder.host.taskSetWait(parent, [one, other])
    finished, unfinished = builder.host.taskWait(parent)
    assert (finished, sorted(unfinished)) == ([], [one, other])
    finish(builder, one)
    assert builder.host.taskWait(parent) == [[one], [other]]
    assert builder.host.taskWait(parent) == [[], [other]]


def test_only_named_children_are_awaited(builder: Builder, parent: int) -> None:
    one, other = child(builder, parent), child(builder, parent)
    builder.host.taskSetWait(parent, [one])
    finish(builder, other)
    assert builder.host.taskWait(parent) == [[], [one]]
    (entry,) = builder.host.getHostTasks()
    assert "alert" not in entry


def test_results_end_the_waiting(builder: Builder, parent: int) -> None:
    one, other = child(builder, parent), child(builder, parent)
    builder.host.taskSetWait(parent, [one, other])
    finish(builder, one, "first")
    finish(builder, other, {"second": 2})
    told = builder.quiet.host.taskWaitResults(parent, [one, other])
    assert told == [[one, "first"], [other, {"second": 2}]]
    assert builder.host.getHostTasks() == [{"id": parent, "waiting": False, "weight": 1.0}]


def test_results_of_all_children_that_ended(builder: Builder, parent: int) -> None:
    one, unfinished = child(builder, parent), child(builder, parent)
    finish(builder, one, "first")
    assert builder.quiet.host.taskWaitResults(parent, None) == [[one, "first"]]
    assert builder.tasks.state(unfinished) == "FREE"


def test_the_result_of_a_failed_child_is_its_fault(builder: Builder, parent: int) -> None:
    task = child(builder, parent)
    builder.host.openTask(task)
    builder.host.failTask(task, failure(1005, "it broke"))
    with fault(1005):
        builder.host.taskWaitResults(parent, [task])
    told = builder.quiet.host.taskWaitResults(parent, [task], canfail=[task])
    assert told == [[task, {"faultCode": 1005, "faultString": "it broke"}]]


def test_the_result_of_a_cancelled_child_is_a_generic_error(admin: Caller, builder: Builder, parent: int) -> None:
    task = child(builder, parent)
    admin.cancelTask(task)
    with fault(1000):
        builder.host.taskWaitResults(parent, [task])
    ((told_task, told),) = builder.quiet.host.taskWaitResults(parent, [task], canfail=[task])
    assert (told_task, told["faultCode"]) == (task, 1000)


def test_a_closed_parent_leaves_its_children(builder: Builder, parent: int) -> None:
    task = child(builder, parent)
    builder.host.closeTask(parent, response(None))
    assert builder.tasks.state(task) == "FREE"


def test_a_freed_parent_keeps_its_children_and_its_waiting(admin: Caller, builder: Builder, parent: int) -> None:
    task = child(builder, parent)
    builder.host.taskSetWait(parent, [task])
    builder.host.freeTasks([parent])
    assert admin.getTaskInfo(parent)["waiting"] is True
    assert [entry["id"] for entry in admin.quiet.getTaskChildren(parent)] == [task]
