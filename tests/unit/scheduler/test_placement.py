# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Which nodes a task's pod may go to."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.placement import ARCH_LABEL, node_archs, place

TWO = ("x86_64", "i686", "aarch64")
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("task", "host", "nodes"),
    [
        ("x86_64", TWO, ["amd64"]),
        ("i686", TWO, ["amd64"]),
        ("aarch64", TWO, ["arm64"]),
        ("noarch", TWO, ["amd64", "arm64"]),
        ("noarch", ["x86_64"], ["amd64"]),
        ("noarch", ["noarch", "s390x"], ["s390x"]),
        ("noarch", ["noarch"], []),
        ("ppc64le", ["ppc64le"], ["ppc64le"]),
    ],
)
def test_a_task_goes_to_nodes_of_its_arch(task: str, host: list[str], nodes: list[str]) -> None:
    assert node_archs(task, host) == nodes


def test_one_kind_of_node_is_a_selector_beside_the_sites() -> None:
    spec: dict[str, Any] = {"nodeSelector": {"disk": "fast"}}
    place(spec, "aarch64", TWO)
    assert spec == {"nodeSelector": {"disk": "fast", ARCH_LABEL: "arm64"}}


def test_the_sites_own_choice_of_an_arch_is_left_alone() -> None:
    spec: dict[str, Any] = {"nodeSelector": {ARCH_LABEL: "amd64"}}
    for arch in ("aarch64", "noarch"):
        before = copy.deepcopy(spec)
        place(spec, arch, TWO)
        assert spec == before


def test_several_kinds_are_added_to_each_term_of_an_affinity() -> None:
    wanted = {"key": ARCH_LABEL, "operator": "In", "values": ["amd64", "arm64"]}
    spec: dict[str, Any] = {}
    place(spec, "noarch", TWO)
    assert spec == {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}}}}
    zone = {"key": "zone", "operator": "Exists"}
    name = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    given = {
        "podAntiAffinity": {"x": 1},
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [],
            REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [zone]}, {"matchFields": [name]}, {}]},
        },
    }
    spec = {"affinity": copy.deepcopy(given)}
    place(spec, "noarch", TWO)
    terms = spec["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    assert terms == [{"matchExpressions": [zone, wanted]}, {"matchFields": [name], "matchExpressions": [wanted]}, {}]
    assert spec["affinity"]["podAntiAffinity"] == {"x": 1}
    assert spec["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] == []
