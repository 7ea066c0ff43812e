# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Tasks: states, results, children, cancel, free, assign."""

import xmlrpc.client

import koji
import pytest

from tests.devhub.local import LocalHub

from .answers import failure, result


def state(hub: LocalHub, task_id: int) -> str:
    """The name of a task's state."""
    return str(koji.TASK_STATES[hub.anonymous().getTaskInfo(task_id)["state"]])


def test_a_task_from_make_to_result(hub: LocalHub) -> None:
    admin, builder = hub.admin(), hub.host("b")
    task_id = admin.makeTask("sleep", [1], arch="x86_64", priority=7)
    assert [task["id"] for task in builder.host.getTasks()] == [task_id]
    opened = builder.host.openTask(task_id)
    assert koji.xmlrpcplus.loads(opened["request"]) == ((1,), "sleep")
    assert builder.host.openTask(task_id) is None
    builder.host.closeTask(task_id, result({"answer": 42}))
    assert admin.getTaskResult(task_id) == {"answer": 42}
    info = admin.getTaskInfo(task_id, request=True)
    assert (info["state"], info["request"], info["priority"]) == (koji.TASK_STATES["CLOSED"], [1], 7)
    assert admin.getTaskRequest(task_id) == [1]
    assert admin.taskFinished(task_id) is True


def test_a_failure_is_raised_as_its_class(hub: LocalHub) -> None:
    admin, builder = hub.admin(), hub.host("b")
    task_id = admin.makeTask("sleep", [1])
    builder.host.openTask(task_id)
    builder.host.failTask(task_id, failure(1005, "broken"))
    with pytest.raises(koji.BuildError, match="broken"):
        admin.getTaskResult(task_id)
    assert admin.getTaskResult(task_id, raise_fault=False) == {"faultCode": 1005, "faultString": "broken"}


def test_closing_with_a_fault_or_rubbish_changes_nothing(hub: LocalHub) -> None:
    builder = hub.host("b")
    task_id = hub.admin().makeTask("sleep", [1])
    builder.host.openTask(task_id)
    for answer in (failure(1000, "x"), "<?xml version='1.0'?><rubbish"):
        with pytest.raises((koji.GenericError, xmlrpc.client.Fault)):
            builder.host.closeTask(task_id, answer)
    assert state(hub, task_id) == "OPEN"


def test_after_a_cancel_the_host_owns_it_no_more(hub: LocalHub) -> None:
    admin, builder = hub.admin(), hub.host("b")
    task_id = admin.makeTask("sleep", [1])
    builder.host.openTask(task_id)
    admin.cancelTask(task_id)
    with pytest.raises(koji.ActionNotAllowed, match="does not own task"):
        builder.host.closeTask(task_id, result(None))
    with pytest.raises(koji.GenericError, match="is canceled"):
        admin.getTaskResult(task_id)


def test_cancel_is_for_owner_host_and_admin(hub: LocalHub) -> None:
    admin = hub.admin()
    task_id = admin.makeTask("sleep", [1])
    with pytest.raises(koji.ActionNotAllowed):
        hub.session("someone").cancelTask(task_id)
    with pytest.raises(koji.ActionNotAllowed):
        hub.anonymous().cancelTask(task_id)
    builder = hub.host("b")
    builder.host.openTask(task_id)
    builder.cancelTask(task_id)
    assert state(hub, task_id) == "CANCELED"


def family(hub: LocalHub) -> tuple[koji.ClientSession, int, int, int]:
    """A builder, and an open task of it with an open child and that one's child."""
    builder = hub.host("b", capacity=20)
    top = hub.admin().makeTask("waittest", [])
    builder.host.openTask(top)
    child = builder.host.subtask("sleep", [0], top, label="one")
    builder.host.openTask(child)
    return builder, top, child, builder.host.subtask2(child, {"label": "two"}, "sleep", 5, n=1)


def test_children_inherit_and_labels_make_them_once(hub: LocalHub) -> None:
    builder, top, child, grandchild = family(hub)
    info = hub.anonymous().getTaskInfo(child)
    assert (info["parent"], info["priority"], info["owner"], info["label"]) == (top, 19, 1, "one")
    assert builder.host.subtask("sleep", [0], top, label="one") == child
    assert hub.anonymous().getTaskRequest(grandchild) == [5, {"n": 1, "__starstar": True}]
    assert set(hub.anonymous().getTaskDescendents(top)) == {str(top), str(child), str(grandchild)}
    with pytest.raises(koji.ActionNotAllowed):
        builder.host.subtask("sleep", [0], grandchild)


@pytest.mark.parametrize(
    ("call", "canceled"),
    [
        (lambda admin, top, child: admin.cancelTask(top), "XXX"),
        (lambda admin, top, child: admin.cancelTask(top, recurse=False), "X.."),
        (lambda admin, top, child: admin.cancelTaskChildren(top), ".XX"),
        (lambda admin, top, child: admin.cancelTaskFull(child, strict=False), "XXX"),
    ],
)
def test_cancel_reaches(hub: LocalHub, call: object, canceled: str) -> None:
    _, top, child, grandchild = family(hub)
    assert callable(call)
    call(hub.admin(), top, child)
    states = [state(hub, task_id) for task_id in (top, child, grandchild)]
    assert "".join("X" if one == "CANCELED" else "." for one in states) == canceled


def test_cancel_full_wants_the_top(hub: LocalHub) -> None:
    _, _, child, _ = family(hub)
    with pytest.raises(koji.GenericError, match="not top-level"):
        hub.admin().cancelTaskFull(child)


def test_waiting_for_children(hub: LocalHub) -> None:
    builder, top, child, _ = family(hub)
    other = builder.host.subtask("sleep", [0], top)
    builder.host.taskSetWait(top, [child, other])
    assert builder.host.taskWait(top) == [[], [child, other]]
    builder.host.closeTask(child, result("done"))
    assert [task["alert"] for task in builder.host.getHostTasks() if task["id"] == top] == [True]
    assert builder.host.taskWait(top) == [[child], [other]]
    assert builder.host.taskWait(top) == [[], [other]]
    hub.admin().cancelTask(other)
    with pytest.raises(koji.GenericError, match="is canceled"):
        builder.host.taskWaitResults(top, [child, other])
    outcome = builder.host.taskWaitResults(top, [child, other], canfail=[other])
    assert outcome == [[child, "done"], [other, {"faultCode": 1000, "faultString": f"Task {other} is canceled"}]]
    assert hub.anonymous().getTaskInfo(top)["waiting"] is False


def test_free_tasks_is_silent_about_others(hub: LocalHub) -> None:
    builder = hub.host("b")
    admin = hub.admin()
    mine, other = admin.makeTask("sleep", [0]), admin.makeTask("sleep", [0])
    builder.host.openTask(mine)
    builder.host.freeTasks([mine, other])
    assert (state(hub, mine), state(hub, other)) == ("FREE", "FREE")
    with pytest.raises(koji.GenericError):
        builder.host.freeTasks([999])


def test_a_zombie_of_the_first_attempt_can_close_the_second(hub: LocalHub) -> None:
    builder = hub.host("b")
    zombie = builder.subsession()
    task_id = hub.admin().makeTask("sleep", [0])
    builder.host.openTask(task_id)
    builder.host.freeTasks([task_id])
    builder.host.openTask(task_id)
    zombie.host.closeTask(task_id, result("zombie"))
    assert hub.anonymous().getTaskResult(task_id) == "zombie"


def test_admin_assigns_and_frees(hub: LocalHub) -> None:
    admin = hub.admin()
    first, second = hub.host("b"), hub.host("c")
    task_id = admin.makeTask("sleep", [0])
    assert admin.assignTask(task_id, "b") is True
    assert admin.assignTask(task_id, "c") is False
    assert admin.assignTask(task_id, "c", force=True) is True
    assert first.host.getTasks() == []
    assert [task["id"] for task in second.host.getTasks()] == [task_id]
    admin.freeTask(task_id)
    with pytest.raises(koji.GenericError):
        admin.freeTask(task_id)


def test_resubmit_and_priority(hub: LocalHub) -> None:
    admin = hub.admin()
    task_id = admin.makeTask("sleep", [3], channel="vm", priority=5)
    with pytest.raises(koji.GenericError, match="only canceled or failed"):
        admin.resubmitTask(task_id)
    admin.setTaskPriority(task_id, 4)
    admin.cancelTask(task_id)
    again = admin.getTaskInfo(admin.resubmitTask(task_id), request=True)
    assert (again["priority"], again["request"]) == (4, [3])
    with pytest.raises(koji.GenericError):
        admin.setTaskPriority(task_id, 3)


def test_listing(hub: LocalHub) -> None:
    admin = hub.admin()
    low, high = admin.makeTask("sleep", [1], arch="x86_64"), admin.makeTask("fork", [2], priority=1)
    admin.cancelTask(low)

    def ids(opts: dict[str, object], **query: object) -> list[int]:
        return [task["id"] for task in admin.listTasks(opts, query)]

    assert ids({"state": [0]}) == [high]
    assert ids({"not_state": [0]}) == [low]
    assert ids({"method": "fork", "owner": 1}) == [high]
    assert ids({"parent": None}, order="priority,id") == [high, low]
    assert ids({"arch": ["x86_64"], "createdBefore": 4e9}) == [low]
    assert admin.listTasks({"decode": True})[0]["request"] == [1]
    assert admin.listTasks({}, {"countOnly": True}) == 2


@pytest.mark.parametrize(
    "opts", [{"channel": "none"}, {"arch": "no good!"}, {"parent": 1}, {"owner": "x"}, {"assign": "none"}]
)
def test_tasks_that_cannot_be_made(hub: LocalHub, opts: dict[str, object]) -> None:
    with pytest.raises(koji.GenericError):
        hub.admin().makeTask("sleep", [0], **opts)
    assert hub.anonymous().listTasks() == []
