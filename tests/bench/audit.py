# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Counts what the operator wrote to the API server, from the audit log."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class AuditLog:
    """A growing audit log, read from where it stood when this object was made; one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size
        self._events: list[dict[str, Any]] = []

    def events(self) -> list[dict[str, Any]]:
        """All requests answered since."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                self._events.append(json.loads(line))
        return self._events


def received(event: dict[str, Any]) -> float:
    """When a request came in, in seconds since the epoch (audit.k8s.io Event.requestReceivedTimestamp)."""
    return datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()


def role_writes(events: Iterable[dict[str, Any]], namespace: str, begin: float, end: float) -> Iterator[dict[str, Any]]:
    """What roles and the runtime wrote in a namespace between two times; status and events count, refused writes too.

    Not theirs: Kubernetes' own parts, a person's kubectl, and the scheduler, whose Lease and heartbeat go on meanwhile.
    """
    for event in events:
        target = event.get("objectRef") or {}
        if event["verb"] not in WRITES or target.get("namespace") != namespace:
            continue
        others = event["user"]["username"].startswith("system:") or event.get("userAgent", "").startswith("kubectl/")
        scheduler = target.get("resource") == "leases" or "fieldManager=koji-scheduler" in event["requestURI"]
        if not others and not scheduler and begin <= received(event) <= end:
            yield event


def brief(event: dict[str, Any]) -> str:
    """One write in a line."""
    target = event["objectRef"]
    part = f"/{target['subresource']}" if "subresource" in target else ""
    return f"{event['verb']} {target['resource']}/{target.get('name', '')}{part} by {event.get('userAgent', '')}"
