# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Counting, in memory: one ledger a namespace, one page a builder. Knows nothing of Koji, pods or files."""

from __future__ import annotations

import bisect
import re
import threading
from dataclasses import dataclass, field

from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.catalog import METRICS, Metric

RETIRE = 120.0  # seconds without a tick after which a builder's gauges say nothing true any more
FORGET = 900.0  # seconds without a tick after which its counters are dropped
# Label values come from pods and errors too: however odd those are, the number of time series stays bounded.
MOST_VALUES = 40  # combinations of label values, a metric and builder
OTHER = "Other"
_VALUE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}|")

Labels = tuple[str, ...]


@dataclass
class Histogram:
    """Observations: how many in each bucket (one more than there are bounds; not cumulative), and their sum."""

    counts: list[int]
    sum: float = 0.0


@dataclass
class Page:
    """What one builder counts. `seen`: when it last ticked (epoch)."""

    counters: dict[str, dict[Labels, float]] = field(default_factory=dict)
    gauges: dict[str, dict[Labels, float]] = field(default_factory=dict)
    histograms: dict[str, dict[Labels, Histogram]] = field(default_factory=dict)
    seen: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        with self.lock:
            values = self.counters.setdefault(metric.name, {})
            key = bounded(metric, labels, values)
            values[key] = values.get(key, 0.0) + by

    def set(self, metric: Metric, value: float | None, *labels: str) -> None:
        """Set a gauge, and no other label values of it; None: it has no value now."""
        with self.lock:
            if value is None:
                self.gauges.pop(metric.name, None)
            else:
                self.gauges[metric.name] = {bounded(metric, labels, {}): value}

    def set_each(self, metric: Metric, values: dict[str, float]) -> None:
        """Set a gauge of one label for each of its values."""
        with self.lock:
            self.gauges[metric.name] = {bounded(metric, (label,), {}): value for label, value in values.items()}

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add to a histogram; clocks that differ must not make a time negative."""
        value = max(0.0, value)
        with self.lock:
            values = self.histograms.setdefault(metric.name, {})
            key = bounded(metric, labels, values)
            histogram = values.setdefault(key, Histogram([0] * (len(metric.buckets) + 1)))
            histogram.counts[bisect.bisect_left(metric.buckets, value)] += 1
            histogram.sum += value

    def retire(self) -> None:
        """The builder is gone: nothing is true of it now, but what it did was done."""
        with self.lock:
            self.gauges.clear()


def bounded(metric: Metric, labels: Labels, there: dict[Labels, float] | dict[Labels, Histogram]) -> Labels:
    """Label values as they are counted: what is no word, or one too many, counts as Other."""
    if len(labels) != len(metric.labels):
        raise ValueError(f"{metric.name} has the labels {metric.labels}, not {labels}")
    key = tuple(label if _VALUE.fullmatch(label) else OTHER for label in labels)
    if key in there or len(there) < MOST_VALUES:
        return key
    return tuple(OTHER for _ in labels)


@dataclass
class Ledger:
    """What a namespace's scheduler counts."""

    namespace: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    runs: int = 0
    written: float = 0.0  # epoch; 0: never
    resumed: float = field(default=0.0, compare=False)  # `written` of the file that this run goes on from

    def page(self, builder: str) -> Page:
        """A builder's page."""
        # setdefault: atomic, and each builder has a thread.
        return self.pages.setdefault(builder, Page())

    def resume(self, now: float) -> None:
        """Go on after a time in which no scheduler ran: that time makes no builder older."""
        away = max(0.0, now - self.written) if self.written else 0.0
        for page in self.pages.values():
            page.seen = min(now, page.seen + away)

    def tidy(self, now: float) -> None:
        """Drop what is about builders that are gone: first the gauges, then all."""
        for name, page in list(self.pages.items()):
            if now - page.seen > RETIRE:
                page.retire()
            if now - page.seen > FORGET:
                del self.pages[name]


def valid(name: str, kind: str, labels: Labels) -> Metric | None:
    """The metric that a stored value belongs to; None if there is none such (any more)."""
    metric = METRICS.get(name)
    if metric is None or metric.kind != kind or len(labels) != len(metric.labels):
        return None
    return metric if all(_VALUE.fullmatch(label) for label in labels) else None
