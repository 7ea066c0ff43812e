# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Counting: few time series whatever the label values are, and builders that are gone."""

from __future__ import annotations

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics import catalog
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.ledger import (
    FORGET,
    MOST_VALUES,
    OTHER,
    RETIRE,
    Ledger,
    Page,
)

from tests.unit.metrics.ledgers import total


def test_reasons_without_end_make_no_time_series_without_end() -> None:
    page = Page()
    for number in range(1000):
        page.count(catalog.TASKS_FREED, f"Reason{number}")
    values = page.counters[catalog.TASKS_FREED.name]
    assert len(values) == MOST_VALUES + 1
    assert values[(OTHER,)] == 1000 - MOST_VALUES
    page.count(catalog.TASKS_FREED, "Reason1")
    assert values[("Reason1",)] == 2


@pytest.mark.parametrize("reason", ["task 17 failed", "a\nb", 'x"y', "A" * 51, "7up", "né"])
def test_what_is_no_word_is_other(reason: str) -> None:
    page = Page()
    page.count(catalog.TASKS_FREED, reason)
    assert page.counters[catalog.TASKS_FREED.name] == {(OTHER,): 1}


def test_a_wrong_number_of_labels_is_an_error() -> None:
    with pytest.raises(ValueError, match="koji_operator_tasks_freed_total"):
        Page().count(catalog.TASKS_FREED)


def test_a_gauge_with_a_reason_has_one_reason() -> None:
    page = Page()
    page.set(catalog.BACKING_OFF, 1, "ErrImagePull")
    page.set(catalog.BACKING_OFF, 1, "QuotaExceeded")
    assert page.gauges[catalog.BACKING_OFF.name] == {("QuotaExceeded",): 1}
    page.set(catalog.BACKING_OFF, None)
    assert catalog.BACKING_OFF.name not in page.gauges


def test_observations_go_into_the_bucket_whose_bound_they_do_not_exceed() -> None:
    page = Page()
    for seconds in (0.0, 1.0, 1.5, 600.0, 601.0, -3.0):
        page.observe(catalog.POD_START, seconds)
    histogram = page.histograms[catalog.POD_START.name][()]
    assert histogram.counts == [3, 1, *[0] * 8, 1, 1]
    assert histogram.sum == 1203.5


def test_a_builder_that_is_gone_drops_out_first_its_gauges() -> None:
    ledger = Ledger("ns")
    for name in ("here", "gone"):
        page = ledger.page(name)
        page.seen = 1000.0
        page.set(catalog.SLOTS, 2)
        page.count(catalog.TASKS_TAKEN)
    ledger.page("here").seen = 1000.0 + FORGET
    ledger.tidy(1000.0 + RETIRE + 1)
    assert (total(ledger, catalog.SLOTS, builder="gone"), total(ledger, catalog.SLOTS, builder="here")) == (0, 2)
    assert total(ledger, catalog.TASKS_TAKEN, builder="gone") == 1
    ledger.tidy(1000.0 + FORGET + 1)
    assert set(ledger.pages) == {"here"}


def test_time_without_a_scheduler_makes_no_builder_older() -> None:
    ledger = Ledger("ns", written=1000.0)
    ledger.page("default").seen = 990.0
    ledger.resume(5000.0)
    ledger.tidy(5000.0)
    assert ledger.pages["default"].seen == 4990.0


@pytest.mark.parametrize("metric", catalog.ALL, ids=lambda metric: metric.name)
def test_names_follow_prometheus_conventions(metric: catalog.Metric) -> None:
    assert metric.name.startswith("koji_operator_")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.kind != "histogram" or metric.name.endswith("_seconds")
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert not {"task", "task_id", "pod", "message"} & set(catalog.labels_of(metric))
    assert metric.help.endswith(".")
