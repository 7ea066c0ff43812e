# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Task pods: how one is made from the builder's template, and what one's status says."""

from __future__ import annotations

import base64
import copy
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import overrides, placement
from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import BUILDER_LABEL, KIND, Settings
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import API_VERSION, GROUP

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBSESSION = f"{GROUP}/subsession"  # annotation: the hub session that the pod works with
SESSION = f"{GROUP}/session"  # annotation: the master session that it hangs off
RECORDED = f"{GROUP}/outcome"  # annotation: this finished pod has been dealt with and is kept for people to look at
START_DEADLINE = f"{GROUP}/start-deadline"  # annotation: seconds; this pod's own, beside the builder's
CONTAINER = "task"

# The runner's exit codes; any other one is a crash.
CLOSED, FAILED, FREED, DENIED, REFUSED, FORBIDDEN = 0, 1, 75, 76, 77, 78
EXIT_CODES = {
    CLOSED: "closed",
    FAILED: "failed",
    FREED: "freed",
    DENIED: "denied",
    REFUSED: "refused",
    FORBIDDEN: "forbidden",
}
# The runner's "forbidden": its node does not let it have what security_profile userns needs.
USER_NAMESPACES_FORBIDDEN = "UserNamespacesForbidden"

# Waiting reasons of a container that waiting alone does not cure.
_NO_START = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
# Reasons of a terminated container that never ran our program: it is the template, not the task.
_NEVER_RAN = frozenset({"StartError", "ContainerCannotRun", "CreateContainerError"})
# Reasons of a failed pod that have nothing to do with the task in it (kubelet's and the scheduler's words).
_DISRUPTIONS = frozenset(
    {
        "Evicted",
        "NodeLost",
        "NodeShutdown",
        "Shutdown",
        "Terminated",
        "Preempting",
        "NodeAffinity",
        "UnexpectedAdmissionError",
    }
)
LOST_AFTER = 30.0  # seconds past its grace period after which a pod that should be gone is lost with its node


@dataclass(frozen=True)
class Trouble:
    """Why a pod has not started: a CamelCase reason and a message; `wait`: it may still come right by itself."""

    reason: str
    message: str
    wait: bool = False


@dataclass(frozen=True)
class TaskPod:
    """What counts of a task pod. Times are seconds since the epoch."""

    name: str
    uid: str
    task_id: int
    attempt: int
    subsession: int | None
    session: int | None
    phase: str
    created: float
    deleting: float | None = None  # when its grace period ends
    node: str = ""
    started: float | None = None  # its container, as the kubelet says; whole seconds
    finished: float | None = None
    exit_code: int | None = None
    outcome: str = ""  # the runner's word, or "crashed"; "" while it is alive
    reason: str = ""
    message: str = ""
    disrupted: bool = False  # taken from outside: evicted, drained, deleted
    own_fault: bool = False  # stopped for what its task did: used more disk than it may, or ran for too long
    never_ran: bool = False
    trouble: Trouble | None = None
    recorded: bool = False
    method: str = ""
    start_deadline: float | None = None  # seconds; None: the builder's

    @property
    def alive(self) -> bool:
        """Whether its container runs or may still run."""
        return self.phase not in ("Succeeded", "Failed")

    def lost(self, now: float) -> bool:
        """Whether nobody answers for it: its node is gone."""
        return self.alive and self.deleting is not None and now > self.deleting + LOST_AFTER

    def overdue(self, now: float, deadline: float) -> Trouble | None:
        """Why it counts as not starting at `now`, if it does; `deadline` is its builder's, it may have its own."""
        if self.phase != "Pending":
            return None
        if self.trouble is not None and not self.trouble.wait:
            return self.trouble
        deadline = deadline if self.start_deadline is None else self.start_deadline
        if now - self.created <= deadline:
            return None
        return self.trouble or Trouble("StartDeadlineExceeded", f"not started within {deadline:.0f} s")


def pod_name(task_id: int, attempt: int) -> str:
    """The name of a task's pod and Secret; being the same for everybody makes a 409 a fence."""
    return f"koji-task-{task_id}-{attempt}"


def label(value: object) -> str:
    """A text as a label's value: at most 63 of [A-Za-z0-9_.-], an alphanumeric at both ends."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", str(value))[:63].strip("_.-")


def manifest(
    settings: Settings, task: Mapping[str, Any], attempt: int, subsession: int, session: int, *, channel: str = ""
) -> dict[str, Any]:
    """The pod of one attempt; `task` is what host.openTask gave (id, method, arch, parent), `channel` its channel."""
    pod = copy.deepcopy(dict(settings.pod))
    name = pod_name(task["id"], attempt)
    pod.setdefault("apiVersion", "v1")
    pod.setdefault("kind", "Pod")
    meta = pod.setdefault("metadata", {})
    meta["name"], meta["namespace"] = name, settings.namespace
    labels = {"koji-task": task["id"], "koji-method": task["method"], "koji-arch": task["arch"]}
    if task.get("parent"):
        labels["koji-parent"] = task["parent"]
    meta["labels"] = {
        **(meta.get("labels") or {}),
        **{key: label(value) for key, value in labels.items()},
        BUILDER_LABEL: settings.name,
    }
    meta["annotations"] = {
        **(meta.get("annotations") or {}),
        SUBSESSION: str(subsession),
        SESSION: str(session),
    }
    # No blockOwnerDeletion: OpenShift wants a permission on the owner's finalizers for that.
    meta["ownerReferences"] = [
        {"apiVersion": API_VERSION, "kind": KIND, "name": settings.name, "uid": settings.owner_uid, "controller": True}
    ]
    spec = pod["spec"]
    override = overrides.fitting(settings.overrides, task["method"], channel)
    if override is not None:
        overrides.merge(spec, override)
        if override.start_deadline is not None:
            meta["annotations"][START_DEADLINE] = f"{override.start_deadline:.0f}"
    placement.place(spec, task["arch"], settings.host_archs)
    for volume in spec.get("volumes", []):
        if volume["name"] == CONTAINER:
            volume["secret"] = {**(volume.get("secret") or {}), "secretName": name}
    if settings.shared_pvc and task["method"] in settings.volume_methods:
        _mount_shared(spec, settings.shared_pvc)
        if settings.shared_beside:
            placement.beside(spec, settings.shared_beside)
    return pod


def _mount_shared(spec: dict[str, Any], claim: str) -> None:
    """Add the Koji volume, read-only: createrepo and newRepo read it; build pods never see it."""
    source = {"claimName": claim, "readOnly": True}
    spec.setdefault("volumes", []).append({"name": "koji-mnt", "persistentVolumeClaim": source})
    for container in spec["containers"]:
        if container["name"] == CONTAINER:
            mount = {"name": "koji-mnt", "mountPath": "/mnt/koji", "readOnly": True}
            container.setdefault("volumeMounts", []).append(mount)


def secret(settings: Settings, task: Mapping[str, Any], attempt: int, sinfo: Mapping[str, Any]) -> dict[str, Any]:
    """The Secret of one attempt; `sinfo` is what `subsession` gave. It is made before its pod, so that the kubelet
    finds it, and belongs to the builder's ConfigMap until it is given to the pod, with which it goes.

    Not to the KojiBuilder: the runtime would run the role whenever a Secret of its changes hands.
    """
    content = {
        "task_id": task["id"],
        "attempt": attempt,
        "hub_url": settings.hub_url,
        "session": {"session-id": sinfo["session-id"], "session-key": sinfo["session-key"]},
    }
    name, uid = settings.config_map
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": pod_name(task["id"], attempt),
            "namespace": settings.namespace,
            "labels": {"koji-task": str(task["id"]), BUILDER_LABEL: settings.name},
            "ownerReferences": [owner],
        },
        "data": {"task.json": base64.b64encode(json.dumps(content).encode()).decode()},
    }


def epoch(stamp: str | None) -> float | None:
    """Seconds since the epoch of a metav1.Time, such as 2026-11-22T14:00:00Z."""
    return None if not stamp else datetime.fromisoformat(stamp).timestamp()


def _integer(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def view(pod: Mapping[str, Any]) -> TaskPod | None:
    """What a Pod says; None if it is no task pod."""
    meta = pod["metadata"]
    match = re.fullmatch(r"koji-task-(\d+)-(\d+)", meta["name"])
    if match is None:
        return None
    status = pod.get("status") or {}
    notes, labels = meta.get("annotations") or {}, meta.get("labels") or {}
    container: Mapping[str, Any] = next(
        (c for c in status.get("containerStatuses") or [] if c.get("name") == CONTAINER), {}
    )
    phase = status.get("phase") or "Pending"
    common: dict[str, Any] = {
        "name": meta["name"],
        "uid": meta.get("uid", ""),
        "task_id": int(match[1]),
        "attempt": int(match[2]),
        "subsession": _integer(notes.get(SUBSESSION)),
        "session": _integer(notes.get(SESSION)),
        "phase": phase,
        "created": epoch(meta.get("creationTimestamp")) or 0.0,
        "deleting": epoch(meta.get("deletionTimestamp")),
        "node": (pod.get("spec") or {}).get("nodeName") or "",
        "started": _started(container),
        "recorded": RECORDED in notes,
        "method": labels.get("koji-method", ""),
        "start_deadline": _integer(notes.get(START_DEADLINE)),
    }
    if phase in ("Succeeded", "Failed"):
        return TaskPod(**common, **_ended(status, container, deleted=common["deleting"] is not None))
    return TaskPod(**common, trouble=_trouble(status, container) if phase == "Pending" else None)


def _started(container: Mapping[str, Any]) -> float | None:
    """When a container started, if it did (containerStatuses[].state)."""
    state = container.get("state") or {}
    return epoch((state.get("running") or state.get("terminated") or {}).get("startedAt"))


def _ended(status: Mapping[str, Any], container: Mapping[str, Any], *, deleted: bool) -> dict[str, Any]:
    """How a pod ended: the runner's word first, then Kubernetes'."""
    ended: Mapping[str, Any] = {}
    for key in ("lastState", "state"):
        ended = (container.get(key) or {}).get("terminated") or ended
    exit_code: int | None = ended.get("exitCode")
    word = _word(ended.get("message"))
    outcome = word.get("outcome") or EXIT_CODES.get(-1 if exit_code is None else exit_code, "crashed")
    conditions = status.get("conditions") or []
    if exit_code is None or (outcome in ("closed", "failed") and exit_code not in (CLOSED, FAILED)):
        outcome = "crashed"
    pod_reason, message = status.get("reason") or "", status.get("message") or ""
    target: Mapping[str, Any] = next(
        (c for c in conditions if c.get("type") == "DisruptionTarget" and c.get("status") == "True"),
        {},
    )
    # A pod evicted for using more disk than it may have would be evicted again: that is the task's doing.
    too_much = pod_reason == "Evicted" and ("exceeds the" in message or "exceeded its" in message)
    own_fault = too_much or pod_reason == "DeadlineExceeded"
    reason = pod_reason or ended.get("reason") or target.get("reason") or ""
    forbidden = outcome == "forbidden" and exit_code == FORBIDDEN
    never_ran = forbidden or ended.get("reason") in _NEVER_RAN
    if forbidden:
        reason = USER_NAMESPACES_FORBIDDEN
    return {
        "exit_code": exit_code,
        "finished": epoch(ended.get("finishedAt")),
        "outcome": outcome,
        "reason": "Crashed" if reason in ("", "Error", "Completed") and outcome == "crashed" else reason,
        # FallbackToLogsOnError: the message of one that ran is the end of its log, which is told where there is room.
        "message": str(word.get("message") or message or (never_ran and ended.get("message")) or "").strip(),
        "disrupted": not own_fault and (deleted or bool(target) or pod_reason in _DISRUPTIONS),
        "own_fault": own_fault,
        "never_ran": never_ran,
    }


def _word(message: str | None) -> dict[str, Any]:
    """The runner's termination message, {"outcome", "message"}; {} if it is something else."""
    try:
        word = json.loads(message or "")
    except ValueError:
        return {}
    return word if isinstance(word, dict) else {}


def _trouble(status: Mapping[str, Any], container: Mapping[str, Any]) -> Trouble | None:
    """Why a pending pod does not start, as far as its status tells."""
    initial = status.get("initContainerStatuses") or []
    for one in [*initial, container]:
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _NO_START:
            return Trouble(waiting["reason"], (waiting.get("message") or "").strip())
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return Trouble(condition.get("reason") or "Unschedulable", condition.get("message") or "", wait=True)
    return None
