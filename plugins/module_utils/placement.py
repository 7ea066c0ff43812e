# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Which nodes a task's pod may go to, by the task's arch and by where Koji's volume is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ARCH_LABEL = "kubernetes.io/arch"
NOARCH = "noarch"  # a task that any of the host's arches can do

# Koji's arches -> kubernetes.io/arch of the nodes that run them; all others are spelled alike.
NODE_ARCHS = {
    **dict.fromkeys(("x86_64", "i386", "i486", "i586", "i686", "athlon"), "amd64"),
    **dict.fromkeys(("armhfp", "armv7hl", "armv7l", "armv6l", "armv5tel", "arm"), "arm"),
    "aarch64": "arm64",
}


def node_archs(task_arch: str, host_archs: Iterable[str]) -> list[str]:
    """kubernetes.io/arch of the nodes that can do a task; [] if any can."""
    archs = host_archs if task_arch == NOARCH else [task_arch]
    return sorted({NODE_ARCHS.get(arch, arch) for arch in archs if arch != NOARCH})


def place(spec: dict[str, Any], task_arch: str, host_archs: Iterable[str]) -> None:
    """Have a pod's spec ask for nodes of a task's arch. A node selector that names an arch itself is left alone."""
    selector, archs = spec.get("nodeSelector") or {}, node_archs(task_arch, host_archs)
    if not archs or ARCH_LABEL in selector:
        return
    if len(archs) == 1:
        spec["nodeSelector"] = {**selector, ARCH_LABEL: archs[0]}
    else:
        spec["affinity"] = _one_of(spec.get("affinity") or {}, archs)


def beside(spec: dict[str, Any], labels: Mapping[str, str]) -> None:
    """Have a pod's spec ask for the node of the pods with these labels, too."""
    affinity = spec.get("affinity") or {}
    near = affinity.get("podAffinity") or {}
    term = {"labelSelector": {"matchLabels": dict(labels)}, "topologyKey": "kubernetes.io/hostname"}
    required = [*(near.get("requiredDuringSchedulingIgnoredDuringExecution") or []), term]
    near = {**near, "requiredDuringSchedulingIgnoredDuringExecution": required}
    spec["affinity"] = {**affinity, "podAffinity": near}


def _one_of(affinity: dict[str, Any], archs: list[str]) -> dict[str, Any]:
    """An affinity that also wants one of the arches: in each of its terms, as one of them is enough for a node."""
    wanted = {"key": ARCH_LABEL, "operator": "In", "values": archs}
    node = affinity.get("nodeAffinity") or {}
    required = node.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        terms = [{"matchExpressions": [wanted]}]
    else:
        terms = [_also(term, wanted) for term in required["nodeSelectorTerms"]]
    required = {**(required or {}), "nodeSelectorTerms": terms}
    return {**affinity, "nodeAffinity": {**node, "requiredDuringSchedulingIgnoredDuringExecution": required}}


def _also(term: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    # An empty term fits no node, and would fit some with an arch in it.
    return {**term, "matchExpressions": [*(term.get("matchExpressions") or []), wanted]} if any(term.values()) else term
