# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Repos: what is known of them, and how a host begins one. In repo_queue.py is who asks for one."""

import json
from typing import Any

from .context import Context, export
from .convert import cast, iso
from .enums import RepoState
from .faults import GenericError
from .host_api import this_host
from .storage import Row, eq
from .tags import first_change, get_tag, last_change
from .views import view

OPTIONS = ("src", "debuginfo", "separate_src", "maven")
FIELDS = {
    **dict.fromkeys(("id", "tag_id", "creation_time", "creation_ts", "state_time", "state_ts", "create_event"), ""),
    "create_ts": "create_ev",
    "begin_event": "",
    "begin_ts": "begin_ev",
    "end_event": "",
    "end_ts": "end_ev",
    **dict.fromkeys(("state", "dist", "opts", "custom_opts", "task_id"), ""),
    "task_state": "task",
    "tag_name": "tag",
}
DEFAULT = ("id", "tag_id", "create_event", "state", "dist", "task_id", "opts", "custom_opts")


def rows(context: Context) -> list[Row]:
    """Return all repos with all their fields, oldest first."""
    events = {row["id"]: row["time"] for row in context.tx.select("events")}
    tags = {row["id"]: row["name"] for row in context.tx.select("tag")}
    found = []
    for row in context.tx.select("repo", order="id"):
        task = context.one("task", id=row["task_id"]) if row["task_id"] else None
        found.append(
            {
                **row,
                **{f"{key}_time": iso(row[f"{key}_time"]) for key in ("creation", "state")},
                **{f"{key}_ts": row[f"{key}_time"] for key in ("creation", "state")},
                **{f"{key}_ts": events.get(row[f"{key}_event"]) for key in ("create", "begin", "end")},
                **{key: json.loads(row[key]) if row[key] else None for key in ("opts", "custom_opts")},
                "task_state": task["state"] if task else None,
                "tag_name": tags[row["tag_id"]],
            }
        )
    return found


@export("repo.query")
def query(context: Context, clauses: Any, fields: Any = None, opts: Row | None = None) -> Any:
    """Return repos by clauses on their fields."""
    return view(rows(context), FIELDS, DEFAULT, clauses, fields, opts)


@export("repoInfo")
def repo_info(context: Context, repo_id: Any, strict: bool = False) -> Row | None:
    """Return a repo with all its fields."""
    repo_id = cast(repo_id, int, none=True)
    found = query(context, [["id", "=", repo_id]], "**")
    if not found and strict:
        raise GenericError("query returned no rows")
    return found[0] if found else None


def options(context: Context, tag: Row, override: Row | None) -> tuple[Row, Row]:
    """Return the options of a tag's repo, and those of `override` that differ from the tag's own."""
    opts = {**dict.fromkeys(OPTIONS, False), **tag["extra"].get("repo.opts", {})}
    custom = {name: value for name, value in (override or {}).items() if opts[name] != value}
    return {**opts, **custom}, custom


@export("host.repoInit")
def repo_init(context: Context, tag: Any, task_id: Any = None, event: Any = None, opts: Row | None = None) -> list[int]:
    """Begin a repo, as the host that makes it: its id, and the event that it is of."""
    this_host(context)
    found: Row = get_tag(context, tag, strict=True) or {}
    of_event = cast(event, int, none=True) or context.event()
    opts, custom = options(context, found, opts)
    row = {
        "tag_id": found["id"],
        "create_event": of_event,
        "begin_event": last_change(context, found["id"], before=of_event) or of_event,
        "end_event": first_change(context, found["id"], after=of_event),
        "state": int(RepoState.INIT),
        "creation_time": context.now(),
        "state_time": context.now(),
        "task_id": cast(task_id, int, none=True),
        "opts": json.dumps(opts),
        "custom_opts": json.dumps(custom),
    }
    repo_id = int(context.tx.insert("repo", row)["id"])
    (context.koji_dir / "repos" / found["name"] / str(repo_id)).mkdir(parents=True, exist_ok=True)
    return [repo_id, of_event]


@export("repo.references")
def references(context: Context, repo_id: Any) -> list[Row]:
    """Return the buildroots that refer to a repo: devhub has none."""
    return []


@export("getBuildTargets", "getTagExternalRepos")
def no_targets(context: Context, *args: Any, **kwargs: Any) -> list[Row]:
    """Return that there are no build targets and no external repos."""
    return []


@export("listVolumes")
def list_volumes(context: Context) -> list[Row]:
    """Return the one volume that every hub has."""
    return [{"id": 0, "name": "DEFAULT"}]


@export("getAllArches")
def all_arches(context: Context) -> list[str]:
    """Return the arches of all hosts."""
    configs = context.tx.select("host_config", eq(active=True))
    return sorted({arch for row in configs for arch in (row["arches"] or "").split()})
