# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Namespaces that share too few workers take turns: a run that others wait for ends before its time.

The runtime starts at most MAX_CONCURRENT_RECONCILES_CONFIGMAP_ runs at a time, and the next in line when one ends.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.fedoraproject.koji.plugins.module_utils import lease
from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import BUILDER_LABEL
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import GROUP
from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import epoch
from kubernetes.client.rest import ApiException
from openshift.dynamic.exceptions import DynamicApiError
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from openshift.dynamic import DynamicClient

SCHEDULE = f"{GROUP}/schedule=true"  # label of the ConfigMap that the runtime runs the playbook for
LONGEST = 100.0  # seconds that a namespace should wait at most: the hub's ReadyTimeout is 180
START = 4.0  # seconds from a run's end to the next one's first check-in, on a busy machine
SHORTEST = 5.0  # seconds; a run costs two to three of CPU
LOOK = 5.0  # seconds between looks at the others
WATCHED = "WATCH_NAMESPACE"  # the operator's namespaces, separated by commas; empty or unset: all
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
TIMEOUT = (5, 20)  # seconds to connect, to answer

LOG = logging.getLogger("koji-operator.scheduler")


@dataclass(frozen=True)
class Others:
    """What is seen of the other namespaces with builders. Silence is in seconds."""

    served: int = 0  # whose scheduler is at work
    older: int = 0  # of these: since before ours
    silent: Mapping[str, float] = field(default_factory=dict)  # whose isn't, since when


class Neighbours(Protocol):
    """Where the other namespaces are looked at."""

    def look(self) -> Others:
        """Raises what an API server may make a client raise."""


def length(turn: float, served: int, waiting: int) -> float:
    """Seconds that a run lasts at least when `waiting` namespaces want one of the workers of `served` ones.

    `turn`, or less, so that nobody waits for more than LONGEST; SHORTEST if there are too many for that.
    """
    if not waiting:
        return turn
    rounds = -(-waiting // max(1, served))  # runs that have to end before the last one in line gets its turn
    return min(turn, max(SHORTEST, LONGEST / rounds - START))


def waiting(others: Others, turn: float) -> list[str]:
    """Namespaces without a scheduler for more than half a turn: between two runs it takes seconds."""
    return sorted(name for name, silent in others.silent.items() if silent > turn / 2)


class Turns:
    """One run's turn. `over()` tells whether to give way; a thread looks, so that no slow answer keeps the run."""

    def __init__(self, neighbours: Neighbours, turn: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.waiting: list[str] = []
        self._neighbours = neighbours
        self._turn = turn
        self._monotonic = monotonic
        self._began = monotonic()
        self._over = threading.Event()
        self._stop = threading.Event()
        self._look = min(LOOK, turn / 4)

    @contextlib.contextmanager
    def counted(self) -> Iterator[Callable[[], bool]]:
        """Look from now on; gives `over`."""
        thread = threading.Thread(target=self._run, name="turns", daemon=True)
        thread.start()
        try:
            yield self._over.is_set
        finally:
            self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._look) and not self._over.is_set():
            try:
                self.look()
            except (ApiException, DynamicApiError, HTTPError, OSError, ValueError, KeyError) as error:
                # Not allowed to see others, or the API server is busy: then the run has its whole time.
                LOG.debug("other namespaces can't be looked at: %s", error)

    def look(self) -> None:
        """Look once."""
        others = self._neighbours.look()
        line = waiting(others, self._turn)
        age = self._monotonic() - self._began
        # One worker for each that waits; those that have worked longest give them up.
        if others.older < len(line) and age >= length(self._turn, others.served + 1, len(line)):
            self.waiting = line
            self._over.set()

    @property
    def message(self) -> str:
        """What people should know when a run has given way."""
        return (
            "the operator has fewer workers than namespaces with builders, which take turns; raise "
            "MAX_CONCURRENT_RECONCILES_CONFIGMAP_ of the operator to their number"
        )


class Namespaces:
    """Neighbours on a real API server: who has a schedule and builders, and whose Lease is renewed."""

    def __init__(self, dynamic: DynamicClient, mine: str, clock: Callable[[], float] = time.time) -> None:
        self._mine = mine
        self._clock = clock
        self._maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
        self._leases = dynamic.resources.get(api_version="coordination.k8s.io/v1", kind="Lease")

    def look(self) -> Others:
        scopes: list[str | None] = [name.strip() for name in os.environ.get(WATCHED, "").split(",") if name.strip()]
        since: dict[str, float] = {}
        leases: list[Mapping[str, Any]] = []
        for scope in scopes or [None]:
            scheduled = _since(
                self._list(self._maps, scope, label_selector=SCHEDULE, header_params={"Accept": METADATA})
            )
            built = _since(
                self._list(self._maps, scope, label_selector=BUILDER_LABEL, header_params={"Accept": METADATA})
            )
            since.update({name: max(scheduled[name], built[name]) for name in scheduled.keys() & built.keys()})
            leases += self._list(self._leases, scope, field_selector=f"metadata.name={lease.NAME}")
        return judged(self._mine, since, leases, self._clock())

    def _list(self, resource: Any, namespace: str | None, **options: Any) -> list[Mapping[str, Any]]:
        answer = resource.get(namespace=namespace, serialize=False, _request_timeout=TIMEOUT, **options)
        # An empty list of metadata alone comes as null.
        items: list[Mapping[str, Any]] = json.loads(answer.data)["items"] or []
        return items


def _since(items: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Namespace -> when its first object was made, seconds since the epoch."""
    found: dict[str, float] = {}
    for item in items:
        meta = item["metadata"]
        made = epoch(meta["creationTimestamp"]) or 0.0
        found[meta["namespace"]] = min(made, found.get(meta["namespace"], made))
    return found


def judged(mine: str, since: Mapping[str, float], leases: Iterable[Mapping[str, Any]], now: float) -> Others:
    """Who is served and who is not. since: namespace -> from when on it wanted a scheduler (epoch)."""
    last = dict(since)
    began = {}
    for one in leases:
        name, spec = one["metadata"]["namespace"], one.get("spec") or {}
        renewed = epoch(spec.get("renewTime")) or 0.0
        if name in last:
            last[name] = max(last[name], renewed)
        if spec.get("holderIdentity") and now - renewed < lease.DURATION and name in {*since, mine}:
            began[name] = epoch(spec.get("acquireTime")) or 0.0
    ours = began.pop(mine, now)
    silent = {name: now - when for name, when in last.items() if name not in began and name != mine}
    return Others(len(began), sum(when < ours for when in began.values()), silent)
