# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The calls of a builder: host.*. Each needs the exclusive session of a host's user, or a subsession of it."""

import json
from typing import Any

from . import scheduler, waiting
from .channels import list_channels
from .context import Context, export
from .convert import cast, check_type
from .enums import TaskState
from .faults import ActionNotAllowed, AuthError, ParameterError
from .hosts import get_host
from .make_task import make_task
from .storage import Row, eq
from .task import Task


def this_host(context: Context) -> int:
    """Return the id of the calling host. Raises AuthError if the caller is no host, or not exclusive."""
    host_id = context.session.host_id(context)
    if host_id is None:
        who = f"User {context.session.user_id} is not a host" if context.session.logged_in else "Not logged-in"
        raise AuthError(who)
    if not context.session.exclusive:
        raise AuthError("This method requires an exclusive session")
    return host_id


@export("host.getID")
def get_id(context: Context) -> int:
    """Return the host's id."""
    return this_host(context)


@export("host.getHost")
def get_own_host(context: Context) -> Row | None:
    """Return the host, as getHost does."""
    return get_host(context, this_host(context))


@export("host.isEnabled")
def is_enabled(context: Context) -> bool:
    """Tell whether the host is enabled."""
    return bool((get_own_host(context) or {})["enabled"])


@export("host.updateHost")
def update_host(context: Context, task_load: Any, ready: bool, data: Row | None = None) -> None:
    """Check in. Of data the scheduler uses maxjobs."""
    host_id = this_host(context)
    values = {"task_load": float(task_load), "ready": ready, "update_time": context.now()}
    context.tx.update("host", values, eq(id=host_id))
    if data is not None:
        _set_data(context, host_id, data)


@export("host.setHostData")
def set_host_data(context: Context, hostdata: Row | str) -> None:
    """Set the scheduler's data about this host: a map, or JSON."""
    host_id = this_host(context)
    _set_data(context, host_id, json.loads(hostdata) if isinstance(hostdata, str) else hostdata)


def _set_data(context: Context, host_id: int, data: Any) -> None:
    if not isinstance(data, dict):
        raise ParameterError("Host data should be a dictionary")
    text = json.dumps(data)
    if not context.tx.update("scheduler_host_data", {"data": text}, eq(host_id=host_id)):
        context.tx.insert("scheduler_host_data", {"host_id": host_id, "data": text})


@export("host.getTasks")
def get_tasks(context: Context) -> list[Row]:
    """Return what is assigned to this host; if nothing is, the scheduler runs first."""
    return scheduler.assigned_tasks(context, this_host(context))


@export("host.getLoadData")
def get_load_data(context: Context) -> list[Any]:
    """Return [[this host with its channels], its assigned tasks]."""
    host_id = this_host(context)
    host = get_host(context, host_id, strict=True) or {}
    host["channels"] = [channel["id"] for channel in list_channels(context, host_id)]
    return [[host], scheduler.assigned_tasks(context, host_id)]


@export("host.getHostTasks")
def get_host_tasks(context: Context) -> list[Row]:
    """Return what is open on this host: id, waiting, weight, and alert if an awaited child has ended."""
    host_id = this_host(context)
    tasks = []
    for row in context.tx.select("task", eq(host_id=host_id, state=int(TaskState.OPEN)), order="id"):
        task = {name: row[name] for name in ("id", "waiting", "weight")}
        if task["waiting"] and waiting.check(context, task["id"])[0]:
            task["alert"] = True
        tasks.append(task)
    return tasks


@export("host.openTask")
def open_task(context: Context, task_id: Any) -> Row | None:
    """Open a task that is assigned to this host, or free; None if it is neither."""
    host_id = this_host(context)
    return Task(context, task_id).open(host_id)


def _own(context: Context, task_id: Any) -> Task:
    host_id = this_host(context)
    task = Task(context, task_id)
    task.assert_host(host_id)
    return task


@export("host.closeTask")
def close_task(context: Context, task_id: Any, response: Any) -> None:
    """Close an open task of this host; response is the result's XML."""
    _own(context, task_id).finish(TaskState.CLOSED, response)


@export("host.failTask")
def fail_task(context: Context, task_id: Any, response: Any) -> None:
    """Fail an open task of this host; response is the fault's XML."""
    _own(context, task_id).finish(TaskState.FAILED, response)


@export("host.freeTasks")
def free_tasks(context: Context, tasks: list[Any]) -> None:
    """Give open tasks of this host back; others are passed over."""
    host_id = this_host(context)
    for task_id in tasks:
        task = Task(context, task_id)
        if task.owned_by_host(host_id):
            task.free()


@export("host.refuseTask")
def refuse_task(context: Context, task_id: Any, soft: bool = True, msg: str = "") -> None:
    """Give back a task that this host won't take: for a while (soft), or for good. Another's is passed over."""
    soft, msg = cast(soft, bool), cast(msg, str)
    host_id = this_host(context)
    task = Task(context, task_id)
    info = task.info() or {}
    if info["host_id"] != host_id:
        return
    scheduler.set_refusal(context, host_id, info["id"], soft=soft, by_host=True, msg=msg)
    task.free()


@export("host.setTaskWeight")
def set_task_weight(context: Context, task_id: Any, weight: Any) -> None:
    """Set the weight of an open task of this host."""
    task = _own(context, task_id)
    context.tx.update("task", {"weight": cast(weight, float)}, eq(id=task.id))


@export("host.taskSetWait")
def task_set_wait(context: Context, parent: Any, tasks: Any) -> None:
    """Say that a task waits for these children, or for all if None."""
    this_host(context)
    check_type(tasks, list, none=True)
    waiting.set_wait(context, parent, tasks)


@export("host.taskWait")
def task_wait(context: Context, parent: Any) -> list[list[int]]:
    """Return [ended, not ended] of the awaited children; those that ended are no longer awaited."""
    this_host(context)
    return waiting.wait(context, parent)


@export("host.taskWaitResults")
def task_wait_results(context: Context, parent: Any, tasks: Any, canfail: Any = None) -> list[list[Any]]:
    """End the wait and return [[id, result], ...]; a failure raises unless the id is in canfail."""
    this_host(context)
    return waiting.results(context, parent, tasks, canfail or [])


@export("host.subtask")
def subtask(context: Context, method: Any, arglist: Any, parent: Any, **opts: Any) -> int:
    """Create a child of an open task of this host and return its id; the same label gives the same child."""
    _own(context, parent)
    opts["parent"] = parent
    if "owner" in opts:
        raise ActionNotAllowed("The owner option is not allowed here")
    if "label" in opts:
        labelled = context.one("task", parent=cast(parent, int), label=opts["label"])
        if labelled and opts["label"] is not None:
            return int(labelled["id"])
    if "kwargs" in opts:
        arglist = (*arglist, opts.pop("kwargs") | {"__starstar": True})
    return make_task(context, method, arglist, **opts)


@export("host.subtask2")
def subtask2(context: Context, parent: Any, taskopts: Row, method: Any, *args: Any, **opts: Any) -> int:
    """Create a child called with these arguments; taskopts are host.subtask's options."""
    arglist = (*args, opts | {"__starstar": True}) if opts else args
    return subtask(context, method, arglist, parent, **taskopts)
