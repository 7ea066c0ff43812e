# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How a hub is reached: through an Ingress or a Route with TLS passed through, or from inside the cluster only.

The tests of this file are about one hub and change it in turn.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import koji
import pytest
from kubernetes.client.exceptions import ApiException

from tests.e2e.kube import condition
from tests.e2e.resources import SOON

from . import gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

    from .site import Site

NAME = "koji-hub"
PUBLIC, OTHER = "public", "other"
ROUTE = "route.openshift.io/v1"
NETWORKING = "networking.k8s.io/v1"
POLICY = "policy/v1"
ANNOTATIONS = {"example.org/team": "release engineering", "example.org/text": "two\nlines: {{ 1 }}"}
SELECTOR = {"app.kubernetes.io/name": "koji-hub", "app.kubernetes.io/instance": "hub"}
PEER = {"podSelector": {"matchLabels": {"koji.test/client": "yes"}}}


@pytest.fixture(scope="module")
def host(kube: Kube, site: Site) -> str:
    """The hub's public name, and another one that the same gate has."""
    kube.apply(gate.services(site.namespace, [PUBLIC, OTHER]))
    return gate.public(PUBLIC, site.namespace)


@pytest.fixture(scope="module")
def hub(site: Site, host: str) -> Hub:
    """A hub with a public name."""
    return site.ready(host=host, ingress_class_name="gate", ingress_annotations=ANNOTATIONS)


@pytest.fixture
def routes(kube: Kube) -> Iterator[None]:
    """OpenShift's Route, where the cluster has none of its own."""
    theirs = _has_routes(kube)
    if not theirs:
        [made] = kube.apply(Path(__file__).with_name("route.crd.yaml").read_text("utf-8"))
        kube.wait_condition("CustomResourceDefinition", made["metadata"]["name"], "", SOON, "Established")
    yield
    if not theirs:
        kube.delete("CustomResourceDefinition", "routes.route.openshift.io", timeout=SOON)


def _has_routes(kube: Kube) -> bool:
    """Asked of the server: the client would remember those of another file's tests."""
    try:
        kube.client.call_api(f"/apis/{ROUTE}", "GET", response_type="object", auth_settings=["BearerToken"])
    except ApiException as error:
        if error.status == 404:
            return False
        raise
    return True


def stored(kube: Kube, hub: Hub, kind: str, api_version: str) -> Json:
    """An object of the hub, once it is there."""
    return kube.wait_object(kind, NAME, hub.namespace, bool, SOON, "it is made", api_version)


def warned_of(site: Site, words: str) -> None:
    """Wait until the status warns of something, among whatever else."""
    site.told(lambda item: words in condition(item, "Warning").get("message", ""), f"a warning: {words}")


def logs_in_from_outside(site: Site, hub: Hub, host: str) -> None:
    """Log in by a client certificate with koji's library and its command, under the public name."""
    url = f"https://{host}/kojihub"
    assert site.get()["status"]["url"] == url
    outside = replace(hub, url=url)
    assert outside.session().getLoggedInUser()["name"] == "koji-admin"
    assert "koji-admin" in outside.cli("hello")


def test_a_client_certificate_logs_in_through_an_ingress(kube: Kube, site: Site, hub: Hub, host: str) -> None:
    ingress = stored(kube, hub, "Ingress", NETWORKING)
    gate.open_gate(kube, hub.namespace, [ingress])
    logs_in_from_outside(site, hub, host)


def test_an_ingress_has_the_class_and_the_annotations_of_the_resource(kube: Kube, hub: Hub) -> None:
    ingress = stored(kube, hub, "Ingress", NETWORKING)
    assert ingress["spec"]["ingressClassName"] == "gate"
    assert ANNOTATIONS.items() <= ingress["metadata"]["annotations"].items()
    assert [owner["kind"] for owner in ingress["metadata"]["ownerReferences"]] == ["KojiHub"]


def test_only_the_host_s_name_leads_to_the_hub(hub: Hub) -> None:
    """That TLS is passed through, not ended: under another name there is nobody who could answer."""
    other = gate.public(OTHER, hub.namespace)
    context = ssl.create_default_context(cafile=str(hub.ca))
    with pytest.raises(OSError), socket.create_connection((other, 443), timeout=30) as plain:  # noqa: PT011, SIM117
        with context.wrap_socket(plain, server_hostname=other):
            pass


def test_an_annotation_that_is_no_longer_asked_for_goes(kube: Kube, site: Site, hub: Hub, host: str) -> None:
    site.apply(host=host, ingress_annotations={"example.org/team": "others"})

    def changed(ingress: Json) -> bool:
        annotations = ingress["metadata"]["annotations"]
        return (annotations.get("example.org/team"), "example.org/text" in annotations) == ("others", False)

    ingress = kube.wait_object("Ingress", NAME, hub.namespace, changed, SOON, "the new annotations", NETWORKING)
    assert ingress["spec"]["ingressClassName"] == "nginx", "the class when none is named"


def test_a_cluster_without_routes_is_named(kube: Kube, site: Site, hub: Hub, host: str) -> None:
    if _has_routes(kube):
        pytest.skip("this cluster has Routes")
    message = site.refused("NoRoutes", host=host, ingress_backend="openshift")
    assert "route.openshift.io" in message


@pytest.mark.usefixtures("routes")
def test_a_client_certificate_logs_in_through_a_route(kube: Kube, site: Site, hub: Hub, host: str) -> None:
    site.ready(host=host, ingress_backend="openshift", ingress_annotations={"example.org/team": "routers"})
    route = stored(kube, hub, "Route", ROUTE)
    assert route["metadata"]["annotations"]["example.org/team"] == "routers"
    kube.wait_gone("Ingress", NAME, hub.namespace, SOON, NETWORKING)
    gate.open_gate(kube, hub.namespace, [route])
    logs_in_from_outside(site, hub, host)
    # What a router says against it is in the status; the hub serves inside the cluster all the same.
    refused = {"type": "Admitted", "status": "False", "reason": "HostAlreadyClaimed", "message": "route other has it"}
    status = {"ingress": [{"host": host, "routerName": "default", "conditions": [refused]}]}
    kube.patch("Route", NAME, hub.namespace, {"status": status}, ROUTE, status=True)
    site.apply(host=host, ingress_backend="openshift")
    warned_of(site, "route other has it")
    site.ready(host=host, ingress_backend="none")
    kube.wait_gone("Route", NAME, hub.namespace, SOON, ROUTE)


def test_with_backend_none_nothing_stands_in_front(kube: Kube, site: Site, hub: Hub, host: str) -> None:
    site.ready(host=host)
    stored(kube, hub, "Ingress", NETWORKING)
    site.ready(host=host, ingress_backend="none")
    kube.wait_gone("Ingress", NAME, hub.namespace, SOON, NETWORKING)
    assert site.get()["status"]["url"] == f"https://{host}/kojihub", "the host is still the public name"


def test_somebody_else_s_ingress_is_not_taken_over(kube: Kube, site: Site, hub: Hub, host: str) -> None:
    foreign = {"defaultBackend": {"service": {"name": "theirs", "port": {"number": 80}}}}
    theirs = {"apiVersion": NETWORKING, "kind": "Ingress", "metadata": {"name": NAME}, "spec": foreign}
    kube.create(theirs, hub.namespace)
    assert f"Ingress '{NAME}'" in site.refused("NameTaken", host=host)
    site.ready(host=host, ingress_backend="none")
    there = kube.get("Ingress", NAME, hub.namespace, NETWORKING)
    assert there is not None, "nor deleted"
    assert there["spec"] == foreign
    kube.delete("Ingress", NAME, hub.namespace, NETWORKING, timeout=SOON)


def test_two_hubs_can_t_have_one_host(site: Site, hub: Hub, host: str) -> None:
    site.ready(host=host)
    message = site.refused("HostTaken", name="second", host=host)
    assert host in message
    assert "KojiHub 'hub'" in message
    assert condition(site.get(), "Ready")["status"] == "True", "who was first keeps it"
    assert "192.0.2.7" in site.refused("InvalidHost", name="second", host="192.0.2.7")
    site.kube.delete("KojiHub", "second", site.namespace, timeout=SOON)


@pytest.mark.parametrize("host_name", ["Koji.Example.org", "koji_hub", "-koji", "a" * 64, "koji..org"])
def test_a_host_that_is_no_dns_name_is_refused(site: Site, hub: Hub, host_name: str) -> None:
    with pytest.raises(ApiException) as refused:
        site.apply(host=host_name)
    assert refused.value.status == 422
    assert "spec.host" in str(refused.value.body)


def ports(kube: Kube, hub: Hub) -> dict[str, int]:
    """The ports of the hub's Service by name."""
    return {port["name"]: port["port"] for port in stored(kube, hub, "Service", "v1")["spec"]["ports"]}


def test_plain_http_is_served_inside_when_asked_for_and_the_status_says_where(
    kube: Kube, site: Site, hub: Hub, host: str
) -> None:
    assert ports(kube, hub) == {"https": 8443}
    site.ready(host=host, http_enabled=True)
    assert ports(kube, hub) == {"https": 8443, "http": 8080}
    plain = koji.ClientSession(f"http://{NAME}.{hub.namespace}.svc:8080/kojihub", opts={"max_retries": 3})
    assert plain.getAPIVersion() == 1
    warned_of(site, "plain HTTP is served inside the cluster only")
    assert hub.session().getLoggedInUser()["name"] == "koji-admin", "and HTTPS as before"


def test_without_https_nothing_is_public(kube: Kube, site: Site, hub: Hub, host: str) -> None:
    site.ready(host=host, http_enabled=True, https_enabled=False)
    assert ports(kube, hub) == {"http": 8080}
    kube.wait_gone("Ingress", NAME, hub.namespace, SOON, NETWORKING)
    status = site.get()["status"]
    assert status["internal_url"] == f"http://{NAME}.{hub.namespace}.svc:8080/kojihub"
    assert koji.ClientSession(status["internal_url"], opts={"max_retries": 3}).getAPIVersion() == 1
    pod = next(pod for pod in site.pods() if not pod["metadata"].get("deletionTimestamp"))
    with pytest.raises(OSError), socket.create_connection((pod["status"]["podIP"], 8443), timeout=5):  # noqa: PT011
        pass
    site.ready()


def test_a_hub_that_serves_nothing_is_refused(site: Site, hub: Hub) -> None:
    with pytest.raises(ApiException) as refused:
        site.apply(https_enabled=False)
    assert "set one to true" in str(refused.value.body)


def test_a_network_policy_admits_who_is_named_to_the_served_ports(kube: Kube, site: Site, hub: Hub) -> None:
    assert kube.get("NetworkPolicy", NAME, hub.namespace, NETWORKING) is None, "none unless asked for"
    site.ready(network_policy={"enabled": True, "ingress": [PEER]})
    policy = stored(kube, hub, "NetworkPolicy", NETWORKING)
    assert policy["spec"] == {
        "podSelector": {"matchLabels": SELECTOR},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [PEER], "ports": [{"port": 8443, "protocol": "TCP"}]}],
    }
    assert_selects_only_the_hub(kube, site, policy["spec"]["podSelector"]["matchLabels"])
    site.ready(network_policy={"enabled": True})
    kube.wait_object(
        "NetworkPolicy",
        NAME,
        hub.namespace,
        lambda item: item["spec"]["ingress"] == [{"ports": [{"port": 8443, "protocol": "TCP"}]}],
        SOON,
        "everyone may connect",
        NETWORKING,
    )
    site.ready()
    kube.wait_gone("NetworkPolicy", NAME, hub.namespace, SOON, NETWORKING)


def assert_selects_only_the_hub(kube: Kube, site: Site, labels: dict[str, str]) -> None:
    """A policy or a budget for the hub is for its serving pods, not for those of its Jobs."""
    chosen = kube.find("Pod", site.namespace, ",".join(f"{key}={value}" for key, value in labels.items()))
    assert {pod["metadata"]["name"] for pod in chosen} == {pod["metadata"]["name"] for pod in site.pods()}


def evict(kube: Kube, pod: Json) -> int:
    """Ask the API server, as a drain does, whether a pod may be evicted. -> HTTP status"""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
    body: dict[str, Any] = {"apiVersion": POLICY, "kind": "Eviction", "metadata": {"name": name}}
    try:
        answer = kube.client.call_api(
            path, "POST", query_params=[("dryRun", "All")], body=body, auth_settings=["BearerToken"]
        )
    except ApiException as error:
        return int(error.status)
    return int(answer[1])


def test_a_drain_waits_for_the_budget(kube: Kube, site: Site, hub: Hub) -> None:
    [pod] = [pod for pod in site.pods() if not pod["metadata"].get("deletionTimestamp")]
    assert kube.get("PodDisruptionBudget", NAME, hub.namespace, POLICY) is None, "one pod has none of its own accord"
    assert evict(kube, pod) == 201
    site.ready(pod_disruption_budget={"minAvailable": 1})
    kube.wait_object(
        "PodDisruptionBudget",
        NAME,
        hub.namespace,
        lambda item: (item.get("status") or {}).get("currentHealthy") == 1,
        SOON,
        "it sees the hub",
        POLICY,
    )
    assert evict(kube, pod) == 429
    site.ready()
    kube.wait_gone("PodDisruptionBudget", NAME, hub.namespace, SOON, POLICY)
    assert evict(kube, pod) == 201
