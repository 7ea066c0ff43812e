# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A hub's claims: made, grown, never shrunk, never deleted; and what a volume that one node alone can mount means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.kube import condition
from tests.e2e.resources import SOON

if TYPE_CHECKING:
    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json

    from .site import Site

LOST = {
    "mnt": {"name": "lost", "storage_class": "no-such-class"},
    "httpd": {"name": "lost-too", "storage_class": "no-class-either"},
}
PERSISTENT: dict[str, Any] = {"persistent": True, "mnt_pvc_size": "2Gi", "httpd_pvc_size": "1Gi"}
CLAIMS = {"koji-hub-mnt-pvc": "2Gi", "koji-hub-httpd-pvc": "1Gi"}


def claim(site: Site, name: str) -> Json:
    found = site.kube.get("PersistentVolumeClaim", name, site.namespace)
    assert found is not None, f"no claim {name}"
    return found


def asked(site: Site, name: str) -> str:
    return str(claim(site, name)["spec"]["resources"]["requests"]["storage"])


def deployment(site: Site) -> Json:
    found = site.kube.get("Deployment", "koji-hub", site.namespace)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def hub(site: Site) -> Hub:
    """A hub with claims, ready."""
    return site.ready(**PERSISTENT)


def test_claims_are_made_and_used(site: Site, hub: Hub) -> None:
    assert {name: asked(site, name) for name in CLAIMS} == CLAIMS
    for name in CLAIMS:
        assert claim(site, name)["status"]["phase"] == "Bound"
        assert not claim(site, name)["metadata"].get("ownerReferences")
    site.in_pod("sh", "-c", "echo kept > /mnt/koji/kept && echo kept > /httpdir/kept")


def test_a_volume_of_one_node_means_one_pod_after_the_other(site: Site, hub: Hub) -> None:
    assert claim(site, "koji-hub-mnt-pvc")["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert deployment(site)["spec"]["strategy"]["type"] == "Recreate"


def test_more_replicas_on_a_volume_of_one_node_are_refused(site: Site, hub: Hub) -> None:
    said = site.refused("TooManyReplicas", **PERSISTENT, replicas=2)
    assert "koji-hub-mnt-pvc" in said
    assert "ReadWriteMany" in said
    assert deployment(site)["spec"]["replicas"] == 1
    assert hub.session().getAPIVersion() == 1


def test_a_claim_grows_with_its_size(site: Site, hub: Hub) -> None:
    site.ready(**{**PERSISTENT, "mnt_pvc_size": "3Gi"})
    site.kube.wait_for(lambda: asked(site, "koji-hub-mnt-pvc") == "3Gi", SOON, "the request has grown")
    assert asked(site, "koji-hub-httpd-pvc") == "1Gi"


def test_a_claim_does_not_shrink(site: Site, hub: Hub) -> None:
    site.ready(**{**PERSISTENT, "mnt_pvc_size": "3Gi"})
    said = site.refused("ClaimCannotShrink", **PERSISTENT)
    assert "koji-hub-mnt-pvc" in said
    assert "2Gi" in said
    assert "3Gi" in said
    assert asked(site, "koji-hub-mnt-pvc") == "3Gi"
    assert hub.session().getAPIVersion() == 1


def test_without_a_size_a_claim_stays_as_large_as_it_is(site: Site, hub: Hub) -> None:
    site.ready(persistent=True)
    assert {name: asked(site, name) for name in CLAIMS} == {**CLAIMS, "koji-hub-mnt-pvc": "3Gi"}


def test_claims_outlive_their_hub_and_are_used_again(site: Site, hub: Hub) -> None:
    uids = {name: claim(site, name)["metadata"]["uid"] for name in CLAIMS}
    site.kube.delete("KojiHub", "hub", site.namespace, timeout=SOON)
    site.kube.wait_for(lambda: not site.pods(), SOON, "the pods are gone", site.pods)
    for name in CLAIMS:
        assert "deletionTimestamp" not in claim(site, name)["metadata"]
    site.ready(**{**PERSISTENT, "mnt_pvc_size": "3Gi"})
    assert {name: claim(site, name)["metadata"]["uid"] for name in CLAIMS} == uids
    assert site.in_pod("cat", "/mnt/koji/kept", "/httpdir/kept") == "kept\nkept\n"


def test_an_existing_claim_is_used_as_it_is(site: Site, hub: Hub) -> None:
    own: Json = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "ours", "namespace": site.namespace, "labels": {"whose": "ours"}},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "5Gi"}}},
    }
    site.kube.apply(own)
    site.ready(**{**PERSISTENT, "mnt_pvc_size": "3Gi", "mnt_pvc_name": "ours"})
    [pod] = [pod for pod in site.pods() if "deletionTimestamp" not in pod["metadata"]]
    mounted = {volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod["spec"]["volumes"]}
    assert {"ours", "koji-hub-httpd-pvc"} <= mounted
    assert asked(site, "ours") == "5Gi"
    assert claim(site, "ours")["metadata"]["labels"] == {"whose": "ours"}
    assert claim(site, "ours")["spec"]["accessModes"] == ["ReadWriteMany"]


def test_volumes_of_many_nodes_allow_more_replicas(site: Site, hub: Hub) -> None:
    shared = {"mnt_pvc_name": "ours", "httpd_pvc_name": "many", "httpd_pvc_access_modes": ["ReadWriteMany"]}
    site.ready(**{**PERSISTENT, **shared, "replicas": 2})
    assert deployment(site)["spec"]["strategy"]["type"] == "RollingUpdate"
    assert deployment(site)["status"]["readyReplicas"] == 2
    assert site.get()["status"]["replicas"] == 2


def test_a_claim_that_finds_no_volume_is_named(site: Site, hub: Hub) -> None:
    site.ready()
    lost = {f"{part}_pvc_{key}": value for part in ("mnt", "httpd") for key, value in LOST[part].items()}
    said = site.refused("ClaimNotBound", **{**PERSISTENT, **lost})
    assert "'lost'" in said or "'lost-too'" in said
    assert "no-such-class" in said or "no-class-either" in said
    site.ready()  # nobody has to delete a pod for it
    for claim in LOST.values():
        there = site.kube.get("PersistentVolumeClaim", claim["name"], site.namespace)
        assert there is not None
        assert there["spec"]["storageClassName"] == claim["storage_class"]
        site.kube.delete("PersistentVolumeClaim", claim["name"], site.namespace)


def test_without_claims_the_status_says_that_data_will_not_last(site: Site, hub: Hub) -> None:
    site.ready()
    item = site.get()
    assert "lost" in " ".join(entry.get("message", "") for entry in item["status"]["conditions"]), item["status"]
    assert condition(item, "Ready")["status"] == "True"
    assert all("persistentVolumeClaim" not in volume for volume in site.pods()[0]["spec"]["volumes"])
