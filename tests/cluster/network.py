# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Addresses, and the network namespace that holds one cluster's whole network."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from .paths import ClusterError

if TYPE_CHECKING:
    from .paths import Places

# The same in each cluster: they never meet, as each has a network namespace of its own.
NODE_IP = "10.89.0.1"
POD_CIDR = "10.244.0.0/24"
SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
DOMAIN = "cluster.local"
NODE_NAME = "node1"


def run(*command: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


def create(places: Places) -> None:
    """Make the namespace with the node's address on a bridge (not every kernel has the `dummy` device)."""
    if not places.netns_file.exists():
        run("ip", "netns", "add", places.netns)
    script = f"""
        set -e
        ip link set lo up
        ip link show node0 >/dev/null 2>&1 || ip link add node0 type bridge
        ip address replace {NODE_IP}/24 dev node0
        ip link set node0 up
        ip route replace default dev node0  # addresses of Services must be routable to be translated
        sysctl -qw net.ipv4.ip_forward=1
    """
    # Not `ip netns exec`: it remounts /sys and hides the cgroups from the kubelet.
    run("nsenter", f"--net={places.netns_file}", "sh", "-c", script)


def remove(places: Places) -> None:
    """Delete the namespace, and with it each interface, route and packet filter rule in it."""
    if places.netns_file.exists():
        run("ip", "netns", "delete", places.netns)
