# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Claims are made, grown, never shrunk; one that somebody else made is used as it is."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.claims import ClaimsLook, look
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names

from tests.unit.resources.cluster import Objects, resource

OURS = {"app.kubernetes.io/managed-by": "koji-operator"}
RWX = {"mnt_pvc_access_modes": ["ReadWriteMany"], "httpd_pvc_access_modes": ["ReadWriteMany"]}


def looked(objects: Objects, **spec: Any) -> ClaimsLook:
    hub = resource("KojiHub", "hub", **spec)
    return look(spec, Names(hub), objects)


def claim(objects: Objects, name: str, size: str, modes: tuple[str, ...] = ("ReadWriteOnce",), **more: Any) -> None:
    spec = {"accessModes": list(modes), "resources": {"requests": {"storage": size}}}
    metadata = {"labels": more.pop("labels", OURS), **more.pop("metadata", {})}
    objects.add("PersistentVolumeClaim", name, metadata=metadata, spec=spec, **more)


def test_absent_claims_are_made_as_the_resource_says() -> None:
    found = looked(Objects(), mnt_pvc_size="5Gi", httpd_pvc_name="html", mnt_pvc_storage_class="fast")
    mnt, httpd = found.make
    assert mnt["metadata"]["name"] == "koji-hub-mnt-pvc"
    assert mnt["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "5Gi"}},
        "storageClassName": "fast",
    }
    assert httpd["metadata"]["name"] == "html"
    assert "storageClassName" not in httpd["spec"]
    assert "ownerReferences" not in mnt["metadata"]


def test_a_hub_that_is_not_persistent_has_no_claims_and_says_that_its_data_is_lost() -> None:
    found = looked(Objects(), persistent=False)
    assert (found.make, found.single_node) == ([], False)
    assert [warning["reason"] for warning in found.warnings] == ["NotPersistent"]


def test_a_backup_before_upgrades_has_a_claim_of_its_own() -> None:
    found = looked(Objects(), persistent=False, backup_before_upgrade={"enabled": True, "pvc_size": "3Gi"})
    assert [item["metadata"]["name"] for item in found.make] == ["koji-hub-backup-pvc"]


def test_our_claim_grows_with_its_size_and_no_other_field_is_touched() -> None:
    objects = Objects()
    claim(objects, "koji-hub-mnt-pvc", "1Gi")
    claim(objects, "koji-hub-httpd-pvc", "1024Mi")
    found = looked(objects, mnt_pvc_size="2Gi", httpd_pvc_size="1Gi")
    [grow] = found.grow
    assert grow["spec"] == {"resources": {"requests": {"storage": "2Gi"}}}
    assert grow["metadata"] == {"name": "koji-hub-mnt-pvc", "namespace": "koji"}
    assert found.make == []


def test_a_smaller_size_is_refused() -> None:
    objects = Objects()
    claim(objects, "koji-hub-mnt-pvc", "2Gi")
    problem = looked(objects, mnt_pvc_size="1Gi").problem
    assert problem is not None
    assert problem.reason == "ClaimCannotShrink"
    assert "mnt_pvc_size" in problem.message
    assert "'koji-hub-mnt-pvc' has 2Gi" in problem.message


def test_without_a_size_a_claim_stays_as_large_as_it_is() -> None:
    objects = Objects()
    claim(objects, "koji-hub-mnt-pvc", "20Gi")
    claim(objects, "koji-hub-httpd-pvc", "500Mi")
    claim(objects, "koji-hub-backup-pvc", "100Gi")
    found = looked(objects, backup_before_upgrade={"enabled": True})
    assert (found.problem, found.grow, found.make) == (None, [], [])


def test_without_a_size_a_claim_that_has_not_grown_yet_is_still_named() -> None:
    objects = Objects()
    claim(objects, "koji-hub-mnt-pvc", "20Gi", status={"phase": "Bound", "capacity": {"storage": "10Gi"}})
    assert [warning["reason"] for warning in looked(objects).warnings] == ["ClaimGrows"]


def test_a_claim_that_somebody_else_made_is_used_as_it_is() -> None:
    objects = Objects()
    claim(objects, "shared", "1Gi", ("ReadWriteMany",), labels={})
    claim(objects, "html", "9Gi", ("ReadWriteMany",), labels={})
    found = looked(objects, mnt_pvc_name="shared", httpd_pvc_name="html", replicas=3)
    assert found == ClaimsLook()


def test_a_claim_whose_storage_has_not_grown_yet_is_named() -> None:
    objects = Objects()
    grows = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    claim(objects, "koji-hub-mnt-pvc", "2Gi", status=grows)
    [warning] = looked(objects, mnt_pvc_size="2Gi").warnings
    assert warning["reason"] == "ClaimGrows"
    waits = {"type": "FileSystemResizePending", "status": "True", "message": "waiting for a pod"}
    claim(objects, "koji-hub-mnt-pvc", "2Gi", status={**grows, "conditions": [waits]})
    [warning] = looked(objects, mnt_pvc_size="2Gi").warnings
    assert "waiting for a pod" in warning["message"]


def test_a_claim_that_is_being_deleted_is_named() -> None:
    objects = Objects()
    claim(objects, "koji-hub-mnt-pvc", "10Gi", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    [warning] = looked(objects).warnings
    assert warning["reason"] == "ClaimEnds"


@pytest.mark.parametrize(("modes", "single"), [("ReadWriteOnce", True), ("ReadWriteMany", False)])
def test_a_volume_for_one_node_allows_one_replica(modes: str, single: bool) -> None:
    objects = Objects()
    claim(objects, "koji-hub-mnt-pvc", "10Gi", (modes,))
    claim(objects, "koji-hub-httpd-pvc", "1Gi", ("ReadWriteMany",))
    assert looked(objects).single_node is single
    problem = looked(objects, replicas=2).problem
    assert (problem is not None and problem.reason == "TooManyReplicas") is single
    assert not looked(Objects(), replicas=2, **RWX).single_node


def test_claims_that_could_not_be_used_are_not_made() -> None:
    assert looked(Objects(), replicas=2).make == []
    assert looked(Objects(), replicas=2, httpd_pvc_access_modes=["ReadWriteMany"]).make == []
