# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What every cluster holds from the start: DNS Service, storage class and volumes, rights of the DNS server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .network import DNS_SERVICE_IP, NODE_IP, NODE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .paths import Places

STORAGE_CLASS = "standard"
VOLUME_COUNT = 64


def dns() -> list[dict[str, Any]]:
    """A Service for the DNS server outside of pods, and what that server may read."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system"},
            "spec": {
                "clusterIP": DNS_SERVICE_IP,
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                ],
            },
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kube-dns-1",
                "namespace": "kube-system",
                "labels": {"kubernetes.io/service-name": "kube-dns"},
            },
            "addressType": "IPv4",
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ],
            "endpoints": [{"addresses": [NODE_IP], "conditions": {"ready": True}}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["services", "pods", "namespaces", "endpoints"],
                    "verbs": ["list", "watch"],
                },
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:coredns"}],
        },
    ]


def storage_class() -> dict[str, Any]:
    """The default class: its volumes exist beforehand."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Retain",
        "allowVolumeExpansion": True,
    }


def volume(places: Places, name: str, size: str, modes: list[str]) -> dict[str, Any]:
    """A volume in the state folder. `local`, not `hostPath`: the kubelet gives only the former to a pod's fsGroup."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": modes,
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "local": {"path": str(places.volumes / name)},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [
                                {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
                            ]
                        }
                    ]
                }
            },
        },
    }


def volumes(places: Places) -> Iterator[dict[str, Any]]:
    """Half of them are for one node alone, as a cloud's disks are, and a bit smaller: who wants no more gets these."""
    for number, name in enumerate(volume_names()):
        if number % 2:
            yield volume(places, name, "99Gi", ["ReadWriteOnce"])
        else:
            yield volume(places, name, "100Gi", ["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"])


def make_folder(places: Places, name: str) -> None:
    """An empty volume that any user may write to."""
    (places.volumes / name).mkdir()
    (places.volumes / name).chmod(0o777)  # the umask doesn't apply


def volume_names() -> list[str]:
    """Names of all volumes; each has a folder of that name."""
    return [f"pv{number:02}" for number in range(1, VOLUME_COUNT + 1)]


def all_objects(places: Places) -> dict[str, Any]:
    """Everything, as one List."""
    items = [*dns(), storage_class(), *volumes(places)]
    return {"apiVersion": "v1", "kind": "List", "items": items}
