# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One task: its states, who may change it, what is asked of it and what came of it."""

import base64
from typing import Any
from xmlrpc.client import Fault

from . import xmlrpc
from .context import Context
from .convert import cast, iso
from .enums import FINISHED, TaskState
from .faults import ActionNotAllowed, GenericError
from .storage import Row, eq

FIELDS = (
    "id",
    "state",
    "create_time",
    "create_ts",
    "start_time",
    "start_ts",
    "completion_time",
    "completion_ts",
    "channel_id",
    "host_id",
    "parent",
    "label",
    "waiting",
    "awaited",
    "owner",
    "method",
    "arch",
    "priority",
    "weight",
)


def shown(row: Row) -> Row:
    """Return a task as clients see it, without request and result."""
    out = {name: row[name] for name in FIELDS if name in row}
    for name in ("create", "start", "completion"):
        out[f"{name}_time"], out[f"{name}_ts"] = iso(row[f"{name}_time"]), row[f"{name}_time"]
    return out


def decode(text: str) -> tuple[Any, ...]:
    """Read a stored request or result. Raises Fault if it is one."""
    body: str | bytes = text if "<?xml" in text[:10] else base64.b64decode(text)
    return xmlrpc.load(body)[0]


class Task:
    """A task by its id. Access is checked by the callers."""

    def __init__(self, context: Context, task_id: Any) -> None:
        self.context = context
        self.id = cast(task_id, int)

    def row(self, *, lock: bool = False) -> Row:
        """Return the stored row. Raises GenericError if there is no such task."""
        row = self.context.one("task", id=self.id, lock=lock)
        if row is None:
            raise GenericError(f"No such task: {self.id}")
        return row

    def info(self, *, strict: bool = True, request: bool = False) -> Row | None:
        """Return the task as clients see it; None if there is none and strict isn't set."""
        row = self.context.one("task", id=self.id)
        if row is None:
            if strict:
                raise GenericError("query returned no rows")
            return None
        out = shown(row)
        if request:
            out["request"] = decode(row["request"])
        return out

    def state(self) -> TaskState:
        """Return the state."""
        return TaskState(self.row()["state"])

    def children(self) -> list[Row]:
        """Return the stored rows of the children, oldest first."""
        return self.context.tx.select("task", eq(parent=self.id), order="id")

    def owned_by_host(self, host_id: int | None) -> bool:
        """Tell whether the task is open on this host."""
        if host_id is None:
            return False
        row = self.row(lock=True)
        return bool(row["state"] == TaskState.OPEN and row["host_id"] == host_id)

    def assert_host(self, host_id: int) -> None:
        """Raise ActionNotAllowed unless the task is open on this host."""
        if not self.owned_by_host(host_id):
            raise ActionNotAllowed(f"host {host_id} does not own task {self.id}")

    def may_cancel(self) -> None:
        """Raise ActionNotAllowed unless the caller owns it, runs it or is an admin."""
        session = self.context.session
        owner = self.row(lock=True)["owner"] if session.user_id is not None else None
        if owner is not None and owner == session.user_id:
            return
        if not self.owned_by_host(session.host_id(self.context)) and not self.context.has_perm("admin"):
            raise ActionNotAllowed("Cannot cancel task, not owner")

    def take(self, host_id: int, state: TaskState, *, force: bool = False) -> bool:
        """Assign or open the task for a host; False if it is another's, open already, or finished."""
        self.info()
        if not force:
            row = self.row(lock=True)
            if row["state"] == TaskState.ASSIGNED and row["host_id"] == host_id:
                if state == TaskState.ASSIGNED:
                    return True
            elif row["state"] != TaskState.FREE or row["host_id"] is not None:
                return False
        values: Row = {"state": int(state), "host_id": host_id}
        if state == TaskState.OPEN:
            values["start_time"] = self.context.now()
        self.context.tx.update("task", values, eq(id=self.id))
        return True

    def open(self, host_id: int) -> Row | None:
        """Open the task for a host; return it with its request as XML, or None."""
        if not self.take(host_id, TaskState.OPEN):
            return None
        row = self.row()
        return shown(row) | {"request": row["request"]}

    def free(self) -> None:
        """Give the task back to the scheduler. Raises GenericError if it is finished, or free already."""
        self.info()
        state = self.row(lock=True)["state"]
        if state in FINISHED:
            raise GenericError(f"Cannot free task {self.id}, state is {TaskState(state).name}")
        if state == TaskState.FREE:
            # The hub takes state 0 for a task that isn't there.
            raise GenericError(f"No such task: {self.id}")
        self.context.tx.update("task", {"state": int(TaskState.FREE), "host_id": None}, eq(id=self.id))

    def finish(self, state: TaskState, result: Any) -> None:
        """Close or fail the task. A result that can't be read, or a fault in a closed one, is an error."""
        self.info(request=True)
        values = {"state": int(state), "result": result, "completion_time": self.context.now()}
        self.context.tx.update("task", values, eq(id=self.id))
        if state == TaskState.CLOSED:
            self.result()

    def result(self, *, raise_fault: bool = True) -> Any:
        """Return what came of a finished task. Raises its Fault, or returns it as a map."""
        row = self.context.one("task", id=self.id)
        if row is None:
            raise GenericError("No such task")
        if row["state"] == TaskState.CANCELED:
            raise GenericError(f"Task {self.id} is canceled")
        if row["state"] not in {TaskState.CLOSED, TaskState.FAILED}:
            raise GenericError(f"Task {self.id} is not finished")
        try:
            return decode(row["result"])[0]
        except Fault as fault:
            if raise_fault:
                raise
            return {"faultCode": fault.faultCode, "faultString": fault.faultString}

    def cancel(self, *, recurse: bool = True) -> bool:
        """Cancel the task; False if it is closed or failed. With recurse its children too."""
        self.info()
        state = self.row(lock=True)["state"]
        if state in FINISHED:
            return bool(state == TaskState.CANCELED)
        values = {"state": int(TaskState.CANCELED), "completion_time": self.context.now()}
        self.context.tx.update("task", values, eq(id=self.id))
        if recurse:
            self.cancel_children()
        return True

    def cancel_children(self) -> None:
        """Cancel every descendant."""
        for child in self.children():
            Task(self.context, child["id"]).cancel()

    def cancel_full(self, *, strict: bool = True) -> None:
        """Cancel the whole family. Raises GenericError if strict and this isn't the top of it."""
        row = self.row(lock=True)
        if row["parent"] is not None:
            if strict:
                raise GenericError(f"Task {self.id} is not top-level (parent={row['parent']})")
            Task(self.context, row["parent"]).cancel_full(strict=False)
            return
        family = [self]
        for member in family:
            member.cancel(recurse=False)
            family += [Task(self.context, child["id"]) for child in member.children()]

    def set_priority(self, priority: Any, *, recurse: bool) -> None:
        """Set the priority, with recurse that of every descendant."""
        priority = cast(priority, int)
        self.info()
        self.context.tx.update("task", {"priority": priority}, eq(id=self.id))
        if recurse:
            for child in self.children():
                Task(self.context, child["id"]).set_priority(priority, recurse=True)
