# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Calls about tasks for users and admins."""

from typing import Any
from xmlrpc.client import Fault

from . import scheduler
from .channels import get_channel
from .context import Context, export
from .convert import apply_query_opts, cast, epoch
from .enums import FINISHED, TaskState
from .faults import ActionNotAllowed, GenericError
from .make_task import make_task
from .storage import Cond, Row
from .task import FIELDS, Task, decode, shown

MOMENTS = {
    "createdBefore": ("create_time", "<"),
    "createdAfter": ("create_time", ">"),
    "startedBefore": ("start_time", "<"),
    "startedAfter": ("start_time", ">"),
    "completeBefore": ("completion_time", "<"),
    "completeAfter": ("completion_time", ">"),
    "completedBefore": ("completion_time", "<"),
    "completedAfter": ("completion_time", ">"),
}


@export("makeTask")
def make_task_call(context: Context, *args: Any, **opts: Any) -> int:
    """Create any task, as an admin; see make_task."""
    context.assert_perm("admin")
    if "owner" in opts:
        raise ActionNotAllowed("The owner option is not allowed here")
    return make_task(context, *args, **opts)


@export("getTaskInfo")
def get_task_info(context: Context, task_id: Any, request: bool = False, strict: bool = False) -> Any:
    """Return a task, or a list of them for a list of ids; None for one that isn't there."""
    if isinstance(task_id, list | tuple):
        return [Task(context, one).info(strict=strict, request=request) for one in task_id]
    return Task(context, task_id).info(strict=strict, request=request)


@export("getTaskRequest")
def get_task_request(context: Context, taskId: Any) -> tuple[Any, ...]:  # noqa: N803
    """Return what was asked of a task."""
    return decode(Task(context, taskId).row()["request"])


@export("getTaskResult")
def get_task_result(context: Context, taskId: Any, raise_fault: bool = True) -> Any:  # noqa: N803
    """Return what came of a task. Raises the fault it ended with."""
    return Task(context, taskId).result(raise_fault=raise_fault)


@export("taskFinished")
def task_finished(context: Context, taskId: Any) -> bool:  # noqa: N803
    """Tell whether a task is closed, canceled or failed."""
    return Task(context, taskId).state() in FINISHED


def _children(task: Task, request: bool) -> list[Row]:
    return [shown(row) | ({"request": decode(row["request"])} if request else {}) for row in task.children()]


@export("getTaskChildren")
def get_task_children(context: Context, task_id: Any, request: bool = False, strict: bool = False) -> list[Row]:
    """Return the children of a task."""
    task = Task(context, task_id)
    if strict:
        task.info()
    return _children(task, request)


@export("getTaskDescendents")
def get_task_descendents(context: Context, task_id: Any, request: bool = False) -> dict[str, list[Row]]:
    """Return the children of a task, of its children and so on: {id as text: children}."""
    found: dict[str, list[Row]] = {}
    waiting = [cast(task_id, int)]
    for one in waiting:
        found[str(one)] = _children(Task(context, one), request)
        waiting += [child["id"] for child in found[str(one)]]
    return found


def _list_conds(opts: Row) -> list[Cond]:
    conds = []
    for name in ("arch", "state", "owner", "host_id", "channel_id", "parent"):
        for key, several, one in ((name, "in", "="), (f"not_{name}", "not in", "!=")):
            if key in opts:
                value = opts[key]
                conds.append(Cond(name, several if isinstance(value, list | tuple) else one, value))
    if "method" in opts:
        conds.append(Cond("method", "=", opts["method"]))
    for key, (column, sign) in MOMENTS.items():
        if opts.get(key) is not None:
            conds.append(Cond(column, sign, epoch(opts[key])))
    return conds


@export("listTasks")
def list_tasks(context: Context, opts: Row | None = None, queryOpts: Row | None = None) -> Any:  # noqa: N803
    """Return tasks with request, result, owner_name and owner_type.

    opts: arch, state, owner, host_id, channel_id, parent (each also as not_...), method, createdBefore and the like,
    decode."""
    opts = opts or {}
    rows = context.tx.select("task", _list_conds(opts), order="id")
    users = {user["id"]: user for user in context.tx.select("users")}
    tasks = [
        shown(row)
        | {"request": row["request"], "result": row["result"]}
        | {"owner_name": users[row["owner"]]["name"], "owner_type": users[row["owner"]]["usertype"]}
        for row in rows
    ]
    found = apply_query_opts(tasks, queryOpts, (*FIELDS, "request", "result", "owner_name", "owner_type"))
    if opts.get("decode") and isinstance(found, list) and not (queryOpts or {}).get("asList"):
        for task in found:
            for name in ("request", "result"):
                task[name] = _decoded(task[name])
    return found


def _decoded(text: str | None) -> Any:
    if not text:
        return text
    try:
        return decode(text)
    except Fault as fault:
        return {"faultCode": fault.faultCode, "faultString": fault.faultString}


@export("cancelTask")
def cancel_task(context: Context, task_id: Any, recurse: bool = True) -> None:
    """Cancel a task, as its owner, its host or an admin."""
    task = Task(context, task_id)
    task.may_cancel()
    task.cancel(recurse=recurse)


@export("cancelTaskChildren")
def cancel_task_children(context: Context, task_id: Any) -> None:
    """Cancel what a task started, but not the task."""
    context.assert_login()
    task = Task(context, task_id)
    task.may_cancel()
    task.cancel_children()


@export("cancelTaskFull")
def cancel_task_full(context: Context, task_id: Any, strict: bool = True) -> None:
    """Cancel the whole family of a task, as an admin."""
    context.assert_perm("admin")
    Task(context, task_id).cancel_full(strict=strict)


@export("freeTask")
def free_task(context: Context, task_id: Any) -> None:
    """Give a task back to the scheduler, as an admin."""
    context.assert_perm("admin")
    Task(context, task_id).free()


@export("assignTask")
def assign_task(context: Context, task_id: Any, host: Any, force: bool = False, override: bool = False) -> bool:
    """Assign a task to a host, as an admin: force takes it from another, override keeps the scheduler off it."""
    task_id = cast(task_id, int)
    found = context.call("getHost", host, strict=True)
    context.assert_perm("admin")
    context.tx.lock("scheduler", wait=True)
    return scheduler.assign(context, task_id, found["id"], force=bool(force), override=bool(override))


@export("setTaskPriority")
def set_task_priority(context: Context, task_id: Any, priority: Any, recurse: bool = True) -> None:
    """Set the priority of a task, as an admin; lower numbers come first."""
    context.assert_perm("admin")
    task = Task(context, task_id)
    if task.state() in FINISHED:
        raise GenericError("Finished task's priority can't be updated")
    task.set_priority(priority, recurse=recurse)


@export("resubmitTask")
def resubmit_task(context: Context, taskID: Any) -> int:  # noqa: N803
    """Create a canceled or failed top-level task again, as its owner or an admin; return the new id."""
    context.assert_login()
    row = Task(context, taskID).row()
    if row["state"] not in {TaskState.CANCELED, TaskState.FAILED}:
        raise GenericError("only canceled or failed tasks may be resubmitted")
    if row["parent"] is not None:
        raise GenericError("only top-level tasks may be resubmitted")
    if context.session.user_id != row["owner"] and not context.has_perm("admin"):
        raise GenericError("only the task owner or an admin may resubmit a task")
    channel = get_channel(context, row["channel_id"], strict=True) or {}
    options = {"arch": row["arch"], "channel": channel["name"], "priority": row["priority"]}
    return make_task(context, row["method"], decode(row["request"]), **options)
