# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Users and their Kerberos principals."""

import re
from collections.abc import Callable
from typing import Any

from . import perms
from .context import Context, export
from .convert import apply_query_opts, check_user_name
from .enums import UserStatus, UserType
from .faults import AuthError, GenericError, ParameterError
from .storage import Cond, Row, eq

_PERMISSION_CALLS: dict[str, Callable[..., Any]] = {
    "getAllPerms": perms.get_all_perms,
    "getUserPerms": perms.get_user_perms,
    "getUserPermsInheritance": perms.get_user_perms_inheritance,
    "getPerms": perms.get_perms,
    "hasPerm": perms.has_perm,
    "grantPermission": perms.grant_permission,
    "revokePermission": perms.revoke_permission,
    "editPermission": perms.edit_permission,
}
for _name, _call in _PERMISSION_CALLS.items():
    export(_name)(_call)


def principals(context: Context, user_id: int) -> list[str]:
    """Return a user's Kerberos principals."""
    return [row["krb_principal"] for row in context.tx.select("user_krb_principals", eq(user_id=user_id))]


def check_realm(context: Context, principal: str | None) -> None:
    """Raise AuthError for a principal of a realm that AllowedKrbRealms doesn't name."""
    allowed = context.config["AllowedKrbRealms"]
    if principal is None or allowed == "*":
        return
    _, _, realm = principal.partition("@")
    if not realm:
        raise AuthError(f"invalid Kerberos principal: {principal}")
    if realm not in re.split(r"\s*,\s*", allowed):
        raise AuthError(f"Kerberos principal's realm: {realm} is not allowed")


def principal_owner(context: Context, principal: str) -> int | None:
    """Return the id of the user with this principal, or None."""
    check_realm(context, principal)
    row = context.one("user_krb_principals", krb_principal=principal)
    return row["user_id"] if row else None


def insert_user(
    context: Context,
    name: str,
    usertype: int = UserType.NORMAL,
    status: int | None = None,
    principal: str | None = None,
) -> int:
    """Create a user and return its id. Commits, as the hub does here."""
    if not name:
        raise GenericError("a user must have a non-empty name")
    if status is not None and status not in list(UserStatus):
        raise GenericError(f"invalid status: {status}")
    check_realm(context, principal)
    row = {"name": name, "usertype": int(usertype), "status": status or int(UserStatus.NORMAL)}
    user_id = int(context.tx.insert("users", row)["id"])
    if principal:
        context.tx.insert("user_krb_principals", {"user_id": user_id, "krb_principal": principal})
    context.tx.commit()
    return user_id


def user_from_principal(context: Context, principal: str) -> int:
    """Create the user that a principal names, or give it to the user of that name; return its id."""
    name, sign, _ = principal.partition("@")
    if not sign:
        raise AuthError(f"invalid Kerberos principal: {principal}")
    user = context.one("users", name=name)
    if user is None:
        return insert_user(context, name, principal=principal)
    if principal not in principals(context, user["id"]):
        context.tx.insert("user_krb_principals", {"user_id": user["id"], "krb_principal": principal})
        context.tx.commit()
    return int(user["id"])


def _find(context: Context, info: Any) -> Row | None:
    """Look a user up by id, name, principal, or a map of these that must all fit."""
    if isinstance(info, int):
        return context.one("users", id=info)
    if isinstance(info, str):
        owner = context.one("user_krb_principals", krb_principal=info)
        by_name = context.one("users", name=info)
        return by_name or (context.one("users", id=owner["user_id"]) if owner else None)
    if not isinstance(info, dict):
        raise GenericError(f"Invalid type for userInfo: {type(info)}")
    if info.get("info"):
        return _find(context, info["info"])
    conds = []
    for key, kind, label in (("id", int, "userid"), ("name", str, "username"), ("krb_principal", str, "krb_principal")):
        value = info.get(key)
        if value is None or (key != "id" and not value):
            continue
        if not isinstance(value, kind):
            raise GenericError(f"Invalid type for {label}: {type(value)}")
        if key == "krb_principal":
            owner = context.one("user_krb_principals", krb_principal=value)
            conds.append(Cond("id", "=", owner["user_id"] if owner else -1))
        else:
            conds.append(Cond(key, "=", value))
    return context.one("users", conds)


@export("getUser")
def get_user(
    context: Context,
    userInfo: Any = None,  # noqa: N803
    strict: bool = False,
    krb_princs: bool = True,
    groups: bool = False,
) -> Row | None:
    """Return a user: id, name, status, usertype, krb_principals; None or GenericError if there is none."""
    if userInfo is None:
        userInfo = context.session.user_id  # noqa: N806
        if userInfo is None:
            raise GenericError("No user provided")
    row = _find(context, userInfo)
    if row is None:
        if strict:
            raise GenericError(f"No such user: {userInfo!r}")
        return None
    user = {name: row[name] for name in ("id", "name", "status", "usertype")}
    if krb_princs:
        user["krb_principals"] = principals(context, user["id"])
    if groups:
        user["groups"] = list(perms.groups_of(context, user["id"]).values())
    return user


@export("getLoggedInUser")
def get_logged_in_user(context: Context) -> Row | None:
    """Return whoever is logged in, with authtype; None for nobody."""
    if not context.session.logged_in:
        return None
    user = get_user(context, context.session.user_id, strict=True) or {}
    first = (user["krb_principals"] or [None])[0]
    return user | {"authtype": context.session.authtype, "krb_principal": first}


@export("getUserGroups")
def get_user_groups(context: Context, user: Any) -> list[Row]:
    """Return a user's groups: id and name."""
    found = get_user(context, user, strict=True) or {}
    return [{"id": key, "name": name} for key, name in perms.groups_of(context, found["id"]).items()]


@export("createUser")
def create_user(context: Context, username: Any, status: int | None = None, krb_principal: Any = None) -> int:
    """Create a user and return its id. Raises GenericError if the name or the principal is taken."""
    context.assert_perm("admin")
    check_user_name(context.config, username, krb_principal)
    if get_user(context, username):
        raise GenericError(f"user already exists: {username}")
    if krb_principal and get_user(context, {"krb_principal": krb_principal}):
        raise GenericError(f"user with this Kerberos principal already exists: {krb_principal}")
    return insert_user(context, username, status=status, principal=krb_principal)


@export("editUser")
def edit_user(
    context: Context,
    userInfo: Any,  # noqa: N803
    name: str | None = None,
    krb_principal_mappings: list[dict[str, Any]] | None = None,
) -> None:
    """Rename a user, or change its principals: [{"old": x or None, "new": y or None}, ...]."""
    context.assert_perm("admin")
    user = get_user(context, userInfo, strict=True) or {}
    if name and user["name"] != name:
        check_user_name(context.config, name)
        taken = context.one("users", name=name)
        if taken:
            raise GenericError(f"Name {name} already taken by user {taken['id']}")
        context.tx.update("users", {"name": name}, eq(id=user["id"]))
    mappings = krb_principal_mappings or []
    removed = {pair["old"] for pair in mappings if pair.get("old")}
    added = {pair["new"] for pair in mappings if pair.get("new")}
    for principal in added:
        check_user_name(context.config, principal=principal)
    current = set(user["krb_principals"])
    for what, wrong in (
        ("There are some conflicts between added and removed", added & removed),
        ("Cannot add existing", added & current),
        ("Cannot remove non-existent", removed - current),
    ):
        if wrong:
            raise GenericError(f"{what} Kerberos principals: {', '.join(sorted(wrong))}")
    for principal in sorted(removed):
        _remove_principal(context, user["id"], principal)
    for principal in sorted(added):
        _add_principal(context, user["id"], principal)


def _add_principal(context: Context, user_id: int, principal: str) -> int:
    check_realm(context, principal)
    context.tx.insert("user_krb_principals", {"user_id": user_id, "krb_principal": principal})
    context.tx.commit()
    return user_id


def _remove_principal(context: Context, user_id: int, principal: str) -> int:
    if not context.tx.delete("user_krb_principals", eq(user_id=user_id, krb_principal=principal)):
        context.tx.rollback()
        raise AuthError(f"cannot remove Kerberos Principal: {principal} with user {user_id}")
    context.tx.commit()
    return user_id


@export("addUserKrbPrincipal")
def add_user_krb_principal(context: Context, user: Any, krb_principal: Any) -> int:
    """Give a user a Kerberos principal and return the user's id. Raises GenericError if it is taken."""
    context.assert_perm("admin")
    found = get_user(context, user, strict=True) or {}
    check_user_name(context.config, principal=krb_principal)
    if krb_principal is None:
        raise GenericError("No kerberos principal provided")
    if get_user(context, {"krb_principal": krb_principal}):
        raise GenericError(f"user with this Kerberos principal already exists: {krb_principal}")
    return _add_principal(context, found["id"], krb_principal)


@export("removeUserKrbPrincipal")
def remove_user_krb_principal(context: Context, user: Any, krb_principal: Any) -> int:
    """Take a Kerberos principal from a user and return the user's id. Raises AuthError if it hasn't this one."""
    context.assert_perm("admin")
    found = get_user(context, user, strict=True) or {}
    if not krb_principal:
        raise GenericError("krb_principal must be specified")
    return _remove_principal(context, found["id"], krb_principal)


def _set_status(context: Context, username: Any, status: UserStatus) -> None:
    user = get_user(context, username)
    if not user:
        raise GenericError(f"No such user: {username}")
    context.assert_perm("admin")
    if user["status"] != status:
        context.tx.update("users", {"status": int(status)}, eq(id=user["id"]))


@export("enableUser")
def enable_user(context: Context, username: Any) -> None:
    """Let a user log in."""
    _set_status(context, username, UserStatus.NORMAL)


@export("disableUser")
def disable_user(context: Context, username: Any) -> None:
    """Keep a user out; its live sessions fail from their next call on."""
    _set_status(context, username, UserStatus.BLOCKED)


@export("listUsers")
def list_users(
    context: Context,
    userType: Any = 0,  # noqa: N803
    prefix: str | None = None,
    queryOpts: dict[str, Any] | None = None,  # noqa: N803
    perm: Any = None,
    inherited_perm: bool = False,
) -> Any:
    """Return users like getUser's, of these types (None: all), by prefix of the name or by permission."""
    if inherited_perm and not perm:
        raise GenericError("inherited_perm option must be used with perm option")
    if (queryOpts or {}).get("group"):
        raise GenericError("queryOpts.group is not available for this API")
    conds = []
    if userType is not None:
        types = [userType] if isinstance(userType, int) else userType
        if not isinstance(types, list | tuple):
            raise ParameterError("userType must be integer, list, tuple or None")
        conds.append(Cond("usertype", "in", list(types)))
    rows = context.tx.select("users", conds, order="id")
    if prefix:
        rows = [row for row in rows if row["name"].lower().startswith(prefix.lower())]
    if perm:
        name = perms.find_permission(context, perm)["name"]
        rows = [row for row in rows if name in perms.permissions_of(context, row["id"], with_groups=inherited_perm)]
    fields = ("id", "name", "status", "usertype")
    shown = [{key: row[key] for key in fields} | {"krb_principals": principals(context, row["id"])} for row in rows]
    return apply_query_opts(shown, queryOpts, (*fields, "krb_principals"))
