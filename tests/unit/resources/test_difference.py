# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Which objects are not as their manifests want them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.difference import LAST_APPLIED, annotated, differs
from ansible_collections.fedoraproject.koji.plugins.modules.koji_difference_info import compare

from .cluster import NAMESPACE, Objects

WANTED: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "koji-hub", "namespace": NAMESPACE, "labels": {"a": "b"}},
    "spec": {
        "replicas": 1,
        "nodeSelector": {},
        "containers": [{"name": "hub", "resources": {"limits": {"memory": "1024Mi"}}, "env": [{"name": "A"}]}],
    },
}


def applied() -> dict[str, Any]:
    """The object as the API server has it: with defaults, without what is empty, quantities in its own way."""
    there = copy.deepcopy(annotated(WANTED))
    there["metadata"].update(uid="1", resourceVersion="7")
    there["spec"].pop("nodeSelector")
    container = there["spec"]["containers"][0]
    container.update(resources={"limits": {"memory": "1Gi"}}, imagePullPolicy="Always")
    return {**there, "status": {"replicas": 1}}


def test_an_object_as_it_was_applied_is_left_alone() -> None:
    assert differs(WANTED, applied()).where == ""


def test_an_absent_object_is_applied() -> None:
    assert differs(WANTED, None).where == "absent"


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("spec", "replicas"), 3, ".spec.replicas"),
        (("metadata", "labels"), {}, ".metadata.labels.a"),
        (("spec", "containers", 0, "name"), "other", ".spec.containers[0].name"),
        (("spec", "containers", 0, "resources"), {"limits": {"memory": "2Gi"}}, ".spec.containers[0].resources.limits"),
        (("spec", "containers", 0, "env"), [], ".spec.containers[0].env"),
        (("spec", "containers"), "x", ".spec.containers"),
        (("spec",), None, ".spec"),
    ],
)
def test_an_edited_field_is_found(path: tuple[Any, ...], value: Any, where: str) -> None:
    there = applied()
    target: Any = there
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value
    found = differs(WANTED, there)
    assert found.where.startswith(where)
    assert not found.foreign


def test_a_manifest_that_no_longer_sets_a_field_is_applied() -> None:
    less = copy.deepcopy(WANTED)
    del less["spec"]["replicas"]
    assert differs(less, applied()).where == "what was applied last"


@pytest.mark.parametrize("annotations", [{}, {LAST_APPLIED: "no JSON"}])
def test_an_object_that_nobody_applied_is_applied(annotations: dict[str, str]) -> None:
    there = applied()
    there["metadata"]["annotations"] = annotations
    assert LAST_APPLIED in differs(WANTED, there).where


def test_what_somebody_added_to_a_list_is_told_apart_for_apply_would_keep_it() -> None:
    there = applied()
    there["spec"]["containers"][0]["env"].append({"name": "B"})
    assert differs(WANTED, there).foreign
    newer = copy.deepcopy(WANTED)
    newer["spec"]["replicas"] = 2
    assert not differs(newer, there).foreign


def test_an_object_on_its_way_out_is_waited_for() -> None:
    there = {**applied(), "spec": {}}
    there["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert differs(WANTED, there).where == ""


def test_only_what_differs_is_returned_and_what_others_added_apart() -> None:
    objects = Objects()
    names = ("absent", "same", "foreign")
    manifests = [{**WANTED, "metadata": {**WANTED["metadata"], "name": name}} for name in names]
    for manifest in manifests[1:]:
        there = copy.deepcopy(annotated(manifest))
        if there["metadata"]["name"] == "foreign":
            there["spec"]["containers"].append({"name": "other"})
        objects.there["Deployment", there["metadata"]["name"]] = there
    result = compare(objects, manifests)
    assert result["manifests"] == [manifests[0]]
    [foreign] = result["foreign"]
    assert json.loads(foreign["metadata"]["annotations"][LAST_APPLIED]) == manifests[2]
    assert result["where"] == ["Deployment absent absent", "Deployment foreign .spec.containers"]


def test_an_object_that_a_run_without_the_operator_made_keeps_its_owner() -> None:
    owners = [{"kind": "KojiHub", "name": "hub", "uid": "1"}]
    local = {**WANTED, "metadata": {**WANTED["metadata"], "ownerReferences": owners}}
    there = copy.deepcopy(annotated(local))
    assert differs(WANTED, there).where == ""
    assert differs(local, applied() | {"metadata": {**applied()["metadata"], "ownerReferences": owners}}).where == ""
    objects = Objects()
    there["spec"]["replicas"] = 5
    objects.there["Deployment", "koji-hub"] = there
    [manifest] = compare(objects, [WANTED])["manifests"]
    assert manifest["metadata"]["ownerReferences"] == owners


def compared(there: dict[str, Any] | None, corrections: list[dict[str, Any]]) -> list[str]:
    objects = Objects()
    if there is not None:
        objects.there["Deployment", "koji-hub"] = there
    where: list[str] = compare(objects, [], corrections)["where"]
    return where


def test_a_correction_changes_nothing_to_what_was_not_applied_before() -> None:
    assert compared(None, [WANTED]) == ["Deployment koji-hub absent"]
    assert compared(applied(), [WANTED]) == []
    edited = applied()
    edited["spec"]["replicas"] = 3
    assert compared(edited, [WANTED]) == ["Deployment koji-hub .spec.replicas"]
    other = copy.deepcopy(WANTED)
    other["spec"]["replicas"] = 3
    assert compared(applied(), [other]) == []
    assert compared(edited, [other]) == []
    del edited["metadata"]["annotations"]
    assert compared(edited, [WANTED]) == [], "nobody knows what it was"
