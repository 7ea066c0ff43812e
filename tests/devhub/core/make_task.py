# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Creating tasks."""

from typing import Any

from . import perms, policy, xmlrpc
from .channels import get_channel
from .context import Context
from .convert import cast, check_type, clean_arches
from .enums import PRIO_DEFAULT, TaskState
from .faults import GenericError
from .hosts import get_host
from .storage import Row
from .users import get_user


def make_task(context: Context, method: Any, arglist: Any, **opts: Any) -> int:
    """Create a task and return its id.

    opts: parent, label, owner, channel, arch, priority, assign (a host). A child inherits its parent's owner, arch
    and, by the usual policy, channel; its priority is one better. Raises GenericError."""
    check_type(method, str)
    _clean(context, opts)
    parent = _inherit(context, opts)
    opts["channel_id"] = _channel(context, method, opts, parent)
    opts["priority"] = _priority(context, method, opts)
    names = ("owner", "priority", "parent", "label", "channel_id", "arch")
    row: Row = {name: opts[name] for name in names} | {
        "state": int(TaskState.FREE),
        "method": method,
        "request": xmlrpc.dump_call(tuple(arglist), method),
        "create_time": context.now(),
    }
    if opts.get("assign"):
        row |= {"state": int(TaskState.ASSIGNED), "host_id": opts["assign"]}
    return int(context.tx.insert("task", row)["id"])


def _clean(context: Context, opts: Row) -> None:
    """Convert the options to what is stored."""
    for name in ("parent", "priority"):
        if name in opts:
            opts[name] = cast(opts[name], int)
    if "label" in opts:
        check_type(opts["label"], str)
    if "owner" in opts and not isinstance(opts["owner"], int):
        opts["owner"] = (get_user(context, opts["owner"], strict=True) or {})["id"]
    if "arch" in opts:
        opts["arch"] = clean_arches(opts["arch"], none=True)
    if "assign" in opts and not isinstance(opts["assign"], int):
        opts["assign"] = (get_host(context, opts["assign"], strict=True) or {})["id"]


def _inherit(context: Context, opts: Row) -> Row | None:
    """Fill in what comes from the parent or is the default; return the parent."""
    if "parent" in opts:
        parent = context.one("task", id=opts["parent"])
        if parent is None:
            raise GenericError(f"Invalid parent task: {opts['parent']}")
        if parent["state"] != TaskState.OPEN:
            raise GenericError(f"Parent task (id {opts['parent']}) is not open")
        opts.setdefault("priority", parent["priority"] - 1)
        opts.setdefault("owner", parent["owner"])
        opts.setdefault("arch", parent["arch"])
        opts.setdefault("label", None)
        return parent
    opts.setdefault("priority", PRIO_DEFAULT)
    opts.setdefault("arch", "noarch")
    if "owner" not in opts:
        if not context.session.logged_in:
            raise GenericError("task must have an owner")
        opts["owner"] = context.session.user_id
    opts["label"] = opts["parent"] = None
    return None


def _decide(context: Context, name: str, method: str, opts: Row) -> list[str]:
    """Return the words of a policy's action, [] if no rule fits."""
    owner = get_user(context, opts["owner"]) or {"id": -1, "name": None}
    data = {key: opts[key] for key in ("arch", "parent", "label", "owner")} | {
        "method": method,
        "user_id": opts["owner"],
        "user_name": owner["name"],
        "permissions": list(perms.permissions_of(context, owner["id"])),
        "groups": list(perms.groups_of(context, owner["id"]).values()),
    }
    if "channel" in opts:
        data["req_channel"] = opts["channel"]
    return (policy.decide(policy.parse(context.config.policies[name]), data) or "").split()


def _open_channel(context: Context, name: Any) -> int:
    channel = get_channel(context, name)
    if not channel:
        raise GenericError(f"No such channel: {name}")
    if not channel["enabled"]:
        raise GenericError(f"Channel {name} is disabled.")
    return int(channel["id"])


def _channel(context: Context, method: str, opts: Row, parent: Row | None) -> int:
    requested = _open_channel(context, opts["channel"]) if "channel" in opts else None
    match _decide(context, "channel", method, opts):
        case []:
            return int((get_channel(context, "default", strict=True) or {})["id"])
        case ["use", name, *_]:
            return _open_channel(context, name)
        case ["parent", *_] if parent is not None:
            return int(parent["channel_id"])
        case ["req", *_] if requested is not None:
            return requested
    raise GenericError("invalid channel policy")


def _priority(context: Context, method: str, opts: Row) -> int:
    priority = int(opts["priority"])
    try:
        match _decide(context, "priority", method, opts):
            case [] | ["stay", *_]:
                return priority
            case ["set", number, *_]:
                return int(number)
            case ["adjust", number, *_]:
                return priority + int(number)
    except ValueError as error:
        raise GenericError("invalid priority policy") from error
    raise GenericError("invalid priority policy")
