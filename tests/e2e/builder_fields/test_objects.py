# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Objects that a KojiBuilder may ask for: NetworkPolicy, PodDisruptionBudget. And `ssl_verify`, which asks in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubernetes.client.exceptions import ApiException

from tests.e2e.kube import condition
from tests.e2e.resources import SOON

if TYPE_CHECKING:
    from .scene import Scene

NAME = "koji-placed-tasks"
TASKS = {"app.kubernetes.io/component": "task", "apps.fedoraproject.org/builder": "placed"}
KINDS = {"NetworkPolicy": "networking.k8s.io/v1", "PodDisruptionBudget": "policy/v1"}


def stored(scene: Scene, kind: str) -> dict[str, Any]:
    found = scene.kube.get(kind, NAME, scene.namespace, KINDS[kind])
    assert found is not None, f"no {kind} {NAME}"
    return found


def evict(scene: Scene, name: str) -> int:
    """Ask the API server to evict a task's pod. -> HTTP status"""
    pod = scene.pods[name]["metadata"]["name"]
    path = f"/api/v1/namespaces/{scene.namespace}/pods/{pod}/eviction"
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": scene.namespace}}
    try:
        answer = scene.kube.client.call_api(path, "POST", body=body, auth_settings=["BearerToken"])
    except ApiException as error:
        return int(error.status)
    return int(answer[1])


def test_nobody_connects_to_task_pods_and_they_to_what_is_listed(scene: Scene) -> None:
    policy = stored(scene, "NetworkPolicy")
    assert [owner["name"] for owner in policy["metadata"]["ownerReferences"]] == ["placed"]
    assert policy["spec"]["podSelector"] == {"matchLabels": TASKS}
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy["spec"], "nothing is let in"
    dns, hub, *given = policy["spec"]["egress"]
    assert {"port": 53, "protocol": "UDP"} in dns["ports"]
    assert "to" not in dns
    [service] = [s for s in scene.kube.find("Service", scene.namespace) if s["metadata"]["name"] == "koji-hub"]
    assert hub == {"to": [{"podSelector": {"matchLabels": service["spec"]["selector"]}}]}
    assert given == [
        {"ports": [{"port": 5432, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]},
        {"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "files"}}}]},
    ]


def test_builds_may_connect_to_everything_unless_the_resource_says_to_what(scene: Scene) -> None:
    policy = scene.kube.get("NetworkPolicy", "koji-spread-tasks", scene.namespace)
    assert policy is not None
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    assert "egress" not in policy["spec"]


def test_a_drain_waits_for_the_budget(scene: Scene) -> None:
    budget = stored(scene, "PodDisruptionBudget")
    assert [owner["name"] for owner in budget["metadata"]["ownerReferences"]] == ["placed"]
    assert budget["spec"] == {"minAvailable": 50, "selector": {"matchLabels": TASKS}}
    scene.kube.wait_for(
        lambda: (stored(scene, "PodDisruptionBudget").get("status") or {}).get("currentHealthy"), SOON, "it sees pods"
    )
    assert evict(scene, "x86_64") == 429


def test_what_is_no_longer_asked_for_goes(scene: Scene) -> None:
    change = {"network_policy": {"enabled": False}, "pod_disruption_budget": None}
    scene.kube.patch("KojiBuilder", "placed", scene.namespace, {"spec": change})
    for kind, version in KINDS.items():
        scene.kube.wait_gone(kind, NAME, scene.namespace, SOON, version)
    assert evict(scene, "x86_64") == 201
    # Nobody else's is touched.
    assert scene.kube.get("NetworkPolicy", "koji-spread-tasks", scene.namespace)


def test_ssl_verify_is_warned_of_and_a_login_without_a_ca_never_happens(scene: Scene) -> None:
    """This builder has `ssl_verify: false` and a CA that did not sign the hub's certificate."""
    unverified = scene.unverified
    warning = condition(unverified, "Warning")
    assert (warning["status"], warning["reason"]) == ("True", "SslVerifyIgnored")
    assert "always checked" in warning["message"]
    assert condition(unverified, "Ready")["reason"] == "CaMismatch"
    assert scene.hub.session().getHost("unverified") is None, "nothing was written to a hub that can't be trusted"
    assert scene.kube.get("Secret", "koji-unverified-session", scene.namespace) is None
