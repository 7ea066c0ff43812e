# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Hosts and their versioned configuration."""

import re
from typing import Any

from .context import Context, export
from .convert import apply_query_opts, check_name, check_type, check_user_name, clean_arches, iso, name_or_id
from .enums import UserType
from .faults import GenericError
from .storage import Cond, Row, eq
from .users import get_user, insert_user

CONFIG = ("arches", "capacity", "description", "comment", "enabled")


def active_at(event: Any) -> list[Cond]:
    """Conditions for the rows of a versioned table that are active now, or were at an event."""
    if event is None:
        return [Cond("active", "=", True)]
    if not isinstance(event, int):
        raise GenericError(f"Invalid event: {event!r}")
    return [Cond("create_event", "<=", event)]


def _configs(context: Context, conds: list[Cond], event: int | None = None) -> list[Row]:
    rows = context.tx.select("host_config", [*conds, *active_at(event)])
    return [row for row in rows if event is None or row["revoke_event"] is None or event < row["revoke_event"]]


def _shown(host: Row, config: Row) -> Row:
    shown = {name: host[name] for name in ("id", "user_id", "name", "ready", "task_load")}
    return shown | {"update_ts": host["update_time"]} | {name: config[name] for name in CONFIG}


@export("getHost")
def get_host(
    context: Context,
    hostInfo: Any,  # noqa: N803
    strict: bool = False,
    event: int | None = None,
) -> Row | None:
    """Return a host with its configuration now, or at an event; None or GenericError if there is none."""
    host = context.one("host", **name_or_id(hostInfo))
    configs = _configs(context, eq(host_id=host["id"]), event) if host else []
    if host is None or not configs:
        if strict:
            raise GenericError(f"Invalid hostInfo: {hostInfo}")
        return None
    return _shown(host, configs[0])


@export("listHosts")
def list_hosts(
    context: Context,
    arches: Any = None,
    channelID: Any = None,  # noqa: N803
    ready: bool | None = None,
    enabled: bool | None = None,
    userID: Any = None,  # noqa: N803
    queryOpts: dict[str, Any] | None = None,  # noqa: N803
) -> Any:
    """Return hosts like getHost's that fit every option."""
    if arches is not None and not arches:
        raise GenericError("arches option cannot be empty")
    conds: list[Cond] = []
    if ready is not None:
        conds += eq(ready=bool(ready))
    if userID is not None:
        conds += eq(user_id=(get_user(context, userID, strict=True) or {})["id"])
    if channelID is not None:
        channel = context.one("channels", **name_or_id(channelID))
        if channel is None:
            raise GenericError(f"No such entry in table channels: {channelID}")
        links = context.tx.select("host_channels", eq(channel_id=channel["id"], active=True))
        conds.append(Cond("id", "in", [link["host_id"] for link in links] or [-1]))
    configs = {row["host_id"]: row for row in _configs(context, [])}
    hosts = [_shown(row, configs[row["id"]]) for row in context.tx.select("host", conds, order="id")]
    if enabled is not None:
        hosts = [host for host in hosts if host["enabled"] is bool(enabled)]
    if arches is not None:
        wanted = arches if isinstance(arches, list | tuple) else [arches]
        whole_word = re.compile(rf"\b({'|'.join(wanted)})\b")
        hosts = [host for host in hosts if whole_word.search(host["arches"] or "")]
    fields = ("id", "user_id", "name", "update_ts", "ready", "task_load", *CONFIG)
    return apply_query_opts(hosts, queryOpts, fields)


@export("addHost")
def add_host(context: Context, hostname: Any, arches: Any, krb_principal: Any = None, force: bool = False) -> int:
    """Create a host, its user, its subscription to `default`; return its id.

    Raises GenericError if the host exists, or if a normal user of that name does and force isn't set."""
    context.assert_perm("host")
    check_name(context.config, hostname)
    check_user_name(context.config, hostname)
    # A string is joined letter by letter: what the hub does, and what clients must not send.
    arches = clean_arches(" ".join(arches))
    if get_host(context, hostname):
        raise GenericError(f"host already exists: {hostname}")
    default = context.one("channels", name="default") or {}
    user_id = _host_user(context, hostname, krb_principal, force=force)
    host_id = int(context.tx.insert("host", {"user_id": user_id, "name": hostname})["id"])
    context.create_versioned("host_config", {"host_id": host_id, "arches": arches})
    context.create_versioned("host_channels", {"host_id": host_id, "channel_id": default["id"]})
    return host_id


def _host_user(context: Context, name: str, principal: Any, *, force: bool) -> int:
    """Return the id of the host's user: made, found, or made from a normal one."""
    check_type(principal, str, none=True)
    user = get_user(context, {"name": name} | ({"krb_principal": principal} if principal else {}))
    if user is None:
        form = context.config["HostPrincipalFormat"]
        if principal is None and form:
            principal = form % name
        return insert_user(context, name, UserType.HOST, principal=principal)
    if user["usertype"] != UserType.HOST:
        if not force or user["usertype"] != UserType.NORMAL:
            raise GenericError(f"user {name} already exists and it is not a host")
        context.tx.update("users", {"usertype": int(UserType.HOST)}, eq(id=user["id"]))
    return int(user["id"])


def _new_config(context: Context, host: Row, changes: Row) -> None:
    context.revoke_versioned("host_config", host_id=host["id"])
    row = {name: host[name] for name in CONFIG} | changes | {"host_id": host["id"]}
    context.create_versioned("host_config", row)


@export("editHost")
def edit_host(context: Context, hostInfo: Any, **kw: Any) -> bool:  # noqa: N803
    """Change arches (a string), capacity, description or comment of a host; True if anything changed."""
    context.assert_perm("host")
    host = get_host(context, hostInfo, strict=True) or {}
    names = ("arches", "capacity", "description", "comment")
    changes = {name: kw[name] for name in names if name in kw and kw[name] != host[name]}
    for name, value in changes.items():
        if name != "capacity":
            check_type(value, str)
    if changes:
        _new_config(context, host, changes)
    return bool(changes)


def _set_enabled(context: Context, hostname: Any, enabled: bool) -> None:
    context.assert_perm("host")
    host = get_host(context, hostname)
    if host is None:
        raise GenericError(f"host does not exist: {hostname}")
    _new_config(context, host, {"enabled": enabled})


@export("enableHost")
def enable_host(context: Context, hostname: Any) -> None:
    """Let a host have tasks."""
    _set_enabled(context, hostname, True)


@export("disableHost")
def disable_host(context: Context, hostname: Any) -> None:
    """Give a host no more tasks; those it has stay with it."""
    _set_enabled(context, hostname, False)


@export("getLastHostUpdate")
def get_last_host_update(context: Context, hostID: int, ts: bool = False) -> Any:  # noqa: N803
    """Return when a session of the host's user was last used: ISO text, or seconds; None for never."""
    host = context.one("host", id=hostID)
    rows = context.tx.select("sessions", eq(user_id=host["user_id"]), order="-update_time", limit=1) if host else []
    if not rows:
        return None
    moment = rows[0]["update_time"]
    return moment if ts else iso(moment)


@export("getAllArches")
def get_all_arches(context: Context) -> list[str]:
    """Return every arch that a host has."""
    found: dict[str, None] = {}
    for row in context.tx.select("host_config", eq(active=True)):
        found |= dict.fromkeys((row["arches"] or "").split())
    return list(found)
