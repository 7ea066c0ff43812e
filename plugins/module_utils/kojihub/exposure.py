# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How the pods of a KojiHub or KojiWeb are reached: Service, Ingress or Route, and what goes with them.

TLS ends at Apache in the pod, which asks for client certificates: what stands in front passes it through, and tells
hosts apart by the name that clients send (SNI). So paths don't count there, and plain HTTP never comes through.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.fedoraproject.koji.plugins.module_utils import references
from ansible_collections.fedoraproject.koji.plugins.module_utils.egress import without_empty
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import HTTP_PORT, HTTPS_PORT
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import RESOURCES
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Kinds whose `host` is public.
SERVERS = ("KojiHub", "KojiWeb")
DEFAULT_CLASS = "nginx"
PASSTHROUGH = "nginx.ingress.kubernetes.io/ssl-passthrough"
# The protocol counts only where a site turns passthrough off.
INGRESS_ANNOTATIONS = {PASSTHROUGH: "true", "nginx.ingress.kubernetes.io/backend-protocol": "HTTPS"}
# Kubernetes' own apply keeps its books there.
BOOKKEEPING = "kubectl.kubernetes.io/last-applied-configuration"
# A hub whose database is away is not ready; a drain need not wait for it.
DEFAULT_BUDGET = {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
TEMPLATES = "../../koji_http/templates"


class Reader(references.Reader, Protocol):
    """What is needed of the API server; KubeApi has it."""

    def serves(self, kind: str) -> bool:
        """Whether the cluster knows a kind."""


class Names(Protocol):
    """What a resource's objects are called; kojihub.names.Names is one."""

    name: str
    namespace: str
    uid: str
    service: str
    service_account: str
    ingress: str
    route: str
    network_policy: str
    disruption_budget: str
    host: str

    @property
    def selector(self) -> dict[str, str]:
        """Labels that the pods are selected by."""


@dataclass
class ExposureLook:
    """What the templates of role koji_http write; an object that isn't wanted is {}."""

    service: dict[str, Any] = field(default_factory=dict)  # its spec
    service_account: dict[str, Any] = field(default_factory=dict)  # its annotations
    ingress: dict[str, Any] = field(default_factory=dict)  # annotations, spec
    route: dict[str, Any] = field(default_factory=dict)  # annotations, spec
    network_policy: dict[str, Any] = field(default_factory=dict)  # its spec
    disruption_budget: dict[str, Any] = field(default_factory=dict)  # its spec
    templates: list[str] = field(default_factory=list)  # of what is wanted
    remove: list[dict[str, Any]] = field(default_factory=list)  # ours that are there and no longer wanted
    warnings: list[dict[str, str]] = field(default_factory=list)


def look(resource: Mapping[str, Any], names: Names, reader: Reader) -> ExposureLook:
    """What makes a resource's pods reachable. Raises Problem where a name or a host is someone else's."""
    return _Exposure(resource, names, reader).look()


class _Exposure:
    """One look at one resource."""

    def __init__(self, resource: Mapping[str, Any], names: Names, reader: Reader) -> None:
        self._resource = resource
        self._names = names
        self._reader = reader
        self._kind = resource["kind"]
        self._spec = resource.get("spec") or {}
        self._found = ExposureLook()

    def look(self) -> ExposureLook:
        found, spec = self._found, self._spec
        self._check_host()
        found.service = {"type": "ClusterIP", "selector": dict(self._names.selector), "ports": list(self._ports())}
        found.service_account = _annotations(spec.get("service_account_annotations"))
        if self._is_public():
            self._check_others()
            if _backend(spec) == "nginx":
                found.ingress = self._ingress()
            else:
                found.route = self._route()
        found.network_policy = self._policy()
        found.disruption_budget = self._budget()
        self._compare()
        return found

    def _warn(self, reason: str, message: str) -> None:
        self._found.warnings.append({"reason": reason, "message": message})

    def _check_host(self) -> None:
        if _is_address(self._names.host):
            raise Problem(
                "InvalidHost",
                f"spec.host is the address {self._names.host}: certificates, Ingress and Route want a DNS name; give "
                "the name that clients use",
            )

    def _served(self) -> Iterator[tuple[str, int]]:
        if self._spec.get("https_enabled", True):
            yield "https", HTTPS_PORT
        if self._spec.get("http_enabled", False):
            yield "http", HTTP_PORT

    def _ports(self) -> Iterator[dict[str, Any]]:
        for name, port in self._served():
            yield {"name": name, "port": port, "targetPort": port, "protocol": "TCP"}

    def _is_public(self) -> bool:
        """Whether an Ingress or Route is made; why not, where someone may expect one."""
        spec, backend = self._spec, _backend(self._spec)
        if backend == "none":
            return False
        what = "a Route" if backend == "openshift" else "an Ingress"
        if not self._names.host:
            asked = [name for name in ("ingress_class_name", "ingress_annotations") if spec.get(name)]
            if backend == "openshift":
                asked.append("ingress_backend: openshift")
            if asked:
                self._warn(
                    "HostMissing",
                    f"{' and '.join(asked)} asks for {what}, but spec.host is not set, so none is made; set host to "
                    "the public name, or ingress_backend to none",
                )
            return False
        if not spec.get("https_enabled", True):
            self._warn(
                "HttpNotPublic",
                f"nothing is served under host {self._names.host}: {what} passes TLS alone, and https_enabled is "
                "false; set it to true, or ingress_backend to none and expose the Service in a way of your own",
            )
            return False
        if spec.get("http_enabled", False):
            self._warn(
                "HttpNotPublic",
                f"plain HTTP is served inside the cluster only: {what} passes TLS alone; set http_enabled to false if "
                "nobody there needs it",
            )
        return True

    def _check_others(self) -> None:
        """Raise Problem if an older resource has the same host: nobody could tell their connections apart."""
        for kind in SERVERS:
            for other in self._reader.list(kind, self._names.namespace):
                if (
                    other["metadata"]["uid"] != self._names.uid
                    and _shares(other, self._names.host)
                    and _age({**other, "kind": kind}) < _age(self._resource)
                ):
                    raise Problem(
                        "HostTaken",
                        f"spec.host {self._names.host} is already the host of {kind} '{other['metadata']['name']}': "
                        "TLS is passed through by the host's name, whatever the path, so each needs a host of its own",
                    )

    def _ingress(self) -> dict[str, Any]:
        host, port = self._names.host, {"number": HTTPS_PORT}
        annotations = {**INGRESS_ANNOTATIONS, **_annotations(self._spec.get("ingress_annotations"))}
        if annotations[PASSTHROUGH] != "true":
            self._warn(
                "PassthroughOff",
                f"ingress_annotations has {PASSTHROUGH}: {annotations[PASSTHROUGH]!r}, so TLS ends before the pod and "
                "logins with client certificates fail; remove it",
            )
        # ingress-nginx passes through what has the path /. `tls` makes it redirect plain HTTP.
        path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": self._names.service, "port": port}}}
        spec = {
            "ingressClassName": given(self._spec.get("ingress_class_name")) or DEFAULT_CLASS,
            "rules": [{"host": host, "http": {"paths": [path]}}],
            "tls": [{"hosts": [host]}],
        }
        return {"annotations": annotations, "spec": spec}

    def _route(self) -> dict[str, Any]:
        if not self._reader.serves("Route"):
            raise Problem(
                "NoRoutes",
                "ingress_backend is openshift, but this cluster knows no Route (route.openshift.io/v1); set "
                "ingress_backend to nginx or none",
            )
        spec = {
            "host": self._names.host,
            "port": {"targetPort": "https"},
            "tls": {"termination": "passthrough", "insecureEdgeTerminationPolicy": "Redirect"},
            "to": {"kind": "Service", "name": self._names.service, "weight": 100},
            "wildcardPolicy": "None",
        }
        return {"annotations": _annotations(self._spec.get("ingress_annotations")), "spec": spec}

    def _policy(self) -> dict[str, Any]:
        """The spec of the NetworkPolicy as the API server stores it; {} if none is wanted."""
        asked = self._spec.get("network_policy") or {}
        if not asked.get("enabled", False):
            return {}
        policy = {"podSelector": {"matchLabels": dict(self._names.selector)}, "policyTypes": ["Ingress"]}
        peers = asked.get("ingress")
        if peers == []:
            return policy
        rule: dict[str, Any] = {"ports": [{"port": port, "protocol": "TCP"} for _, port in self._served()]}
        if peers is not None:
            rule["from"] = [without_empty(peer) for peer in peers]
        return {**policy, "ingress": [rule]}

    def _budget(self) -> dict[str, Any]:
        """The spec of the PodDisruptionBudget; {} if none is wanted."""
        asked = {key: value for key, value in (self._spec.get("pod_disruption_budget") or {}).items() if value != ""}
        if not asked and int(self._spec.get("replicas", 1)) < 2:
            return {}
        default = {k: v for k, v in DEFAULT_BUDGET.items() if k != "maxUnavailable" or "minAvailable" not in asked}
        return {**default, **asked, "selector": {"matchLabels": dict(self._names.selector)}}

    def _compare(self) -> None:
        """Find what is there: someone else's must not be written to, ours that isn't wanted goes."""
        found, names = self._found, self._names
        for kind, name, wanted in (
            ("Service", names.service, True),
            ("ServiceAccount", names.service_account, True),
            ("Ingress", names.ingress, bool(found.ingress)),
            ("Route", names.route, bool(found.route)),
            ("NetworkPolicy", names.network_policy, bool(found.network_policy)),
            ("PodDisruptionBudget", names.disruption_budget, bool(found.disruption_budget)),
        ):
            there = self._reader.get(kind, names.namespace, name)
            ours = there is not None and _owners(there, names.uid)
            if wanted:
                found.templates.append(f"{TEMPLATES}/server.{kind.lower()}.yaml.j2")
                if there is not None and not ours:
                    raise Problem("NameTaken", self._taken(kind, name, there))
                if kind == "Route" and there is not None:
                    self._check_admitted(there)
            elif ours:
                api = RESOURCES[kind][0].removeprefix("apis/").removeprefix("api/")
                metadata = {"name": name, "namespace": names.namespace}
                found.remove.append({"apiVersion": api, "kind": kind, "metadata": metadata})

    def _taken(self, kind: str, name: str, there: Mapping[str, Any]) -> str:
        owner = ", ".join(f"{o['kind']} {o['name']}" for o in there["metadata"].get("ownerReferences") or [])
        return (
            f"{kind} '{name}' in namespace '{self._names.namespace}' is needed for this {self._kind}, but it exists "
            f"and belongs to {owner or 'nobody that the operator knows'}; rename or delete it"
        )

    def _check_admitted(self, route: Mapping[str, Any]) -> None:
        """Warn of what a router says against our Route, such as a host that another namespace has."""
        for router in (route.get("status") or {}).get("ingress") or []:
            for condition in router.get("conditions") or []:
                if (condition["type"], condition["status"]) == ("Admitted", "False"):
                    why = condition.get("message") or condition.get("reason") or "it does not say why"
                    self._warn("RouteNotAdmitted", f"router {router.get('routerName')} refuses the Route: {why}")


def _backend(spec: Mapping[str, Any]) -> str:
    return given(spec.get("ingress_backend")) or "nginx"


def _annotations(asked: Mapping[str, Any] | None) -> dict[str, str]:
    return {key: str(value) for key, value in (asked or {}).items() if key != BOOKKEEPING}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _shares(other: Mapping[str, Any], host: str) -> bool:
    """Whether another resource has an Ingress or Route for the host."""
    spec = other.get("spec") or {}
    return given(spec.get("host")) == host and _backend(spec) != "none" and bool(spec.get("https_enabled", True))


def _age(resource: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = resource["metadata"]
    return metadata.get("creationTimestamp") or "", resource["kind"], metadata["name"]


def _owners(there: Mapping[str, Any], uid: str) -> bool:
    return any(owner["uid"] == uid for owner in there["metadata"].get("ownerReferences") or [])
