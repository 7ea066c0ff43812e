# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Which hub user each resource stands for, so that one that others still need is never disabled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given, same_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# kind -> fields that may name the hub user, and who it is when none does (None: metadata.name)
USER_FIELDS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "KojiUser": ((), None),
    "KojiBuilder": (("koji_hub_user", "hub_username"), None),
    "Kojira": (("koji_hub_user", "hub_username"), None),
    "KojiWeb": (("client_username",), "kojiweb"),
}


def hub_user(resource: Mapping[str, Any]) -> tuple[str, str]:
    """The hub user that a resource stands for, and a message when its fields disagree."""
    fields, default = USER_FIELDS[resource["kind"]]
    spec = resource.get("spec") or {}
    named, conflict = same_value({field: spec.get(field) for field in fields})
    return named or default or given(resource["metadata"]["name"]), conflict


def claims(user: str, resources: Iterable[Mapping[str, Any]], but: str) -> list[str]:
    """The resources, as "Kind name", that stand for `user`, but for the one with uid `but` and those being deleted."""
    return [
        f"{resource['kind']} {resource['metadata']['name']}"
        for resource in resources
        if resource["metadata"]["uid"] != but
        and not resource["metadata"].get("deletionTimestamp")
        and hub_user(resource)[0] == user
    ]
