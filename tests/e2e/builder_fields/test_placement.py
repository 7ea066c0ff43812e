# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Where task pods go: `placed` ran on the node that it asks for, and not before that had its labels (see conftest)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.resources import SOON

from .conftest import UNMATCHED
from .scene import ONLY, POOL, ZONE, one_of

if TYPE_CHECKING:
    from .scene import Scene

ARCH = "kubernetes.io/arch"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def test_a_pod_goes_to_the_node_that_its_builder_asks_for(scene: Scene) -> None:
    """The fixture saw it wait for the labels, on a node whose taint kept the pod of `spread` away."""
    pod = scene.pods["x86_64"]
    assert pod["spec"]["nodeName"] == scene.node
    assert pod["spec"]["nodeSelector"] == {POOL: "fields", ARCH: "amd64"}
    assert pod["spec"]["affinity"] == one_of(ZONE, "a")
    assert {"key": ONLY, "operator": "Exists"} in pod["spec"]["tolerations"]


def test_a_task_goes_to_nodes_of_its_own_arch(scene: Scene) -> None:
    scene.stuck("aarch64", UNMATCHED)
    assert scene.pod("aarch64")["spec"]["nodeSelector"] == {POOL: "fields", ARCH: "arm64"}


def test_a_noarch_task_goes_to_nodes_of_any_of_the_hosts_arches(scene: Scene) -> None:
    spec = scene.pods["plain"]["spec"]
    assert spec["nodeSelector"] == {POOL: "fields"}
    [term] = spec["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [
        {"key": ZONE, "operator": "In", "values": ["a"]},
        {"key": ARCH, "operator": "In", "values": ["amd64", "arm64"]},
    ]


def test_a_spread_that_no_node_allows_is_said_of_the_builder(scene: Scene) -> None:
    words = "topology spread constraints"
    scene.kube.wait_for(lambda: scene.said("spread", words), SOON, f"an event of the builder: {words}")
    for name in ("spread", "spread later"):
        scene.hub.session().cancelTask(scene.tasks[name])
