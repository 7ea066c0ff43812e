# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How far a server's pods are, and what keeps one from serving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem, Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.server_names import ServerNames

# Waiting reasons of a container that waiting alone does not cure, and what to look at.
_NO_START = {
    "ErrImagePull": "check image, image_pull_secrets and the registry",
    "ImagePullBackOff": "check image, image_pull_secrets and the registry",
    "ErrImageNeverPull": "the node has no such image, and image_pull_policy is Never",
    "InvalidImageName": "check image",
    "ImageInspectError": "check image",
    "RegistryUnavailable": "check the registry",
    "CreateContainerConfigError": "check the Secrets and ConfigMaps that env and volumes name, and security_context",
    "CreateContainerError": "check the image",
    "RunContainerError": "check the image",
    "CrashLoopBackOff": "look at the pod's log",
}
# What does not end by itself. All else may: a claim's volume is being made, a mount is tried again.
LASTING = frozenset({*_NO_START, "PodsRefused", "ScaledToZero"})
# Events of a pod that hasn't got so far as to have containers.
_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
_UNHEALTHY = "Unhealthy"


class PodReader(Reader, Protocol):
    """What is needed of the API server; KubeApi has it."""

    def events(self, namespace: str, uid: str) -> list[dict[str, Any]]:
        """The Events about one object."""


@dataclass
class RolloutLook:
    """The Deployment as it is; `problem` is why it is not as wanted yet, `pods` counts those that are there."""

    exists: bool = False
    settled: bool = False  # all pods are of the newest kind and ready
    replicas: int = 0
    available: int = 0
    pods: int = 0
    problem: Problem | None = None


def look(names: ServerNames, reader: PodReader, what: str = "the hub") -> RolloutLook:
    """Read the Deployment, and its pods where it is not settled."""
    there = reader.get("Deployment", names.namespace, names.deployment)
    if there is None:
        return RolloutLook(problem=Problem("RollingOut", f"{what}'s pods are being made", progressing=True))
    wanted, status = int(there["spec"].get("replicas", 1)), there.get("status") or {}
    found = RolloutLook(exists=True, replicas=status.get("replicas", 0), available=status.get("availableReplicas", 0))
    seen = status.get("observedGeneration", 0) >= there["metadata"].get("generation", 0)
    counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
    found.settled = seen and counts == {wanted}
    if found.settled and wanted:
        found.pods = wanted
        return found
    pods = reader.list("Pod", names.namespace, ",".join(f"{key}={value}" for key, value in names.selector.items()))
    # Those that end count: they may still work with the database.
    found.pods = len(pods)
    if found.settled:
        found.problem = Problem("ScaledToZero", "replicas is 0, so nothing serves; kubectl scale sets it")
        return found
    progress = f"{status.get('updatedReplicas', 0)} of {wanted} pods are up to date, {found.available} serve"
    found.problem = _trouble(status, pods, reader, names) or Problem("RollingOut", progress, progressing=True)
    if found.problem.reason == "NotServing":
        # It served before, or had its time to.
        found.problem.progressing = _is_rolling(status)
    return found


def _is_rolling(status: Mapping[str, Any]) -> bool:
    """Whether pods of a new kind are on their way, for less than the Deployment's deadline."""
    said = next((entry for entry in status.get("conditions") or [] if entry["type"] == "Progressing"), None)
    return said is None or (said["status"] == "True" and said.get("reason") != "NewReplicaSetAvailable")


def _trouble(
    status: Mapping[str, Any], pods: Iterable[Mapping[str, Any]], reader: PodReader, names: ServerNames
) -> Problem | None:
    for condition in status.get("conditions") or []:
        # Quota, or a Pod Security level, or an admission webhook.
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            said = condition.get("message", "")
            return Problem("PodsRefused", f"the cluster refuses pods of Deployment '{names.deployment}': {said}")
    # The newest is the one that people wait for.
    newest = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)
    for pod in newest:
        if pod["metadata"].get("deletionTimestamp"):
            continue
        problem = start_problem(pod, reader, names.namespace)
        if problem is not None:
            return problem
    return None


def start_problem(pod: Mapping[str, Any], reader: PodReader, namespace: str) -> Problem | None:
    """What keeps a pod from running, or from being ready."""
    return _waits(pod) or _unscheduled(pod, reader, namespace) or _by_events(pod, reader, namespace)


def _waits(pod: Mapping[str, Any]) -> Problem | None:
    """A container that doesn't start, or ends again and again."""
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        todo = _NO_START.get(waiting.get("reason", ""))
        if todo is None:
            continue
        said = waiting.get("message") or ""
        ended = (container.get("lastState") or {}).get("terminated") or {}
        if ended:
            lines = " ".join(str(ended.get("message") or "").split()[-60:])
            said = f"it ended with exit code {ended.get('exitCode')} ({ended.get('reason')}) {lines}".strip()
        message = f"container '{container['name']}' of pod '{name}' does not run: {said or waiting['reason']}; {todo}"
        return Problem(waiting["reason"], message)
    return None


def _unscheduled(pod: Mapping[str, Any], reader: Reader, namespace: str) -> Problem | None:
    """A pod that no node takes, or that waits for its volume."""
    name = pod["metadata"]["name"]
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] != "PodScheduled" or condition["status"] != "False":
            continue
        claims = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["spec"].get("volumes") or []
            if "persistentVolumeClaim" in volume
        ]
        for claim in claims:
            there = reader.get("PersistentVolumeClaim", namespace, claim)
            if there is None or (there.get("status") or {}).get("phase") != "Bound":
                what = "does not exist" if there is None else "has no volume yet"
                named = ((there or {}).get("spec") or {}).get("storageClassName")
                kind = f" '{named}'" if named else ""
                message = (
                    f"claim '{claim}' {what}, so pod '{name}' can't start: {condition.get('message', '')}; check its "
                    f"storage class{kind} (kubectl describe pvc {claim})"
                )
                return Problem("ClaimNotBound", message)
        message = f"no node takes pod '{name}': {condition.get('message', '')}"
        return Problem(condition.get("reason") or "Unschedulable", message)
    return None


def _by_events(pod: Mapping[str, Any], reader: PodReader, namespace: str) -> Problem | None:
    """What the kubelet says of a pod that isn't ready."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    if statuses and all(container.get("ready") for container in statuses):
        return None
    name = pod["metadata"]["name"]
    events = sorted(reader.events(namespace, pod["metadata"]["uid"]), key=_when)
    started = any("running" in (container.get("state") or {}) for container in statuses)
    for event in reversed(events):
        if event.get("reason") in _EVENTS and not started:
            return Problem(event["reason"], f"pod '{name}' can't start: {event.get('message', '')}")
        # The start-up probe's are of a pod that is starting.
        if event.get("reason") == _UNHEALTHY and started and str(event.get("message")).startswith("Readiness"):
            return Problem("NotServing", f"pod '{name}' does not serve: {event.get('message', '')}", progressing=True)
    return None


def _when(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
