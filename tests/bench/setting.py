# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Builds what is measured: a namespace with a hub, a KojiBuilder, and kojid loops in pods beside it."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import kojid_loop
from tests.devloop.environment import environment
from tests.e2e.kojiweb.site import IMAGE as HUB_IMAGE
from tests.e2e.operator import CHECKOUT, Operator
from tests.e2e.resources import IMAGE, resource

if TYPE_CHECKING:
    from collections.abc import Iterator

    import koji

    from tests.bench.runs import TimedRuns
    from tests.e2e.hub import Hub
    from tests.e2e.kube import Kube

BUILDER = "bench"
CHANNEL = "bench-operator"  # the operator's own, so that a task goes to whom it is meant for
OTHERS = f"{CHANNEL}-others"  # the neighbours' channel, in which no task is made
START = 300  # seconds; a busy machine of two cores takes its time


@dataclass(frozen=True)
class Kojid:
    """One kojid loop: its host's and pod's name, and the channel of its tasks."""

    name: str

    @property
    def channel(self) -> str:
        """A channel that only this host is in."""
        return self.name


def install_crds(kube: Kube) -> None:
    """Apply the CRDs and wait until they serve."""
    for path in sorted((CHECKOUT / "config/crd/bases").glob("*.yaml")):
        for item in kube.apply(path.read_text("utf-8")):
            kube.wait_condition("CustomResourceDefinition", item["metadata"]["name"], "", 30, "Established")


@contextmanager
def namespace(kube: Kube, name: str) -> Iterator[str]:
    """A namespace for the time of a `with` block."""
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield name
    finally:
        # Resources first, while their hub is there.
        for kind in ("KojiBuilder", "KojiUser"):
            for item in kube.find(kind, name):
                kube.delete(kind, item["metadata"]["name"], name)
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and (kube.find("KojiBuilder", name) or kube.find("KojiUser", name)):
            time.sleep(1)
        kube.delete("Namespace", name)


@contextmanager
def operator(runs: TimedRuns) -> Iterator[Operator]:
    """The operator over all namespaces for the time of a `with` block, each of its runs timed."""
    path = environment(os.environ, CHECKOUT)["PATH"]
    extra = {"MAX_CONCURRENT_RECONCILES_CONFIGMAP_": "8", **runs.environment(path)}
    running = Operator(CHECKOUT, "bench-operator", extra, elected=True)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def start_builder(kube: Kube, name: str, slots: int, builder: str = BUILDER, channel: str = CHANNEL) -> None:
    """A KojiBuilder with default settings but for its image, channel and slots, once it is ready."""
    spec = {"image": IMAGE, "image_pull_policy": "IfNotPresent", "replicas": slots, "channels": [channel]}
    kube.apply(resource("KojiBuilder", builder, name, **spec))
    kube.wait_condition("KojiBuilder", builder, name, START)


def start_neighbours(kube: Kube, name: str, count: int) -> None:
    """More KojiBuilders in the namespace, of other channels, once they are ready."""
    names = [f"{BUILDER}-{number}" for number in range(1, count + 1)]
    spec = {"image": IMAGE, "image_pull_policy": "IfNotPresent", "channels": [OTHERS]}
    kube.apply([resource("KojiBuilder", one, name, **spec) for one in names])
    for one in names:
        kube.wait_condition("KojiBuilder", one, name, START)


def remove_neighbours(kube: Kube, name: str) -> None:
    """Delete them again, and wait until they are gone."""
    others = [item["metadata"]["name"] for item in kube.find("KojiBuilder", name)]
    others = [one for one in others if one.startswith(f"{BUILDER}-")]
    for one in others:
        kube.delete("KojiBuilder", one, name)
    for one in others:
        kube.wait_gone("KojiBuilder", one, name, START)


def start_kojids(kube: Kube, hub: Hub, slots: int, count: int) -> list[Kojid]:
    """Kojid loops in pods of the builder's image, on hosts of the same capacity as the operator's."""
    kojids = [Kojid(f"bench-kojid-{number}") for number in range(1, count + 1)]
    script = Path(kojid_loop.__file__).read_text("utf-8")
    metadata = {"name": "bench-kojid", "namespace": hub.namespace}
    admin = hub.session()
    items: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"kojid_loop.py": script}}
    ]
    for kojid in kojids:
        admin.addHost(kojid.name, ["x86_64"])
        admin.editHost(kojid.name, capacity=6.0 * slots)
        admin.addHostToChannel(kojid.name, kojid.channel, create=True)
        admin.removeHostFromChannel(kojid.name, "default")
        items += [hub.deployed.user_secret(kojid.name, kojid.name), kojid_pod(kojid, hub)]
    kube.apply_all(items)
    hosts = [admin.getHost(kojid.name)["id"] for kojid in kojids]
    kube.wait_for(lambda: all(map(admin.getLastHostUpdate, hosts)), START, "the kojid loops check in")
    return kojids


def kojid_pod(kojid: Kojid, hub: Hub) -> dict[str, Any]:
    """The pod of a kojid loop."""
    environment = {
        "HUB_URL": hub.url,
        "CA": "/etc/kojid/ca.crt",
        "PEM": "/etc/kojid/client.pem",
        "WORKDIR": "/tmp/koji",  # noqa: S108 - the pod's own
    }
    container = {
        "name": "kojid",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "/opt/bench/kojid_loop.py"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "volumeMounts": [
            {"name": "certificates", "mountPath": "/etc/kojid"},
            {"name": "loop", "mountPath": "/opt/bench"},
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": kojid.name, "namespace": hub.namespace},
        "spec": {
            "restartPolicy": "OnFailure",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
            "volumes": [
                {"name": "certificates", "secret": {"secretName": kojid.name}},
                {"name": "loop", "configMap": {"name": "bench-kojid"}},
            ],
        },
    }


def make_channel(admin: koji.ClientSession, name: str) -> None:
    """A channel of the hub, if it isn't there."""
    if admin.getChannel(name) is None:
        admin.addChannel(name)


def steady_resources(name: str) -> list[dict[str, Any]]:
    """One resource of each kind, with values in a spelling that the API server changes (1Gi, 500m, TCP)."""
    quantities = {"requests": {"memory": "1024Mi", "cpu": "0.5"}, "limits": {"memory": "1024Mi", "cpu": "0.5"}}
    builder = {
        "image": IMAGE,
        "image_pull_policy": "IfNotPresent",
        "resources": quantities,
        "channels": [CHANNEL],
        "pod_disruption_budget": {"maxUnavailable": 1},
        "network_policy": {"egress": [{"ports": [{"port": 443}], "to": []}]},
    }
    return [
        resource("KojiUser", "bench-steady-user", name, permissions=["repo"]),
        resource("KojiBuilder", "bench-steady", name, **builder),
        resource("KojiWeb", "bench-web", name, image=HUB_IMAGE, image_pull_policy="IfNotPresent", resources=quantities),
    ]
