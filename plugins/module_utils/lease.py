# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One scheduler a namespace: a coordination.k8s.io Lease, held by a process."""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import epoch

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "koji-scheduler"
DURATION = 6  # seconds
RENEW = 1.5  # seconds between renewals: three may fail
MARGIN = 1.0  # seconds before its end from which a Lease of ours does not count any more


class LeaseStore(Protocol):
    """Where Leases are kept. Both writes give None when somebody else was faster (409)."""

    def get_lease(self, name: str) -> dict[str, Any] | None:
        """The Lease, or None."""

    def create_lease(self, manifest: dict[str, Any]) -> dict[str, Any] | None:
        """Create it."""

    def replace_lease(self, manifest: dict[str, Any]) -> dict[str, Any] | None:
        """Replace it, if its resourceVersion is still the newest."""


def identity() -> str:
    """This process, so that another one on the same machine can tell whether it still runs.

    <host name>_<boot>_<PID namespace>_<pid>_<start time in clock ticks since boot>
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    namespace = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    return f"{socket.gethostname()}_{boot}_{namespace}_{os.getpid()}_{_started(os.getpid())}"


def _started(pid: int) -> str:
    """The start time of a process, field 22 of its stat; "" if there is none or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if stat[0] == "Z" else stat[19]


def is_dead(holder: str, mine: str) -> bool:
    """Whether `holder` was a process of this very PID namespace and does not run any more.

    A killed scheduler is then followed at once, instead of after the rest of its six seconds.
    """
    here, there = mine.split("_"), holder.split("_")
    if len(there) != 5 or there[:3] != here[:3] or not there[3].isdigit():
        return False
    return _started(int(there[3])) != there[4]


class Lease:
    """The namespace's Lease as seen by one process. Not thread-safe but for `held`."""

    def __init__(
        self,
        store: LeaseStore,
        holder: str,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self.holder = holder
        self.other = ""  # who holds it, when we don't
        self._clock = clock
        self._monotonic = monotonic
        self._held_until = float("-inf")
        self._seen: tuple[str, float] | None = None

    def held(self) -> bool:
        """Whether it is ours for certain, by the time since before the last renewal was sent."""
        return self._monotonic() < self._held_until

    def acquire(self) -> bool:
        """Take or renew it. A holder that does not renew for DURATION, by our own clock, has lost it."""
        sent = self._monotonic()
        lease = self._store.get_lease(NAME)
        if lease is None:
            return self._took(sent, self._store.create_lease(self._manifest({})))
        spec = lease.get("spec") or {}
        other = spec.get("holderIdentity") or ""
        if other not in ("", self.holder) and not self._expired(lease) and not is_dead(other, self.holder):
            self.other = other
            return False
        return self._took(sent, self._store.replace_lease(self._manifest(lease)))

    def release(self) -> None:
        """Give it up, so that the next run need not wait."""
        if not self.held():
            return
        self._held_until = float("-inf")
        lease = self._store.get_lease(NAME)
        if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == self.holder:
            self._store.replace_lease({**lease, "spec": {**lease["spec"], "holderIdentity": ""}})

    def lose(self) -> None:
        """Count it as lost, as after a renewal that failed; for tests and for the end of a run."""
        self._held_until = float("-inf")

    def _took(self, sent: float, written: dict[str, Any] | None) -> bool:
        if written is None:
            self._held_until = float("-inf")
            return False
        self._held_until = sent + DURATION - MARGIN
        self.other = ""
        return True

    def _expired(self, lease: dict[str, Any]) -> bool:
        """Whether its holder is silent; judged by our clock alone, as clocks of nodes differ."""
        version = str(lease["metadata"].get("resourceVersion", ""))
        now = self._monotonic()
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, now)
            # Seen for the first time: trust its time only if it is long past.
            renewed = epoch((lease.get("spec") or {}).get("renewTime")) or 0.0
            return self._clock() - renewed > 10 * DURATION
        return now - self._seen[1] > DURATION

    def _manifest(self, lease: dict[str, Any]) -> dict[str, Any]:
        now = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = dict(lease.get("spec") or {})
        if spec.get("holderIdentity") != self.holder:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + bool(lease)
        spec.update(holderIdentity=self.holder, leaseDurationSeconds=DURATION, renewTime=now)
        metadata = lease.get("metadata") or {"name": NAME}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
