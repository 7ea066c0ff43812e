# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the objects of a resource that serves HTTP are called, and where it is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ansible_collections.fedoraproject.koji.plugins.module_utils.names import fullname, given

if TYPE_CHECKING:
    from collections.abc import Mapping

HTTPS_PORT, HTTP_PORT = 8443, 8080
MANAGED_BY = "app.kubernetes.io/managed-by"
OPERATOR = "koji-operator"


class ServerNames:
    """Names, labels and addresses of one resource; a field that names an object wins over ours."""

    app: ClassVar[str]  # what runs in the pods
    computed: ClassVar[tuple[str, ...]] = ("labels", "selector", "service_names", "origin", "url")

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
        self.service_secret = given(spec.get("service_cert_secret")) or f"{self.fullname}-service-cert"
        self.host = given(spec.get("host"))
        self._https = bool(spec.get("https_enabled", True))

    @property
    def labels(self) -> dict[str, str]:
        """Labels of all that the operator makes for this resource."""
        return {**self.selector, MANAGED_BY: OPERATOR}

    @property
    def selector(self) -> dict[str, str]:
        """Labels that its pods are selected by; they never change."""
        return {"app.kubernetes.io/name": self.app, "app.kubernetes.io/instance": self.name}

    @property
    def service_names(self) -> list[str]:
        """DNS names of the Service, the shortest first."""
        full = f"{self.service}.{self.namespace}.svc"
        return [self.service, f"{self.service}.{self.namespace}", full, f"{full}.cluster.local"]

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """DNS names that the server's certificate is for."""
        public = (self.host,) if self.host else ()
        return tuple(dict.fromkeys((*public, *self.service_names, "localhost")))

    @property
    def needed_names(self) -> tuple[str, ...]:
        """Those that a given one can't do without: without a public name everyone connects to the Service."""
        return (self.host or self.service_names[2],)

    @property
    def origin(self) -> str:
        """Scheme, name and port inside the cluster."""
        scheme, port = ("https", HTTPS_PORT) if self._https else ("http", HTTP_PORT)
        return f"{scheme}://{self.service}.{self.namespace}.svc:{port}"

    @property
    def public_origin(self) -> str:
        """The same for people: by the public host, if there is one."""
        if not self.host:
            return self.origin
        return f"{'https' if self._https else 'http'}://{self.host}"

    def as_dict(self) -> dict[str, Any]:
        """For templates."""
        texts = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return {**texts, **{name: getattr(self, name) for name in self.computed}}
