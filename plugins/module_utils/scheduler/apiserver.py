# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Cluster on a real API server, through openshift.dynamic.DynamicClient: four watches and plain calls."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import BUILDER_LABEL, KIND
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import DIRECT_KUBECONFIG, SERVICE_ACCOUNT
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import API_VERSION
from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import CONTAINER, TaskPod, view
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import (
    CONFLICT,
    MANAGER,
    NOT_FOUND,
    ClusterError,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.watched import TIMEOUT, Watched, translated
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config
from kubernetes.config import ConfigException
from openshift.dynamic import DynamicClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WARNING = 500  # characters of an event's message
SESSIONS = f"{BUILDER_LABEL},!koji-task"  # selects the Secrets that connection.py writes


def connect(kubeconfig: str | None, cache: Path) -> DynamicClient:
    """A client of the API server itself.

    The runtime's proxy, which KUBECONFIG names in the operator's pod, would make the ConfigMap the owner of every pod
    and serve lists from a cache. So: `kubeconfig`, else $KOJI_OPERATOR_KUBECONFIG, else the pod's service account, else
    KUBECONFIG or ~/.kube/config. `cache` is a file in a private folder for what discovery finds.
    """
    settings = kubernetes_client.Configuration()
    direct = kubeconfig or os.environ.get(DIRECT_KUBECONFIG)
    try:
        if not direct and os.environ.get("KUBERNETES_SERVICE_HOST") and (SERVICE_ACCOUNT / "token").exists():
            kubernetes_config.load_incluster_config(client_configuration=settings)
        else:
            kubernetes_config.load_kube_config(config_file=direct or None, client_configuration=settings)
    except (ConfigException, OSError) as error:
        raise ClusterError(0, "NoCluster", f"no cluster to talk to: {error}") from error
    settings.connection_pool_maxsize = 32
    settings.retries = False  # every caller tries again in its next tick
    settings.proxy = None
    api = kubernetes_client.ApiClient(configuration=settings)
    with translated():
        return DynamicClient(api, cache_file=str(cache))


def _wakes(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> bool:
    """Whether a tick has something to do: a pod ended, vanished or can't start. Mere progress is no reason."""
    if new is None:
        return True
    pod, before = view(new), view(old) if old else None
    if pod is None:
        return False
    if not pod.alive:
        return before is None or before.alive
    trouble = pod.trouble is not None and not pod.trouble.wait
    return trouble and (before is None or before.trouble is None or before.trouble.wait)


class ApiServer:
    """Cluster on a real API server; see cluster.Cluster for what each call means."""

    def __init__(self, dynamic: DynamicClient, namespace: str) -> None:
        self.namespace = namespace
        self._dynamic = dynamic
        self._wake: Callable[[str], None] = lambda _builder: None
        with translated():
            self._pods = self._kind("v1", "Pod")
            self._secrets = self._kind("v1", "Secret")
            self._events = self._kind("v1", "Event")
            self._leases = self._kind("coordination.k8s.io/v1", "Lease")
            self._builders = self._kind(API_VERSION, KIND)
            maps = self._kind("v1", "ConfigMap")
        self._watches = [
            Watched(self._pods, namespace, BUILDER_LABEL, self._pod_changed),
            Watched(maps, namespace, BUILDER_LABEL, self._settings_changed),
            Watched(self._builders, namespace, None, self._builder_changed),
            Watched(self._secrets, namespace, SESSIONS, self._session_changed),
        ]
        self._gone: list[tuple[str, TaskPod]] = []  # builder, pod: ended and deleted, not yet asked for
        self._views: dict[str, TaskPod] = {}  # by uid and resourceVersion: parsing each pod in each tick would add up

    def _kind(self, api_version: str, kind: str) -> Any:
        return self._dynamic.resources.get(api_version=api_version, kind=kind)

    def sync(self) -> None:
        """Read everything once, without watching."""
        for watched in self._watches:
            watched.relist()

    def start(self) -> None:
        """Watch."""
        for watched in self._watches:
            watched.start()

    def stop(self) -> None:
        """Stop watching."""
        for watched in self._watches:
            watched.stop()

    def subscribe(self, wake: Callable[[str], None]) -> None:
        self._wake = wake

    def _pod_changed(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        if new is None and old is not None:
            pod = view(old)
            if pod is not None and not pod.alive:
                self._gone.append((old["metadata"]["labels"].get(BUILDER_LABEL, ""), pod))
        if _wakes(old, new):
            meta = (new or old or {})["metadata"]
            self._wake(meta["labels"].get(BUILDER_LABEL, ""))

    def _settings_changed(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        self._wake((new or old or {})["metadata"]["labels"].get(BUILDER_LABEL, ""))

    def _session_changed(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        if old is not None and new is None:
            self._wake(old["metadata"]["labels"].get(BUILDER_LABEL, ""))

    def _builder_changed(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        # Status changes (the most frequent ones are ours) are nothing to act on.
        before, after = ((item or {}).get("metadata", {}) for item in (old, new))
        if before.get("deletionTimestamp") != after.get("deletionTimestamp"):
            self._wake(before.get("name") or after.get("name"))

    def pods(self, builder: str) -> list[TaskPod]:
        found, views = [], {}
        for item in self._watches[0].items():
            meta = item["metadata"]
            key = f"{meta['uid']}/{meta['resourceVersion']}"
            pod = self._views.get(key) or view(item)
            if pod is not None:
                views[key] = pod
                if meta["labels"].get(BUILDER_LABEL) == builder:
                    found.append(pod)
        self._views = views
        return found

    def vanished(self, builder: str) -> list[TaskPod]:
        gone, self._gone = self._gone, []  # what comes in between is lost to the counters, nothing else
        self._gone += [entry for entry in gone if entry[0] != builder]
        return [pod for name, pod in gone if name == builder]

    def config_maps(self) -> list[dict[str, Any]]:
        return self._watches[1].items()

    def builders(self) -> dict[str, dict[str, Any]]:
        return {item["metadata"]["name"]: item for item in self._watches[2].items()}

    def _get(self, resource: Any, name: str) -> dict[str, Any] | None:
        try:
            with translated():
                answer = resource.get(name=name, namespace=self.namespace, serialize=False, _request_timeout=TIMEOUT)
                found: dict[str, Any] = json.loads(answer.data)
                return found
        except ClusterError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def _list(self, resource: Any, selector: str) -> list[dict[str, Any]]:
        with translated():
            answer = resource.get(
                namespace=self.namespace, label_selector=selector, serialize=False, _request_timeout=TIMEOUT
            )
            items: list[dict[str, Any]] = json.loads(answer.data)["items"]
            return items

    def _create(self, resource: Any, manifest: Mapping[str, Any]) -> dict[str, Any]:
        with translated():
            answer = resource.create(
                body=dict(manifest), namespace=self.namespace, serialize=False, _request_timeout=TIMEOUT
            )
            made: dict[str, Any] = json.loads(answer.data)
            return made

    def _delete(self, resource: Any, name: str, body: dict[str, Any] | None = None) -> None:
        try:
            with translated():
                resource.delete(
                    name=name, namespace=self.namespace, body=body, serialize=False, _request_timeout=TIMEOUT
                )
        except ClusterError as error:
            # 409: the precondition on the uid; another pod has the name now.
            if error.status not in (NOT_FOUND, CONFLICT):
                raise

    def _patch(self, resource: Any, name: str, body: Mapping[str, Any]) -> None:
        try:
            with translated():
                resource.patch(
                    body=dict(body),
                    name=name,
                    namespace=self.namespace,
                    content_type="application/merge-patch+json",
                    serialize=False,
                    _request_timeout=TIMEOUT,
                )
        except ClusterError as error:
            if error.status != NOT_FOUND:
                raise

    def task_secrets(self, builder: str) -> dict[str, bool]:
        items = self._list(self._secrets, f"{BUILDER_LABEL}={builder},koji-task")
        metas = [item["metadata"] for item in items]
        return {m["name"]: any(o["kind"] == "Pod" for o in m.get("ownerReferences", ())) for m in metas}

    def live_pods_of(self, task_id: int) -> list[TaskPod]:
        pods = [view(item) for item in self._list(self._pods, f"koji-task={task_id}")]
        return [pod for pod in pods if pod is not None and pod.alive]

    def session_secret(self, name: str) -> dict[str, Any] | None:
        return next((item for item in self._watches[3].items() if item["metadata"]["name"] == name), None)

    def get_secret(self, name: str) -> dict[str, Any] | None:
        return self._get(self._secrets, name)

    def apply_secret(self, manifest: Mapping[str, Any]) -> None:
        with translated():
            self._secrets.server_side_apply(
                body=dict(manifest),
                namespace=self.namespace,
                field_manager=MANAGER,
                force_conflicts=True,
                serialize=False,
                _request_timeout=TIMEOUT,
            )

    def delete_secret(self, name: str) -> None:
        self._delete(self._secrets, name)

    def create_pod(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        pod = self._create(self._pods, manifest)
        self._watches[0].put(pod)
        return pod

    def try_pod(self, manifest: Mapping[str, Any]) -> None:
        with translated():
            self._pods.create(
                body=dict(manifest),
                namespace=self.namespace,
                dry_run="All",
                serialize=False,
                _request_timeout=TIMEOUT,
            )

    def pod_warning(self, uid: str) -> tuple[str, str]:
        with contextlib.suppress(ClusterError), translated():
            answer = self._events.get(
                namespace=self.namespace,
                field_selector=f"involvedObject.uid={uid},type=Warning",
                serialize=False,
                _request_timeout=TIMEOUT,
            )
            events = json.loads(answer.data)["items"]
            if events:
                newest = max(events, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
                return newest.get("reason") or "", (newest.get("message") or "").strip()[:WARNING]
        return "", ""

    def get_pod(self, name: str) -> dict[str, Any] | None:
        return self._get(self._pods, name)

    def create_secret(self, manifest: Mapping[str, Any]) -> None:
        self._create(self._secrets, manifest)

    def give_secret(self, name: str, pod: Mapping[str, Any]) -> None:
        owner = {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        self._patch(self._secrets, name, {"metadata": {"ownerReferences": [owner]}})

    def delete_pod(self, name: str, uid: str, grace: int | None) -> None:
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        self._delete(self._pods, name, body)

    def annotate_pod(self, name: str, notes: Mapping[str, str]) -> None:
        self._patch(self._pods, name, {"metadata": {"annotations": dict(notes)}})

    def pod_log(self, name: str, lines: int) -> str:
        with contextlib.suppress(ClusterError), translated():
            answer = self._dynamic.request(
                "get",
                f"/api/v1/namespaces/{self.namespace}/pods/{name}/log",
                query_params=[("container", CONTAINER), ("tailLines", lines), ("limitBytes", 16384)],
                serialize=False,
                _request_timeout=TIMEOUT,
            )
            return bytes(answer.data).decode("utf-8", errors="replace")
        return ""

    def apply_status(self, name: str, status: Mapping[str, Any]) -> None:
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name, "namespace": self.namespace},
            "status": dict(status),
        }
        with translated():
            self._builders.status.server_side_apply(
                body=body,
                name=name,
                namespace=self.namespace,
                field_manager=MANAGER,
                force_conflicts=True,
                serialize=False,
                _request_timeout=TIMEOUT,
            )

    def create_event(self, manifest: Mapping[str, Any]) -> None:
        self._create(self._events, manifest)

    def count_event(self, name: str, count: int, last: str) -> None:
        self._patch(self._events, name, {"count": count, "lastTimestamp": last})

    def get_lease(self, name: str) -> dict[str, Any] | None:
        return self._get(self._leases, name)

    def create_lease(self, manifest: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return self._create(self._leases, manifest)
        except ClusterError as error:
            if error.status == CONFLICT:
                return None
            raise

    def replace_lease(self, manifest: dict[str, Any]) -> dict[str, Any] | None:
        try:
            with translated():
                answer = self._leases.replace(
                    body=manifest, namespace=self.namespace, serialize=False, _request_timeout=(2, 3)
                )
                lease: dict[str, Any] = json.loads(answer.data)
                return lease
        except ClusterError as error:
            if error.status == CONFLICT:
                return None
            raise
