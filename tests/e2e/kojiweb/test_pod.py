# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a web pod is like: one KojiWeb says everything that a pod can be told, and is looked at from inside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.devhub.manifests import config_map
from tests.e2e.kojihub.test_pod import LOOK, MIB, PROBES
from tests.e2e.kube import condition

from .site import NAME, WebSite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kube import Json, Kube

POOL, ZONE, ONLY = "koji.test/web-pool", "koji.test/web-zone", "koji.test/web-only"
NO_SECRET = "e2e-no-such-registry"
ROLE = {"example.org/role": "arn:web"}
SPREAD = {
    "maxSkew": 1,
    "topologyKey": ZONE,
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "koji-web"}},
}


@dataclass
class Scene:
    """The pod as the cluster has it, and what was seen inside."""

    site: WebSite
    pod: Json
    inside: Json
    waiting: Json

    @property
    def container(self) -> Json:
        """The only one."""
        [found] = self.pod["spec"]["containers"]
        return dict(found)


def told(suffix: str) -> Json:
    """All that the resource says about its pod."""
    expression = {"key": ZONE, "operator": "In", "values": ["a"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {
        "image_pull_policy": "Never",
        "image_pull_secrets": [{"name": NO_SECRET}],
        "resources": {"requests": {"cpu": "0.05", "memory": "65536Ki"}, "limits": {"memory": "512Mi"}},
        "node_selector": {POOL: "webs"},
        "tolerations": [{"key": ONLY, "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}},
        "topology_spread_constraints": [SPREAD],
        "priority_class_name": f"web-{suffix}",
        "security_context": {"runAsUser": 12345, "runAsGroup": 2345, "supplementalGroups": [3456]},
        "env": [
            {"name": "SITE", "value": "of the web"},
            {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
        ],
        "volumes": [{"name": "site", "configMap": {"name": "site-files"}}],
        "volume_mounts": [{"name": "site", "mountPath": "/srv/site", "readOnly": True}],
        "service_account_annotations": ROLE,
        "probes": PROBES,
    }


@pytest.fixture(scope="module")
def node(kube: Kube, site: WebSite) -> Iterator[str]:
    """A node that only pods with a toleration come to; what it is given is taken away at the end."""
    name = str(kube.find("Node")[0]["metadata"]["name"])
    kube.patch("Node", name, None, {"spec": {"taints": [*_taints(kube, name), {"key": ONLY, "effect": "NoSchedule"}]}})
    try:
        yield name
    finally:
        kube.patch("Node", name, None, {"spec": {"taints": _taints(kube, name)}})
        kube.patch("Node", name, None, {"metadata": {"labels": {POOL: None, ZONE: None}}})


def _taints(kube: Kube, node: str) -> list[Json]:
    """A node's taints that aren't ours."""
    found = kube.get("Node", node)
    assert found is not None
    return [taint for taint in found["spec"].get("taints") or [] if taint["key"] != ONLY]


@pytest.fixture(scope="module")
def scene(kube: Kube, site: WebSite, node: str) -> Iterator[Scene]:
    suffix = site.namespace.rpartition("-")[2]
    name = f"web-{suffix}"
    metadata = {"name": name}
    kube.apply(
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": metadata, "value": 1004,
         "preemptionPolicy": "Never"}
    )  # fmt: skip
    kube.apply(config_map("site-files", site.namespace, {"motd": "hello"}))
    try:
        site.apply(**told(suffix))
        waiting = site.told(lambda item: "node(s)" in condition(item, "Ready").get("message", ""), "no node takes it")
        kube.patch("Node", node, None, {"metadata": {"labels": {POOL: "webs", ZONE: "a"}}})
        site.wait()
        [pod] = site.pods()
        inside = json.loads(site.in_pod("python3", "-c", LOOK, "[]"))
        yield Scene(site, pod, inside, condition(waiting, "Ready"))
    finally:
        kube.delete("PriorityClass", name, api_version="scheduling.k8s.io/v1")


def test_a_pod_goes_where_the_resource_sends_it(scene: Scene) -> None:
    """The node's taint is tolerated, and its labels were waited for."""
    assert (scene.waiting["status"], scene.waiting["reason"]) == ("False", "Unschedulable")
    spec = scene.pod["spec"]
    assert spec["nodeSelector"] == {POOL: "webs"}
    assert {"key": ONLY, "operator": "Exists"} in spec["tolerations"]
    assert "nodeAffinity" in spec["affinity"]
    assert spec["topologySpreadConstraints"] == [SPREAD]
    assert (spec["priority"], spec["preemptionPolicy"]) == (1004, "Never")


def test_it_has_the_resources_that_it_is_given(scene: Scene) -> None:
    assert scene.container["resources"]["requests"] == {"cpu": "50m", "memory": "64Mi"}
    assert scene.inside["memory"] == str(512 * MIB)


def test_it_needs_no_rights_and_any_user_id_will_do(scene: Scene) -> None:
    user, group, groups = scene.inside["ids"]
    assert (user, group) == (12345, 2345)
    assert {3456, 1001} <= set(groups), "the volumes' group is the operator's"
    assert int(scene.inside["capabilities"], 16) == 0
    assert scene.inside["seccomp"] == "2"
    assert scene.inside["writable"] == []
    assert not scene.inside["token"]


def test_it_sees_the_variables_and_volumes_of_the_resource(scene: Scene) -> None:
    assert scene.inside["env"]["SITE"] == "of the web"
    assert scene.inside["env"]["LIMIT"] == str(512 * MIB)
    assert scene.inside["motd"] == "hello"


def test_the_image_is_pulled_as_the_resource_says(scene: Scene) -> None:
    assert scene.container["imagePullPolicy"] == "Never"
    events = scene.site.kube.events(scene.site.namespace, scene.pod["metadata"]["name"])
    missed = [event["message"] for event in events if event["reason"] == "FailedToRetrieveImagePullSecret"]
    assert any(NO_SECRET in message for message in missed), "the kubelet looked for it"


def test_it_has_an_account_of_its_own_with_the_site_s_annotations(scene: Scene) -> None:
    assert scene.pod["spec"]["serviceAccountName"] == NAME
    assert ROLE.items() <= scene.site.good("ServiceAccount")["metadata"]["annotations"].items()


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_has_the_timings_of_the_resource_and_asks_what_the_operator_wants(scene: Scene, probe: str) -> None:
    found = scene.container[f"{probe}Probe"]
    assert PROBES[probe].items() <= found.items()
    assert {"liveness": "tcpSocket", "readiness": "exec", "startup": "exec"}[probe] in found
