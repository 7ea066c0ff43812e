# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Permissions and groups of users."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .convert import check_name, check_type, name_or_id
from .enums import UserType
from .faults import GenericError, ParameterError
from .storage import Cond, Row, eq

if TYPE_CHECKING:
    from .context import Context


def groups_of(context: "Context", user_id: int) -> dict[int, str]:
    """Return the active groups of a user: {id: name}."""
    links = context.tx.select("user_groups", eq(user_id=user_id, active=True))
    if not links:
        return {}
    conds = [Cond("id", "in", [link["group_id"] for link in links]), *eq(usertype=int(UserType.GROUP))]
    return {row["id"]: row["name"] for row in context.tx.select("users", conds, order="id")}


def permissions_of(context: "Context", user_id: int, *, with_groups: bool = True) -> Mapping[str, list[str | None]]:
    """Return a user's permissions and where they come from: None is the user itself, else a group's name."""
    owners: list[tuple[int, str | None]] = [(user_id, None)]
    if with_groups:
        owners += groups_of(context, user_id).items()
    found: dict[str, list[str | None]] = {}
    links = context.tx.select("user_perms", [*eq(active=True), Cond("user_id", "in", [owner for owner, _ in owners])])
    if not links:
        return found
    names = {row["id"]: row["name"] for row in context.tx.select("permissions")}
    for owner, source in owners:
        for link in links:
            if link["user_id"] == owner:
                found.setdefault(names[link["perm_id"]], []).append(source)
    return found


def find_permission(context: "Context", info: Any, *, create: bool = False) -> Row:
    """Look a permission up by name or id. Raises GenericError, or creates it."""
    row = context.one("permissions", **name_or_id(info))
    if row is None and not create:
        raise GenericError(f"No such entry in table permissions: {info}")
    if row is None:
        row = context.tx.insert("permissions", {"name": info})
    return row


def get_all_perms(context: "Context") -> list[Row]:
    """Return every permission: id, name, description."""
    return context.tx.select("permissions", order="id")


def get_user_perms(context: "Context", userID: Any = None, with_groups: bool = True) -> list[str]:  # noqa: N803
    """Return the names of a user's permissions."""
    user = context.call("getUser", userID, strict=True)
    return list(permissions_of(context, user["id"], with_groups=with_groups))


def get_user_perms_inheritance(context: "Context", userID: Any) -> Mapping[str, list[str | None]]:  # noqa: N803
    """Return a user's permissions with their sources."""
    return permissions_of(context, context.call("getUser", userID, strict=True)["id"])


def get_perms(context: "Context") -> list[str]:
    """Return the permissions of whoever is logged in."""
    return context.session.permissions(context) if context.session.logged_in else []


def has_perm(context: "Context", perm: Any, strict: bool = False) -> bool:
    """Tell whether whoever is logged in has a permission; False for unknown ones unless strict."""
    if strict and not context.one("permissions", **name_or_id(perm)):
        raise GenericError(f"No such permission {perm} defined")
    return context.has_perm(perm)


def grant_permission(
    context: "Context", userinfo: Any, permission: Any, create: bool = False, description: str | None = None
) -> None:
    """Give a user a permission. Raises GenericError if it has it, or if it doesn't exist and create isn't set."""
    context.assert_perm("admin")
    if create:
        check_name(context.config, permission)
    if description is not None and not create:
        raise GenericError("Description should be specified only with create.")
    check_type(description, str, none=True)
    user = context.call("getUser", userinfo, strict=True)
    perm = find_permission(context, permission, create=create)
    if create and description is not None:
        context.tx.update("permissions", {"description": description}, eq(id=perm["id"]))
    if perm["name"] in permissions_of(context, user["id"], with_groups=False):
        raise GenericError(f"user {userinfo} already has permission: {perm['name']}")
    context.create_versioned("user_perms", {"user_id": user["id"], "perm_id": perm["id"]})


def revoke_permission(context: "Context", userinfo: Any, permission: Any) -> None:
    """Take a permission from a user. Raises GenericError if it doesn't have it."""
    context.assert_perm("admin")
    user = context.call("getUser", userinfo, strict=True)
    perm = find_permission(context, permission)
    if perm["name"] not in permissions_of(context, user["id"], with_groups=False):
        raise GenericError(f"user {userinfo} does not have permission: {perm['name']}")
    context.revoke_versioned("user_perms", user_id=user["id"], perm_id=perm["id"])


def edit_permission(context: "Context", permission: Any, description: str) -> None:
    """Change the description of a permission."""
    context.assert_perm("admin")
    if not isinstance(description, str):
        raise ParameterError(f"Invalid type for value '{description}': {type(description)}, expected type {str}")
    perm = find_permission(context, permission)
    context.tx.update("permissions", {"description": description}, eq(id=perm["id"]))
