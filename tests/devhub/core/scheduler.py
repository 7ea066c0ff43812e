# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Which host gets which task. Runs inside host.getTasks, at most every RunInterval seconds for the whole hub."""

import json
from dataclasses import dataclass, field
from typing import Any

from .context import Context
from .enums import FINISHED, TaskState
from .storage import Cond, Row, eq
from .task import Task

ACTIVE = [int(TaskState.ASSIGNED), int(TaskState.OPEN)]
FREE_LIMIT = 1000


@dataclass
class Candidate:
    """An enabled host as the scheduler counts on it. bins are the (channel, arch) pairs whose tasks it can take."""

    id: int
    ready: bool
    update_time: float | None
    capacity: float
    maxjobs: int
    bins: set[tuple[int, str]]
    load: float = 0.0
    jobs: int = 0
    demand: float = 0.0

    def has_room(self, weight: float, overcommit: float) -> bool:
        """Tell whether one more task of this weight fits."""
        return self.jobs < self.maxjobs and self.capacity - self.load > max(0, weight - overcommit)

    def rank(self) -> float:
        """Return how busy it is: the lowest gets the task."""
        return self.load + self.jobs + self.demand


@dataclass
class Plan:
    """Hosts and tasks as one run sees them."""

    hosts: dict[int, Candidate]
    active: list[Row]
    free: list[Row]
    options: dict[int, list[Candidate]] = field(default_factory=dict)


def log(context: Context, text: str, *, task_id: int | None = None, host_id: int | None = None) -> None:
    """Note what the scheduler did, for scheduler.getLogMessages."""
    row = {"msg": text, "task_id": task_id, "host_id": host_id, "msg_time": context.now()}
    context.tx.insert("scheduler_log_messages", row)


def assigned_tasks(context: Context, host_id: int) -> list[Row]:
    """Return what is assigned to a host, best priority first; if nothing is, run first."""

    def query() -> list[Row]:
        conds = eq(host_id=host_id, state=int(TaskState.ASSIGNED))
        names = ("id", "state", "channel_id", "host_id", "arch", "method", "priority")
        rows = context.tx.select("task", conds, order="priority,create_time,id")
        return [{name: row[name] for name in names} | {"create_ts": row["create_time"]} for row in rows]

    tasks = query()
    if not tasks:
        run(context)
        tasks = query()
    return tasks


def set_refusal(
    context: Context, host_id: int, task_id: int, *, soft: bool = True, by_host: bool = False, msg: str = ""
) -> None:
    """Note that a host won't have a task: for SoftRefusalTimeout seconds, or for good. A later one replaces it."""
    values = {"soft": soft, "by_host": by_host, "msg": msg}
    if not context.tx.update("scheduler_task_refusals", values, eq(task_id=task_id, host_id=host_id)):
        row = values | {"task_id": task_id, "host_id": host_id, "time": context.now()}
        context.tx.insert("scheduler_task_refusals", row)
    log(context, f"Host refused task: {msg}", task_id=task_id, host_id=host_id)


def assign(context: Context, task_id: int, host_id: int, *, force: bool = False, override: bool = False) -> bool:
    """Assign a task to a host; False if it is no longer free. An override has no run, so it never times out."""
    if not Task(context, task_id).take(host_id, TaskState.ASSIGNED, force=force):
        log(context, "Assignment failed", task_id=task_id, host_id=host_id)
        return False
    text = "Assigning task (override)" if override else "Assigning task"
    log(context, text, task_id=task_id, host_id=host_id)
    context.tx.update("scheduler_task_runs", {"active": False}, eq(task_id=task_id, active=True))
    if not override:
        row = {"task_id": task_id, "host_id": host_id, "create_time": context.now()}
        context.tx.insert("scheduler_task_runs", row)
    return True


def run(context: Context, *, force: bool = False) -> bool:
    """Schedule, unless another run is under way or was less than RunInterval seconds ago; tell whether it did."""
    if not context.tx.lock("scheduler", wait=force):
        return False
    if not force and not _due(context):
        return False
    plan = Plan(_hosts(context), _active(context), _free(context))
    _mark_silent(context, plan)
    _count(plan)
    _find_options(context, plan)
    _assign_all(context, plan)
    _check_active(context, plan)
    return True


def _due(context: Context) -> bool:
    last = context.one("scheduler_sys_data", name="last_run_ts")
    now = context.now()
    gone = now - (float(json.loads(last["data"])) if last else 0)
    if 0 <= gone < context.config["RunInterval"]:
        return False
    # A clock that was set back: no run now, but the next one counts from here.
    if not context.tx.update("scheduler_sys_data", {"data": json.dumps(now)}, eq(name="last_run_ts")):
        context.tx.insert("scheduler_sys_data", {"name": "last_run_ts", "data": json.dumps(now)})
    return gone >= 0


def _active(context: Context) -> list[Row]:
    conds = [Cond("state", "in", ACTIVE), Cond("host_id", "!=", None)]
    return context.tx.select("task", conds, order="id")


def _free(context: Context) -> list[Row]:
    return context.tx.select("task", eq(state=int(TaskState.FREE)), order="priority,create_time,id", limit=FREE_LIMIT)


def _hosts(context: Context) -> dict[int, Candidate]:
    """Return the enabled hosts by id."""
    tx = context.tx
    open_channels = {row["id"] for row in tx.select("channels", eq(enabled=True))}
    channels: dict[int, list[int]] = {}
    for link in tx.select("host_channels", eq(active=True)):
        if link["channel_id"] in open_channels:
            channels.setdefault(link["host_id"], []).append(link["channel_id"])
    data = {row["host_id"]: json.loads(row["data"] or "null") or {} for row in tx.select("scheduler_host_data")}
    hosts = {row["id"]: row for row in tx.select("host", order="id")}
    found = {}
    for config in tx.select("host_config", eq(active=True, enabled=True), order="host_id"):
        host = hosts[config["host_id"]]
        found[host["id"]] = Candidate(
            id=host["id"],
            ready=host["ready"],
            update_time=host["update_time"],
            capacity=config["capacity"],
            maxjobs=data.get(host["id"], {}).get("maxjobs") or context.config["MaxJobs"],
            bins={
                (channel, arch)
                for channel in channels.get(host["id"], [])
                for arch in [*(config["arches"] or "").split(), "noarch"]
            },
        )
    return found


def _mark_silent(context: Context, plan: Plan) -> None:
    """Take hosts that haven't checked in for ReadyTimeout seconds as not ready."""
    for host in plan.hosts.values():
        silent = host.update_time is None or context.now() - host.update_time > context.config["ReadyTimeout"]
        if host.ready and silent:
            log(context, "Marking host not ready", host_id=host.id)
            context.tx.update("host", {"ready": False}, eq(id=host.id))
            host.ready = False


def _count(plan: Plan) -> None:
    """Count what the hosts have: a waiting task is a job, but no load."""
    for task in plan.active:
        host = plan.hosts.get(task["host_id"])
        if host is not None:
            host.jobs += 1
            host.load += 0.0 if task["waiting"] else task["weight"]


def _refusals(context: Context) -> set[tuple[int, int]]:
    """Return the (task, host) pairs that are refused; drop those that are over."""
    refused = set()
    states = {row["id"]: row["state"] for row in context.tx.select("task", [Cond("state", "in", [*ACTIVE, 0])])}
    oldest = context.now() - context.config["SoftRefusalTimeout"]
    for row in context.tx.select("scheduler_task_refusals"):
        if (row["soft"] and row["time"] < oldest) or states.get(row["task_id"]) in (None, *FINISHED):
            context.tx.delete("scheduler_task_refusals", eq(id=row["id"]))
        else:
            refused.add((row["task_id"], row["host_id"]))
    return refused


def _find_options(context: Context, plan: Plan) -> None:
    """Find the hosts that could take each free task, and how much each host is in demand."""
    overcommit = context.config["CapacityOvercommit"]
    refused = _refusals(context)
    for task in plan.free:
        options = [
            host
            for host in plan.hosts.values()
            if (task["channel_id"], task["arch"]) in host.bins
            and host.ready
            and host.has_room(task["weight"], overcommit)
            and (task["id"], host.id) not in refused
        ]
        plan.options[task["id"]] = options
        for host in options:
            host.demand += task["weight"] / len(options)
    total = sum(host.demand for host in plan.hosts.values())
    if total > 0:
        for host in plan.hosts.values():
            host.demand /= total


def _assign_all(context: Context, plan: Plan) -> None:
    """Give each task, best priority first, to the least busy host that still has room."""
    overcommit = context.config["CapacityOvercommit"]
    for task in plan.free:
        for host in sorted(plan.options[task["id"]], key=Candidate.rank):
            if host.has_room(task["weight"], overcommit):
                assign(context, task["id"], host.id)
                host.load += task["weight"]
                host.jobs += 1
                break


def _check_active(context: Context, plan: Plan) -> None:
    """Free what was assigned but not opened in time, and what is open on a silent host; end runs that are over."""
    runs: dict[int, list[Row]] = {}
    for row in context.tx.select("scheduler_task_runs", eq(active=True), order="id"):
        runs.setdefault(row["task_id"], []).append(row)
    for task in plan.active:
        host = plan.hosts.get(task["host_id"])
        # A disabled host's tasks are left alone, and so is an override, which has no run.
        if host is not None and task["id"] in runs:
            _check_one(context, task, host, min(row["create_time"] for row in runs[task["id"]]))
    living = {row["id"] for row in context.tx.select("task", [Cond("state", "in", ACTIVE)])}
    for task_id in runs.keys() - living:
        context.tx.update("scheduler_task_runs", {"active": False}, eq(task_id=task_id, active=True))


def _check_one(context: Context, task: Row, host: Candidate, since: float) -> None:
    now = context.now()
    if task["state"] == TaskState.ASSIGNED and now - since > context.config["AssignTimeout"]:
        if host.update_time is not None and host.update_time > since:
            set_refusal(context, host.id, task["id"], msg="assignment timeout")
        log(context, "Task assignment timeout", task_id=task["id"], host_id=host.id)
        Task(context, task["id"]).free()
    elif task["state"] == TaskState.OPEN:
        last: Any = since if host.update_time is None else host.update_time
        if now - last > context.config["HostTimeout"]:
            log(context, "Freeing task from unresponsive host", task_id=task["id"], host_id=host.id)
            Task(context, task["id"]).free()
