# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How the web pages are reached: through an Ingress with TLS passed through, by several pods, by whom a policy lets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.kojihub import gate
from tests.e2e.kojihub.test_exposure import NETWORKING, POLICY, ROUTE, routes  # noqa: F401  (a fixture)
from tests.e2e.kube import condition
from tests.e2e.resources import SOON

from .pages import Browser
from .site import LABELS, NAME, WebSite

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.kube import Json, Kube

PUBLIC = "public"
ANNOTATIONS = {"example.org/team": "release engineering"}
SELECTOR = dict(label.split("=") for label in LABELS.split(","))


@pytest.fixture(scope="module")
def host(kube: Kube, site: WebSite) -> str:
    """The public name of the web pages."""
    kube.apply(gate.services(site.namespace, [PUBLIC]))
    return gate.public(PUBLIC, site.namespace)


def stored(site: WebSite, kind: str, api_version: str) -> Json:
    """An object of the web pages, once it is there."""
    return site.kube.wait_object(kind, NAME, site.namespace, bool, SOON, "it is made", api_version)


def test_a_user_logs_in_through_an_ingress_and_stays_at_the_public_name(
    kube: Kube, site: WebSite, host: str, tmp_path: Path
) -> None:
    site.ready(host=host, ingress_class_name="gate", ingress_annotations=ANNOTATIONS)
    ingress = stored(site, "Ingress", NETWORKING)
    assert ingress["spec"]["ingressClassName"] == "gate"
    assert ANNOTATIONS.items() <= ingress["metadata"]["annotations"].items()
    gate.open_gate(kube, site.namespace, [ingress])
    inside = site.browser("releng")
    outside = Browser(f"https://{host}/koji", inside.ca, inside.pem)
    site.kube.wait_for(outside.answers, SOON, "it is passed through")
    assert site.get()["status"]["url"] == outside.url
    answer = outside.login()
    assert (answer.status_code, answer.url) == (200, f"{outside.url}/index"), "without the pod's port"
    assert outside.user == "releng"


def test_a_route_takes_the_ingress_s_place(site: WebSite, host: str, routes: None) -> None:  # noqa: F811
    site.apply(host=host, ingress_backend="openshift", ingress_annotations=ANNOTATIONS, security_context={"fsGroup": 1})
    route = stored(site, "Route", ROUTE)
    assert (route["spec"]["host"], route["spec"]["tls"]["termination"]) == (host, "passthrough")
    assert ANNOTATIONS.items() <= route["metadata"]["annotations"].items()
    site.kube.wait_gone("Ingress", NAME, site.namespace, SOON)
    # Before Routes are unknown again.
    site.apply(host=host, ingress_backend="none")
    site.kube.wait_gone("Route", NAME, site.namespace, SOON)


def test_more_replicas_have_a_disruption_budget_and_the_resource_scales(site: WebSite) -> None:
    site.ready(replicas=2)
    budget = stored(site, "PodDisruptionBudget", POLICY)
    assert (budget["spec"]["maxUnavailable"], budget["spec"]["selector"]["matchLabels"]) == (1, SELECTOR)
    site.apply(replicas=2, pod_disruption_budget={"minAvailable": 1})
    site.kube.wait_object(
        "PodDisruptionBudget", NAME, site.namespace, lambda item: item["spec"].get("minAvailable") == 1, SOON,
        "it is the resource's", POLICY,
    )  # fmt: skip
    site.kube.kubectl("scale", "kojiweb/web", "-n", site.namespace, "--replicas=1")
    site.kube.wait_for(lambda: len(site.pods()) == 1, SOON, "one pod is left", site.pods)
    site.told(lambda item: item["status"]["replicas"] == 1, "it is told")


def test_nothing_serves_with_no_replicas_and_that_is_said(site: WebSite) -> None:
    assert "kubectl scale" in site.refused("ScaledToZero", replicas=0)
    assert condition(site.get(), "HubReachable")["status"] == "True"


def test_a_network_policy_admits_whom_the_resource_names(site: WebSite) -> None:
    peer = {"podSelector": {"matchLabels": {"koji.test/client": "yes"}}}
    site.apply(network_policy={"enabled": True, "ingress": [peer]})
    policy = stored(site, "NetworkPolicy", NETWORKING)
    assert policy["spec"]["podSelector"]["matchLabels"] == SELECTOR
    [rule] = policy["spec"]["ingress"]
    assert (rule["from"], [port["port"] for port in rule["ports"]]) == ([peer], [8443])
    site.apply()
    site.kube.wait_gone("NetworkPolicy", NAME, site.namespace, SOON)
