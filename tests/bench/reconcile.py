# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What one reconcile of a resource in the steady state costs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.bench.audit import AuditLog, brief, role_writes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.figures import Figures
    from tests.bench.runs import Run, TimedRuns
    from tests.e2e.kube import Kube

PERIOD_ANNOTATION = "ansible.sdk.operatorframework.io/reconcile-period"
PERIOD = 2  # seconds between two runs
SETTLE = 2  # runs after the one that made it ready
TIMEOUT = 300  # seconds for all runs of a kind
LATE = 1.0  # seconds: the runtime's own writes follow a run's end, the audit log its answer


@dataclass
class Steady:
    """Runs of one resource with nothing to do, and what was written in each."""

    runs: list[Run]
    ready: float = 0.0  # seconds from its creation until it was ready
    writes: list[int] = field(default_factory=list)
    written: list[str] = field(default_factory=list)  # in words, for the report

    def add_to(self, figures: Figures, kind: str) -> None:
        """Add the figures of a kind."""
        name = f"reconcile.{kind}"
        if self.writes:
            figures.add(f"{name}.writes", "requests", self.writes)
        figures.add(f"{name}.ready", "s", [self.ready])
        figures.add(f"{name}.tasks", "tasks", [run.tasks for run in self.runs])
        figures.add(f"{name}.cpu", "s", [run.cpu for run in self.runs])
        figures.add(f"{name}.wall", "s", [run.wall for run in self.runs])
        figures.add(f"{name}.rss", "MiB", [run.rss for run in self.runs])


def measure(kube: Kube, runs: TimedRuns, item: dict[str, Any], count: int, audit: Path | None) -> Steady:
    """Create a resource, wait until it is ready, and look at `count` runs that follow; then it is deleted.

    Nothing else in its namespace may write meanwhile. Without an audit log writes aren't counted.
    """
    kind, name, namespace = item["kind"], item["metadata"]["name"], item["metadata"]["namespace"]
    log = AuditLog(audit) if audit else None
    begin = time.monotonic()
    kube.create({**item, "metadata": {**item["metadata"], "annotations": {PERIOD_ANNOTATION: f"{PERIOD}s"}}}, namespace)
    kube.wait_condition(kind, name, namespace, TIMEOUT)
    ready = time.monotonic() - begin
    first = len(runs.of(kind, namespace, name)) + SETTLE
    deadline = time.monotonic() + TIMEOUT
    # One more: it ends after what the one before it wrote is in the log.
    while len(found := runs.of(kind, namespace, name)) < first + count + 1:
        assert time.monotonic() < deadline, f"{kind} {name}: {len(found)} runs in {TIMEOUT} s"
        time.sleep(1)
    kube.delete(kind, name, namespace, timeout=TIMEOUT)
    steady = Steady(found[first : first + count], ready)
    failed = [run for run in steady.runs if run.exit_code]
    assert not failed, f"{kind} {name}: {len(failed)} of {count} runs failed; see build/logs/bench-operator.log"
    if log:
        events = log.events()
        for run in steady.runs:
            written = [brief(event) for event in role_writes(events, namespace, run.begin, run.end + LATE)]
            steady.writes.append(len(written))
            steady.written += written
    return steady
