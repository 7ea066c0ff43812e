# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A namespace with a hub, and builders of each security profile whose pods have stand-ins for kojid and mock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import koji
import pytest
import yaml

from tests.cluster.command import OWN
from tests.cluster.paths import Places
from tests.e2e.resources import READY, builder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Kube

IMAGE = Path(__file__).parent / "image"
TASK_TIME = 180  # seconds that a short task may take on a busy machine, its builder's first run included
GROUPS = "root:x:0:\nmock:x:135:kojibuilder\nnogroup:x:65534:\n"
ENFORCE = "pod-security.kubernetes.io/enforce"
# Each has a channel of its own that every hub has.
CHANNELS = {"userns": "createrepo", "sysadmin": "maven", "restricted": "image", "filtered": "vm"}


@pytest.fixture(scope="module")
def enforce(kube: Kube, module_namespace: str) -> Callable[[str], None]:
    """Have the namespace enforce a Pod Security level; what runs already stays."""

    def label(level: str) -> None:
        kube.patch("Namespace", module_namespace, None, {"metadata": {"labels": {ENFORCE: level}}})

    return label


@pytest.fixture(scope="module")
def builders(kube: Kube, hub: Hub, operator: object) -> None:
    """The builders. They are not waited for: a task waits on the hub until its host is there."""
    data = {"kojid": (IMAGE / "kojid").read_text(), "mock": (IMAGE / "mock").read_text(), "group": GROUPS}
    kube.apply(
        [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "image"}, "data": data},
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "koji-mnt"},
                "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
            },
        ],
        hub.namespace,
    )
    stand_ins = {
        "volumes": [{"name": "image", "configMap": {"name": "image", "defaultMode": 0o755}}],
        "volume_mounts": [
            {"name": "image", "mountPath": "/usr/sbin/kojid", "subPath": "kojid", "readOnly": True},
            {"name": "image", "mountPath": "/usr/bin/mock", "subPath": "mock", "readOnly": True},
            {"name": "image", "mountPath": "/etc/group", "subPath": "group", "readOnly": True},
        ],
    }
    volume = {"shared_pvc": "koji-mnt", "volume_methods": ["withVolume"]}
    specs: dict[str, dict[str, Any]] = {
        "userns": {**stand_ins, **volume, "security_profile": "userns"},
        "sysadmin": {**stand_ins, "security_profile": "sysadmin"},
        "restricted": {"security_profile": "restricted"},
        # As on nodes whose kubelets have seccompDefault.
        "filtered": {
            **stand_ins,
            "security_profile": "userns",
            "security_context": {"seccompProfile": {"type": "RuntimeDefault"}},
        },
    }
    kube.apply([builder(name, hub.namespace, channels=[CHANNELS[name]], **spec) for name, spec in specs.items()])


@pytest.fixture(scope="module")
def make(hub: Hub, builders: None) -> Callable[..., int]:
    """Make a task for one builder: `make("userns", "sleep", 1)` gives its id."""

    def task(name: str, method: str, *args: Any) -> int:
        return int(hub.session().makeTask(method, list(args), channel=CHANNELS[name]))

    return task


@pytest.fixture(scope="module")
def result(kube: Kube, hub: Hub) -> Callable[[int], Any]:
    """Wait until a task has ended; what it returned. It raises what the task failed with."""

    def wait(task: int) -> Any:
        session = hub.session()
        ended = [koji.TASK_STATES[state] for state in ("CLOSED", "FAILED", "CANCELED")]
        kube.wait_for(
            lambda: session.getTaskInfo(task)["state"] in ended,
            TASK_TIME,
            f"task {task} has ended",
            lambda: session.getTaskInfo(task),
        )
        return session.getTaskResult(task)

    return wait


@pytest.fixture(scope="module")
def node_profile(kube: Kube, checkout: Path) -> Iterator[str]:
    """The profile of config/seccomp, put onto the node by its own DaemonSet; its path for spec.seccomp_profile."""
    text = kube.kubectl("kustomize", str(checkout / "config" / "seccomp"))
    if name := os.environ.get(OWN):  # this cluster pulls no images, and its kubelet's folder is elsewhere
        text = text.replace("/var/lib/kubelet", str(Places(name).state / "kubelet"))
        text = text.replace("docker.io/library/busybox:1.37", "localhost/pause:dev")
    items = [item for item in yaml.safe_load_all(text) if item]
    kube.apply(items)
    kube.wait_object(
        "DaemonSet",
        "koji-seccomp",
        "koji-seccomp",
        lambda item: 0 < item["status"]["desiredNumberScheduled"] == item["status"].get("numberReady"),
        READY,
        "the profile is on every node",
        "apps/v1",
    )
    yield "koji/koji-builder.json"
    kube.delete("Namespace", "koji-seccomp")
