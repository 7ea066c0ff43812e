# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Alerts and dashboard ask for time series that exist, by labels that these have; the documentation lists all."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics import catalog, exporter, file

from tools import metrics as generator
from tools.generated import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = ROOT / "config" / "prometheus"
SERIES = {sample: metric for metric in catalog.ALL for sample in metric.samples}
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())


def manifest(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return loaded


RULES = [rule for group in manifest("rules.yaml")["spec"]["groups"] for rule in group["rules"]]


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]["query"]


EXPRESSIONS = [*((rule["alert"], rule["expr"]) for rule in RULES), *dashboard_expressions()]


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_an_expression_asks_for_what_there_is(where: str, expression: str) -> None:
    asked = re.findall(r"(koji_operator_\w+)(?:\{([^}]*)\})?", expression)
    assert asked
    labels = {"le"} if "_bucket" in expression else set()
    for name, selector in asked:
        assert name in SERIES, f"{where}: there is no {name}"
        own = set(catalog.labels_of(SERIES[name]))
        labels |= own
        unknown = set(re.findall(r"(\w+)\s*[=!]~?", selector)) - own
        assert not unknown, f"{where}: {name} has no labels {unknown}"
    for grouped in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression):
        assert {label.strip() for label in grouped.split(",")} <= labels, where
    for opened, closed in ("()", "[]", "{}"):
        assert expression.count(opened) == expression.count(closed), where


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_means(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description"}
    assert f"{rule['alert']}" in generator.PAGE.read_text()


def test_labels_of_annotations_are_left_over_by_the_expression() -> None:
    for rule in RULES:
        named = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        metrics = [SERIES[name] for name in re.findall(r"koji_operator_\w+", rule["expr"])]
        left = set(catalog.labels_of(metrics[0]))
        by = re.search(r"\bby\s*\(([^)]*)\)", rule["expr"])
        if by:
            left = {label.strip() for label in by[1].split(",")} - {"le"}
        assert named <= left, rule["alert"]


def test_the_selected_values_of_labels_are_counted_somewhere() -> None:
    """A misspelt value would select nothing, silently."""
    sources = "".join(path.read_text() for path in (ROOT / "plugins" / "module_utils").rglob("*.py"))
    for where, expression in EXPRESSIONS:
        for values in re.findall(r'(?:reason|kind|outcome|call|state|how)\s*[=!]~?\s*"([^"]*)"', expression):
            for value in values.split("|"):
                assert f'"{value}"' in sources, f"{where}: nothing is ever counted as {value}"


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        SERIES[name]
        for _, expression in dashboard_expressions()
        for name in re.findall(r"koji_operator_\w+", expression)
    }
    assert set(catalog.ALL) - shown == {catalog.UNREADABLE}


def test_the_dashboard_is_laid_out_without_overlaps() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_service_and_monitor_fit_each_other_and_the_exporter() -> None:
    service, monitor = manifest("service.yaml"), manifest("service_monitor.yaml")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    port = service["spec"]["ports"][0]
    endpoint = monitor["spec"]["endpoints"][0]
    assert (endpoint["port"], endpoint["path"], endpoint["honorLabels"]) == (port["name"], "/metrics", True)
    assert port["targetPort"] == exporter.PORT
    labels = "labels: {app.kubernetes.io/name: koji-operator, control-plane: controller-manager}"
    assert labels in generator.PAGE.read_text()
    assert yaml.safe_load(labels)["labels"] == service["spec"]["selector"]


def test_the_documentation_lists_every_metric_and_flag() -> None:
    page = generator.PAGE.read_text()
    assert generator.files()[generator.PAGE] == page, f"run {generator.COMMAND}"
    assert f"[--port {exporter.PORT}]" in page
    assert str(file.DEFAULT) in page
