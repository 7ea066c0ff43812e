# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A short hand for what the tests say to the API server, over openshift's DynamicClient. Objects are plain dicts."""

import base64
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml
from kubernetes import config
from kubernetes.client import CoreV1Api
from kubernetes.client.exceptions import ApiException
from openshift.dynamic import DynamicClient
from openshift.dynamic.exceptions import NotFoundError

Json = dict[str, Any]

# Kinds outside the core API that tests name without their group.
_API_VERSIONS = {
    **dict.fromkeys(("KojiHub", "KojiWeb", "Kojira", "KojiBuilder", "KojiUser"), "apps.fedoraproject.org/v1alpha1"),
    **dict.fromkeys(("Deployment", "ReplicaSet", "StatefulSet"), "apps/v1"),
    **dict.fromkeys(("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"), "rbac.authorization.k8s.io/v1"),
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "Ingress": "networking.k8s.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    **dict.fromkeys(("CronJob", "Job"), "batch/v1"),
    "Lease": "coordination.k8s.io/v1",
}
FIELD_MANAGER = "e2e"
POLL = 0.25  # seconds


class Kube:
    """Talks to the cluster of $KUBECONFIG. `api_version` is only needed for kinds that aren't well known."""

    def __init__(self) -> None:
        self.client = config.new_client_from_config()
        # What it finds out of a cluster it keeps in a file called after the address, which all test clusters share.
        self._folder = tempfile.TemporaryDirectory(prefix="e2e-")
        self.dynamic = DynamicClient(self.client, cache_file=f"{self._folder.name}/discovery.json")

    def resource(self, kind: str, api_version: str | None = None) -> Any:
        return self.dynamic.resources.get(kind=kind, api_version=api_version or _API_VERSIONS.get(kind, "v1"))

    def apply(self, manifests: str | Json | Iterable[Json], namespace: str | None = None) -> list[Json]:
        """Server-side apply of YAML text or objects, `namespace` for those that name none; return them as stored."""
        items = yaml.safe_load_all(manifests) if isinstance(manifests, str) else manifests
        stored: list[Json] = []
        for item in [items] if isinstance(items, dict) else filter(None, items):
            resource = self.resource(item["kind"], item["apiVersion"])
            scope = (item["metadata"].get("namespace") or namespace) if resource.namespaced else None
            stored.append(
                self.dynamic.server_side_apply(
                    resource, body=item, name=item["metadata"]["name"], namespace=scope,
                    field_manager=FIELD_MANAGER, force_conflicts=True,
                ).to_dict()
            )  # fmt: skip
        return stored

    def apply_all(self, items: Iterable[Json]) -> None:
        """Apply objects that all name their namespace."""
        self.apply(items)

    def create(self, item: Json, namespace: str | None = None) -> Json:
        resource = self.resource(item["kind"], item["apiVersion"])
        answer: Json = self.dynamic.create(resource, body=item, namespace=namespace).to_dict()
        return answer

    def get(self, kind: str, name: str, namespace: str | None = None, api_version: str | None = None) -> Json | None:
        """Return the object, None if there is none."""
        try:
            found: Json = self.dynamic.get(self.resource(kind, api_version), name=name, namespace=namespace).to_dict()
        except NotFoundError:
            return None
        return found

    def find(
        self, kind: str, namespace: str | None = None, labels: str | None = None, api_version: str | None = None
    ) -> list[Json]:
        """Return the objects of a kind, `labels` as in kubectl's -l."""
        found = self.dynamic.get(self.resource(kind, api_version), namespace=namespace, label_selector=labels)
        items: list[Json] = found.to_dict().get("items") or []
        return items

    def patch(
        self,
        kind: str,
        name: str,
        namespace: str | None,
        body: Json,
        api_version: str | None = None,
        status: bool = False,
    ) -> Json:
        """Merge `body` into an object, or into its status subresource."""
        resource = self.resource(kind, api_version)
        if status:
            resource = resource.subresources["status"]
        answer: Json = self.dynamic.patch(
            resource, body=body, name=name, namespace=namespace, content_type="application/merge-patch+json"
        ).to_dict()
        return answer

    def delete(
        self, kind: str, name: str, namespace: str | None = None, api_version: str | None = None, timeout: float = 0
    ) -> None:
        """Delete an object if it is there; with a timeout in seconds wait until it is gone."""
        try:
            self.dynamic.delete(self.resource(kind, api_version), name=name, namespace=namespace, body={})
        except NotFoundError:
            return
        if timeout:
            self.wait_gone(kind, name, namespace, timeout, api_version)

    def wait_for(
        self, condition: Callable[[], Any], timeout: float, message: str, state: Callable[[], Any] | None = None
    ) -> Any:
        """Poll until `condition` returns something true; AssertionError with the last state after `timeout` s."""
        deadline = time.monotonic() + timeout
        while True:
            last = condition()
            if last:
                return last
            if time.monotonic() > deadline:
                shown = last if state is None else state()
                raise AssertionError(f"not within {timeout:g} s: {message}; last state:\n{_text(shown)}")
            time.sleep(POLL)

    def wait_object(
        self, kind: str, name: str, namespace: str | None, check: Callable[[Json], Any], timeout: float, message: str,
        api_version: str | None = None,
    ) -> Json:  # fmt: skip
        """Poll an object until `check` of it is true; return it."""
        last: list[Json | None] = [None]

        def found() -> Json | None:
            last[0] = self.get(kind, name, namespace, api_version)
            return last[0] if last[0] is not None and check(last[0]) else None

        what = f"{kind} {namespace}/{name}: {message}"
        item: Json = self.wait_for(found, timeout, what, lambda: _brief(last[0]))
        return item

    def wait_condition(
        self, kind: str, name: str, namespace: str, timeout: float, type_: str = "Ready", status: str = "True",
        reason: str | None = None,
    ) -> Json:  # fmt: skip
        """Wait for a metav1 condition that is about the current generation; return the object."""

        def holds(item: Json) -> bool:
            found = condition(item, type_)
            return (
                found.get("status") == status
                and (reason is None or found.get("reason") == reason)
                and found.get("observedGeneration", item["metadata"].get("generation"))
                == item["metadata"].get("generation")
            )

        return self.wait_object(kind, name, namespace, holds, timeout, f"{type_}={status} {reason or ''}".strip())

    def wait_gone(
        self, kind: str, name: str, namespace: str | None, timeout: float, api_version: str | None = None
    ) -> None:
        last: list[Json | None] = [None]

        def gone() -> bool:
            last[0] = self.get(kind, name, namespace, api_version)
            return last[0] is None

        self.wait_for(gone, timeout, f"{kind} {namespace}/{name} is gone", lambda: _brief(last[0]))

    def events(self, namespace: str, name: str | None = None) -> list[Json]:
        """Return the v1 Events of a namespace, or of the objects called `name`, oldest first."""
        found = [item for item in self.find("Event", namespace) if name in {None, item["involvedObject"].get("name")}]
        return sorted(found, key=lambda item: item.get("lastTimestamp") or item["metadata"]["creationTimestamp"])

    def logs(self, namespace: str, pod: str, container: str | None = None, tail: int | None = None) -> str:
        """Return a pod's log, empty if there is none (any more)."""
        try:
            text: str = CoreV1Api(self.client).read_namespaced_pod_log(
                pod, namespace, **{k: v for k, v in {"container": container, "tail_lines": tail}.items() if v}
            )
        except ApiException:
            return ""
        return text

    def secret(self, namespace: str, name: str) -> dict[str, bytes]:
        """Return a Secret's data, decoded. AssertionError if there is none."""
        item = self.get("Secret", name, namespace)
        assert item is not None, f"no Secret {namespace}/{name}"
        return {key: base64.b64decode(value) for key, value in (item.get("data") or {}).items()}

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run kubectl and return what it prints; for exec, strict validation and what else only it can do."""
        done = subprocess.run(
            ["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
        return done.stdout


def condition(item: Mapping[str, Any], type_: str) -> Json:
    """Return a condition of an object's status, {} if it has none of that type."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return next((entry for entry in conditions if entry["type"] == type_), {})


def _brief(item: Json | None) -> Any:
    if item is None:
        return "(no such object)"
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {"metadata": metadata, "status": item.get("status")}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=1, default=str)
