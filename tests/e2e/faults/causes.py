# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How faults are caused that the API server knows no call for: on the node, in its container engine, by a handler."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster import Cluster
from tests.cluster.processes import ProcessRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kube import Json, Kube

HANDLERS = "faulty-handlers"  # ConfigMap with the plugin and the kojid.conf that loads it
PLUGIN = Path(__file__).with_name("handlers.py")
# What a builder's spec needs so that its pods have the task methods of handlers.py.
WITH_HANDLERS: dict[str, Any] = {
    "configmap": HANDLERS,
    "volumes": [{"name": "handlers", "configMap": {"name": HANDLERS}}],
    "volume_mounts": [{"name": "handlers", "mountPath": "/opt/handlers", "readOnly": True}],
}


def install_handlers(kube: Kube, namespace: str) -> None:
    """Make the ConfigMap that WITH_HANDLERS names; before the builder, which reads it once."""
    # Runners wait a minute between attempts to reach a hub that is down, as kojid does; no test waits for that.
    patience = "retry_interval = 1\noffline_retry_interval = 1\n"
    conf = f"[kojid]\nplugins = faulty\npluginpath = /opt/handlers\n{patience}"
    data = {"faulty.py": PLUGIN.read_text("utf-8"), "kojid.conf": conf}
    metadata = {"name": HANDLERS, "namespace": namespace}
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def cluster() -> Cluster:
    """The test cluster that this runs in. AssertionError in another one, whose node isn't this machine."""
    name = os.environ.get("KOJI_TEST_CLUSTER")
    assert name, "this fault is caused on the node: run it in the test cluster, not in that of KUBECONFIG"
    return Cluster(name)


def container_pid(pod: Json) -> int:
    """The process, as this machine numbers it, that is the first one of a pod's container `task`."""
    status = next(each for each in pod["status"]["containerStatuses"] if each["name"] == "task")
    container = status["containerID"].rpartition("/")[2]
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if container in (folder / "cgroup").read_text():
                ids = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("NSpid:"))
                if ids.split()[-1] == "1":
                    return int(folder.name)
    raise AssertionError(f"no process of container {container} of pod {pod['metadata']['name']} on this machine")


def kill_container(pod: Json) -> None:
    """kill -9 of a pod's first process, from outside."""
    os.kill(container_pid(pod), signal.SIGKILL)


@contextlib.contextmanager
def kubelet_stopped() -> Iterator[None]:
    """A node whose kubelet does nothing for a while; containers go on."""
    record = ProcessRecord.read(cluster().places.pids / "kubelet.json")
    assert record is not None
    assert record.alive(), "the kubelet does not run"
    os.kill(record.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(record.pid, signal.SIGCONT)


def tag_image(source: str, name: str) -> None:
    """Give an image of the node one more name, or give the name to another image."""
    _ctr("images", "tag", "--force", source, name)


def remove_image(name: str) -> None:
    """Take an image's name from the node. Pods that run go on."""
    _ctr("images", "rm", "--sync", name)


def _ctr(*words: str) -> None:
    command = ["ctr", f"--address={cluster().places.containerd_socket}", "--namespace=k8s.io", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
