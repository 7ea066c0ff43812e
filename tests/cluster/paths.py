# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Names and folders: where a cluster keeps its state, and where built things are cached."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

STATE_ROOT = Path("/var/tmp/koji-operator")  # noqa: S108  a fixed, documented place; each cluster's folder is 0700
CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = Path(__file__).resolve().parent

# Part of a network namespace, a cgroup and a folder; short, as a socket's path may have 107 bytes.
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?")


class ClusterError(Exception):
    """Something about the test cluster that a person can act on; the message says what."""


def cache_root() -> Path:
    """The cache outside the checkout: `$KOJI_OPERATOR_CACHE`, else `~/.cache/koji-operator`."""
    return Path(os.environ.get("KOJI_OPERATOR_CACHE") or "~/.cache/koji-operator").expanduser()


@dataclass(frozen=True)
class Places:
    """Every path and name that belongs to one cluster."""

    name: str
    root: Path = STATE_ROOT

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ClusterError(f"cluster name {self.name!r}: use a-z, 0-9 and '-', at most 24 characters")

    @property
    def state(self) -> Path:
        return self.root / self.name

    @property
    def lock(self) -> Path:
        return self.root / f".{self.name}.lock"

    @property
    def netns(self) -> str:
        return f"koji-{self.name}"

    @property
    def netns_file(self) -> Path:
        return Path("/run/netns") / self.netns

    @property
    def cgroup(self) -> str:
        """Path of the cluster's cgroup in each hierarchy, pods included."""
        return f"/koji-{self.name}"

    @property
    def mount_namespace(self) -> Path:
        """A file that keeps the mount namespace of containerd and the kubelet alive."""
        return self.state / "namespace" / "mount"

    @property
    def pids(self) -> Path:
        return self.state / "pid"

    @property
    def logs(self) -> Path:
        return self.state / "log"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def config(self) -> Path:
        return self.state / "config"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.state / "audit.log"

    @property
    def resolv_conf(self) -> Path:
        return self.state / "resolv.conf"

    @property
    def containerd_socket(self) -> Path:
        return self.state / "containerd.sock"

    @property
    def volumes(self) -> Path:
        return self.state / "volumes"

    @property
    def images(self) -> Path:
        """Which images, by content hash, this cluster has: JSON, {reference: hash}."""
        return self.state / "images.json"
