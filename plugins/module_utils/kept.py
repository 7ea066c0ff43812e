# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Writes objects past the runtime's proxy, which would give them an owner: they outlive what they are made for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError

# Owns the fields that an update writes.
MANAGER = "koji-role"
# Of an object's metadata, what the API server writes by itself.
_SERVERS = frozenset({"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"})


def keep(api: KubeApi, definition: dict[str, Any], *, update: bool, check_mode: bool) -> dict[str, Any]:
    """Create the object if it is absent, else update it if that is wished. -> the module's result"""
    kind, metadata = definition["kind"], definition["metadata"]
    before = api.get(kind, metadata["namespace"], metadata["name"])
    if not update:
        if before is not None or not api.create(kind, metadata["namespace"], definition, dry_run=check_mode):
            return {"changed": False}
        return {"changed": True, "diff": differences({}, definition)}
    after = api.apply(kind, metadata["namespace"], definition, MANAGER, dry_run=check_mode)
    diff = differences(before or {}, after)
    return {"changed": diff["before"] != diff["after"], "diff": diff}


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What differs between two states of an object, as a diff that names keys and shows no values."""
    old, new = _leaves(before), _leaves(after)
    return {
        "before": {path: "a value" for path in old if path not in new or old[path] != new[path]},
        "after": {
            path: "another value" if path in old else "a value"
            for path in new
            if path not in old or old[path] != new[path]
        },
    }


def _leaves(item: dict[str, Any]) -> dict[str, Any]:
    """Values by the two last keys of their path, but what the API server writes by itself."""
    found: dict[str, Any] = {}
    for part, content in item.items():
        if part in {"apiVersion", "kind", "status"}:
            continue
        for key, value in content.items() if isinstance(content, dict) else [("", content)]:
            inner = value if part == "metadata" and isinstance(value, dict) else {"": value}
            if key not in _SERVERS:
                found.update({".".join(filter(None, (part, key, name))): its for name, its in inner.items()})
    return found


def is_conflict(definition: Mapping[str, Any], error: KubeError) -> bool:
    """Whether somebody has changed or deleted the object since it was looked at."""
    return bool(definition["metadata"].get("resourceVersion")) and error.status in {404, 409}
