# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the scheduler knows, for clients: scheduler.*"""

import json
import operator
from collections.abc import Callable
from typing import Any

from . import scheduler
from .context import Context, export
from .convert import apply_query_opts, cast
from .faults import ParameterError
from .storage import Row, eq

TASK_FIELDS = ("method", "state", "owner", "arch", "channel_id")
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "IN": lambda have, values: have in values,
    "IS": lambda have, value: have is value,
    "IS NOT": lambda have, value: have is not value,
}
RUNS = ("id", "task_id", "host_id", "active", "create_ts")
REFUSALS = ("id", "task_id", "host_id", "by_host", "soft", "msg", "ts")
MESSAGES = ("id", "task_id", "host_id", "msg", "msg_ts")


def _view(context: Context, table: str, own: dict[str, str], *, times: bool = False) -> list[Row]:
    """Return rows with `own` columns ({shown: stored}) joined with their task's and host's."""
    rows = context.tx.select(table, order="id")
    tasks = {row["id"]: row for row in context.tx.select("task")}
    hosts = {row["id"]: row for row in context.tx.select("host")}
    found = []
    for row in rows:
        task, host = tasks.get(row["task_id"]), hosts.get(row["host_id"])
        shown = {name: row[stored] for name, stored in own.items()}
        shown |= {name: task[name] if task else None for name in TASK_FIELDS}
        if times:
            shown |= {f"{name}_ts": task and task[f"{name}_time"] for name in ("start", "completion")}
        shown |= {"host_name": host and host["name"], "host_ready": host and host["ready"]}
        found.append(shown)
    return found


def _query(rows: list[Row], names: tuple[str, ...], clauses: Any, fields: Any, opts: Row | None) -> Any:
    """Filter and cut rows by a client's clauses ([field, value] or [field, sign, value]), fields and options."""
    for clause in clauses or []:
        if len(clause) not in {2, 3}:
            raise ParameterError(f"Invalid clause: {clause}")
        name, value = clause[0], clause[-1]
        sign = clause[1].upper() if len(clause) == 3 else ("IN" if isinstance(value, list | tuple) else "=")
        if sign not in SIGNS:
            raise ParameterError(f"Invalid operator: {sign}")
        _known(rows, name)
        rows = [row for row in rows if _holds(row[name], SIGNS[sign], value)]
    wanted = [fields] if isinstance(fields, str) else list(fields or names)
    if "*" in wanted:
        wanted = [name for name in wanted if name != "*"] + list(names)
    if "**" in wanted:
        wanted = list(rows[0]) if rows else list(names)
    for name in wanted:
        _known(rows, name)
    for term in (opts or {}).get("order", "").split(","):
        if term:
            _known(rows, term.removeprefix("-"))
    every = (
        tuple(rows[0]) if rows else tuple(term.removeprefix("-") for term in (opts or {}).get("order", "").split(","))
    )
    found = apply_query_opts(rows, opts, every)
    return [{name: row[name] for name in wanted} for row in found] if isinstance(found, list) else found


def _holds(have: Any, test: Callable[[Any, Any], bool], value: Any) -> bool:
    # The database reads '5' as 5 where the column is a number, and `koji scheduler-info --host 5` sends that.
    if isinstance(have, int) and isinstance(value, str):
        value = int(value)
    return (have is not None or value is None) and test(have, value)


def _known(rows: list[Row], name: str) -> None:
    if rows and name not in rows[0]:
        raise ParameterError(f"Invalid field for query {name}")


@export("scheduler.getTaskRuns")
def get_task_runs(context: Context, clauses: Any = None, fields: Any = None, opts: Row | None = None) -> Any:
    """Return which hosts tasks were assigned to."""
    own = {name: name for name in ("id", "task_id", "host_id", "active")} | {"create_ts": "create_time"}
    rows = _view(context, "scheduler_task_runs", own, times=True)
    return _query(rows, RUNS, clauses, fields, opts)


@export("scheduler.getTaskRefusals")
def get_task_refusals(context: Context, clauses: Any = None, fields: Any = None) -> Any:
    """Return which hosts won't have which tasks."""
    own = {name: name for name in REFUSALS if name != "ts"} | {"ts": "time"}
    return _query(_view(context, "scheduler_task_refusals", own), REFUSALS, clauses, fields, None)


@export("scheduler.getLogMessages")
def get_log_messages(context: Context, clauses: Any = None, fields: Any = None, opts: Row | None = None) -> Any:
    """Return what the scheduler noted."""
    own = {name: name for name in MESSAGES if name != "msg_ts"} | {"msg_ts": "msg_time"}
    return _query(_view(context, "scheduler_log_messages", own), MESSAGES, clauses, fields, opts)


@export("scheduler.getHostData")
def get_host_data(context: Context, hostID: int | None = None) -> list[Row]:  # noqa: N803
    """Return what hosts said with their check-in: host_id and data."""
    conds = eq(host_id=hostID) if hostID is not None else []
    rows = context.tx.select("scheduler_host_data", conds, order="host_id")
    return [{"host_id": row["host_id"], "data": json.loads(row["data"])} for row in rows]


@export("scheduler.doRun")
def do_run(context: Context, force: bool = False) -> bool:
    """Run the scheduler now, as an admin; with force whatever RunInterval says."""
    force = cast(force, bool)
    context.assert_perm("admin")
    return scheduler.run(context, force=force)
