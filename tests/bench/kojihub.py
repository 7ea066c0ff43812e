# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A KojiHub: how long until it is ready, beside the same pods from plain manifests; what a restart loses."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.bench import setting
from tests.e2e.kojihub.load import Load
from tests.e2e.kojihub.site import Site, kojihub, prepare
from tests.e2e.kube import condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.kube import Json, Kube

POLL = 0.1  # seconds
TIMEOUT = 180.0  # seconds
SETTLE = 5.0  # seconds of requests before a restart and after it
NAME = "hub"
INSTANCE = f"app.kubernetes.io/instance={NAME}"
# What the operator makes and a person would write; its pods are the same wherever that is applied.
PLAIN = ("ServiceAccount", "ConfigMap", "Secret", "Service", "Job", "Deployment")
STAGES = {"certificates": "CertificatesValid", "database": "DatabaseReady", "start": "Ready"}


@contextlib.contextmanager
def site(kube: Kube, folder: Path, password: str | None = None) -> Iterator[Site]:
    """A new namespace whose database answers."""
    name = f"bench-hub-{secrets.token_hex(2)}"
    with setting.namespace(kube, name):
        prepare(kube, name, password)
        made = Site(kube, name, folder)
        made.database_is_up()
        yield made
        kube.delete("KojiHub", NAME, name, timeout=TIMEOUT)


def wait(check: Callable[[], Any], what: str) -> float:
    """Poll until something is so. -> seconds; AssertionError after TIMEOUT"""
    begin = time.monotonic()
    while not check():
        assert time.monotonic() - begin < TIMEOUT, f"not within {TIMEOUT:g} s: {what}"
        time.sleep(POLL)
    return time.monotonic() - begin


@dataclass
class Started:
    """Seconds from apply to ready, and when each stage was over."""

    stages: dict[str, float] = field(default_factory=dict)

    @property
    def ready(self) -> float:
        """The whole."""
        return self.stages["start"]

    def each(self) -> dict[str, float]:
        """How long each stage was, in the order of their ends."""
        found, before = {}, 0.0
        for name in STAGES:
            end = max(self.stages[name], before)
            found[name], before = end - before, end
        return found


def start(where: Site, **spec: Any) -> Started:
    """Apply a KojiHub, until it is ready."""
    started, begin = Started(), time.monotonic()
    where.apply(NAME, **spec)

    def ready() -> bool:
        item = where.get(NAME)
        for stage, type_ in STAGES.items():
            if stage not in started.stages and condition(item, type_).get("status") == "True":
                started.stages[stage] = time.monotonic() - begin
        return "start" in started.stages

    wait(ready, "the KojiHub is ready")
    return started


def plain(where: Site) -> list[Json]:
    """What the operator has made for a hub, as a person would write it: for another namespace."""
    return [written(item) for kind in PLAIN for item in where.kube.find(kind, where.namespace, INSTANCE)]


def written(item: Json) -> Json:
    """An object without what Kubernetes and the operator add to it."""
    metadata, spec = item["metadata"], dict(item.get("spec") or {})
    made: Json = {key: item[key] for key in ("apiVersion", "kind", "data", "type") if item.get(key) is not None}
    made["metadata"] = {"name": metadata["name"], "labels": metadata.get("labels") or {}}
    for key in ("clusterIP", "clusterIPs"):
        spec.pop(key, None)
    if item["kind"] == "Job":
        spec.pop("selector", None)
        labels = spec["template"]["metadata"].get("labels") or {}
        kept = {key: value for key, value in labels.items() if not key.endswith(("controller-uid", "job-name"))}
        spec["template"] = {**spec["template"], "metadata": {**spec["template"]["metadata"], "labels": kept}}
        made["metadata"]["labels"] = {key: value for key, value in made["metadata"]["labels"].items() if key in kept}
    if spec:
        made["spec"] = spec
    return made


def password(where: Site) -> str:
    """That of its database, which the operator has put into what it made."""
    return where.kube.secret(where.namespace, "postgres")["POSTGRES_PASSWORD"].decode()


def start_plain(where: Site, items: list[Json]) -> float:
    """Apply these objects, until the hub's pods serve. -> seconds"""
    begin = time.monotonic()
    where.kube.apply(items, where.namespace)

    def serves() -> bool:
        found = where.kube.get("Deployment", f"koji-{NAME}", where.namespace) or {}
        return bool((found.get("status") or {}).get("readyReplicas"))

    wait(serves, "the pods of plain manifests serve")
    return time.monotonic() - begin


def corrections(where: Site) -> dict[str, float]:
    """Seconds from what someone does to the operator's objects until it is as it was."""
    kube, namespace = where.kube, where.namespace

    def there(kind: str, name: str) -> Json:
        found = kube.get(kind, name, namespace)
        assert found is not None, f"no {kind} {name}"
        return found

    def again(kind: str, name: str, uid: str) -> bool:
        found = kube.get(kind, name, namespace)
        return found is not None and found["metadata"]["uid"] != uid

    found: dict[str, float] = {}
    before = there("ConfigMap", f"koji-{NAME}-config")["data"]
    kube.patch("ConfigMap", f"koji-{NAME}-config", namespace, {"data": {"hub.conf": "[hub]\n"}})
    found["configmap_edited"] = wait(
        lambda: there("ConfigMap", f"koji-{NAME}-config")["data"] == before, "the ConfigMap is as it was"
    )
    for kind, name in (("Secret", f"koji-{NAME}-secrets"), ("Deployment", f"koji-{NAME}")):
        where.wait(name=NAME)
        uid = there(kind, name)["metadata"]["uid"]
        kube.delete(kind, name, namespace)
        found[f"{kind.lower()}_deleted"] = wait(lambda k=kind, n=name, u=uid: again(k, n, u), f"the {kind} is back")  # type: ignore[misc]
    return found


def restart(where: Site, spec: dict[str, Any]) -> Load:
    """Ask all through a rolling restart of a ready hub."""
    hub = where.hub(NAME)
    before = {pod["metadata"]["uid"] for pod in where.pods(NAME)}
    with Load(hub) as asked:
        time.sleep(SETTLE)
        where.ready(NAME, TIMEOUT, **spec, env=[{"name": "RESTARTED", "value": "yes"}])
        wait(lambda: not before & {pod["metadata"]["uid"] for pod in where.pods(NAME)}, "the old pods are gone")
        time.sleep(SETTLE)
    return asked


def shared(replicas: int) -> dict[str, Any]:
    """A KojiHub whose pods can be several: its volumes can be mounted by all of them."""
    many = {f"{part}_pvc_access_modes": ["ReadWriteMany"] for part in ("mnt", "httpd")}
    return {"persistent": True, "replicas": replicas, **many}


def steady(namespace: str) -> Json:
    """A KojiHub with values in a spelling that the API server changes."""
    quantities = {"requests": {"memory": "1024Mi", "cpu": "0.5"}, "limits": {"memory": "1024Mi", "cpu": "0.5"}}
    return kojihub(namespace, NAME, resources=quantities, env=[{"name": "SOME", "value": "thing"}])
