# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Koji's files: which claim kojira mounts, writable, and which node its volume is on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import placement
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import names as kojihub
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader

WRITABLE = (kojihub.MANY_NODES, "ReadWriteOnce")


@dataclass
class VolumeLook:
    """The claim, and the labels of the pods that it is on one node with."""

    claim: str = ""
    beside: dict[str, str] = field(default_factory=dict)


def look(spec: Mapping[str, Any], hub: Mapping[str, Any] | None, namespace: str, reader: Reader) -> VolumeLook:
    """Find the claim. Raises Problem."""
    theirs = kojihub.Names(hub) if hub else None
    name = given(spec.get("shared_pvc"))
    if not name and theirs is None:
        raise Problem(
            "MissingVolume",
            f"no KojiHub of namespace '{namespace}' is this hub, so nobody says where Koji's files are; name their "
            "PersistentVolumeClaim with shared_pvc",
        )
    if not name and hub is not None and not (hub.get("spec") or {}).get("persistent", True):
        raise Problem(
            "MissingVolume",
            f"KojiHub '{hub['metadata']['name']}' has persistent: false, so its files are in its own pod, and kojira "
            "can't come to them; set it to true, or name a PersistentVolumeClaim with shared_pvc",
        )
    name = name or (theirs.mnt_claim if theirs else "")
    there = reader.get("PersistentVolumeClaim", namespace, name)
    if there is None:
        raise Problem(
            "MissingVolume",
            f"PersistentVolumeClaim '{name}' does not exist in namespace '{namespace}': it holds Koji's files; create "
            "it, or name another one with shared_pvc",
        )
    modes = (there.get("status") or {}).get("accessModes") or there["spec"].get("accessModes") or []
    if not any(mode in WRITABLE for mode in modes):
        raise Problem(
            "InvalidVolume",
            f"PersistentVolumeClaim '{name}' has {', '.join(modes)}: kojira deletes old repositories on it while the "
            f"hub uses it, which takes {' or '.join(WRITABLE)}; use another one",
        )
    single = kojihub.MANY_NODES not in modes and theirs is not None and name == theirs.mnt_claim
    return VolumeLook(name, theirs.selector if single and theirs else {})


def affinity(spec: Mapping[str, Any], found: VolumeLook) -> dict[str, Any]:
    """The pod's affinity: the resource's, and with it the node of the volume."""
    placed: dict[str, Any] = {"affinity": spec.get("affinity") or {}}
    if found.beside:
        placement.beside(placed, found.beside)
    wanted: dict[str, Any] = placed["affinity"]
    return wanted
