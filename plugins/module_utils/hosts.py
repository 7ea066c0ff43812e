# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Hosts of a hub: read one, bring one in line. Koji can't delete hosts; they are disabled."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubError, explained
from ansible_collections.fedoraproject.koji.plugins.module_utils.result import (
    Problem,
    Result,
    Steps,
    check_name,
    clean_text,
    is_name,
    unknown,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.users import is_enabled, kind_of, refuse_own

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import SessionPair

_ARCH = re.compile(r"[a-zA-Z0-9_-]+")  # as koji.parse_arches has it
DEFAULT_CAPACITY = 2.0  # what the hub's schema gives a new host
DEFAULT_CHANNEL = "default"  # addHost subscribes it


@dataclass(frozen=True)
class WantedHost:
    """The host as it should be. None leaves a field as it is; a host that does not exist yet needs `arches`.

    `state` disabled: an existing host is disabled, nothing else of it is changed, none is created.
    `enabled` None: a host that is disabled stays so, unless its user is too, as `state` disabled may have left them.
    `capacity` is in task weights, above 1. `convert_user`: a normal user of this name becomes the host's.
    `disable_user`: with a disabled host, its user is disabled too. The user of an enabled host is enabled.
    `free_tasks`: tasks that a disabled host still has are given back to the hub. `principals`: Kerberos principals that
    the host's user has, beside others.
    """

    name: str
    state: str = "present"
    enabled: bool | None = True
    arches: tuple[str, ...] | None = None
    channels: frozenset[str] | None = None
    capacity: float | None = None
    description: str | None = None
    comment: str | None = None
    convert_user: bool = False
    disable_user: bool = False
    free_tasks: bool = False
    principals: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Host:
    """A host as the hub has it. `id` and `user_id` None: not there yet. `last_check_in`: seconds since the epoch.

    `tasks`: ids of those that are assigned to it or open there, read only where they are to be freed.
    """

    id: int | None
    user_id: int | None
    name: str
    enabled: bool
    arches: frozenset[str]
    channels: frozenset[str]
    capacity: float
    description: str
    comment: str
    user_type: str
    user_enabled: bool
    krb_principals: frozenset[str] = frozenset()
    tasks: tuple[int, ...] | None = None
    ready: bool = field(default=False, compare=False)
    last_check_in: float | None = field(default=None, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The host for people and diffs."""
        return {
            "name": self.name,
            "enabled": self.enabled,
            "arches": sorted(self.arches),
            "channels": sorted(self.channels),
            "capacity": self.capacity,
            "description": self.description,
            "comment": self.comment,
            "user_type": self.user_type,
            "user_enabled": self.user_enabled,
            "krb_principals": sorted(self.krb_principals),
            **({} if self.tasks is None else {"tasks": list(self.tasks)}),
        }


@dataclass(frozen=True)
class _Found:
    """What there is: the host, else perhaps a user of its name; and the hub's channels, name -> enabled."""

    host: Host | None
    user: dict[str, Any] | None
    channels: dict[str, bool]


def read_host(session: koji.ClientSession, name: str) -> Host | None:
    """Return the host called `name`, or None (getHost, getUser, listChannels)."""
    return _read(session, name).host


def find_host(sessions: SessionPair, name: str) -> Host | None:
    """Return the host called `name`, or None; raise HubError."""
    check_name("host", name)
    with explained(sessions.address):
        return read_host(sessions.reader(), name)


def _read(session: koji.ClientSession, name: str) -> _Found:
    with session.multicall(strict=True) as calls:
        host_call = calls.getHost(name)
        user_call = calls.getUser({"name": name})
        channels_call = calls.listChannels()
    info = host_call.result
    known = {channel["name"]: bool(channel["enabled"]) for channel in channels_call.result}
    if info is None:
        return _Found(None, user_call.result, known)
    # Users can be renamed, hosts can't: the host's user is the one of its id, whatever its name.
    with session.multicall(strict=True) as calls:
        user_call = calls.getUser(info["user_id"])
        channels_call = calls.listChannels(info["id"])
    user = user_call.result
    host = Host(
        id=info["id"],
        user_id=info["user_id"],
        name=info["name"],
        enabled=bool(info["enabled"]),
        arches=frozenset((info["arches"] or "").split()),
        channels=frozenset(channel["name"] for channel in channels_call.result),
        capacity=float(info["capacity"] or DEFAULT_CAPACITY),
        description=info["description"] or "",
        comment=info["comment"] or "",
        user_type=kind_of(user),
        user_enabled=is_enabled(user),
        krb_principals=_principals(user),
        ready=bool(info["ready"]),
        last_check_in=info.get("update_ts"),
    )
    return _Found(host, user, known)


def ensure_host(sessions: SessionPair, wanted: WantedHost, *, check_mode: bool = False) -> Result[Host]:
    """Bring the host in line; in check mode only say what would be done. Raise HubError.

    Unknown channels and whatever else the hub refuses one by one end up in the result's problems.
    """
    wanted = _checked(wanted)
    with explained(sessions.address):
        found = _read(sessions.reader(), wanted.name)
        if found.host is None and wanted.state == "disabled":
            return Result(False, {}, {})
        if found.host is not None and wanted.state == "disabled" and wanted.free_tasks:
            found = replace(found, host=replace(found.host, tasks=_tasks(sessions.reader(), found.host)))
        start = found.host or _new(wanted, found.user)
        problems = _impossible(wanted, found.channels)
        target = _target(start, wanted, found.channels)
        before = found.host.as_dict() if found.host else _no_host(found.user)
        if found.host == target:
            return Result(False, before, before, tuple(problems), found.host)
        converts = found.host is None and found.user is not None and kind_of(found.user) == "normal"
        if converts or (start.user_enabled and not target.user_enabled):
            refuse_own(sessions, start.user_id, wanted.name)
        if check_mode:
            return Result(True, before, target.as_dict(), tuple(problems), target)
        target, refused = _apply(sessions.writer(), found, target, wanted)
        now = target
        if refused:
            # Someone else may have done it meanwhile: what is true now counts.
            now = read_host(sessions.reader(), wanted.name) or target
            if target.tasks is not None:
                now = replace(now, tasks=_tasks(sessions.reader(), now))
            problems += refused if now != target else []
        after = now.as_dict()
        return Result(before != after, before, after, tuple(problems), now)


def _tasks(session: koji.ClientSession, host: Host) -> tuple[int, ...]:
    """The tasks that a host has (listTasks)."""
    states = [koji.TASK_STATES["OPEN"], koji.TASK_STATES["ASSIGNED"]]
    return tuple(task["id"] for task in session.listTasks(opts={"host_id": host.id, "state": states}))


def _checked(wanted: WantedHost) -> WantedHost:
    """Return what is wanted as the hub will store it; raise HubError for what no hub takes."""
    check_name("host", wanted.name)
    if wanted.arches is not None:
        bad = [arch for arch in wanted.arches if not _ARCH.fullmatch(arch)]
        if bad or not wanted.arches:
            names = ", ".join(repr(arch) for arch in bad) or "nothing"
            raise HubError("InvalidArch", f"host {wanted.name}: {names} can't be an architecture; name e.g. x86_64")
    if wanted.capacity is not None and not (math.isfinite(wanted.capacity) and wanted.capacity > 1):
        raise HubError("InvalidCapacity", f"host {wanted.name}: the capacity is {wanted.capacity}; it must be above 1")
    return replace(
        wanted,
        description=None if wanted.description is None else clean_text("description", wanted.description),
        comment=None if wanted.comment is None else clean_text("comment", wanted.comment),
    )


def _new(wanted: WantedHost, user: dict[str, Any] | None) -> Host:
    """The host as addHost will make it; raise HubError when it would not."""
    name = wanted.name
    kind = kind_of(user) if user else "host"
    if kind == "normal" and not wanted.convert_user:
        raise HubError(
            "UserExists",
            f"{name} is a normal user on the hub, not a host's; choose another name, or make this user the host's "
            "with convert_user of the module koji_host",
        )
    if kind not in ("normal", "host"):
        raise HubError("NameIsAGroup", f"{name} is a {kind} on the hub, not a user; choose another name")
    if not wanted.arches:
        raise HubError("ArchesMissing", f"host {name} does not exist yet; name its arches")
    return Host(
        id=None,
        user_id=user["id"] if user else None,
        name=name,
        enabled=True,
        arches=frozenset(wanted.arches),
        channels=frozenset({DEFAULT_CHANNEL}),
        capacity=DEFAULT_CAPACITY,
        description="",
        comment="",
        user_type="host",
        user_enabled=is_enabled(user) if user else True,
        krb_principals=_principals(user),
    )


def _principals(user: dict[str, Any] | None) -> frozenset[str]:
    return frozenset((user or {}).get("krb_principals") or ())


def _no_host(user: dict[str, Any] | None) -> dict[str, Any]:
    """The state before a host is added, as a diff shows it."""
    return {"user_type": kind_of(user), "user_enabled": is_enabled(user)} if user else {}


def _impossible(wanted: WantedHost, known: dict[str, bool]) -> list[Problem]:
    if wanted.state == "disabled":
        return []
    return [
        *unknown("UnknownChannel", "channel", (wanted.channels or frozenset()) - known.keys()),
        *(
            Problem("InvalidPrincipal", name, f"{name!r} can't be a Kerberos principal")
            for name in sorted(wanted.principals)
            if not is_name(name)
        ),
    ]


def _target(start: Host, wanted: WantedHost, known: dict[str, bool]) -> Host:
    """The host as it will be when all that is possible is done."""
    if wanted.state == "disabled":
        return replace(
            start,
            enabled=False,
            user_enabled=start.user_enabled and not wanted.disable_user,
            tasks=None if start.tasks is None else (),
        )
    both_disabled = not start.enabled and not start.user_enabled
    enabled = wanted.enabled if wanted.enabled is not None else start.enabled or both_disabled
    return replace(
        start,
        enabled=enabled,
        user_enabled=start.user_enabled or (both_disabled if wanted.enabled is None else enabled),
        arches=start.arches if wanted.arches is None else frozenset(wanted.arches),
        channels=start.channels if wanted.channels is None else wanted.channels & known.keys(),
        capacity=start.capacity if wanted.capacity is None else float(wanted.capacity),
        description=start.description if wanted.description is None else wanted.description,
        comment=start.comment if wanted.comment is None else wanted.comment,
        krb_principals=start.krb_principals | {name for name in wanted.principals if is_name(name)},
    )


def _apply(session: koji.ClientSession, found: _Found, target: Host, wanted: WantedHost) -> tuple[Host, list[Problem]]:
    """Make the calls that lead from what is found to `target`; return the latter, and what the hub refused.

    Disabling comes first and enabling last: a host takes no task by a rule that it is about to lose.
    """
    host = found.host
    if host is None:
        # The arches are a list here and a string in editHost: a string here is stored letter by letter.
        session.addHost(target.name, list(dict.fromkeys(wanted.arches or ())), force=wanted.convert_user)
        host = read_host(session, target.name)
        if host is None:
            raise HubError("HubRefused", f"host {target.name} was added, but the hub does not have it")
        # The hub may give it one itself, by its option HostPrincipalFormat.
        principals = target.krb_principals | host.krb_principals
        target = replace(target, id=host.id, user_id=host.user_id, krb_principals=principals)
    steps = Steps()
    _withdraw(session, host, target, steps)
    if changes := _edits(host, target, wanted):
        steps.call("change of", ", ".join(changes), session.editHost, target.name, **changes)
    for name in sorted(host.channels - target.channels):
        steps.call("unsubscribing channel", name, session.removeHostFromChannel, target.name, name)
    for name in sorted(target.channels - host.channels):
        # A disabled channel is subscribed only when forced; it gives no tasks until it is enabled.
        force = {} if found.channels.get(name, True) else {"force": True}
        steps.call("subscribing channel", name, session.addHostToChannel, target.name, name, **force)
    for name in sorted(target.krb_principals - host.krb_principals):
        steps.call("adding principal", name, session.addUserKrbPrincipal, host.user_id, name)
    if target.user_enabled and not host.user_enabled:
        session.enableUser(host.user_id)
    if target.enabled and not host.enabled:
        session.enableHost(target.name)
    return target, steps.refused


def _withdraw(session: koji.ClientSession, host: Host, target: Host, steps: Steps) -> None:
    """Take the host out of service, as far as `target` says."""
    if host.enabled and not target.enabled:
        session.disableHost(target.name)
    if host.user_enabled and not target.user_enabled:
        session.disableUser(host.user_id)
    # Only now: whoever worked on them can't report any more.
    for task in sorted(set(host.tasks or ()) - set(target.tasks or ())):
        steps.call("freeing task", str(task), session.freeTask, task)


def _edits(host: Host, target: Host, wanted: WantedHost) -> dict[str, Any]:
    """The fields for editHost that differ; it takes the arches as one string."""
    changes: dict[str, Any] = {}
    if host.arches != target.arches:
        changes["arches"] = " ".join(dict.fromkeys(wanted.arches or ()))
    for name in ("capacity", "description", "comment"):
        if getattr(host, name) != getattr(target, name):
            changes[name] = getattr(target, name)
    return changes
