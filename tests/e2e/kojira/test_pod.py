# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What kojira's pod is like: one Kojira says everything that a pod can be told, hostile strings too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.devhub.manifests import config_map
from tests.e2e.bad_input import hostile
from tests.e2e.kube import condition
from tests.e2e.resources import SOON

from .scene import QUICK, Scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kube import Json

MIB = 2**20
POOL, ZONE, ONLY = "koji.test/kojira-pool", "koji.test/kojira-zone", "koji.test/kojira-only"
NO_SECRET = "e2e-no-such-registry"
TEXTS = {family: hostile.written(texts[0], 7) for family, texts in hostile.FAMILIES.items()}
ENV = [{"name": f"HOSTILE_{family.upper()}", "value": text} for family, text in TEXTS.items()]
PATTERNS = {
    "debuginfo_tags": TEXTS["jinja"],
    "source_tags": TEXTS["shell"],
    "separate_source_tags": "a\n[policy]\nchannel = all :: deny",
}
SPREAD = {
    "maxSkew": 1,
    "topologyKey": ZONE,
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "kojira"}},
}
LOOK = """
import json, os, pathlib
def first(*paths):
    return next((pathlib.Path(path).read_text().strip() for path in paths if os.path.exists(path)), None)
def writable(path):
    try:
        pathlib.Path(path, ".probe").write_text("")
    except OSError:
        return False
    return True
print(json.dumps({
    "env": dict(os.environ),
    "ids": [os.getuid(), os.getgid(), sorted(os.getgroups())],
    "memory": first("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"),
    "motd": first("/srv/site/motd"),
    "writable": [path for path in ("/", "/etc", "/mnt/koji", "/srv/site") if writable(path)],
    "token": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"),
    "capabilities": next(line.split()[1] for line in open("/proc/1/status") if line.startswith("CapEff")),
}))
"""


@dataclass
class Looked:
    """The pod as the cluster has it, and what was seen inside."""

    scene: Scene
    pod: Json
    inside: Json
    waiting: Json


def told(suffix: str) -> Json:
    """All that the resource says about its pod."""
    terms = {"nodeSelectorTerms": [{"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["a"]}]}]}
    return {
        "image_pull_policy": "Never",
        "image_pull_secrets": [{"name": NO_SECRET}],
        "resources": {"requests": {"cpu": "0.05", "memory": "65536Ki"}, "limits": {"memory": "512Mi"}},
        "node_selector": {POOL: "kojira"},
        "tolerations": [{"key": ONLY, "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}},
        "topology_spread_constraints": [SPREAD],
        "priority_class_name": f"kojira-{suffix}",
        "security_context": {"runAsUser": 12345, "runAsGroup": 2345, "supplementalGroups": [3456]},
        "env": [*ENV, {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}}],
        "volumes": [{"name": "site", "configMap": {"name": "site-files"}}],
        "volume_mounts": [{"name": "site", "mountPath": "/srv/site", "readOnly": True}],
        "kojira_options": {**QUICK, **PATTERNS},
    }


@pytest.fixture(scope="module")
def looked(scene: Scene) -> Iterator[Looked]:
    suffix, kube = scene.namespace.rpartition("-")[2], scene.kube
    node = str(kube.find("Node")[0]["metadata"]["name"])
    priority = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": f"kojira-{suffix}"},
        "value": 1003,
        "preemptionPolicy": "Never",
    }
    kube.apply([priority, config_map("site-files", scene.namespace, {"motd": "hello"})])
    try:
        scene.apply(**told(suffix))
        waiting = scene.told(lambda item: "node(s)" in condition(item, "Ready").get("message", ""), "no node takes it")
        kube.patch("Node", node, None, {"metadata": {"labels": {POOL: "kojira", ZONE: "a"}}})
        scene.wait()
        yield Looked(scene, scene.pod(), json.loads(scene.in_pod("python3", "-c", LOOK)), condition(waiting, "Ready"))
    finally:
        kube.delete("PriorityClass", f"kojira-{suffix}", api_version="scheduling.k8s.io/v1")
        kube.patch("Node", node, None, {"metadata": {"labels": {POOL: None, ZONE: None}}})


def test_a_pod_that_no_node_takes_is_told(looked: Looked) -> None:
    assert (looked.waiting["status"], looked.waiting["reason"]) == ("False", "Unschedulable")


def test_the_pod_goes_where_the_resource_and_the_volume_send_it(looked: Looked) -> None:
    spec = looked.pod["spec"]
    assert spec["nodeSelector"] == {POOL: "kojira"}
    assert {"key": ONLY, "operator": "Exists"} in spec["tolerations"]
    assert {"nodeAffinity", "podAffinity"} <= set(spec["affinity"])
    assert spec["topologySpreadConstraints"] == [SPREAD]
    assert spec["priority"] == 1003


def test_kojira_has_the_resources_that_it_is_given(looked: Looked) -> None:
    [container] = looked.pod["spec"]["containers"]
    assert container["resources"] == {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
    assert looked.inside["memory"] == str(512 * MIB)
    assert looked.inside["env"]["LIMIT"] == str(512 * MIB)
    assert container["imagePullPolicy"] == "Never"
    assert looked.pod["spec"]["imagePullSecrets"] == [{"name": NO_SECRET}]


def test_it_may_write_kojis_files_and_nothing_else(looked: Looked) -> None:
    user, group, groups = looked.inside["ids"]
    assert (user, group) == (12345, 2345)
    assert {3456, 1001} <= set(groups), "the volume's group is the hub's"
    assert looked.inside["writable"] == ["/mnt/koji"]
    assert not looked.inside["token"]
    assert int(looked.inside["capabilities"], 16) == 0


def test_the_sites_volumes_are_mounted(looked: Looked) -> None:
    assert looked.inside["motd"] == "hello"


def test_the_environment_is_as_it_was_written(looked: Looked) -> None:
    for variable in ENV:
        assert looked.inside["env"][variable["name"]] == variable["value"], variable["name"]


def test_patterns_stay_patterns_in_the_hubs_file(looked: Looked) -> None:
    """A CR's text is one line of hub.conf, and nobody runs it."""
    site = looked.scene.site
    site.kube.wait_for(lambda: "separatesourcetags" in looked.scene.hub_conf(), SOON, "hub.conf follows")
    conf = looked.scene.hub_conf()
    assert conf["separatesourcetags"] == "a [policy] channel = all :: deny"
    assert conf["sourcetags"].split() == TEXTS["shell"].split()
    assert conf["debuginfotags"].split() == TEXTS["jinja"].split()
    site.wait()


def test_nothing_ran(looked: Looked) -> None:
    assert not Path(hostile.MARKER).exists()
    assert looked.scene.in_pod("sh", "-c", f"test ! -e {hostile.MARKER} && echo fine") == "fine\n"
