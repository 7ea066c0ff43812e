# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the objects of a KojiHub are called, and where it is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.names import fullname, given

if TYPE_CHECKING:
    from collections.abc import Mapping

HTTPS_PORT, HTTP_PORT = 8443, 8080
DEFAULT_POSTGRES = "postgres"
MANY_NODES = "ReadWriteMany"  # access mode of a volume that pods on different nodes can mount
MANAGED_BY = "app.kubernetes.io/managed-by"
OPERATOR = "koji-operator"


class Names:
    """Names, labels and addresses of one KojiHub; a field that names an object wins over ours."""

    def __init__(self, resource: Mapping[str, Any]) -> None:
        spec = resource.get("spec") or {}
        self.name: str = resource["metadata"]["name"]
        self.namespace: str = resource["metadata"]["namespace"]
        self.uid: str = resource["metadata"]["uid"]
        self.fullname = fullname(self.name)
        self.deployment = self.service = self.fullname
        self.service_account = self.ingress = self.route = self.network_policy = self.disruption_budget = self.fullname
        self.config = f"{self.fullname}-config"
        self.secrets = f"{self.fullname}-secrets"
        self.admin_secret = f"{self.fullname}-admin"
        self.ca_secret = given(spec.get("ca_cert_secret")) or f"{self.fullname}-ca-cert"
        self.ca_key_secret = f"{self.ca_secret}-key"
        self.service_secret = given(spec.get("service_cert_secret")) or f"{self.fullname}-service-cert"
        self.postgres_secret = given(spec.get("postgres_secret")) or DEFAULT_POSTGRES
        self.mnt_claim = given(spec.get("mnt_pvc_name")) or f"{self.fullname}-mnt-pvc"
        self.httpd_claim = given(spec.get("httpd_pvc_name")) or f"{self.fullname}-httpd-pvc"
        backup = spec.get("backup_before_upgrade") or {}
        self.backup_claim = given(backup.get("pvc_name")) or f"{self.fullname}-backup-pvc"
        self.host = given(spec.get("host"))
        self._https = bool(spec.get("https_enabled", True))

    def job(self, key: str) -> str:
        """The Job that brings the database to what `key` stands for."""
        return f"{self.fullname}-db-{key}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels of all that the operator makes for this hub."""
        return {**self.selector, MANAGED_BY: OPERATOR}

    @property
    def selector(self) -> dict[str, str]:
        """Labels that the hub's own pods are selected by; they never change."""
        return {"app.kubernetes.io/name": "koji-hub", "app.kubernetes.io/instance": self.name}

    @property
    def service_names(self) -> list[str]:
        """DNS names of the Service, the shortest first."""
        full = f"{self.service}.{self.namespace}.svc"
        return [self.service, f"{self.service}.{self.namespace}", full, f"{full}.cluster.local"]

    @property
    def origin(self) -> str:
        """Scheme, name and port of the hub inside the cluster."""
        scheme, port = ("https", HTTPS_PORT) if self._https else ("http", HTTP_PORT)
        return f"{scheme}://{self.service}.{self.namespace}.svc:{port}"

    @property
    def internal_url(self) -> str:
        """The hub's API inside the cluster."""
        return f"{self.origin}/kojihub"

    @property
    def url(self) -> str:
        """The hub's API for people: by its public host, if it has one."""
        if not self.host:
            return self.internal_url
        return f"{'https' if self._https else 'http'}://{self.host}/kojihub"

    def as_dict(self) -> dict[str, Any]:
        """For templates."""
        texts = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        computed = ("labels", "selector", "service_names", "origin", "internal_url", "url")
        return {**texts, **{name: getattr(self, name) for name in computed}}
