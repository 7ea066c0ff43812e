# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Users of a hub: read one, bring one in line. Koji can't delete users; they are disabled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubError, explained
from ansible_collections.fedoraproject.koji.plugins.module_utils.result import (
    Problem,
    Result,
    Steps,
    check_name,
    is_name,
    unknown,
)

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import SessionPair

KINDS = {koji.USERTYPES["NORMAL"]: "normal", koji.USERTYPES["HOST"]: "host", koji.USERTYPES["GROUP"]: "group"}


@dataclass(frozen=True)
class WantedUser:
    """The user as it should be. None leaves permissions or principals as they are.

    Only a user who is `enabled` is created; of one who isn't, nothing but that is changed.
    `append`: permissions and principals are only added, never taken away. `more_principals` are had in any case, beside
    those of `krb_principals` or those that are there.
    """

    name: str
    enabled: bool = True
    permissions: frozenset[str] | None = None
    krb_principals: frozenset[str] | None = None
    append: bool = False
    more_principals: frozenset[str] = frozenset()


@dataclass(frozen=True)
class User:
    """A user as the hub has it; `permissions` are the user's own, not those of groups. `id` None: not there yet."""

    id: int | None
    name: str
    kind: str
    enabled: bool
    permissions: frozenset[str]
    krb_principals: frozenset[str]

    def as_dict(self) -> dict[str, Any]:
        """The user for people and diffs."""
        return {
            "name": self.name,
            "type": self.kind,
            "enabled": self.enabled,
            "permissions": sorted(self.permissions),
            "krb_principals": sorted(self.krb_principals),
        }


def read_user(session: koji.ClientSession, name: str) -> User | None:
    """Return the user called `name`, or None (getUser, getUserPerms)."""
    return _read(session, name)[0]


def find_user(sessions: SessionPair, name: str) -> User | None:
    """Return the user called `name`, or None; raise HubError."""
    check_name("user", name)
    with explained(sessions.address):
        return read_user(sessions.reader(), name)


def _read(session: koji.ClientSession, name: str) -> tuple[User | None, frozenset[str]]:
    """Return the user, and the names of all permissions that the hub knows."""
    # By a bare string, the hub would also find who has `name` as a Kerberos principal.
    info = session.getUser({"name": name})
    with session.multicall(strict=True) as calls:
        known = calls.getAllPerms()
        own = calls.getUserPerms(info["id"], with_groups=False) if info else None
    names = frozenset(permission["name"] for permission in known.result)
    if info is None or own is None:
        return None, names
    user = User(
        id=info["id"],
        name=info["name"],
        kind=kind_of(info),
        enabled=is_enabled(info),
        permissions=frozenset(own.result),
        krb_principals=frozenset(info.get("krb_principals") or ()),
    )
    return user, names


def kind_of(info: dict[str, Any]) -> str:
    """What sort of user getUser's answer is: normal, host or group; the database may hold NULL."""
    return KINDS.get(info["usertype"] or 0, "unknown")


def is_enabled(info: dict[str, Any]) -> bool:
    """Whether the user of getUser's answer may log in; the database may hold NULL."""
    return bool((info["status"] or 0) == koji.USER_STATUS["NORMAL"])


def ensure_user(sessions: SessionPair, wanted: WantedUser, *, check_mode: bool = False) -> Result[User]:
    """Bring the user in line; in check mode only say what would be done. Raise HubError.

    Unknown permissions and whatever else the hub refuses one by one end up in the result's problems.
    """
    check_name("user", wanted.name)
    with explained(sessions.address):
        user, known = _read(sessions.reader(), wanted.name)
        if user is not None and user.kind == "group":
            raise HubError("NameIsAGroup", f"{wanted.name} is a group on the hub, not a user; choose another name")
        if user is None and not wanted.enabled:
            return Result(False, {}, {})
        problems = _impossible(wanted, known)
        target = _target(user, wanted, known)
        before = user.as_dict() if user else {}
        if user == target:
            return Result(False, before, before, tuple(problems), user)
        _refuse_lockout(sessions, user, target)
        if check_mode:
            return Result(True, before, target.as_dict(), tuple(problems), target)
        target, refused = _apply(sessions.writer(), user, target)
        now = target
        if refused:
            # Someone else may have done it meanwhile: what is true now counts.
            now = read_user(sessions.reader(), wanted.name) or target
            problems += refused if now != target else []
        after = now.as_dict()
        return Result(before != after, before, after, tuple(problems), now)


def _impossible(wanted: WantedUser, known: frozenset[str]) -> list[Problem]:
    if not wanted.enabled:
        return []
    problems = unknown("UnknownPermission", "permission", (wanted.permissions or frozenset()) - known)
    problems += [
        Problem("InvalidPrincipal", name, f"{name!r} can't be a Kerberos principal")
        for name in sorted((wanted.krb_principals or frozenset()) | wanted.more_principals)
        if not is_name(name)
    ]
    return problems


def _target(user: User | None, wanted: WantedUser, known: frozenset[str]) -> User:
    """The user as it will be when all that is possible is done."""
    if user is None:
        user = User(None, wanted.name, "normal", enabled=True, permissions=frozenset(), krb_principals=frozenset())
    if not wanted.enabled:
        return replace(user, enabled=False)
    permissions, principals = user.permissions, user.krb_principals
    kept = (permissions, principals) if wanted.append else (frozenset(), frozenset())
    if wanted.permissions is not None:
        permissions = kept[0] | (wanted.permissions & known)
    if wanted.krb_principals is not None:
        principals = kept[1] | {name for name in wanted.krb_principals if is_name(name)}
    principals |= {name for name in wanted.more_principals if is_name(name)}
    return replace(user, enabled=True, permissions=permissions, krb_principals=principals)


def _refuse_lockout(sessions: SessionPair, user: User | None, target: User) -> None:
    """The user who does the work can't lock itself out: nobody could let it in again."""
    if user is None:
        return
    loses_admin = "admin" in user.permissions - target.permissions
    if not loses_admin and not (user.enabled and not target.enabled):
        return
    refuse_own(sessions, user.id, user.name)


def refuse_own(sessions: SessionPair, user_id: int | None, name: str) -> None:
    """Raise HubError when the user is the one that is logged in."""
    me = sessions.writer().getLoggedInUser()
    if me and me["id"] == user_id:
        raise HubError(
            "OwnAccount",
            f"{name} is the user who is logged in for this: it can't be disabled, lose admin "
            "or become a host's; take another name, or the certificate of another admin",
        )


def _apply(session: koji.ClientSession, user: User | None, target: User) -> tuple[User, list[Problem]]:
    """Make the calls that lead from `user` to `target`; return the latter, and what the hub refused.

    What takes rights away comes first, and enabling comes last: nobody has old rights for a moment.
    """
    steps = Steps()
    if user is None:
        target = replace(target, id=session.createUser(target.name))
        user = replace(target, permissions=frozenset(), krb_principals=frozenset())
    if user.enabled and not target.enabled:
        session.disableUser(user.id)
    for name in sorted(user.permissions - target.permissions):
        steps.call("revoking permission", name, session.revokePermission, user.id, name)
    for name in sorted(user.krb_principals - target.krb_principals):
        steps.call("removing principal", name, session.removeUserKrbPrincipal, user.id, name)
    for name in sorted(target.permissions - user.permissions):
        steps.call("granting permission", name, session.grantPermission, user.id, name)
    for name in sorted(target.krb_principals - user.krb_principals):
        steps.call("adding principal", name, session.addUserKrbPrincipal, user.id, name)
    if target.enabled and not user.enabled:
        session.enableUser(user.id)
    return target, steps.refused
