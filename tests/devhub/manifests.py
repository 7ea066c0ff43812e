# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The Kubernetes objects of a test hub with its database. All fit Pod Security `restricted`, with a read-only root."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]
HUB, DATABASE = "koji-hub", "postgresql"
CODE = "/usr/share/koji-hub"
PROBE = ["python3", f"{CODE}/tests/devhub/probe.py"]
LOCKED_DOWN = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def named(kind: str, name: str, namespace: str, api: str = "v1", labels: Mapping[str, str] | None = None) -> Manifest:
    """Return the head of an object."""
    metadata: Manifest = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = dict(labels)
    return {"apiVersion": api, "kind": kind, "metadata": metadata}


def secret(name: str, namespace: str, data: Mapping[str, str], kind: str = "Opaque", **labels: str) -> Manifest:
    """Return a Secret of these texts."""
    coded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    return named("Secret", name, namespace, labels=labels) | {"type": kind, "data": coded}


def config_map(name: str, namespace: str, data: Mapping[str, str]) -> Manifest:
    """Return a ConfigMap of these texts."""
    return named("ConfigMap", name, namespace) | {"data": dict(data)}


def service(name: str, namespace: str, port: int, *, before_ready: bool = False) -> Manifest:
    """Return a Service in front of the pods with label app=name."""
    spec: Manifest = {"selector": {"app": name}, "ports": [{"name": "main", "port": port, "targetPort": port}]}
    if before_ready:
        spec["publishNotReadyAddresses"] = True
    return named("Service", name, namespace) | {"spec": spec}


def digest(*parts: Any) -> str:
    """Return a checksum that changes when a pod has to be made anew."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def deployment(name: str, namespace: str, container: Manifest, volumes: list[Manifest], checksum: str) -> Manifest:
    """Return a Deployment of one pod of one container."""
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 2,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container | {"name": name, "securityContext": LOCKED_DOWN, "imagePullPolicy": "IfNotPresent"}],
        "volumes": volumes,
    }
    template = {"metadata": {"labels": {"app": name}, "annotations": {"devhub/checksum": checksum}}, "spec": pod}
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": {"app": name}},
        "template": template,
    }
    return named("Deployment", name, namespace, "apps/v1") | {"spec": spec}


def from_secret(variable: str, key: str) -> Manifest:
    """Return an environment variable out of the Secret `postgres`."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": "postgres", "key": key}}}


def empty(name: str) -> Manifest:
    """Return a volume that lasts as long as its pod."""
    return {"name": name, "emptyDir": {}}


def volume(claim: str | None) -> Manifest:
    """Return a volume's source: a PVC, or one that lasts as long as its pod."""
    return {"persistentVolumeClaim": {"claimName": claim}} if claim else {"emptyDir": {}}


def mount(name: str, path: str) -> Manifest:
    """Return where a volume appears, writable unless it is a Secret's or ConfigMap's."""
    return {"name": name, "mountPath": path}


def database(namespace: str, image: str, data: Manifest) -> list[Manifest]:
    """Return PostgreSQL, its data on a volume; they aren't synced to a disk."""
    keys = ("POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD")
    container = {
        "image": image,
        "args": ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=60"],
        "env": [from_secret(key, key) for key in keys],
        "ports": [{"containerPort": 5432}],
        "readinessProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 2},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "volumeMounts": [mount("data", "/var/lib/postgresql/data"), mount("tmp", "/tmp")],  # noqa: S108
    }
    volumes = [{"name": "data"} | data, empty("tmp")]
    # The hub tries until it can connect: no need to wait for a probe's turn as well.
    return [
        service(DATABASE, namespace, 5432, before_ready=True),
        deployment(DATABASE, namespace, container, volumes, digest(image)),
    ]


def hub(
    namespace: str, image: str, checksum: str, koji_volume: Manifest, environment: Mapping[str, str]
) -> list[Manifest]:
    """Return the hub, with hub.conf from ConfigMap `koji-hub` and its certificate from `koji-hub-service-cert`."""
    libpq = {"PGHOST": "HOST", "PGDATABASE": "DB", "PGUSER": "USER", "PGPASSWORD": "PASSWORD"}
    variables = [{"name": key, "value": value} for key, value in environment.items()]
    container = {
        "image": image,
        "command": ["apache2", "-f", f"{CODE}/tests/devhub/apache/httpd.conf", "-DFOREGROUND"],
        "env": variables + [from_secret(key, f"POSTGRES_{name}") for key, name in libpq.items()],
        "ports": [{"containerPort": 8443}],
        "startupProbe": {"exec": {"command": PROBE}, "periodSeconds": 1, "timeoutSeconds": 6, "failureThreshold": 120},
        # On a busy machine a slow answer is no reason to take the hub away from everyone.
        "readinessProbe": {"exec": {"command": PROBE}, "periodSeconds": 10, "timeoutSeconds": 20},
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}},
        "volumeMounts": [
            mount("conf", "/etc/koji-hub"),
            mount("tls", "/etc/koji-hub-tls"),
            mount("koji", "/mnt/koji"),
            mount("tmp", "/tmp"),  # noqa: S108
        ],
    }
    tls = [
        {
            "secret": {
                "name": "koji-hub-service-cert",
                "items": [{"key": key, "path": key} for key in ("tls.crt", "tls.key")],
            }
        },
        {"secret": {"name": "koji-hub-ca-cert"}},
    ]
    volumes: list[Manifest] = [
        {"name": "conf", "configMap": {"name": HUB}},
        {"name": "tls", "projected": {"sources": tls}},
        {"name": "koji"} | koji_volume,
        empty("tmp"),
    ]
    return [service(HUB, namespace, 8443), deployment(HUB, namespace, container, volumes, checksum)]
