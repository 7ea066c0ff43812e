# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Tasks that wait for their children."""

from typing import Any

from .context import Context
from .enums import FINISHED, TaskState
from .faults import GenericError, code_of
from .storage import Cond, eq
from .task import Task


def check(context: Context, parent: int) -> tuple[list[int], list[int]]:
    """Return (ended, not ended) of the awaited children."""
    rows = context.tx.select("task", eq(parent=parent, awaited=True), order="id")
    ended = [row["id"] for row in rows if row["state"] in FINISHED]
    return ended, [row["id"] for row in rows if row["state"] not in FINISHED]


def set_wait(context: Context, parent: int, tasks: list[int] | None) -> None:
    """Mark a parent as waiting for these children and no others; None means all."""
    tx = context.tx
    tx.update("task", {"waiting": True}, eq(id=parent))
    if tasks is None:
        tx.update("task", {"awaited": True}, eq(parent=parent))
    elif tasks:
        tx.update("task", {"awaited": True}, [Cond("id", "in", tasks), *eq(parent=parent)])
        tx.update("task", {"awaited": False}, [Cond("id", "not in", tasks), *eq(parent=parent, awaited=True)])


def wait(context: Context, parent: int) -> list[list[int]]:
    """Return [ended, not ended] of the awaited children; those that ended are no longer awaited."""
    ended, others = check(context, parent)
    for task_id in ended:
        context.tx.update("task", {"awaited": False}, eq(id=task_id))
    return [ended, others]


def results(context: Context, parent: int, tasks: list[int] | None, canfail: list[int]) -> list[list[Any]]:
    """End the wait and return [[id, result], ...] of these children, or of all that ended."""
    context.tx.update("task", {"waiting": False}, eq(id=parent))
    context.tx.update("task", {"awaited": False}, eq(parent=parent))
    if tasks is None:
        states = [int(state) for state in FINISHED]
        rows = context.tx.select("task", [Cond("state", "in", states), *eq(parent=parent)], order="id")
        tasks = [row["id"] for row in rows]
    return [[task_id, _result(context, task_id, may_fail=task_id in canfail)] for task_id in tasks]


def _result(context: Context, task_id: int, *, may_fail: bool) -> Any:
    task = Task(context, task_id)
    try:
        return task.result(raise_fault=not may_fail)
    except GenericError as error:
        if may_fail and task.state() == TaskState.CANCELED:
            return {"faultCode": code_of(error), "faultString": str(error)}
        raise
