# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whose business the hub user's permissions are: a KojiUser's, if there is one of that user, else kojira's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.claims import hub_user
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader

PERMISSION = "repo"
ADMIN = "admin"


@dataclass
class UserLook:
    """Whether kojira's role makes the user and gives it the permission."""

    make: bool = True


def look(user: str, namespace: str, reader: Reader) -> UserLook:
    """Find a KojiUser of this name. Raises Problem if that one does not let kojira do its work."""
    for item in reader.list("KojiUser", namespace):
        resource = {**item, "kind": "KojiUser"}
        if hub_user(resource)[0] == user and not item["metadata"].get("deletionTimestamp"):
            _check(user, item)
            return UserLook(make=False)
    return UserLook()


def _check(user: str, item: Mapping[str, Any]) -> None:
    name, spec, status = item["metadata"]["name"], item.get("spec") or {}, item.get("status") or {}
    wanted, has = spec.get("permissions") or [], status.get("permissions") or []
    refuse_admin(user, [*wanted, *has])
    if spec.get("enabled") is False:
        raise Problem(
            "UserDisabled", f"KojiUser '{name}' disables hub user '{user}', as whom kojira logs in; enable it"
        )
    if PERMISSION not in wanted:
        raise Problem(
            "MissingPermission",
            f"KojiUser '{name}' says what hub user '{user}' may do, and kojira needs permission {PERMISSION}; add it "
            "to its permissions",
        )
    if not status.get("user_id") or PERMISSION not in has:
        raise Problem("WaitingForUser", f"KojiUser '{name}' has not brought its user in line yet", progressing=True)


def refuse_admin(user: str, permissions: Sequence[str]) -> None:
    """Raise Problem for an admin: whoever may create a Kojira could become one by it."""
    if ADMIN in permissions:
        raise Problem(
            "UserIsAdmin",
            f"hub user '{user}' has permission {ADMIN}, which kojira does not need and does not get; give it a user of "
            "its own with koji_hub_user, or revoke that permission",
        )
