# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The cluster's cgroup: it holds every process of the cluster, pods and shims included, whoever started it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from .paths import ClusterError

MOUNT = Path("/sys/fs/cgroup")


def hierarchies(mount: Path = MOUNT) -> list[Path]:
    """The root of each cgroup hierarchy: one in version 2, one a controller in version 1."""
    if (mount / "cgroup.controllers").exists():
        return [mount]
    return sorted(folder for folder in mount.iterdir() if (folder / "cgroup.procs").exists())


def tracking(mount: Path = MOUNT) -> Path:
    """The hierarchy whose membership decides what belongs to a cluster."""
    if (mount / "cgroup.controllers").exists():
        return mount
    if not (mount / "pids" / "cgroup.procs").exists():
        raise ClusterError(f"{mount}/pids: no such cgroup hierarchy; the kubelet needs the pids controller")
    return mount / "pids"


def create(cgroup: str, mount: Path = MOUNT) -> None:
    """Make the cgroup in every hierarchy (the kubelet wants its root to exist in each), and its leaf for daemons."""
    for root in hierarchies(mount):
        folder = root / cgroup.lstrip("/")
        folder.mkdir(exist_ok=True)
        for inherited in ("cpuset.cpus", "cpuset.mems"):  # version 1: a cpuset takes no process before
            if (folder / inherited).exists() and not (folder / inherited).read_text().strip():
                (folder / inherited).write_text((root / inherited).read_text())
    if (mount / "cgroup.controllers").exists():
        enable = " ".join(f"+{name}" for name in (mount / "cgroup.controllers").read_text().split())
        for folder in (mount, mount / cgroup.lstrip("/")):
            with suppress(OSError):
                (folder / "cgroup.subtree_control").write_text(enable)
    daemons(cgroup, mount).mkdir(exist_ok=True)
    guests(cgroup, mount).mkdir(exist_ok=True)


def daemons(cgroup: str, mount: Path = MOUNT) -> Path:
    """The leaf for the cluster's own programs: in version 2 a cgroup with children holds no process itself."""
    return tracking(mount) / cgroup.lstrip("/") / "daemons"


def guests(cgroup: str, mount: Path = MOUNT) -> Path:
    """The leaf for programs that `exec` runs."""
    return tracking(mount) / cgroup.lstrip("/") / "guests"


def leave(cgroup: str, mount: Path = MOUNT) -> None:
    """Move this process out of the cgroup, if it is in it."""
    if os.getpid() in members(cgroup, mount):
        (tracking(mount) / "cgroup.procs").write_text(str(os.getpid()))


def members(cgroup: str, mount: Path = MOUNT) -> set[int]:
    """Ids of all processes in the cgroup and below."""
    found: set[int] = set()
    for root, _, _ in os.walk(tracking(mount) / cgroup.lstrip("/")):
        with suppress(OSError):
            found.update(int(line) for line in (Path(root) / "cgroup.procs").read_text().split())
    found.discard(0)
    return found


def kill(cgroup: str, deadline: float = 20, mount: Path = MOUNT) -> None:
    """End every process of the cgroup; what is started meanwhile is ended too.

    Errors: ClusterError when some process outlives `deadline` seconds.
    """
    until = time.monotonic() + deadline
    while alive := members(cgroup, mount):
        if time.monotonic() > until:
            raise ClusterError(f"processes {sorted(alive)} in cgroup {cgroup} don't end, even by SIGKILL")
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def remove(cgroup: str, deadline: float = 10, mount: Path = MOUNT) -> None:
    """Delete the empty cgroup in every hierarchy."""
    until = time.monotonic() + deadline
    for root in hierarchies(mount):
        top = root / cgroup.lstrip("/")
        while top.exists():
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()
            if top.exists():
                if time.monotonic() > until:
                    raise ClusterError(f"{top}: can't be removed; something still runs in it")
                time.sleep(0.05)
