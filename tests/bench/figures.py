# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Series of measurements, what they must fulfil, and how both are shown."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


# Record -> what of it, and the most that it may be.
LIMITS = {
    "load.pods_alive": ("worst", 50.0),
    "scheduler.memory.busy": ("worst", 250.0),
    "recovery.pod_killed": ("p50", 3.0),
    "recovery.cancelled": ("p50", 3.0),
    "recovery.scheduler_killed": ("worst", 10.0),
    "recovery.operator_killed": ("worst", 40.0),
    "hub.ready.operator": ("worst", 60.0),
    "hub.restart.lost": ("worst", 0.0),
}


@dataclass(frozen=True)
class Record:
    """One line of bench.json."""

    name: str
    unit: str
    n: int
    p50: float
    p95: float
    max: float


@dataclass(frozen=True)
class Verdict:
    """A figure against its limits; `aim` is what we would like, None if the limit is all."""

    text: str
    value: float
    limit: float
    aim: float | None = None

    @property
    def holds(self) -> bool:
        """Whether what must hold holds."""
        return self.value <= self.limit

    @property
    def word(self) -> str:
        """How it went, for people."""
        if not self.holds:
            return "FAILED"
        return "holds" if self.aim is None or self.value <= self.aim else "holds, aim missed"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values don't exceed (nearest rank); values must not be empty."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def record(name: str, unit: str, values: Sequence[float]) -> Record:
    """A series as a line of bench.json."""
    rounded = [round(value, 3) for value in (percentile(values, 0.5), percentile(values, 0.95), max(values))]
    return Record(name, unit, len(values), *rounded)


class Figures:
    """All records of a run, by name."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}

    def add(self, name: str, unit: str, values: Sequence[float]) -> None:
        """Add a series."""
        self.records[name] = record(name, unit, values)

    def write(self, path: Path) -> None:
        """Write bench.json; records of other names that are in it stay."""
        try:
            known = {entry["name"]: entry for entry in json.loads(path.read_text("utf-8"))}
        except (FileNotFoundError, ValueError):
            known = {}
        known.update({name: vars(entry) for name, entry in self.records.items()})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(list(known.values()), indent=1) + "\n", "utf-8")

    def verdicts(self) -> list[Verdict]:
        """What must hold of the records that there are."""
        return [
            *self._against("task_open", 0.15, 0.10),
            *self._closed(),
            *self._burst(),
            *self._many(),
            *self._hub(),
            *self._limits(),
            *self._reconcile(),
        ]

    def _against(self, what: str, limit: float, aim: float) -> Iterable[Verdict]:
        ours, kojids = self.records.get(f"{what}.operator"), self.records.get(f"{what}.kojid")
        if ours and kojids:
            yield Verdict(f"{what}.operator p50 / kojid's", ours.p50 / kojids.p50, limit, aim)

    def _closed(self) -> Iterable[Verdict]:
        ours, floor = self.records.get("task_closed.operator"), self.records.get("pod.floor")
        if ours and floor:
            yield Verdict("task_closed.operator p50 / a bare pod's", ours.p50 / floor.p50, 0.85, 0.5)

    def _burst(self) -> Iterable[Verdict]:
        ours, kojids = self.records.get("burst.operator"), self.records.get("burst.kojid")
        if ours and kojids:
            yield Verdict("burst.operator, all closed / kojid's", ours.max / kojids.max, 0.4, 0.25)
        alive = self.records.get("burst.pods_alive")
        if alive:
            yield Verdict("burst: task pods alive", alive.max, 10)

    def _many(self) -> Iterable[Verdict]:
        for what in ("task_open", "task_closed"):
            alone, crowd = self.records.get(f"{what}.alone"), self.records.get(f"{what}.of_20")
            if alone and crowd:
                yield Verdict(f"{what} p50 of 20 builders / of one", crowd.p50 / alone.p50, 1.3)

    def _hub(self) -> Iterable[Verdict]:
        ours, plain = self.records.get("hub.ready.operator"), self.records.get("hub.ready.plain")
        if ours and plain:
            yield Verdict("hub.ready.operator p50 / plain manifests'", ours.p50 / plain.p50, 3.0)

    def _limits(self) -> Iterable[Verdict]:
        for name, (what, limit) in LIMITS.items():
            found = self.records.get(name)
            if found:
                yield Verdict(f"{name}, {what}", found.p50 if what == "p50" else found.max, limit)

    def _reconcile(self) -> Iterable[Verdict]:
        limits = {"writes": 0.0, "tasks": 12.0, "cpu": 3.0}
        of_a_kind = {"KojiHub.tasks": 15.0, "KojiWeb.tasks": 15.0}
        for name, entry in self.records.items():
            kind, _, what = name.removeprefix("reconcile.").partition(".")
            if name.startswith("reconcile.") and what in limits:
                yield Verdict(
                    f"reconcile of a {kind}: {what}, worst", entry.max, of_a_kind.get(f"{kind}.{what}", limits[what])
                )

    def table(self) -> str:
        """Both tables, as text."""
        lines = [f"{'':34}{'unit':>10}{'n':>5}{'p50':>10}{'p95':>10}{'max':>10}"]
        for entry in self.records.values():
            numbers = "".join(f"{value:>10.2f}" for value in (entry.p50, entry.p95, entry.max))
            lines.append(f"{entry.name:34}{entry.unit:>10}{entry.n:>5}{numbers}")
        lines.append("")
        for verdict in self.verdicts():
            aim = "" if verdict.aim is None else f", aim {verdict.aim:g}"
            lines.append(f"{verdict.text:44}{verdict.value:>7.2f}  (at most {verdict.limit:g}{aim}): {verdict.word}")
        return "\n".join(lines)
