# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The metrics of the session's operator, served by the real exporter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from .operator import CHECKOUT, Operator
from .resources import READY, SOON, builder
from .test_kojibuilder import ended, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .hub import Hub
    from .kube import Json, Kube

NAME = "counted"
TAKEN, CLOSED = "koji_operator_tasks_taken_total", "koji_operator_tasks_closed_total"
FAILED, RUNS = "koji_operator_tasks_failed_total", "koji_operator_scheduler_runs_total"


class Exporter:
    """The exporter on a free port of loopback, and what it says of the builder of these tests."""

    def __init__(self, operator: Operator, namespace: str) -> None:
        self._namespace = namespace
        command = [sys.executable, str(CHECKOUT / "bin" / "koji-operator-metrics"), "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--folder", str(operator.metrics)], stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        line = next((line for line in self.process.stderr if "serving" in line), "")
        assert line, "the exporter did not start"
        self._url = f"http://127.0.0.1:{int(line.rpartition(' ')[2])}/metrics"

    def samples(self) -> dict[tuple[str, str], float]:
        """The samples of this namespace, by name and the value of the label that is not common."""
        with urlopen(self._url, timeout=30) as answer:  # noqa: S310 (loopback)
            text = answer.read().decode()
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.labels.get("namespace") == self._namespace:
                    other = {key: value for key, value in sample.labels.items() if key not in ("namespace", "builder")}
                    found[sample.name, ",".join(other.values())] = sample.value
        return found


@pytest.fixture(scope="module")
def counted(kube: Kube, hub: Hub, operator: Operator) -> Json:
    """A ready builder."""
    kube.apply(builder(NAME, hub.namespace, replicas=2))
    return kube.wait_condition("KojiBuilder", NAME, hub.namespace, READY)


@pytest.fixture(scope="module")
def exporter(hub: Hub, operator: Operator, counted: Json) -> Iterator[Exporter]:
    running = Exporter(operator, hub.namespace)
    yield running
    running.process.terminate()
    running.process.wait(10)


def shown(kube: Kube, exporter: Exporter, wanted: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Wait until the exporter shows these values; give all that it shows."""
    last: list[dict[tuple[str, str], float]] = [{}]

    def there() -> bool:
        last[0] = exporter.samples()
        return all(last[0].get(key) == value for key, value in wanted.items())

    kube.wait_for(there, SOON, f"the exporter shows {wanted}", lambda: {key: last[0].get(key) for key in wanted})
    return last[0]


def test_a_scrape_says_what_happened_to_tasks(kube: Kube, hub: Hub, exporter: Exporter) -> None:
    good = [hub.session().makeTask("sleep", [1]) for _ in range(3)]
    bad = hub.session().makeTask("sleep", ["not a number"])
    assert [state(ended(hub, task)) for task in (*good, bad)] == ["CLOSED"] * 3 + ["FAILED"]
    counts = {(TAKEN, ""): 4, (CLOSED, ""): 3, (FAILED, "TaskFailed"): 1}
    samples = shown(kube, exporter, {**counts, ("koji_operator_task_pods", "kept"): 1})
    status = kube.wait_object(
        "KojiBuilder", NAME, hub.namespace, lambda item: item["status"].get("tasks_closed") == 3, SOON, "3 closed"
    )["status"]
    assert (status["tasks_taken"], status["tasks_failed"]) == (4, 1)
    assert samples["koji_operator_slots", ""] == status["slots"] == 2
    assert samples["koji_operator_scheduling", ""] == 1
    assert samples["koji_operator_tasks_running", ""] == 0
    for histogram in ("task_take", "task_start", "task_pod_start"):
        assert samples[f"koji_operator_{histogram}_seconds_count", ""] == 4, histogram
    assert samples["koji_operator_hub_request_seconds_count", "check_in"] > 4
    assert (
        samples["koji_operator_certificate_expiry_timestamp_seconds", ""]
        > samples["koji_operator_last_check_in_timestamp_seconds", ""]
    )


def test_counters_go_on_after_the_scheduler_is_killed(kube: Kube, hub: Hub, exporter: Exporter) -> None:
    before = exporter.samples()
    lease: Any = kube.get("Lease", "koji-scheduler", hub.namespace)
    # <host>_<boot>_<PID namespace>_<pid>_<start>: module_utils/lease.py
    os.kill(int(lease["spec"]["holderIdentity"].split("_")[3]), signal.SIGKILL)
    task = hub.session().makeTask("sleep", [1])
    assert state(ended(hub, task)) == "CLOSED"
    after = {(name, ""): before[name, ""] + 1 for name in (TAKEN, CLOSED, RUNS)}
    samples = shown(kube, exporter, after)
    names = (TAKEN, CLOSED, FAILED, RUNS)
    assert not [key for key in before if key[0] in names and samples[key] < before[key]]


def test_the_manifests_build(kube: Kube) -> None:
    items = list(yaml.safe_load_all(kube.kubectl("kustomize", str(CHECKOUT / "config" / "prometheus"))))
    assert sorted(item["kind"] for item in items) == ["ConfigMap", "PrometheusRule", "Service", "ServiceMonitor"]
    dashboard = next(item for item in items if item["kind"] == "ConfigMap")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert list(dashboard["data"]) == ["koji-operator.json"]
