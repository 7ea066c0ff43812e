# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How far kojira's pod is, and what keeps it from working."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.rollout import start_problem
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.rollout import PodReader
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira.names import Names

COMING = Problem("RollingOut", "kojira's pod is being made", progressing=True)
REPLICAS = 1


@dataclass
class PodLook:
    """The Deployment and its pods as they are; `problem` is why kojira does not work."""

    exists: bool = False
    ready: bool = False
    pods: int = 0
    problem: Problem | None = None


def look(names: Names, reader: PodReader) -> PodLook:
    """Read the Deployment, and its pods where it is not as it should be."""
    there = reader.get("Deployment", names.namespace, names.deployment)
    if there is not None and _is_settled(there):
        return PodLook(exists=True, ready=True, pods=REPLICAS)
    labels = ",".join(f"{key}={value}" for key, value in names.selector.items())
    pods = reader.list("Pod", names.namespace, labels)
    if there is None:
        return PodLook(pods=len(pods), problem=COMING)
    return PodLook(exists=True, pods=len(pods), problem=_trouble(there, pods, names, reader))


def _is_settled(there: Mapping[str, Any]) -> bool:
    status = there.get("status") or {}
    counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
    return counts == {REPLICAS} and status.get("observedGeneration", 0) >= there["metadata"].get("generation", 0)


def _trouble(there: Mapping[str, Any], pods: list[dict[str, Any]], names: Names, reader: PodReader) -> Problem:
    for condition in (there.get("status") or {}).get("conditions") or []:
        # Quota, or a Pod Security level, or an admission webhook.
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return Problem("PodsRefused", f"the cluster refuses kojira's pod: {condition.get('message', '')}")
    staying = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    if not staying:
        return COMING
    pod = max(staying, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    problem = start_problem(pod, reader, names.namespace)
    if problem is None:
        return Problem("Starting", "kojira has not talked to the hub yet; its log says more", progressing=True)
    if problem.reason == "NotServing":
        # It talked to the hub before; the liveness probe begins it anew.
        return Problem("NoContact", f"kojira does not talk to the hub: {problem.message}")
    return problem
