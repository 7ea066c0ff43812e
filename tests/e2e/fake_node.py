# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A Node that nobody runs: what a kubelet would say of its pods is said here. A real kubelet holds 110 pods."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kubernetes.client.exceptions import ApiException
from kubernetes.watch import Watch
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .kube import Json, Kube

LABEL = "koji-operator.test/node"
HEARTBEAT = 10.0  # seconds; the node controller waits for 50
WATCH = 300  # seconds after which the server ends a watch


def now() -> str:
    """The time as metav1.Time has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class FakeNode:
    """A Node object with room for 1000 pods. Its pods run as soon as they are bound to it, until they are deleted.

    Only pods that select it by `selector` and tolerate all taints come here.
    """

    def __init__(self, kube: Kube, name: str, namespace: str) -> None:
        self.name = name
        self.running: set[str] = set()  # names of pods
        self._kube = kube
        self._namespace = namespace
        self._pods = kube.resource("Pod")
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._stop = threading.Event()
        self._watch = Watch()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._follow, self._beat)]

    @property
    def selector(self) -> dict[str, str]:
        """The nodeSelector of its pods."""
        return {LABEL: self.name}

    def start(self) -> None:
        """Make the Node, and speak for it from now on."""
        taint = {"key": LABEL, "effect": "NoSchedule"}
        labels = {**self.selector, "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}
        metadata = {"name": self.name, "labels": labels}
        self._kube.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [taint]}})
        self._say_ready()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Delete the Node; pods that are left on it are deleted by the pod garbage collector."""
        self._stop.set()
        self._watch.stop()
        self._kube.delete("Node", self.name)

    def _say_ready(self) -> None:
        room = {"cpu": "1000", "memory": "1000Gi", "pods": "1000", "ephemeral-storage": "1000Gi"}
        ready = {"type": "Ready", "status": "True", "reason": "Test", "lastHeartbeatTime": now()}
        self._kube.patch(
            "Node", self.name, None, {"status": {"capacity": room, "allocatable": room, "conditions": [ready]}},
            status=True,
        )  # fmt: skip

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            self._say_ready()

    def _follow(self) -> None:
        """Act on each pod as it is and as it changes; a watch that is cut off begins anew."""
        while not self._stop.is_set():
            stream = self._watch.stream(
                self._get, namespace=self._namespace, field_selector=f"spec.nodeName={self.name}",
                serialize=False, timeout_seconds=WATCH,
            )  # fmt: skip
            try:
                for event in stream:
                    if self._stop.is_set():
                        return
                    if event:
                        self._act(event["type"], event["raw_object"])
            except (ApiException, HTTPError, OSError):
                self._stop.wait(0.5)

    @property
    def _get(self) -> Callable[..., Any]:
        get: Callable[..., Any] = self._pods.get
        return get

    def _act(self, kind: str, pod: Json) -> None:
        name = pod["metadata"]["name"]
        if kind == "DELETED":
            self.running.discard(name)
        elif pod["metadata"].get("deletionTimestamp"):
            self._call("DELETE", f"{self._path}/{name}", {"gracePeriodSeconds": 0})
        elif (pod.get("status") or {}).get("phase") == "Pending":
            container = {
                "name": pod["spec"]["containers"][0]["name"], "image": pod["spec"]["containers"][0]["image"],
                "imageID": "", "ready": True, "restartCount": 0, "state": {"running": {"startedAt": now()}},
            }  # fmt: skip
            status = {"phase": "Running", "startTime": now(), "containerStatuses": [container]}
            self._call("PATCH", f"{self._path}/{name}/status", {"status": status})
            self.running.add(name)

    def _call(self, method: str, path: str, body: Json) -> None:
        """Without the client's models, which would take most of the machine. A pod that has gone is no error."""
        content = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            self._kube.client.call_api(
                path, method, body=body, auth_settings=["BearerToken"], _preload_content=False,
                header_params={"Content-Type": content},
            )  # fmt: skip
        except ApiException as error:
            if error.status not in (404, 409):
                raise ApiException(error.status, f"{method} {path}: {json.dumps(body)}: {error.body}") from error
