# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What stands in front of a cluster: Debian's haproxy, whose rules are made from Ingresses and Routes alone.

It does what ingress-nginx (with --enable-ssl-passthrough) and OpenShift's router do with such objects: it reads the
host's name that a client sends in its TLS hello, and passes the connection on as it is. Its own Services are the public
names, so that every client in the cluster's network can look them up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.devhub.manifests import LOCKED_DOWN, config_map, digest, named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.e2e.kube import Json, Kube

IMAGE = "localhost/haproxy:dev"
NAME = "gate"
PASSTHROUGH = "nginx.ingress.kubernetes.io/ssl-passthrough"
START = 120  # seconds
HEAD = """global
    maxconn 200
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend tls
    bind :8443
    tcp-request inspect-delay 5s
    tcp-request content reject unless { req.ssl_hello_type 1 }
"""


@dataclass(frozen=True)
class Rule:
    """Where connections for a host go."""

    host: str
    service: str
    port: int


def public(name: str, namespace: str) -> str:
    """The public host that a Service of the gate gives a name to."""
    return f"{name}.{namespace}.svc.cluster.local"


def rules(item: Json, services: Iterable[Json]) -> list[Rule]:
    """What a controller of its kind would do with an Ingress or Route. AssertionError if it would do nothing."""
    spec = item["spec"]
    if item["kind"] == "Route":
        assert spec["tls"]["termination"] == "passthrough"
        target = next(s for s in services if s["metadata"]["name"] == spec["to"]["name"])
        ports = {port["name"]: port["port"] for port in target["spec"]["ports"]}
        return [Rule(spec["host"], spec["to"]["name"], ports[spec["port"]["targetPort"]])]
    assert item["metadata"]["annotations"][PASSTHROUGH] == "true"
    return [
        Rule(rule["host"], path["backend"]["service"]["name"], path["backend"]["service"]["port"]["number"])
        for rule in spec["rules"]
        for path in rule["http"]["paths"]
        if path["path"] == "/"  # ingress-nginx passes through no other
    ]


def configuration(namespace: str, wanted: Iterable[Rule]) -> str:
    """haproxy.cfg; a host that no rule has gets no connection."""
    wanted = list(wanted)
    lines = [f"    use_backend to{i} if {{ req.ssl_sni -i {rule.host} }}" for i, rule in enumerate(wanted)]
    for i, rule in enumerate(wanted):
        lines += [f"backend to{i}", f"    server it {rule.service}.{namespace}.svc:{rule.port}"]
    return HEAD + "\n".join(lines) + "\n"


def services(namespace: str, names: Iterable[str]) -> list[Json]:
    """The public names."""
    spec = {"selector": {"app": NAME}, "ports": [{"name": "https", "port": 443, "targetPort": 8443}]}
    return [named("Service", name, namespace) | {"spec": spec} for name in names]


def deployment(namespace: str, configured: str) -> list[Json]:
    """The gate itself, made anew with another configuration."""
    container: dict[str, Any] = {
        "name": NAME,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": LOCKED_DOWN,
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        "volumeMounts": [{"name": "conf", "mountPath": "/etc/haproxy"}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "conf", "configMap": {"name": NAME}}],
    }
    template = {"metadata": {"labels": {"app": NAME}, "annotations": {"conf": digest(configured)}}, "spec": pod}
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": {"app": NAME}},
        "template": template,
    }
    return [
        config_map(NAME, namespace, {"haproxy.cfg": configured}),
        named("Deployment", NAME, namespace, "apps/v1") | {"spec": spec},
    ]


def open_gate(kube: Kube, namespace: str, items: Iterable[Json]) -> None:
    """Start the gate with the rules of these Ingresses and Routes, and wait until it serves them."""
    there = kube.find("Service", namespace)
    wanted = [rule for item in items for rule in rules(item, there)]
    kube.apply(deployment(namespace, configuration(namespace, wanted)))

    def ready(item: Json) -> bool:
        status = item.get("status") or {}
        current = status.get("observedGeneration") == item["metadata"]["generation"]
        return bool(current and status.get("updatedReplicas") == status.get("availableReplicas") == 1)

    kube.wait_object("Deployment", NAME, namespace, ready, START, "the gate serves")
