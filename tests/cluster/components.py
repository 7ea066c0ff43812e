# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The programs of a cluster: their command lines, and how they are started in its namespaces."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import cgroups
from .network import NODE_IP, NODE_NAME, POD_CIDR, SERVICE_CIDR
from .processes import ProcessRecord

if TYPE_CHECKING:
    from pathlib import Path

    from .paths import Places


@dataclass(frozen=True)
class Component:
    """One program: what it is called and started with."""

    name: str
    command: list[str]
    in_mount_namespace: bool = False  # containerd and the kubelet: they mount, and must see each other's mounts


def components(places: Places, binaries: Path) -> list[Component]:
    """All programs of a cluster, in the order they are started."""
    pki, config = places.pki, places.config
    return [
        Component(
            "etcd",
            [
                "etcd",
                f"--data-dir={places.state}/etcd",
                "--unsafe-no-fsync",  # the state is thrown away with the cluster
                "--listen-client-urls=http://127.0.0.1:2379",
                "--advertise-client-urls=http://127.0.0.1:2379",
                "--listen-peer-urls=http://127.0.0.1:2380",
                "--initial-advertise-peer-urls=http://127.0.0.1:2380",
                "--initial-cluster=default=http://127.0.0.1:2380",
                "--quota-backend-bytes=8589934592",
                "--log-level=warn",
            ],
        ),
        Component(
            "apiserver",
            [
                f"{binaries}/kube-apiserver",
                "--etcd-servers=http://127.0.0.1:2379",
                "--secure-port=6443",
                f"--advertise-address={NODE_IP}",
                f"--tls-cert-file={pki}/apiserver.crt",
                f"--tls-private-key-file={pki}/apiserver.key",
                f"--client-ca-file={pki}/ca.crt",
                f"--cert-dir={places.state}/apiserver",
                "--authorization-mode=Node,RBAC",
                "--anonymous-auth=false",
                # OpenShift has the first; without it a missing permission on finalizers goes unnoticed.
                "--enable-admission-plugins=OwnerReferencesPermissionEnforcement,NodeRestriction",
                f"--service-account-key-file={pki}/sa.pub",
                f"--service-account-signing-key-file={pki}/sa.key",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                f"--service-cluster-ip-range={SERVICE_CIDR}",
                f"--kubelet-certificate-authority={pki}/ca.crt",
                f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
                f"--kubelet-client-key={pki}/apiserver-kubelet.key",
                "--kubelet-preferred-address-types=InternalIP",
                "--allow-privileged=true",
                f"--audit-policy-file={config}/audit-policy.yaml",
                f"--audit-log-path={places.audit_log}",
                "--audit-log-mode=blocking",  # a request that has been answered is in the file
                "--audit-log-maxsize=4096",  # MB: never rotated, so that a test can count from an offset on
                "--max-requests-inflight=2000",
                "--max-mutating-requests-inflight=1000",
            ],
        ),
        Component(
            "controller-manager",
            [
                f"{binaries}/kube-controller-manager",
                f"--kubeconfig={config}/controller-manager.kubeconfig",
                f"--authentication-kubeconfig={config}/controller-manager.kubeconfig",
                f"--authorization-kubeconfig={config}/controller-manager.kubeconfig",
                f"--cert-dir={places.state}/controller-manager",
                "--leader-elect=false",
                "--use-service-account-credentials=true",
                f"--service-account-private-key-file={pki}/sa.key",
                f"--root-ca-file={pki}/ca.crt",
                f"--cluster-signing-cert-file={pki}/ca.crt",
                f"--cluster-signing-key-file={pki}/ca.key",
                "--allocate-node-cidrs=false",
                f"--flex-volume-plugin-dir={places.state}/controller-manager/volume-plugins",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
            ],
        ),
        Component(
            "scheduler",
            [
                f"{binaries}/kube-scheduler",
                f"--kubeconfig={config}/scheduler.kubeconfig",
                f"--authentication-kubeconfig={config}/scheduler.kubeconfig",
                f"--authorization-kubeconfig={config}/scheduler.kubeconfig",
                f"--cert-dir={places.state}/scheduler",
                "--leader-elect=false",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
            ],
        ),
        Component("containerd", ["containerd", f"--config={config}/containerd.toml"], in_mount_namespace=True),
        Component(
            "kubelet",
            [
                f"{binaries}/kubelet",
                f"--config={config}/kubelet.yaml",
                f"--kubeconfig={config}/kubelet.kubeconfig",
                f"--hostname-override={NODE_NAME}",
                f"--root-dir={places.state}/kubelet",
                f"--cert-dir={places.state}/kubelet/pki",
                f"--node-ip={NODE_IP}",
            ],
            in_mount_namespace=True,
        ),
        Component(
            "proxy",
            [
                f"{binaries}/kube-proxy",
                f"--kubeconfig={config}/proxy.kubeconfig",
                f"--hostname-override={NODE_NAME}",
                f"--cluster-cidr={POD_CIDR}",
                "--proxy-mode=nftables",
                "--conntrack-max-per-core=0",
                "--nodeport-addresses=primary",
            ],
        ),
        Component("coredns", [f"{binaries}/coredns", f"-conf={config}/Corefile"]),
    ]


def start(places: Places, component: Component, environment: dict[str, str]) -> ProcessRecord:
    """Start a component in the cluster's namespaces and cgroup, apart from this terminal, and record its id."""
    namespaces = [f"--net={places.netns_file}"]
    if component.in_mount_namespace:
        namespaces.append(f"--mount={places.mount_namespace}")
    tasks = cgroups.daemons(places.cgroup) / "cgroup.procs"
    # The cgroup is joined before the program runs, so that no child of it is ever outside.
    join = 'echo $$ > "$1" && shift && exec nsenter "$@"'
    with (places.logs / f"{component.name}.log").open("ab") as log:
        process = subprocess.Popen(
            ["sh", "-c", join, "sh", tasks, *namespaces, "--", *component.command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=environment,
        )
    record = ProcessRecord.of(process.pid)
    if record is None:  # it is dead already; the id is kept for the message only
        record = ProcessRecord(process.pid, 0, "")
    record.write(places.pids / f"{component.name}.json")
    return record


def environment(binaries: Path) -> dict[str, str]:
    """What components see: nothing of the caller's proxies and configuration."""
    return {
        "PATH": f"{binaries}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),  # noqa: S108
    }
