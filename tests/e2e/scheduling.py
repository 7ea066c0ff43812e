# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The scheduler without the operator: koji_task_pod in a process of its own, and builders that no role looks after."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .hub import Hub
    from .kube import Json, Kube

MODULE = "ansible_collections.fedoraproject.koji.plugins.modules.koji_task_pod"
ACCOUNT = "scheduler"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a process has used: CPU seconds since its start, MiB now and at most."""

    cpu: float
    memory: float
    peak: float


def usage(pid: int) -> Usage:
    """Of a process, from /proc. OSError if it has gone."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines())
    memory, peak = (int(status[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
    return Usage((int(fields[11]) + int(fields[12])) / TICKS, memory, peak)


def account(kube: Kube, namespace: str, folder: Path) -> tuple[Path, str]:
    """A ServiceAccount for a scheduler of one namespace. -> its kubeconfig, its name in the audit log"""
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    kube.apply(
        [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": ACCOUNT, "namespace": namespace}, "subjects": [subject],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            },
        ]
    )  # fmt: skip
    token = kube.kubectl("create", "token", ACCOUNT, "-n", namespace).strip()
    config = yaml.safe_load(kube.kubectl("config", "view", "--raw", "--flatten", "--minify"))
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": {"token": token}}]
    path = folder / f"{namespace}.kubeconfig"
    path.touch(0o600)
    path.write_text(json.dumps(config), "utf-8")
    return path, f"system:serviceaccount:{namespace}:{ACCOUNT}"


class SchedulerProcess:
    """koji_task_pod, run by itself with the arguments of the playbook; its result is what it prints at its end."""

    def __init__(self, namespace: str, kubeconfig: Path, folder: Path, **options: Any) -> None:
        arguments = {"namespace": namespace, "kubeconfig": str(kubeconfig), **options}
        path = folder / f"{namespace}.json"
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_remote_tmp": str(folder)}}), "utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.began = time.monotonic()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def usage(self) -> Usage:
        """What it has used so far. AssertionError if it has ended."""
        assert self._process.poll() is None, f"the scheduler has ended: {self._process.communicate()}"
        return usage(self.pid)

    def stop(self, timeout: float = 60) -> Json:
        """End it as the kubelet would. -> the module's result"""
        self._process.send_signal(signal.SIGTERM)
        out, err = self._process.communicate(timeout=timeout)
        assert self._process.returncode == 0, f"koji_task_pod ended with {self._process.returncode}: {out}{err}"
        result: Json = json.loads(out)
        return result

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.communicate()


def copy_builder(
    kube: Kube, hub: Hub, first: str, names: list[str], channel: str, namespace: str | None = None
) -> None:
    """Make builders beside `first`, which the role has made, as the role would: host, resource, Secret, ConfigMap.

    Their pods use the first one's runner. `namespace`: another one; it gets the hub's CA as well.
    """
    target = namespace or hub.namespace
    admin = hub.session()
    host = admin.getHost(first)
    with admin.multicall(strict=True) as calls:
        for name in names:
            calls.addHost(name, host["arches"].split())
            calls.editHost(name, capacity=host["capacity"])
            calls.addHostToChannel(name, channel)
            calls.removeHostFromChannel(name, "default")
    resource = kube.get("KojiBuilder", first, hub.namespace)
    files = kube.get("ConfigMap", f"koji-{first}-builder", hub.namespace)
    assert resource is not None
    assert files is not None
    if namespace:
        ca = {
            key: base64.b64encode(value).decode()
            for key, value in kube.secret(hub.namespace, "koji-hub-ca-cert").items()
        }
        metadata = {"name": "koji-hub-ca-cert", "namespace": target}
        kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": ca})
    for name in names:
        metadata = {"name": name, "namespace": target}
        made = kube.create({**_bare(resource), "metadata": metadata, "spec": resource["spec"]}, target)
        client = hub.deployed.user_secret(f"koji-{name}-client-cert", name)
        client["metadata"]["namespace"] = target
        kube.create(client, target)
        kube.create(_settings(files, first, name, target, made), target)


def _bare(item: Json) -> Json:
    return {key: item[key] for key in ("apiVersion", "kind")}


def _settings(files: Json, first: str, name: str, namespace: str, owner: Json) -> Json:
    """The ConfigMap of a builder, from that of another one."""
    data = deepcopy(files["data"])
    settings: dict[str, Any] = json.loads(data["builder.json"])
    settings.update(user=name, client_secret=f"koji-{name}-client-cert")
    pod: dict[str, Any] = json.loads(data["pod.json"])
    label = "apps.fedoraproject.org/builder"
    pod["metadata"]["namespace"] = namespace
    pod["metadata"]["labels"][label] = name
    data.update({"builder.json": json.dumps(settings), "pod.json": json.dumps(pod)})
    reference = {**_bare(owner), "name": name, "uid": owner["metadata"]["uid"], "controller": True}
    metadata: Mapping[str, Any] = {
        "name": f"koji-{name}-builder", "namespace": namespace, "labels": {label: name}, "ownerReferences": [reference],
    }  # fmt: skip
    return {**_bare(files), "metadata": metadata, "data": data}
