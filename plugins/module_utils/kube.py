# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A small client of the API server for the modules that roles call.

Importing kubernetes.client costs 0.3 s of CPU in each process (1.2 s without bytecode), and these modules need three
calls of the API; so they speak plain REST through requests. The scheduler, one long process, uses
openshift.dynamic.DynamicClient.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# Names the API server itself, past the runtime's proxy, for runs outside a cluster.
DIRECT_KUBECONFIG = "KOJI_OPERATOR_KUBECONFIG"
TIMEOUT = (5, 30)  # seconds to connect, to answer

# kind -> (path of its API, plural); all are namespaced.
RESOURCES = {
    "ConfigMap": ("api/v1", "configmaps"),
    "Secret": ("api/v1", "secrets"),
    "Pod": ("api/v1", "pods"),
    "Event": ("api/v1", "events"),
    "Service": ("api/v1", "services"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "CronJob": ("apis/batch/v1", "cronjobs"),
    "Job": ("apis/batch/v1", "jobs"),
    "Ingress": ("apis/networking.k8s.io/v1", "ingresses"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
    "Certificate": ("apis/cert-manager.io/v1", "certificates"),
    "Route": ("apis/route.openshift.io/v1", "routes"),
    "SecurityContextConstraints": ("apis/security.openshift.io/v1", "securitycontextconstraints"),
    **{
        kind: ("apis/apps.fedoraproject.org/v1alpha1", f"{kind.lower()}s")
        for kind in ("KojiHub", "KojiWeb", "Kojira", "KojiBuilder", "KojiUser")
    },
}


class KubeError(Exception):
    """The API server said no, or can't be reached; `status` is the HTTP status, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class _Access:
    server: str
    headers: dict[str, str] = field(default_factory=dict)
    verify: str | bool = True
    cert: tuple[str, str] | None = None
    auth: tuple[str, str] | None = None


def _in_cluster() -> _Access | None:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    token = SERVICE_ACCOUNT / "token"
    if not host or not port or not token.exists():
        return None
    host = f"[{host}]" if ":" in host else host
    headers = {"Authorization": f"Bearer {token.read_text().strip()}"}
    return _Access(f"https://{host}:{port}", headers, str(SERVICE_ACCOUNT / "ca.crt"))


def _named(entries: list[dict[str, Any]], name: str, what: str) -> dict[str, Any]:
    for entry in entries or []:
        if entry.get("name") == name:
            found: dict[str, Any] = entry[what]
            return found
    raise KubeError(f"kubeconfig has no {what} '{name}'")


def _private_copy(data: str) -> str:
    """A path to base64-encoded PEM text, in memory, that lasts as long as this process."""
    descriptor = os.memfd_create("koji-kube")
    os.write(descriptor, base64.b64decode(data))
    return f"/proc/self/fd/{descriptor}"


def _from_file(path: Path) -> _Access:
    config = yaml.safe_load(path.read_text())
    context = _named(config["contexts"], config["current-context"], "context")
    cluster = _named(config["clusters"], context["cluster"], "cluster")
    user = _named(config["users"], context["user"], "user") or {}
    if "exec" in user or "auth-provider" in user:
        return _from_library(path)
    access = _Access(cluster["server"].rstrip("/"))
    if cluster.get("insecure-skip-tls-verify"):
        access.verify = False
    elif "certificate-authority-data" in cluster:
        access.verify = _private_copy(cluster["certificate-authority-data"])
    elif "certificate-authority" in cluster:
        access.verify = str(path.parent / cluster["certificate-authority"])
    token = user.get("token") or (Path(user["tokenFile"]).read_text().strip() if user.get("tokenFile") else "")
    if token:
        access.headers["Authorization"] = f"Bearer {token}"
    if "client-certificate-data" in user:
        access.cert = (_private_copy(user["client-certificate-data"]), _private_copy(user["client-key-data"]))
    elif "client-certificate" in user:
        access.cert = (str(path.parent / user["client-certificate"]), str(path.parent / user["client-key"]))
    if "username" in user:  # the runtime's proxy knows by it whose run this is
        access.auth = (user["username"], user.get("password", ""))
    return access


def _from_library(path: Path) -> _Access:
    """For credential plugins, which the library runs: slow to import, and only people's own clusters have them."""
    from kubernetes import client, config  # noqa: PLC0415  (costs a second)

    loaded = client.Configuration()
    config.load_kube_config(config_file=str(path), client_configuration=loaded)
    token = loaded.get_api_key_with_prefix("authorization")
    verify = loaded.ssl_ca_cert or True if loaded.verify_ssl else False
    cert = (loaded.cert_file, loaded.key_file) if loaded.cert_file else None
    return _Access(loaded.host.rstrip("/"), {"Authorization": token} if token else {}, verify, cert)


def _find_access(*, proxied: bool) -> _Access:
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    if proxied and named:
        return _from_file(Path(named))
    direct = os.environ.get(DIRECT_KUBECONFIG)
    if direct:
        return _from_file(Path(direct))
    in_cluster = _in_cluster()
    if in_cluster:
        return in_cluster
    first = named or str(Path.home() / ".kube" / "config")
    if not Path(first).exists():
        raise KubeError(f"no cluster to talk to: '{first}' does not exist; set KUBECONFIG")
    return _from_file(Path(first))


class KubeApi:
    """Get, create and server-side apply of namespaced objects, as dicts.

    It talks to the API server itself; `proxied` to what $KUBECONFIG names, which in a run is the runtime's proxy: that
    watches the kinds that are read through it.
    """

    def __init__(self, *, proxied: bool = False) -> None:
        access = _find_access(proxied=proxied)
        self._server = access.server
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy stands between an operator and its API server
        self._http.headers.update(access.headers)
        self._http.verify = access.verify
        self._http.cert = access.cert
        self._http.auth = access.auth

    def _url(self, kind: str, namespace: str, name: str = "", subresource: str = "") -> str:
        base, plural = RESOURCES[kind]
        parts = [self._server, base, "namespaces", namespace, plural, name, subresource]
        return "/".join(part for part in parts if part)

    def _call(self, method: str, url: str, **kwargs: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, url, timeout=TIMEOUT, **kwargs)
        except (requests.RequestException, ssl.SSLError) as error:
            raise KubeError(f"{method} {url}: {error}") from error
        if response.ok:
            answer: dict[str, Any] = response.json()
            return answer
        try:
            message = response.json().get("message", response.text)
        except ValueError:
            message = response.text
        raise KubeError(f"{method} {url}: {message}", response.status_code)

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None if there is none."""
        try:
            return self._call("GET", self._url(kind, namespace, name))
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def events(self, namespace: str, uid: str) -> list[dict[str, Any]]:
        """The Events about one object."""
        params = {"fieldSelector": f"involvedObject.uid={uid}"}
        items: list[dict[str, Any]] = self._call("GET", self._url("Event", namespace), params=params)["items"]
        return items

    def list(self, kind: str, namespace: str, labels: str = "") -> list[dict[str, Any]]:
        """All objects of a kind; [] too when the kind itself is unknown to the cluster."""
        try:
            params = {"labelSelector": labels} if labels else {}
            items: list[dict[str, Any]] = self._call("GET", self._url(kind, namespace), params=params)["items"]
        except KubeError as error:
            if error.status == 404:
                return []
            raise
        return items

    def serves(self, kind: str) -> bool:
        """Whether the cluster knows a kind: some are of OpenShift or cert-manager only."""
        base, plural = RESOURCES[kind]
        try:
            known = self._call("GET", f"{self._server}/{base}")["resources"]
        except KubeError as error:
            if error.status == 404:
                return False
            raise
        return any(resource["name"] == plural for resource in known)

    def namespace_ends(self, namespace: str) -> bool:
        """Whether a namespace is gone or on its way; False where it may not be looked at."""
        try:
            there = self._call("GET", f"{self._server}/api/v1/namespaces/{namespace}")
        except KubeError as error:
            return error.status == 404
        return bool(there["metadata"].get("deletionTimestamp"))

    def create(self, kind: str, namespace: str, manifest: Mapping[str, Any], *, dry_run: bool = False) -> bool:
        """Create it if it is absent; False if it was there."""
        params = {"dryRun": "All"} if dry_run else {}
        try:
            self._call("POST", self._url(kind, namespace), json=manifest, params=params)
        except KubeError as error:
            if error.status == 409:
                return False
            raise
        return True

    def apply(
        self, kind: str, namespace: str, manifest: Mapping[str, Any], manager: str, *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Server-side apply, which creates what is absent; `manager` owns exactly the fields that it sends."""
        return self._call(
            "PATCH",
            self._url(kind, namespace, manifest["metadata"]["name"]),
            params={"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry_run else {})},
            headers={"Content-Type": "application/apply-patch+yaml"},
            data=json.dumps(manifest),
        )

    def apply_status(
        self, kind: str, namespace: str, name: str, manifest: Mapping[str, Any], manager: str
    ) -> dict[str, Any]:
        """Server-side apply to the status subresource; `manager` owns exactly the fields that it sends."""
        return self._call(
            "PATCH",
            self._url(kind, namespace, name, "status"),
            params={"fieldManager": manager, "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
            data=json.dumps(manifest),
        )
