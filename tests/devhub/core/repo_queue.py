# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Requests for repos, and the newRepo tasks that they become."""

import json
from typing import Any

from .context import Context, export
from .convert import cast, iso
from .enums import FINISHED, PRIO_DEFAULT, RepoState, TaskState
from .faults import ActionNotAllowed, GenericError, ParameterError
from .make_task import make_task
from .repos import OPTIONS, repo_info, rows
from .storage import Cond, Row, eq
from .tags import first_change, get_tag, last_change
from .task import Task
from .users import get_user
from .views import view

AUTO_PRIORITY = 5
TASK_PRIORITY = 15
FIELDS = {
    "id": "",
    "create_time": "",
    "create_ts": "",
    "owner": "",
    "owner_name": "users",
    "priority": "",
    "tag_id": "",
    "tag_name": "tag",
    **dict.fromkeys(("at_event", "min_event", "opts", "update_time", "update_ts", "active", "task_id"), ""),
    "task_state": "task",
    "tries": "",
    "repo_id": "",
}
DEFAULT = (
    *("id", "tag_id", "at_event", "min_event", "create_ts", "task_id", "tries", "repo_id", "opts", "active"),
    "update_ts",
)


def _rows(context: Context) -> list[Row]:
    users = {row["id"]: row["name"] for row in context.tx.select("users")}
    tags = {row["id"]: row["name"] for row in context.tx.select("tag")}
    found = []
    for row in context.tx.select("repo_queue", order="priority,id"):
        task = context.one("task", id=row["task_id"]) if row["task_id"] else None
        found.append(
            {
                **row,
                **{f"{key}_time": iso(row[f"{key}_time"]) for key in ("create", "update")},
                **{f"{key}_ts": row[f"{key}_time"] for key in ("create", "update")},
                "opts": json.loads(row["opts"]),
                "owner_name": users[row["owner"]],
                "tag_name": tags[row["tag_id"]],
                "task_state": task["state"] if task else None,
            }
        )
    return found


@export("repo.queryQueue")
def query_queue(context: Context, clauses: Any = None, fields: Any = None, opts: Row | None = None) -> Any:
    """Return requests by clauses on their fields."""
    return view(_rows(context), FIELDS, DEFAULT, clauses, fields, opts)


def _options(opts: Any) -> Row:
    if opts is None:
        return {}
    if not isinstance(opts, dict):
        raise ParameterError("Repo opts must be a dictionary")
    for name in opts:
        if name not in OPTIONS:
            raise ParameterError(f"Invalid repo option: {name}")
    return {name: bool(value) for name, value in opts.items() if value is not None}


@export("repo.get")
def get(context: Context, tag: Any, min_event: Any = None, at_event: Any = None, opts: Any = None) -> Row | None:
    """Return the best ready repo that is as wanted."""
    tag_id, wanted = (get_tag(context, tag, strict=True) or {})["id"], _options(opts)
    found = [
        row
        for row in rows(context)
        if row["tag_id"] == tag_id
        and not row["dist"]
        and row["state"] == RepoState.READY
        and wanted.items() <= row["opts"].items()
        and row["custom_opts"].items() <= wanted.items()
        and (at_event is None or row["create_event"] == cast(at_event, int))
        and (at_event is not None or min_event is None or row["create_event"] >= cast(min_event, int))
    ]
    return max(found, key=lambda row: int(row["create_event"]), default=None)


@export("repo.request")
def request(
    context: Context,
    tag: Any,
    min_event: Any = None,
    at_event: Any = None,
    opts: Any = None,
    priority: Any = None,
    force: bool = False,
) -> Row:
    """Ask for a repo of a tag, unless there is one, or one is asked for."""
    context.assert_login()
    found: Row = get_tag(context, tag, strict=True) or {}
    wanted = _options(opts)
    if at_event is not None and min_event is not None:
        raise ParameterError("The min_event and at_event options conflict")
    if at_event is not None:
        at_event = _event(context, at_event)
    elif min_event == "last":
        min_event = last_change(context, found["id"])
    elif min_event is None:
        min_event = _lagging(context, found, "RepoLag")
    else:
        min_event = _event(context, min_event)
    number = _priority(context, priority)
    answer: Row = {"repo": None, "request": None, "duplicate": False}
    there = None if force else get(context, found["id"], min_event, at_event, wanted)
    if there:
        return answer | {"repo": there}
    same = [
        row
        for row in query_queue(context, [["tag_id", "=", found["id"]], ["active", "IS", True]], "**")
        if row["opts"] == wanted
        and (row["at_event"] == at_event if at_event is not None else (row["min_event"] or 0) >= min_event)
    ]
    if same:
        if same[0]["priority"] > number:
            context.tx.update("repo_queue", {"priority": number}, eq(id=same[0]["id"]))
        return answer | {"request": same[0] | {"priority": min(number, same[0]["priority"])}, "duplicate": True}
    row = context.tx.insert(
        "repo_queue",
        {
            "owner": context.session.user_id,
            "priority": number,
            "tag_id": found["id"],
            "at_event": at_event,
            "min_event": min_event,
            "opts": json.dumps(wanted),
            "create_time": context.now(),
            "update_time": context.now(),
        },
    )
    return answer | {"request": query_queue(context, [["id", "=", row["id"]]], "**")[0]}


def _priority(context: Context, priority: Any) -> int:
    if priority is None:
        return PRIO_DEFAULT
    offset = cast(priority, int)
    if offset < 0 and not context.has_perm("admin"):
        raise ActionNotAllowed("only admins may create high-priority requests")
    return PRIO_DEFAULT + offset


def _event(context: Context, event: Any) -> int:
    number = cast(event, int)
    if context.one("events", id=number) is None:
        raise ParameterError(f"Invalid event: {number}")
    return number


def _lagging(context: Context, tag: Row, option: str) -> int:
    """Return the event that a repo must be of at least: some time back, but not after the tag's last change."""
    lag = tag["extra"].get("repo.lag")
    window = context.config["RepoLagWindow"]
    moment = context.now() - (lag if isinstance(lag, int) else context.config[option])
    moment = moment // window * window if window else moment
    before = context.tx.select("events", [Cond("time", "<", moment)], order="-id", limit=1)
    base = int(before[0]["id"] if before else first_change(context, tag["id"]) or 0)
    return min(base, last_change(context, tag["id"]) or base)


@export("repo.checkRequest")
def check_request(context: Context, req_id: Any) -> Row:
    """Return a request, with its repo or its task."""
    found = query_queue(context, [["id", "=", cast(req_id, int)]], "**")
    if not found:
        raise GenericError("No such request")
    answer: Row = {"repo": None, "request": found[0]}
    if found[0]["repo_id"]:
        answer["repo"] = repo_info(context, found[0]["repo_id"])
    elif found[0]["task_id"]:
        answer["task"] = Task(context, found[0]["task_id"]).info()
    return answer


@export("repo.setRequestPriority")
def set_request_priority(context: Context, req_id: Any, priority: Any) -> None:
    """Set the priority of a request, as an admin."""
    context.assert_perm("admin")
    context.tx.update("repo_queue", {"priority": cast(priority, int)}, eq(id=cast(req_id, int)))


@export("repo.autoRequests")
def auto_requests(context: Context) -> None:
    """Ask for repos of the tags that have repo.auto."""
    context.assert_perm("repo")
    for row in context.tx.select("tag_extra", eq(key="repo.auto", active=True), order="tag_id"):
        tag = get_tag(context, row["tag_id"])
        if tag and json.loads(row["value"]):
            request(context, tag["id"], min_event=_lagging(context, tag, "RepoAutoLag"), priority=AUTO_PRIORITY)


@export("repo.checkQueue")
def check_queue(context: Context) -> None:
    """Make newRepo tasks for requests, as many as MaxRepoTasks allows; see how those that there are have ended."""
    context.assert_perm("repo")
    if not context.tx.lock("repo-queue", wait=False):
        return
    waiting = query_queue(context, [["repo_id", "IS", None], ["active", "IS", True]], "**")
    running = 0
    changes: dict[int, Row] = {}
    for row in waiting:
        if row["task_id"] is None:
            continue
        if row["task_state"] not in FINISHED:
            running += 1
            continue
        changes[row["id"]] = _ended(context, row)
    for row in waiting:
        if running >= context.config["MaxRepoTasks"]:
            break
        change = changes.get(row["id"], {})
        if change.get("active") is False or (row["task_id"] is not None and "task_id" not in change):
            continue
        changes[row["id"]] = change | {"task_id": _make_task(context, row), "tries": (row["tries"] or 0) + 1}
        running += 1
    for number, values in changes.items():
        context.tx.update("repo_queue", values | {"update_time": context.now()}, eq(id=number))
    if changes:
        age = context.now() - context.config["RequestCleanTime"] * 60
        context.tx.delete("repo_queue", [*eq(active=False), Cond("update_time", "<", age)])


def _ended(context: Context, row: Row) -> Row:
    """Return what changes of a request whose task has ended without any word from done()."""
    if row["task_state"] == TaskState.CLOSED:
        try:
            repo = repo_info(context, Task(context, row["task_id"]).result()[0])
        except (GenericError, TypeError, IndexError, KeyError):
            repo = None
        if repo and repo["tag_id"] == row["tag_id"] and repo["state"] == RepoState.READY:
            return {"repo_id": repo["id"], "active": False}
    if (row["tries"] or 0) > context.config["RepoRetries"]:
        return {"active": False}
    return {"task_id": None}


def _make_task(context: Context, row: Row) -> int:
    named: Row = {"opts": row["opts"], "__starstar": True}
    if row["at_event"] is not None:
        named["event"] = row["at_event"]
    owner = get_user(context, context.config["RepoQueueUser"])
    options: Row = {"priority": TASK_PRIORITY, "channel": "createrepo", **({"owner": owner["id"]} if owner else {})}
    (context.koji_dir / "repos").mkdir(exist_ok=True)
    return make_task(context, "newRepo", ({"id": row["tag_id"], "name": row["tag_name"]}, named), **options)


def done(context: Context, repo_id: int) -> None:
    """Give a repo that is ready to those who asked for one like it."""
    repo: Row = repo_info(context, repo_id) or {}
    if repo["dist"] or repo["opts"] is None or repo["custom_opts"] is None:
        return
    for row in query_queue(context, [["tag_id", "=", repo["tag_id"]], ["active", "IS", True]], "**"):
        fits = repo["custom_opts"].items() <= row["opts"].items() <= repo["opts"].items()
        event = repo["create_event"]
        recent = row["min_event"] is not None and row["min_event"] <= event
        if fits and row["repo_id"] is None and (recent or row["at_event"] == event):
            values = {"repo_id": repo_id, "active": False, "update_time": context.now()}
            context.tx.update("repo_queue", values, eq(id=row["id"]))
