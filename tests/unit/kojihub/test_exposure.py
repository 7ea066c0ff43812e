# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How a hub is reached: Service, Ingress, Route, NetworkPolicy, PodDisruptionBudget."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jinja2
import pytest
import yaml
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import exposure
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

from tests.cluster.paths import CHECKOUT
from tests.unit.resources.cluster import Objects, resource

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.exposure import ExposureLook

HOST = "koji.example.org"
HTTPS = {"name": "https", "port": 8443, "targetPort": 8443, "protocol": "TCP"}
HTTP = {"name": "http", "port": 8080, "targetPort": 8080, "protocol": "TCP"}
SELECTOR = {"app.kubernetes.io/name": "koji-hub", "app.kubernetes.io/instance": "hub"}
OURS = {"ownerReferences": [{"kind": "KojiHub", "name": "hub", "uid": "uid-KojiHub-hub"}]}


class Cluster(Objects):
    """Objects of a cluster that may know Routes."""

    def __init__(self, *, routes: bool = True) -> None:
        super().__init__()
        self.routes = routes

    def serves(self, kind: str) -> bool:
        """Whether the cluster knows a kind."""
        return self.routes or kind != "Route"


def look(cluster: Cluster | None = None, name: str = "hub", **spec: Any) -> ExposureLook:
    hub = resource("KojiHub", name, **spec)
    return exposure.look(hub, Names(hub), cluster or Cluster())


def wanted(found: ExposureLook) -> set[str]:
    return {template.split(".")[-3] for template in found.templates}


def reasons(found: ExposureLook) -> list[str]:
    return [warning["reason"] for warning in found.warnings]


@pytest.mark.parametrize(
    ("spec", "ports"),
    [
        ({}, [HTTPS]),
        ({"http_enabled": True}, [HTTPS, HTTP]),
        ({"http_enabled": True, "https_enabled": False}, [HTTP]),
    ],
)
def test_the_service_has_the_ports_that_are_served(spec: dict[str, Any], ports: list[dict[str, Any]]) -> None:
    assert look(**spec).service == {"type": "ClusterIP", "selector": SELECTOR, "ports": ports}


def test_without_a_host_a_hub_is_reached_from_inside_only_and_that_is_no_news() -> None:
    found = look()
    assert wanted(found) == {"service", "serviceaccount"}
    assert found.warnings == []


def test_an_ingress_passes_tls_through_by_the_host_s_name() -> None:
    found = look(host=HOST)
    assert "ingress" in wanted(found)
    assert found.ingress["annotations"]["nginx.ingress.kubernetes.io/ssl-passthrough"] == "true"
    backend = {"service": {"name": "koji-hub", "port": {"number": 8443}}}
    assert found.ingress["spec"] == {
        "ingressClassName": "nginx",
        "rules": [{"host": HOST, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
        "tls": [{"hosts": [HOST]}],
    }
    assert found.warnings == []


def test_a_route_passes_tls_through() -> None:
    found = look(host=HOST, ingress_backend="openshift", ingress_annotations={"a": "b"})
    assert wanted(found) == {"service", "serviceaccount", "route"}
    assert found.route["annotations"] == {"a": "b"}
    assert found.route["spec"]["tls"]["termination"] == "passthrough"
    assert (found.route["spec"]["host"], found.route["spec"]["to"]["name"]) == (HOST, "koji-hub")
    assert found.route["spec"]["port"]["targetPort"] in [port["name"] for port in found.service["ports"]]


def test_the_site_s_annotations_and_class_win() -> None:
    found = look(
        host=HOST,
        ingress_class_name="other",
        ingress_annotations={"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    )
    assert found.ingress["spec"]["ingressClassName"] == "other"
    assert found.ingress["annotations"] == {"a": "b", **exposure.INGRESS_ANNOTATIONS}
    off = look(host=HOST, ingress_annotations={"nginx.ingress.kubernetes.io/ssl-passthrough": "false"})
    assert off.ingress["annotations"]["nginx.ingress.kubernetes.io/ssl-passthrough"] == "false"
    assert reasons(off) == ["PassthroughOff"]


def test_no_ingress_is_made_for_backend_none() -> None:
    found = look(host=HOST, ingress_backend="none", http_enabled=True)
    assert wanted(found) == {"service", "serviceaccount"}
    assert found.warnings == []


@pytest.mark.parametrize(
    ("spec", "reason", "made"),
    [
        ({"ingress_backend": "openshift"}, "HostMissing", False),
        ({"ingress_class_name": "nginx"}, "HostMissing", False),
        ({"ingress_annotations": {"a": "b"}}, "HostMissing", False),
        ({"host": HOST, "https_enabled": False, "http_enabled": True}, "HttpNotPublic", False),
        ({"host": HOST, "http_enabled": True}, "HttpNotPublic", True),
    ],
)
def test_what_can_t_be_public_is_said(spec: dict[str, Any], reason: str, made: bool) -> None:
    found = look(**spec)
    assert reasons(found) == [reason]
    assert bool(found.ingress or found.route) == made


@pytest.mark.parametrize("host", ["192.0.2.7", "10.0.0.1"])
def test_an_address_is_no_host(host: str) -> None:
    with pytest.raises(Problem, match=host) as problem:
        look(host=host)
    assert problem.value.reason == "InvalidHost"


def test_a_cluster_without_routes_is_named() -> None:
    with pytest.raises(Problem, match=r"route\.openshift\.io") as problem:
        look(Cluster(routes=False), host=HOST, ingress_backend="openshift")
    assert problem.value.reason == "NoRoutes"
    assert look(Cluster(routes=False), host=HOST).ingress


def shared(kind: str, name: str, made: str, **spec: Any) -> Cluster:
    cluster = Cluster()
    cluster.add(kind, name, metadata={"creationTimestamp": made}, spec={"host": HOST, **spec})
    return cluster


def test_the_younger_of_two_resources_with_one_host_is_told() -> None:
    hub = resource("KojiHub", "hub", host=HOST)
    hub["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    with pytest.raises(Problem, match="KojiWeb 'pages'") as problem:
        exposure.look(hub, Names(hub), shared("KojiWeb", "pages", "2026-01-01T00:00:00Z"))
    assert problem.value.reason == "HostTaken"
    assert exposure.look(hub, Names(hub), shared("KojiWeb", "pages", "2026-01-03T00:00:00Z")).ingress


@pytest.mark.parametrize("other", [{"ingress_backend": "none"}, {"https_enabled": False}, {"host": "web.example.org"}])
def test_a_resource_that_is_not_public_under_the_host_is_in_nobody_s_way(other: dict[str, Any]) -> None:
    hub = resource("KojiHub", "hub", host=HOST)
    hub["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    assert exposure.look(hub, Names(hub), shared("KojiWeb", "pages", "2026-01-01T00:00:00Z", **other)).ingress


def test_what_is_no_longer_wanted_goes_and_nobody_else_s_does() -> None:
    cluster = Cluster()
    for kind in ("Ingress", "Route", "NetworkPolicy"):
        cluster.add(kind, "koji-hub", metadata=OURS)
    cluster.add("PodDisruptionBudget", "koji-hub")
    removed = look(cluster).remove
    assert [(item["apiVersion"], item["kind"]) for item in removed] == [
        ("networking.k8s.io/v1", "Ingress"),
        ("route.openshift.io/v1", "Route"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
    ]
    assert {item["metadata"]["name"] for item in removed} == {"koji-hub"}
    assert [item["kind"] for item in look(cluster, host=HOST).remove] == ["Route", "NetworkPolicy"]


@pytest.mark.parametrize("kind", ["Service", "ServiceAccount", "Ingress"])
def test_a_name_that_someone_else_has_is_not_taken(kind: str) -> None:
    cluster = Cluster()
    cluster.add(kind, "koji-hub", metadata={"ownerReferences": [{"kind": "Other", "name": "it", "uid": "u"}]})
    with pytest.raises(Problem, match=f"{kind} 'koji-hub'.*belongs to Other it") as problem:
        look(cluster, host=HOST)
    assert problem.value.reason == "NameTaken"


def test_what_a_router_says_against_the_route_is_told() -> None:
    cluster = Cluster()
    refused = {"type": "Admitted", "status": "False", "reason": "HostAlreadyClaimed", "message": "route x has it"}
    status = {"ingress": [{"routerName": "default", "conditions": [refused]}]}
    cluster.add("Route", "koji-hub", metadata=OURS, status=status)
    found = look(cluster, host=HOST, ingress_backend="openshift")
    assert reasons(found) == ["RouteNotAdmitted"]
    assert "route x has it" in found.warnings[0]["message"]


def test_a_policy_admits_to_the_served_ports_those_who_are_named() -> None:
    assert look().network_policy == {}
    everyone = look(network_policy={"enabled": True}, http_enabled=True).network_policy
    ports = [{"port": 8443, "protocol": "TCP"}, {"port": 8080, "protocol": "TCP"}]
    assert everyone == {
        "podSelector": {"matchLabels": SELECTOR},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": ports}],
    }
    peers = [{"namespaceSelector": {"matchLabels": {}}}, {"podSelector": {"matchLabels": {"a": "b"}}}]
    some = look(network_policy={"enabled": True, "ingress": peers}).network_policy
    assert some["ingress"][0]["from"] == [{"namespaceSelector": {}}, {"podSelector": {"matchLabels": {"a": "b"}}}]
    assert "ingress" not in look(network_policy={"enabled": True, "ingress": []}).network_policy, "nobody is let in"


@pytest.mark.parametrize(
    ("spec", "budget"),
    [
        ({"replicas": 1}, {}),
        ({"replicas": 2}, {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"}),
        (
            {"pod_disruption_budget": {"minAvailable": "50%"}},
            {"minAvailable": "50%", "unhealthyPodEvictionPolicy": "AlwaysAllow"},
        ),
        (
            {"pod_disruption_budget": {"unhealthyPodEvictionPolicy": "IfHealthyBudget"}},
            {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "IfHealthyBudget"},
        ),
    ],
)
def test_two_replicas_have_a_budget(spec: dict[str, Any], budget: dict[str, Any]) -> None:
    selector = {"selector": {"matchLabels": SELECTOR}} if budget else {}
    assert look(**spec).disruption_budget == {**budget, **selector}


def render(found: ExposureLook, **more: Any) -> dict[str, dict[str, Any]]:
    """The manifests of all that is wanted, by kind."""
    hub = resource("KojiHub", "hub", host=HOST)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(CHECKOUT / "roles/koji_http/templates"),
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  (YAML)
    )
    environment.filters["to_json"] = json.dumps
    names = Names(hub).as_dict()
    manifests = {}
    for template in found.templates:
        text = environment.get_template(template.rpartition("/")[2]).render(
            koji_http_names=names, koji_http_exposure=vars(found), **more
        )
        manifest = yaml.safe_load(text)
        manifests[manifest["kind"]] = manifest
    return manifests


def test_every_object_has_our_labels_and_a_site_s_text_adds_no_field() -> None:
    hostile = "x\nspec: {}\n'\"{{ 1 }}"
    found = look(
        host=HOST,
        replicas=2,
        network_policy={"enabled": True},
        ingress_annotations={"site": hostile},
        service_account_annotations={"role": hostile},
    )
    made = render(found)
    assert set(made) == {"Service", "ServiceAccount", "Ingress", "NetworkPolicy", "PodDisruptionBudget"}
    for manifest in made.values():
        metadata = manifest["metadata"]
        assert (metadata["name"], metadata["namespace"]) == ("koji-hub", "koji")
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "koji-operator"
        assert "ownerReferences" not in metadata, "the runtime adds them"
    assert made["Ingress"]["metadata"]["annotations"]["site"] == hostile
    assert made["ServiceAccount"]["metadata"]["annotations"] == {"role": hostile}
    assert made["ServiceAccount"]["automountServiceAccountToken"] is False
    assert made["Ingress"]["spec"] == found.ingress["spec"]
    owner = [{"kind": "KojiHub", "name": "hub", "uid": "u"}]
    assert render(found, koji_owner_references=owner)["Service"]["metadata"]["ownerReferences"] == owner


def test_a_route_is_rendered() -> None:
    found = look(host=HOST, ingress_backend="openshift")
    assert render(found)["Route"]["spec"] == found.route["spec"]
