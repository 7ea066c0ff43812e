# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a hub's pod is like: one hub says everything that a pod can be told, and is looked at from inside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.devhub.certificates import Authority
from tests.devhub.manifests import config_map
from tests.e2e.kube import condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

    from .site import Site

MIB = 2**20
POOL, ZONE, ONLY = "koji.test/hub-pool", "koji.test/hub-zone", "koji.test/hub-only"
NO_SECRET = "e2e-no-such-registry"
PROXY = "http://proxy.example.org:3128"
SITE_CA = "the site's own CA"
ROLE = {"example.org/role": "arn:hub", "example.org/text": "a\nb: {{ 1 }}"}
PROBES = {
    "liveness": {"periodSeconds": 17, "failureThreshold": 9},
    "readiness": {"periodSeconds": 7, "timeoutSeconds": 25},
    "startup": {"periodSeconds": 2, "failureThreshold": 90},
}
SPREAD = {
    "maxSkew": 1,
    "topologyKey": ZONE,
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "koji-hub"}},
}
LOOK = """
import json, os, pathlib, ssl, sys, urllib.request
def first(*paths):
    return next((pathlib.Path(path).read_text().strip() for path in paths if os.path.exists(path)), None)
def writable(path):
    try:
        pathlib.Path(path, ".probe").write_text("")
    except OSError:
        return False
    return True
subjects = [dict(part[0] for part in ca["subject"]) for ca in ssl.create_default_context().get_ca_certs()]
print(json.dumps({
    "env": dict(os.environ),
    "ids": [os.getuid(), os.getgid(), sorted(os.getgroups())],
    "memory": first("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"),
    "motd": first("/srv/site/motd"),
    "trusted": [subject.get("commonName") for subject in subjects],
    "direct": [host for host in json.loads(sys.argv[1]) if urllib.request.proxy_bypass(host)],
    "writable": [path for path in ("/", "/etc", "/usr/share", "/srv/site") if writable(path)],
    "token": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"),
    "capabilities": next(line.split()[1] for line in open("/proc/1/status") if line.startswith("CapEff")),
    "seccomp": next(line.split()[1] for line in open("/proc/1/status") if line.startswith("Seccomp:")),
}))
"""


@dataclass
class Scene:
    """The hub, its pod as the cluster has it, and what was seen inside."""

    site: Site
    hub: Hub
    pod: Json
    inside: Json
    waiting: Json

    @property
    def container(self) -> Json:
        found: Json = next(c for c in self.pod["spec"]["containers"] if c["name"] == "hub")
        return found


def told(suffix: str) -> Json:
    """All that the resource says about its pod."""
    expression = {"key": ZONE, "operator": "In", "values": ["a"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {
        "image_pull_policy": "Never",
        "image_pull_secrets": [{"name": NO_SECRET}],
        "resources": {"requests": {"cpu": "0.05", "memory": "65536Ki"}, "limits": {"memory": "512Mi"}},
        "node_selector": {POOL: "hubs"},
        "tolerations": [{"key": ONLY, "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}},
        "topology_spread_constraints": [SPREAD],
        "priority_class_name": f"hub-{suffix}",
        "security_context": {"runAsUser": 12345, "runAsGroup": 2345, "supplementalGroups": [3456]},
        "env": [
            {"name": "SITE", "value": "of the hub"},
            {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
        ],
        "volumes": [{"name": "site", "configMap": {"name": "site-files"}}],
        "volume_mounts": [{"name": "site", "mountPath": "/srv/site", "readOnly": True}],
        "service_account_annotations": ROLE,
        "probes": PROBES,
        "trusted_ca_configmap": "site-ca",
        "proxy": {"http_proxy": PROXY, "https_proxy": PROXY, "no_proxy": ["files.example.org", "192.0.2.0/24"]},
        "sidecar": True,
    }


@pytest.fixture(scope="module")
def node(kube: Kube, site: Site) -> Iterator[str]:
    """A node that only pods with a toleration come to; what it is given is taken away at the end."""
    site.database_is_up()  # it has no toleration
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
def scene(kube: Kube, site: Site, node: str) -> Iterator[Scene]:
    suffix = site.namespace.rpartition("-")[2]
    priority = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": f"hub-{suffix}"},
        "value": 1003,
        "preemptionPolicy": "Never",
    }
    authority = Authority(SITE_CA).pair.certificate
    kube.apply([priority, config_map("site-files", site.namespace, {"motd": "hello"})])
    kube.apply(config_map("site-ca", site.namespace, {"ca-bundle.crt": authority}))
    try:
        site.apply(**told(suffix))
        waiting = site.told(lambda item: "node(s)" in condition(item, "Ready").get("message", ""), "no node takes it")
        kube.patch("Node", node, None, {"metadata": {"labels": {POOL: "hubs", ZONE: "a"}}})
        site.wait()
        [pod] = [pod for pod in site.pods() if not pod["metadata"].get("deletionTimestamp")]
        hosts = ["koji-hub", "koji-hub.x.svc", "a.svc.cluster.local", "localhost", "files.example.org", "example.org"]
        inside = json.loads(site.in_pod("python3", "-c", LOOK, json.dumps(hosts)))
        yield Scene(site, site.hub(), pod, inside, condition(waiting, "Ready"))
    finally:
        kube.delete("PriorityClass", f"hub-{suffix}", api_version="scheduling.k8s.io/v1")


def test_a_pod_that_no_node_takes_is_told(scene: Scene) -> None:
    """Before the node had its labels, and the first pod is that of the Job on the database."""
    assert (scene.waiting["status"], scene.waiting["reason"]) == ("False", "Unschedulable")
    assert "didn't match Pod's node affinity/selector" in scene.waiting["message"]


def test_a_pod_goes_where_the_resource_sends_it(scene: Scene) -> None:
    """The node's taint is tolerated, and it was waited for its labels."""
    spec = scene.pod["spec"]
    assert spec["nodeSelector"] == {POOL: "hubs"}
    assert {"key": ONLY, "operator": "Exists"} in spec["tolerations"]
    assert "nodeAffinity" in spec["affinity"]
    assert spec["topologySpreadConstraints"] == [SPREAD]


def test_the_priority_class_is_the_pod_s(scene: Scene) -> None:
    assert (scene.pod["spec"]["priority"], scene.pod["spec"]["preemptionPolicy"]) == (1003, "Never")


def test_the_hub_has_the_resources_that_it_is_given(scene: Scene) -> None:
    assert scene.container["resources"] == {
        "requests": {"cpu": "50m", "memory": "64Mi"},
        "limits": {"memory": "512Mi"},
    }
    assert scene.inside["memory"] == str(512 * MIB)


def test_a_security_context_is_merged_over_the_operator_s(scene: Scene) -> None:
    user, group, groups = scene.inside["ids"]
    assert (user, group) == (12345, 2345)
    assert {3456, 1001} <= set(groups), "the volumes' group is the operator's"
    context = scene.pod["spec"]["securityContext"]
    assert context["runAsNonRoot"]
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_a_hub_needs_no_rights(scene: Scene) -> None:
    """A user that the image does not know, no capabilities, a filter of system calls, a root that can't be written."""
    assert int(scene.inside["capabilities"], 16) == 0
    assert scene.inside["seccomp"] == "2"
    assert scene.inside["writable"] == []
    assert not scene.inside["token"]


def test_the_hub_sees_the_variables_and_volumes_of_the_resource(scene: Scene) -> None:
    assert scene.inside["env"]["SITE"] == "of the hub"
    assert scene.inside["env"]["LIMIT"] == str(512 * MIB)
    assert scene.inside["motd"] == "hello"


def test_the_database_s_job_has_the_site_s_variables_and_cas_as_well(scene: Scene) -> None:
    [job] = scene.site.jobs()
    pod = job["spec"]["template"]["spec"]
    names = [entry["name"] for entry in pod["containers"][0]["env"]]
    assert {"SITE", "LIMIT", "HTTPS_PROXY", "SSL_CERT_FILE", "PGHOST"} <= set(names)
    assert [container["name"] for container in pod["initContainers"]] == ["trust"]
    assert job["status"]["succeeded"] == 1


def test_the_image_is_pulled_as_the_resource_says(scene: Scene) -> None:
    assert {c["imagePullPolicy"] for c in scene.pod["spec"]["containers"]} == {"Never"}
    assert scene.pod["spec"]["imagePullSecrets"] == [{"name": NO_SECRET}]
    name = scene.pod["metadata"]["name"]
    events = scene.site.kube.events(scene.site.namespace, name)
    missed = [event["message"] for event in events if event["reason"] == "FailedToRetrieveImagePullSecret"]
    assert any(NO_SECRET in message for message in missed), "the kubelet looked for it"


def test_the_pod_has_an_account_of_its_own_with_the_site_s_annotations(scene: Scene) -> None:
    assert scene.pod["spec"]["serviceAccountName"] == "koji-hub"
    account = scene.site.kube.get("ServiceAccount", "koji-hub", scene.site.namespace)
    assert account is not None
    assert ROLE.items() <= account["metadata"]["annotations"].items()
    assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_has_the_timings_of_the_resource_and_asks_what_the_operator_wants(scene: Scene, probe: str) -> None:
    found = scene.container[f"{probe}Probe"]
    assert PROBES[probe].items() <= found.items()
    asks = {"liveness": "tcpSocket", "readiness": "exec", "startup": "exec"}[probe]
    assert asks in found


def test_the_site_s_ca_is_trusted_beside_the_image_s(scene: Scene) -> None:
    assert SITE_CA in scene.inside["trusted"]
    assert len(scene.inside["trusted"]) > 50


def test_a_proxy_is_used_but_for_the_cluster_and_what_the_site_says(scene: Scene) -> None:
    env = scene.inside["env"]
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        assert env[name] == PROXY
    assert env["NO_PROXY"] == env["no_proxy"]
    assert "192.0.2.0/24" in env["NO_PROXY"].split(",")
    assert {"koji-hub.x.svc", "a.svc.cluster.local", "localhost", "files.example.org"} <= set(scene.inside["direct"])
    assert "example.org" not in scene.inside["direct"]


def test_the_sidecar_s_koji_is_logged_in_as_the_admin(scene: Scene) -> None:
    assert {c["name"] for c in scene.pod["spec"]["containers"]} == {"hub", "admin"}
    assert "koji-admin" in scene.site.in_pod("koji", "hello", container="admin")
    assert "admin" in scene.site.in_pod("koji", "list-permissions", "--mine", container="admin")


def test_the_resource_s_changes_reach_the_pod_and_what_is_unset_goes(scene: Scene) -> None:
    """Last: the pod is made anew."""
    kept: dict[str, Any] = {key: told("")[key] for key in ("node_selector", "tolerations")}
    scene.site.ready(**kept, resources={"limits": {"memory": "384Mi"}})
    [pod] = [pod for pod in scene.site.pods() if not pod["metadata"].get("deletionTimestamp")]
    [container] = pod["spec"]["containers"]
    assert container["name"] == "hub", "no sidecar unless asked for"
    assert container["resources"]["limits"] == {"memory": "384Mi"}
    assert not {"SITE", "HTTP_PROXY", "SSL_CERT_FILE"} & {entry["name"] for entry in container.get("env") or []}
    assert "imagePullSecrets" not in pod["spec"]
    assert "site" not in {volume["name"] for volume in pod["spec"]["volumes"]}
