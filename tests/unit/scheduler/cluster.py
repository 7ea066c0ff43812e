# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A namespace in memory: what the API server, the garbage collector and the kubelet do to the scheduler's objects."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import BUILDER_LABEL
from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import TaskPod, view
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.report import stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GRACE = 60  # seconds, of the template


class MemoryCluster:
    """scheduler.cluster.Cluster. `calls` lists writes; `refuse` maps a call to the error that it raises next, `lose`
    has calls that are done, but whose answer is lost.
    """

    def __init__(self, clock: Callable[[], float], namespace: str = "ns") -> None:
        self.clock = clock
        self.namespace = namespace
        self.all_pods: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, dict[str, Any]] = {}
        self.maps: dict[str, dict[str, Any]] = {}
        self.resources: dict[str, dict[str, Any]] = {}
        self.leases: dict[str, dict[str, Any]] = {}
        self.events: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, str] = {}
        self.calls: list[str] = []
        self.refuse: dict[str, ClusterError] = {}
        self.lose: set[str] = set()
        self.most_alive = 0
        self.most_slots = 0  # the same without pods whose task waits, and those that can never start
        self.waits: Callable[[int], bool] = lambda _task: False
        self.newest: dict[str, str] = {}  # task id -> uid of the pod that was made last for it
        self.twins: list[str] = []  # tasks that had two live pods
        self.quota: int | None = None  # pods that the namespace may have
        self.gone: list[TaskPod] = []  # ended and deleted, not yet asked for
        self.warnings: dict[str, tuple[str, str]] = {}  # pod uid -> reason, message of its newest event
        self._ids = itertools.count(1)

    def _do(self, name: str) -> None:
        self.calls.append(name)
        if name in self.refuse:
            raise self.refuse.pop(name)

    def _made(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        made = copy.deepcopy(dict(manifest))
        number = next(self._ids)
        made["metadata"].update(uid=f"uid-{number}", resourceVersion=str(number), creationTimestamp=stamp(self.clock()))
        return made

    def _changed(self, item: dict[str, Any]) -> None:
        item["metadata"]["resourceVersion"] = str(next(self._ids))

    # What the scheduler calls

    def pods(self, builder: str) -> list[TaskPod]:
        views = [view(pod) for pod in self.all_pods.values() if pod["metadata"]["labels"].get(BUILDER_LABEL) == builder]
        return [pod for pod in views if pod is not None]

    def config_maps(self) -> list[dict[str, Any]]:
        return list(self.maps.values())

    def builders(self) -> dict[str, dict[str, Any]]:
        return dict(self.resources)

    def vanished(self, builder: str) -> list[TaskPod]:
        gone, self.gone = self.gone, []
        return gone

    def task_secrets(self, builder: str) -> dict[str, bool]:
        metas = [secret["metadata"] for secret in self.secrets.values()]
        return {
            m["name"]: any(owner["kind"] == "Pod" for owner in m.get("ownerReferences", []))
            for m in metas
            if "koji-task" in m.get("labels", {})
        }

    def live_pods_of(self, task_id: int) -> list[TaskPod]:
        views = [view(pod) for pod in self.all_pods.values()]
        return [pod for pod in views if pod is not None and pod.task_id == task_id and pod.alive]

    def session_secret(self, name: str) -> dict[str, Any] | None:
        return self.get_secret(name)

    def get_secret(self, name: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.secrets.get(name))

    def apply_secret(self, manifest: Mapping[str, Any]) -> None:
        self._do("apply_secret")
        self.secrets[manifest["metadata"]["name"]] = self._made(manifest)

    def delete_secret(self, name: str) -> None:
        self._do("delete_secret")
        self.secrets.pop(name, None)

    def create_pod(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        self._do("create_pod")
        name = manifest["metadata"]["name"]
        if name in self.all_pods:
            raise ClusterError(409, "AlreadyExists", f"pods {name} already exists")
        self._admit()
        pod = self._made(manifest)
        pod["status"] = {"phase": "Pending"}
        task = name.split("-")[2]
        if any(not self._stillborn(one.name) for one in self.live_pods_of(int(task))) and name in self.secrets:
            self.twins.append(name)
        self.newest[task] = pod["metadata"]["uid"]
        self.all_pods[name] = pod
        self.most_alive = max(self.most_alive, self._alive())
        self.most_slots = max(self.most_slots, sum(map(self._uses_slot, self.all_pods)))
        return copy.deepcopy(pod)

    def _admit(self) -> None:
        if self.quota is not None and self._alive() >= self.quota:
            raise ClusterError(403, "Forbidden", "pods is forbidden: exceeded quota: small")

    def _alive(self) -> int:
        return sum(p["status"]["phase"] in ("Pending", "Running") for p in self.all_pods.values())

    def _uses_slot(self, name: str) -> bool:
        alive = self.all_pods[name]["status"]["phase"] in ("Pending", "Running")
        return alive and not self._stillborn(name) and not self.waits(int(name.split("-")[2]))

    def _stillborn(self, name: str) -> bool:
        # Its Secret is gone: made by a run that stood still and was succeeded. It never starts.
        return self.all_pods[name]["status"]["phase"] == "Pending" and name not in self.secrets

    def try_pod(self, manifest: Mapping[str, Any]) -> None:
        self._do("try_pod")
        self._admit()

    def pod_warning(self, uid: str) -> tuple[str, str]:
        return self.warnings.get(uid, ("", ""))

    def get_pod(self, name: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.all_pods.get(name))

    def create_secret(self, manifest: Mapping[str, Any]) -> None:
        self._do("create_secret")
        if manifest["metadata"]["name"] in self.secrets:
            raise ClusterError(409, "AlreadyExists", "secret already exists")
        self.secrets[manifest["metadata"]["name"]] = self._made(manifest)

    def give_secret(self, name: str, pod: Mapping[str, Any]) -> None:
        self._do("give_secret")
        if name in self.secrets:
            owner = {"kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
            self.secrets[name]["metadata"]["ownerReferences"] = [owner]

    def delete_pod(self, name: str, uid: str, grace: int | None) -> None:
        self._do("delete_pod")
        pod = self.all_pods.get(name)
        if pod is None or pod["metadata"]["uid"] != uid:
            return
        if pod["status"]["phase"] in ("Succeeded", "Failed") or grace == 0:
            self.remove(name)
        else:
            self.mark_deleted(name, grace)

    def annotate_pod(self, name: str, notes: Mapping[str, str]) -> None:
        self._do("annotate_pod")
        if name in self.all_pods:
            self.all_pods[name]["metadata"].setdefault("annotations", {}).update(notes)
            self._changed(self.all_pods[name])

    def pod_log(self, name: str, lines: int) -> str:
        return "\n".join(self.logs.get(name, "").splitlines()[-lines:])

    def apply_status(self, name: str, status: Mapping[str, Any]) -> None:
        self._do("apply_status")
        self.resources[name].setdefault("status", {}).update(copy.deepcopy(dict(status)))

    def create_event(self, manifest: Mapping[str, Any]) -> None:
        self._do("create_event")
        self.events[manifest["metadata"]["name"]] = dict(manifest)

    def count_event(self, name: str, count: int, last: str) -> None:
        self._do("count_event")
        self.events[name].update(count=count, lastTimestamp=last)

    def subscribe(self, wake: Callable[[str], None]) -> None:
        self.wake = wake

    def get_lease(self, name: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.leases.get(name))

    def create_lease(self, manifest: dict[str, Any]) -> dict[str, Any] | None:
        name = manifest["metadata"]["name"]
        if name in self.leases:
            return None
        self.leases[name] = self._made(manifest)
        return copy.deepcopy(self.leases[name])

    def replace_lease(self, manifest: dict[str, Any]) -> dict[str, Any] | None:
        name = manifest["metadata"]["name"]
        if self.leases[name]["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            return None
        self.leases[name] = copy.deepcopy(manifest)
        self._changed(self.leases[name])
        return copy.deepcopy(self.leases[name])

    # What the kubelet and the garbage collector do, and other people

    def mark_deleted(self, name: str, grace: int | None) -> None:
        """Ask a pod to end, seconds from now at the latest."""
        pod = self.all_pods[name]
        if "deletionTimestamp" not in pod["metadata"]:
            pod["metadata"]["deletionTimestamp"] = stamp(self.clock() + (GRACE if grace is None else grace))
            self._changed(pod)

    def remove(self, name: str) -> None:
        """Take a pod's object away, and what it owns."""
        pod = self.all_pods.pop(name)
        last = view(pod)
        if last is not None and not last.alive:
            self.gone.append(last)
        for secret, item in list(self.secrets.items()):
            owners = item["metadata"].get("ownerReferences", [])
            if any(owner["uid"] == pod["metadata"]["uid"] for owner in owners):
                del self.secrets[secret]

    def begin(self, name: str) -> bool:
        """Start a pod's container, if its Secret is there."""
        pod = self.all_pods[name]
        if pod["status"]["phase"] != "Pending" or name not in self.secrets:
            return False
        state = {"running": {"startedAt": stamp(self.clock())}}
        pod["status"] = {"phase": "Running", "containerStatuses": [{"name": "task", "state": state}]}
        pod["spec"]["nodeName"] = "node-1"
        self._changed(pod)
        return True

    def end(self, name: str, exit_code: int, message: str = "", reason: str = "", pod_reason: str = "") -> None:
        """End a pod's container; one that is being deleted is then gone."""
        pod = self.all_pods[name]
        containers = pod["status"].get("containerStatuses") or [{}]
        running = (containers[0].get("state") or {}).get("running") or {}
        terminated = {"exitCode": exit_code, "reason": reason, "message": message, "finishedAt": stamp(self.clock())}
        terminated["startedAt"] = running.get("startedAt")
        pod["status"] = {
            "phase": "Succeeded" if exit_code == 0 else "Failed",
            "reason": pod_reason,
            "containerStatuses": [{"name": "task", "state": {"terminated": terminated}}],
        }
        self._changed(pod)
        if "deletionTimestamp" in pod["metadata"]:
            self.remove(name)

    def cannot_start(self, name: str, reason: str, message: str = "") -> None:
        """Leave a pod pending, its container waiting for this reason."""
        waiting = {"name": "task", "state": {"waiting": {"reason": reason, "message": message}}}
        self.all_pods[name]["status"] = {"phase": "Pending", "containerStatuses": [waiting]}
        self._changed(self.all_pods[name])
