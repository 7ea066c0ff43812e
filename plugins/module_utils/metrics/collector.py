# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The files of all namespaces as Prometheus' client library wants them. Only the exporter imports this."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics import catalog
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.file import FileError, read
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.ledger import Histogram, Ledger
    from prometheus_client.core import Metric as Family

# A scheduler writes every few seconds. One that is dead must show, long enough for people to see the alert; a namespace
# that is gone must not show for ever.
STALE = 86400.0  # seconds


class FilesCollector(Collector):
    """Reads the folder anew at each scrape. A folder that is not there (yet) has no files."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    def collect(self) -> Iterable[Family]:
        """All metrics, also those that have no values."""
        ledgers, unreadable = self._ledgers()
        families: dict[str, Any] = {metric.name: _family(metric) for metric in catalog.ALL}
        for ledger in ledgers:
            families[catalog.RUNS.name].add_metric([ledger.namespace], ledger.runs)
            families[catalog.WRITTEN.name].add_metric([ledger.namespace], ledger.written)
            for builder, page in ledger.pages.items():
                common = [ledger.namespace, builder]
                for values in (page.counters, page.gauges):
                    for name, found in values.items():
                        for labels, value in found.items():
                            families[name].add_metric([*common, *labels], value)
                for name, histograms in page.histograms.items():
                    bounds = catalog.METRICS[name].buckets
                    for labels, histogram in histograms.items():
                        families[name].add_metric([*common, *labels], _buckets(bounds, histogram), histogram.sum)
        families[catalog.UNREADABLE.name].add_metric([], unreadable)
        return families.values()

    def _ledgers(self) -> tuple[list[Ledger], int]:
        """What the files hold, and how many make no sense."""
        found, unreadable = [], 0
        try:
            paths = sorted(path for path in self._folder.glob("*.json") if not path.name.startswith("."))
        except OSError:
            return [], 1
        for path in paths:
            try:
                ledger = read(path)
            except FileNotFoundError:
                continue
            except (FileError, OSError):
                unreadable += 1
                continue
            # Another file's name would give the same time series twice, and Prometheus would take none of them.
            if path.name != f"{ledger.namespace}.json":
                unreadable += 1
            elif self._clock() - ledger.written <= STALE:
                found.append(ledger)
        return found, unreadable


_KINDS: dict[str, type[Any]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


def _family(metric: catalog.Metric) -> Any:
    return _KINDS[metric.kind](metric.name, metric.help, labels=catalog.labels_of(metric))


def _buckets(bounds: Iterable[float], histogram: Histogram) -> list[tuple[str, float]]:
    """Cumulative counts by upper bound, as Prometheus has them."""
    sums = itertools.accumulate(histogram.counts)
    return [(_bound(bound), count) for bound, count in zip((*bounds, float("inf")), sums, strict=True)]


def _bound(bound: float) -> str:
    """A bucket's bound as the value of its label `le`: 0.005, 1.0, +Inf."""
    return "+Inf" if bound == float("inf") else repr(bound)
