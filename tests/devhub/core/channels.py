# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Channels: which tasks go to which hosts."""

from typing import Any

from .context import Context, export
from .convert import cast, check_name, check_type, name_or_id
from .faults import GenericError
from .hosts import active_at, get_host
from .storage import Cond, Row, eq


@export("getChannel")
def get_channel(context: Context, channelInfo: Any, strict: bool = False) -> Row | None:  # noqa: N803
    """Return a channel: id, name, description, enabled, comment; None or GenericError if there is none."""
    row = context.one("channels", **name_or_id(channelInfo))
    if row is None and strict:
        raise GenericError("query returned no rows")
    return row


@export("listChannels")
def list_channels(
    context: Context,
    hostID: Any = None,  # noqa: N803
    event: int | None = None,
    enabled: bool | None = None,
) -> list[Row]:
    """Return channels like getChannel's, all or those of a host."""
    conds: list[Cond] = []
    if hostID:
        host_id = (get_host(context, hostID, strict=True) or {})["id"] if isinstance(hostID, str) else hostID
        links = context.tx.select("host_channels", [*eq(host_id=host_id), *active_at(event)])
        conds.append(Cond("id", "in", [link["channel_id"] for link in links] or [-1]))
    elif event is not None:
        raise GenericError("list_channels with event and not hostID is not allowed.")
    if enabled is not None:
        conds.append(Cond("enabled", "=", bool(enabled)))
    return context.tx.select("channels", conds, order="id")


@export("addChannel")
def add_channel(context: Context, channel_name: Any, description: Any = None) -> int:
    """Create a channel and return its id."""
    context.assert_perm("admin")
    check_name(context.config, channel_name)
    description = cast(description, str, none=True)
    _check_free(context, channel_name)
    return int(context.tx.insert("channels", {"name": channel_name, "description": description})["id"])


def _check_free(context: Context, name: str) -> None:
    taken = get_channel(context, name)
    if taken:
        raise GenericError(f"channel {name} already exists (id={taken['id']})")


@export("editChannel")
def edit_channel(context: Context, channelInfo: Any, **kw: Any) -> bool:  # noqa: N803
    """Change name, description or comment of a channel; True if anything changed."""
    context.assert_perm("admin")
    channel = get_channel(context, channelInfo, strict=True) or {}
    changes: Row = {
        name: kw[name] for name in ("description", "comment", "name") if name in kw and kw[name] != channel[name]
    }
    if not changes:
        return False
    if kw.get("name"):
        check_name(context.config, kw["name"])
        _check_free(context, kw["name"])
    for name in ("description", "comment"):
        if name in kw:
            check_type(kw[name], str)
    context.tx.update("channels", changes, eq(id=channel["id"]))
    return True


@export("renameChannel")
def rename_channel(context: Context, old: Any, new: str) -> None:
    """Rename a channel."""
    edit_channel(context, old, name=new)


def _set_enabled(context: Context, name: Any, enabled: bool, comment: Any) -> None:
    context.assert_perm("host")
    check_type(comment, str, none=True)
    channel = get_channel(context, name)
    if not channel:
        raise GenericError(f"No such channel: {name}")
    values: Row = {"enabled": enabled}
    if comment is not None:
        values["comment"] = comment
    context.tx.update("channels", values, eq(id=channel["id"]))


@export("enableChannel")
def enable_channel(context: Context, channelname: Any, comment: Any = None) -> None:
    """Let tasks into a channel."""
    _set_enabled(context, channelname, True, comment)


@export("disableChannel")
def disable_channel(context: Context, channelname: Any, comment: Any = None) -> None:
    """Keep tasks out of a channel."""
    _set_enabled(context, channelname, False, comment)


def _pair(context: Context, hostname: Any, channel_name: Any, *, create: bool = False) -> tuple[Row, Row]:
    """Return the host and the channel. Raises GenericError naming the one that doesn't exist."""
    context.assert_perm("host")
    host = get_host(context, hostname)
    if host is None:
        raise GenericError(f"host does not exist: {hostname}")
    if create:
        check_name(context.config, channel_name)
    channel = get_channel(context, channel_name)
    if channel is None and create:
        channel = context.tx.insert("channels", {"name": channel_name})
    if channel is None:
        raise GenericError(f"channel does not exist: {channel_name}")
    return host, channel


@export("addHostToChannel")
def add_host_to_channel(
    context: Context, hostname: Any, channel_name: Any, create: bool = False, force: bool = False
) -> None:
    """Subscribe a host to a channel. Raises GenericError if it is, or if the channel is disabled or unknown."""
    host, channel = _pair(context, hostname, channel_name, create=create)
    if not force and not channel["enabled"]:
        raise GenericError(f"channel {channel_name} is disabled")
    if context.one("host_channels", host_id=host["id"], channel_id=channel["id"], active=True):
        raise GenericError(f"host {hostname} is already subscribed to the {channel_name} channel")
    context.create_versioned("host_channels", {"host_id": host["id"], "channel_id": channel["id"]})


@export("removeHostFromChannel")
def remove_host_from_channel(context: Context, hostname: Any, channel_name: Any) -> None:
    """Unsubscribe a host. Raises GenericError if it isn't subscribed."""
    host, channel = _pair(context, hostname, channel_name)
    if not context.one("host_channels", host_id=host["id"], channel_id=channel["id"], active=True):
        raise GenericError(f"host {hostname} is not subscribed to the {channel_name} channel")
    context.revoke_versioned("host_channels", host_id=host["id"], channel_id=channel["id"])
