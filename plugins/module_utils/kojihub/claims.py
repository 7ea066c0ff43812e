# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The claims of a hub: made when they are absent, grown when their size grows, never shrunk and never deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import MANAGED_BY, MANY_NODES, OPERATOR
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.quantity import quantity
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader

DEFAULT_MODES = ["ReadWriteOnce"]
DEFAULT_SIZES = {"mnt": "10Gi", "httpd": "1Gi", "backup": "10Gi"}


@dataclass
class ClaimsLook:
    """What there is and what is to be done; `make` and `grow` are manifests."""

    make: list[dict[str, Any]] = field(default_factory=list)
    grow: list[dict[str, Any]] = field(default_factory=list)
    single_node: bool = False  # a volume can be on one node only: one pod, and the others beside it
    problem: Problem | None = None
    warnings: list[dict[str, str]] = field(default_factory=list)


def look(spec: Mapping[str, Any], names: Names, reader: Reader) -> ClaimsLook:
    """Compare the claims that are asked for with those that are there."""
    looking = _Looking(names, reader)
    found = looking.found
    backup = spec.get("backup_before_upgrade") or {}
    if backup.get("enabled"):
        looking.at("backup", names.backup_claim, {"size": backup.get("pvc_size")})
    if not spec.get("persistent", True):
        message = "persistent is false: Koji's files are lost with the hub's pod; use it for trying things out only"
        found.warnings.append({"reason": "NotPersistent", "message": message})
        return found
    for key, name in (("mnt", names.mnt_claim), ("httpd", names.httpd_claim)):
        options = {part: spec.get(f"{key}_pvc_{part}") for part in ("size", "storage_class", "access_modes")}
        modes = looking.at(key, name, options)
        if MANY_NODES in modes:
            continue
        found.single_node = True
        if int(spec.get("replicas", 1)) > 1:
            found.problem = found.problem or Problem(
                "TooManyReplicas",
                f"replicas is {spec['replicas']}, but claim '{name}' ({', '.join(modes)}) can be mounted on one node "
                f"only; set replicas to 1, or use a claim with {MANY_NODES} ({key}_pvc_access_modes of a new one)",
            )
    if found.problem is not None:
        # Their modes or sizes are about to be changed, and a claim that is made keeps them.
        found.make = []
    return found


class _Looking:
    """Looks at one claim after the other."""

    def __init__(self, names: Names, reader: Reader) -> None:
        self._names = names
        self._reader = reader
        self.found = ClaimsLook()

    def at(self, key: str, name: str, options: Mapping[str, Any]) -> list[str]:
        """One claim. -> its access modes"""
        size = given(options.get("size"))
        modes: list[str] = options.get("access_modes") or DEFAULT_MODES
        there = self._reader.get("PersistentVolumeClaim", self._names.namespace, name)
        if there is None:
            wanted = size or DEFAULT_SIZES[key]
            self.found.make.append(_manifest(self._names, name, wanted, modes, given(options.get("storage_class"))))
            return modes
        if there["metadata"].get("deletionTimestamp"):
            message = f"claim '{name}' is being deleted, and its data with it once no pod uses it any more"
            self.found.warnings.append({"reason": "ClaimEnds", "message": message})
        labels = there["metadata"].get("labels") or {}
        if labels.get(MANAGED_BY) == OPERATOR:  # somebody else's is used as it is
            self._compare_size(key, there, size)
        return (there.get("status") or {}).get("accessModes") or there["spec"].get("accessModes") or modes

    def _compare_size(self, key: str, there: Mapping[str, Any], wanted: str) -> None:
        """Without a size that is wanted it is right as it is: it may have been grown before."""
        name, status = there["metadata"]["name"], there.get("status") or {}
        asked = there["spec"]["resources"]["requests"]["storage"]
        has = (status.get("capacity") or {}).get("storage", asked)
        size = wanted or asked
        if quantity(size) < quantity(asked):
            field = "backup_before_upgrade.pvc_size" if key == "backup" else f"{key}_pvc_size"
            message = (
                f"{field} is {size}, but claim '{name}' has {asked}, and a claim can't shrink; set it to {asked}, or "
                "remove it"
            )
            self.found.problem = self.found.problem or Problem("ClaimCannotShrink", message)
        elif quantity(size) > quantity(asked):
            requests = {"resources": {"requests": {"storage": size}}}
            self.found.grow.append({**_head(self._names.namespace, name), "spec": requests})
        elif quantity(has) < quantity(asked):
            message = f"claim '{name}' asks for {asked} and has {has}: {_resizing(status)}"
            self.found.warnings.append({"reason": "ClaimGrows", "message": message})


def _resizing(status: Mapping[str, Any]) -> str:
    """What Kubernetes says of a claim that is to grow."""
    said = [entry for entry in status.get("conditions") or [] if entry.get("status") == "True"]
    return "; ".join(entry.get("message") or entry["type"] for entry in said) or "its storage has not grown it yet"


def _head(namespace: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": namespace}}


def _manifest(names: Names, name: str, size: str, modes: list[str], storage_class: str) -> dict[str, Any]:
    head = _head(names.namespace, name)
    head["metadata"]["labels"] = names.labels
    spec: dict[str, Any] = {"accessModes": modes, "resources": {"requests": {"storage": size}}}
    if storage_class:
        spec["storageClassName"] = storage_class
    return {**head, "spec": spec}
