# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Ledgers for the tests: made up by hypothesis, and looked into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.catalog import METRICS, Metric
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.ledger import Histogram, Ledger, Page
from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

NUMBERS = st.floats(min_value=0, max_value=1e15, allow_nan=False)
WORDS = st.from_regex(r"([A-Za-z][A-Za-z0-9_]{0,49})?", fullmatch=True)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)


def total(ledger: Ledger, metric: Metric, *labels: str, builder: str = "default") -> float:
    """A counter, a gauge, or how many observations a histogram has; 0 if there is none."""
    page = ledger.pages.get(builder, Page())
    found: Any = {"counter": page.counters, "gauge": page.gauges, "histogram": page.histograms}[metric.kind]
    value = found.get(metric.name, {}).get(labels, 0.0)
    return float(sum(value.counts)) if isinstance(value, Histogram) else float(value)


def _values(metric: Metric) -> SearchStrategy[Any]:
    labels = st.tuples(*(WORDS for _ in metric.labels))
    value: SearchStrategy[Any] = NUMBERS
    if metric.kind == "gauge":
        value = st.floats(allow_nan=False, allow_infinity=False)
    if metric.kind == "histogram":
        size = len(metric.buckets) + 1
        counts = st.lists(st.integers(0, 2**53), min_size=size, max_size=size)
        value = st.builds(Histogram, counts, NUMBERS)
    return st.dictionaries(labels, value, min_size=1, max_size=3)


def _of_kind(kind: str) -> SearchStrategy[Any]:
    found = {name: _values(metric) for name, metric in METRICS.items() if metric.kind == kind}
    return st.fixed_dictionaries({}, optional=found)


PAGES = st.builds(Page, _of_kind("counter"), _of_kind("gauge"), _of_kind("histogram"), NUMBERS)
LEDGERS = st.builds(Ledger, NAMES, st.dictionaries(NAMES, PAGES, max_size=3), st.integers(0, 2**53), NUMBERS)
