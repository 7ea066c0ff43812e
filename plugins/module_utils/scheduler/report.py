# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a builder says of itself: its part of the CR's status, and events."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import KIND
from ansible_collections.fedoraproject.koji.plugins.module_utils.conditions import Condition, rendered
from ansible_collections.fedoraproject.koji.plugins.module_utils.events import event
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import API_VERSION
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import (
    CONFLICT,
    Cluster,
    ClusterError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

HEARTBEAT = 60.0  # seconds between writes of last_check_in alone
SETTLE = 2.0  # seconds between writes of numbers that keep changing
EVENTS_KNOWN = 1000  # names remembered; forgetting them costs a 409 each
REPEAT = 60.0  # seconds in which an event of the same words is counted once
COUNTERS = ("taken", "closed", "failed", "freed")


def stamp(now: float) -> str:
    """Seconds since the epoch as RFC 3339, as metav1.Time has it."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Reporter:
    """Writes one builder's status when it changes, and its events without repeating itself."""

    cluster: Cluster
    name: str
    counters: Counter[str] = field(default_factory=Counter)
    running: int = 0
    waiting: int = 0
    slots: int = 0
    last_check_in: float | None = None
    _written: dict[str, Any] = field(default_factory=dict)
    _written_at: float = 0.0
    _events: dict[str, tuple[int, float]] = field(default_factory=dict)
    _loaded: bool = False

    def load(self, resource: Mapping[str, Any]) -> None:
        """Go on from what the status says: counters and the condition's time."""
        if self._loaded:
            return
        self._loaded = True
        status = resource.get("status") or {}
        for what in COUNTERS:
            self.counters[what] += int(status.get(f"tasks_{what}") or 0)
        ours = [c for c in status.get("conditions") or [] if c.get("type") == "Scheduling"]
        self._written = {"conditions": ours}

    def write(self, resource: Mapping[str, Any], condition: Condition, now: float) -> bool:
        """Write the status if it says something new; whether it did."""
        self.load(resource)
        generation = int(resource["metadata"].get("generation") or 0)
        conditions = rendered([condition], self._written.get("conditions", []), generation, stamp(now))
        status: dict[str, Any] = {
            "conditions": conditions,
            "running_tasks": self.running,
            "waiting_tasks": self.waiting,
            "slots": self.slots,
            **{f"tasks_{what}": self.counters[what] for what in COUNTERS},
        }
        if self.last_check_in is not None:
            status["last_check_in"] = stamp(self.last_check_in)
        if not self._due(status, now):
            return False
        self.cluster.apply_status(self.name, status)
        self._written, self._written_at = status, now
        return True

    def _due(self, status: Mapping[str, Any], now: float) -> bool:
        age = now - self._written_at
        if status["conditions"] != self._written.get("conditions") or age > HEARTBEAT:
            return True
        others = status.keys() - {"last_check_in", "conditions"}
        return age > SETTLE and any(status[key] != self._written.get(key) for key in others)

    def note(self, resource: Mapping[str, Any], reason: str, message: str, now: float) -> None:
        """An Event on the CR; the same words again only count."""
        words = hashlib.sha256(f"{resource['metadata'].get('uid')} {reason} {message}".encode()).hexdigest()[:16]
        name = f"{self.name}.{words}"
        count, last = self._events.get(name, (0, 0.0))
        if count and now - last < REPEAT:
            return
        about = {"apiVersion": API_VERSION, "kind": KIND, "metadata": resource["metadata"]}
        kind = "Normal" if reason == "Drained" else "Warning"
        made = event(about, kind, reason, message, stamp(now))
        made["metadata"]["name"] = name
        try:
            if count == 0:
                self.cluster.create_event(made)
        except ClusterError as error:
            if error.status != CONFLICT:
                return  # an event is worth no failure
            count = 1  # of an earlier run
        if count:
            try:
                self.cluster.count_event(name, count + 1, stamp(now))
            except ClusterError:
                return
        if len(self._events) > EVENTS_KNOWN:
            self._events.clear()
        self._events[name] = (count + 1, now)
