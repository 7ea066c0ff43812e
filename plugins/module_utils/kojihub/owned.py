# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whose the objects are that a hub needs: what another resource owns, or nobody of ours made, is never written to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader
    from ansible_collections.fedoraproject.koji.plugins.module_utils.server_names import ServerNames


def is_ours(there: Mapping[str, Any], names: ServerNames) -> bool:
    """Whether the resource owns an object."""
    return any(owner["uid"] == names.uid for owner in there["metadata"].get("ownerReferences") or [])


def check(objects: Iterable[tuple[str, str]], names: ServerNames, reader: Reader, owner_kind: str = "KojiHub") -> None:
    """Raise NameTaken if one of the objects (kind, name) is there and somebody else's."""
    for kind, name in objects:
        there = reader.get(kind, names.namespace, name)
        if there is None or is_ours(there, names):
            continue
        owners = ", ".join(f"{owner['kind']} {owner['name']}" for owner in there["metadata"].get("ownerReferences", []))
        raise Problem(
            "NameTaken",
            f"{kind} '{name}' in namespace '{names.namespace}' is needed for this {owner_kind}, but it exists and "
            f"belongs to {owners or 'nobody that the operator knows'}; rename or delete it",
        )
