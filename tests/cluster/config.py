# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Configuration files of the cluster's components, as text. Nothing here touches the machine."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from .network import DNS_SERVICE_IP, DOMAIN, NODE_IP, POD_CIDR

if TYPE_CHECKING:
    from pathlib import Path

    from .paths import Places

PAUSE_IMAGE = "localhost/pause:dev"
SERVER = f"https://{NODE_IP}:6443"


def document(data: dict[str, Any]) -> str:
    """A configuration file: JSON, which every reader of YAML takes."""
    return json.dumps(data, indent=2) + "\n"


def kubeconfig(pki: Path, client: str) -> str:
    """A kubeconfig for one of `pki.CLIENTS`, with its certificates inside: the file works wherever it is copied."""

    def data(file: str) -> str:
        return base64.b64encode((pki / file).read_bytes()).decode()

    return document(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "koji", "cluster": {"server": SERVER, "certificate-authority-data": data("ca.crt")}}],
            "users": [
                {
                    "name": client,
                    "user": {
                        "client-certificate-data": data(f"{client}.crt"),
                        "client-key-data": data(f"{client}.key"),
                    },
                }
            ],
            "contexts": [{"name": "koji", "context": {"cluster": "koji", "user": client}}],
            "current-context": "koji",
        }
    )


def audit_policy() -> str:
    """Who did what to which object: every write, and every read but the components' own."""
    return document(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                {
                    "level": "None",
                    "users": [
                        "system:apiserver",
                        "system:coredns",
                        "system:kube-controller-manager",
                        "system:kube-proxy",
                        "system:kube-scheduler",
                    ],
                    "verbs": ["get", "list", "watch"],
                },
                {
                    "level": "None",
                    "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"],
                    "verbs": ["get", "list", "watch"],
                },
                {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version"]},
                {"level": "Metadata"},
            ],
        }
    )


def kubelet(places: Places) -> str:
    """The kubelet at its defaults, but for what one node without a registry on any kernel needs."""
    return document(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(places.pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": places.cgroup,  # else the kubelets of two clusters delete each other's pods
            "clusterDNS": [DNS_SERVICE_IP],
            "clusterDomain": DOMAIN,
            "containerRuntimeEndpoint": f"unix://{places.containerd_socket}",
            "enforceNodeAllocatable": [],
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "failCgroupV1": False,
            "failSwapOn": False,
            "imageGCHighThresholdPercent": 100,  # an image that is collected could not be pulled again
            "podLogsDir": str(places.state / "pod-logs"),
            "resolvConf": str(places.config / "upstream-resolv.conf"),
            "tlsCertFile": str(places.pki / "kubelet-server.crt"),
            "tlsPrivateKeyFile": str(places.pki / "kubelet-server.key"),
            "volumePluginDir": str(places.state / "kubelet" / "volume-plugins"),
        }
    )


def containerd(places: Places) -> str:
    """containerd with all it keeps below the state folder."""
    return f"""\
version = 2
root = "{places.state}/containerd/root"
state = "{places.state}/containerd/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = "{places.containerd_socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{places.state}/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true  # without CAP_SYS_RESOURCE runc can't lower the score, and dies
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        BinaryName = "/usr/sbin/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{places.config}/cni"
"""


def cni(places: Places) -> str:
    """Pod network: a routed pair of interfaces each.

    Not a bridge: there the answer of a Service whose pod shares the bridge goes past the address translation,
    unless the kernel has br_netfilter.
    """
    return document(
        {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "ptp",
                    "ipMasq": False,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": str(places.state / "cni"),
                        "ranges": [[{"subnet": POD_CIDR}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }
    )


def corefile(places: Places) -> str:
    """The cluster's DNS; names outside the cluster don't exist."""
    return f"""\
.:53 {{
  bind {NODE_IP}
  errors
  kubernetes {DOMAIN} in-addr.arpa {{
    kubeconfig {places.config}/coredns.kubeconfig
    ttl 5
  }}
}}
"""


def resolv_conf(server: str = DNS_SERVICE_IP) -> str:
    """For programs under `exec`: they see names as a pod does, but for the namespace's own."""
    return f"nameserver {server}\nsearch svc.{DOMAIN} {DOMAIN}\noptions ndots:5\n"
