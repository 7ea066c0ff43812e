# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Debian packages that the cluster, its images and tests with servers need on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from .paths import ClusterError
from .progress import step

if TYPE_CHECKING:
    from collections.abc import Iterable

CLUSTER = (
    "buildah", "busybox-static", "conntrack", "containerd", "containernetworking-plugins", "etcd-server", "iproute2",
    "iptables", "kmod", "mount", "nftables", "procps", "runc", "util-linux",
)  # fmt: skip
# Tests with servers on loopback. apache2-bin has no service that would start.
LOOPBACK = ("apache2-bin", "libapache2-mod-wsgi-py3", "postgresql", "python3-psycopg2")
IMAGES = ("buildah", "busybox-static", "ca-certificates", "debootstrap")


def installed(status: str) -> set[str]:
    """Names of the installed packages in the output of `dpkg-query -W -f '${db:Status-Status} ${Package}\\n'`."""
    return {line.split()[1] for line in status.splitlines() if line.startswith("installed ")}


def missing(wanted: Iterable[str]) -> list[str]:
    """Which of these packages aren't installed."""
    if not shutil.which("dpkg-query"):
        raise ClusterError("the test cluster needs Debian: there is no dpkg-query here")
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\\n"]
    found = installed(subprocess.run(query, capture_output=True, text=True, check=True).stdout)
    return sorted(set(wanted) - found)


def ensure(wanted: Iterable[str]) -> None:
    """Install what is missing; the services of etcd and containerd may run beside ours, which has its own network."""
    lacking = missing(wanted)
    if not lacking:
        return
    command = "apt-get install --no-install-recommends " + " ".join(lacking)
    if os.geteuid() != 0:
        raise ClusterError(f"Debian packages are missing; as root: {command}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing Debian packages: {' '.join(lacking)}"):
        for attempt in (["apt-get", "update", "-qq"], [*command.split(), "-qq", "--yes"]):
            done = subprocess.run(attempt, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ClusterError(f"{' '.join(attempt)}: {done.stderr.strip() or done.stdout.strip()}")
