# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The tables: columns, defaults and constraints. Times are seconds since the epoch. schema.sql says the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

REQUIRED: Any = object()
INHERENT_CHANNELS = ("default", "createrepo", "maven", "livecd", "appliance", "vm", "image", "livemedia")
INHERENT_PERMISSIONS = {
    "admin": "Full administrator access. Perform all actions.",
    "appliance": "Create appliance builds - deprecated.",
    "dist-repo": "Create a dist-repo.",
    "host": "Add, remove, enable, disable hosts and channels.",
    "image": "Start image tasks.",
    "image-import": "Import image archives.",
    "livecd": "Start livecd tasks.",
    "maven-import": "Import maven archives.",
    "repo": "Manage repos: newRepo, repoExpire, repoDelete, repoProblem.",
    "sign": "Import RPM signatures and write signed RPMs.",
    "tag": "Manage packages in tags: add, block, remove, and clone tags.",
    "target": "Add, edit, and remove targets.",
    "win-admin": 'The default hub policy rule for "vm" requires this permission to trigger Windows builds.',
    "win-import": "Import win archives.",
    "draft-promoter": 'The permission required in the default "draft_promotion" hub policy rule.',
}


@dataclass(frozen=True)
class Column:
    """kind: int, float, str or bool; default REQUIRED means NOT NULL without a default."""

    kind: type
    default: Any = None
    null: bool = True
    ref: str = ""
    size: int = 0
    check: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class Table:
    """serial: has an id that counts up. unique: groups of columns; a NULL in one makes it differ."""

    columns: dict[str, Column]
    serial: bool = True
    unique: tuple[tuple[str, ...], ...] = ()
    rules: tuple[Callable[[dict[str, Any]], bool], ...] = field(default=())


def _int(ref: str = "", *, null: bool = True) -> Column:
    return Column(int, None if null else REQUIRED, null, ref)


def _text(size: int = 0, *, null: bool = True) -> Column:
    return Column(str, None if null else REQUIRED, null, "", size)


def _true_or_null(value: Any) -> bool:
    return value is None or value is True


def _versioned(columns: dict[str, Column], *key: str) -> Table:
    """A table whose rows are revoked instead of changed; an event is a number that grows."""
    versions = {
        "create_event": _int("events", null=False),
        "revoke_event": _int("events"),
        "creator_id": _int("users", null=False),
        "revoker_id": _int("users"),
        "active": Column(bool, True, True, check=_true_or_null),
    }
    return Table(columns | versions, serial=False, unique=((*key, "active"), ("create_event", *key)))


ID = {"id": Column(int, REQUIRED, False)}
MOMENT = Column(float, REQUIRED, False)
TABLES: dict[str, Table] = {
    "events": Table(ID | {"time": MOMENT}),
    "users": Table(
        ID
        | {
            "name": _text(255, null=False),
            "password": _text(255),
            "status": _int(null=False),
            "usertype": _int(null=False),
        },
        unique=(("name",),),
    ),
    "user_krb_principals": Table(
        {"user_id": _int("users", null=False), "krb_principal": _text(255, null=False)},
        serial=False,
        unique=(("krb_principal",),),
    ),
    "permissions": Table(ID | {"name": _text(50, null=False), "description": _text()}, unique=(("name",),)),
    "user_perms": _versioned(
        {"user_id": _int("users", null=False), "perm_id": _int("permissions", null=False)}, "user_id", "perm_id"
    ),
    "user_groups": _versioned(
        {"user_id": _int("users", null=False), "group_id": _int("users", null=False)}, "user_id", "group_id"
    ),
    "sessions": Table(
        ID
        | {
            "user_id": _int("users", null=False),
            "expired": Column(bool, False, False),
            "master": _int("sessions"),
            "key": _text(255),
            "authtype": _int(),
            "hostip": _text(255),
            "callnum": _int(),
            "start_time": MOMENT,
            "update_time": MOMENT,
            "exclusive": Column(bool, check=_true_or_null),
            "closed": Column(bool, False, False),
            "renew_time": Column(float),
        },
        unique=(("user_id", "exclusive"),),
        rules=(
            lambda row: row["master"] is None or row["exclusive"] is None,
            lambda row: not row["closed"] or row["exclusive"] is None,
        ),
    ),
    "channels": Table(
        ID
        | {
            "name": _text(128, null=False),
            "description": _text(),
            "enabled": Column(bool, True, False),
            "comment": _text(),
        },
        unique=(("name",),),
    ),
    "host": Table(
        ID
        | {
            "user_id": _int("users", null=False),
            "name": _text(128, null=False),
            "update_time": Column(float),
            "task_load": Column(float, 0.0, False, check=lambda load: load >= 0),
            "ready": Column(bool, False, False),
        },
        unique=(("name",),),
    ),
    "host_config": _versioned(
        {
            "host_id": _int("host", null=False),
            "arches": _text(),
            "capacity": Column(float, 2.0, False, check=lambda capacity: capacity > 1),
            "description": _text(),
            "comment": _text(),
            "enabled": Column(bool, True, False),
        },
        "host_id",
    ),
    "host_channels": _versioned(
        {"host_id": _int("host", null=False), "channel_id": _int("channels", null=False)}, "host_id", "channel_id"
    ),
    "task": Table(
        ID
        | {
            "state": _int(),
            "create_time": MOMENT,
            "start_time": Column(float),
            "completion_time": Column(float),
            "channel_id": _int("channels", null=False),
            "host_id": _int("host"),
            "parent": _int("task"),
            "label": _text(255),
            "waiting": Column(bool),
            "awaited": Column(bool),
            "owner": _int("users", null=False),
            "method": _text(),
            "request": _text(),
            "result": _text(),
            "arch": _text(16, null=False),
            "priority": _int(),
            "weight": Column(float, 1.0, False, check=lambda weight: weight >= 0),
        },
        unique=(("parent", "label"),),
        rules=(lambda row: row["parent"] is not None or row["label"] is None,),
    ),
    "tag": Table(ID | {"name": _text(256, null=False)}, unique=(("name",),)),
    "tag_config": _versioned({"tag_id": _int("tag", null=False), "arches": _text()}, "tag_id"),
    "tag_extra": _versioned(
        {"tag_id": _int("tag", null=False), "key": _text(null=False), "value": _text()}, "tag_id", "key"
    ),
    "repo": Table(
        ID
        | {
            "tag_id": _int("tag", null=False),
            "create_event": _int("events", null=False),
            "begin_event": _int("events"),
            "end_event": _int("events"),
            "state": _int(null=False),
            "creation_time": Column(float),
            "state_time": Column(float),
            "dist": Column(bool, False),
            "opts": _text(),
            "custom_opts": _text(),
            "task_id": _int("task"),
        }
    ),
    "repo_queue": Table(
        ID
        | {
            "create_time": MOMENT,
            "owner": _int("users"),
            "priority": _int(null=False),
            "tag_id": _int("tag", null=False),
            "at_event": _int("events"),
            "min_event": _int("events"),
            "opts": _text(),
            "update_time": MOMENT,
            "active": Column(bool, True, False),
            "task_id": _int("task"),
            "tries": Column(int, 0),
            "repo_id": _int("repo"),
        }
    ),
    "scheduler_task_runs": Table(
        ID
        | {
            "task_id": _int("task", null=False),
            "host_id": _int("host", null=False),
            "active": Column(bool, True, False),
            "create_time": MOMENT,
        }
    ),
    "scheduler_host_data": Table(
        {"host_id": _int("host", null=False), "data": _text()}, serial=False, unique=(("host_id",),)
    ),
    "scheduler_sys_data": Table({"name": _text(null=False), "data": _text()}, serial=False, unique=(("name",),)),
    "scheduler_task_refusals": Table(
        ID
        | {
            "task_id": _int("task", null=False),
            "host_id": _int("host", null=False),
            "by_host": Column(bool, REQUIRED, False),
            "soft": Column(bool, False, False),
            "msg": _text(),
            "time": MOMENT,
        },
        unique=(("task_id", "host_id"),),
    ),
    "scheduler_log_messages": Table(
        ID
        | {
            "task_id": _int("task"),
            "host_id": _int("host"),
            "msg_time": MOMENT,
            "msg": _text(null=False),
        }
    ),
}
LOCKS = ("scheduler", "repo-queue", "protonmsg-plugin")
