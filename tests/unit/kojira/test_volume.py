# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Koji's files: which claim, and where its volume is."""

from __future__ import annotations

from typing import Any

from .namespace import CLAIM, Namespace, reason, surveyed


def nodes(found: dict[str, object]) -> object:
    affinity = found["affinity"]
    assert isinstance(affinity, dict)
    return affinity.get("podAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")


def test_a_volume_of_one_node_is_where_the_hub_is(there: Namespace) -> None:
    own: dict[str, Any] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
    found = surveyed(there, affinity=own)
    labels = {"app.kubernetes.io/name": "koji-hub", "app.kubernetes.io/instance": "hub"}
    assert nodes(found) == [{"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}]
    assert found["affinity"]["nodeAffinity"] == own["nodeAffinity"]


def test_a_volume_of_many_nodes_is_anywhere(there: Namespace) -> None:
    there.claim(CLAIM, "ReadWriteMany")
    assert surveyed(there)["affinity"] == {}


def test_the_hubs_claim_may_have_another_name(there: Namespace) -> None:
    there.there["KojiHub", "hub"]["spec"] = {"mnt_pvc_name": "files"}
    there.claim("files", "ReadWriteMany")
    assert surveyed(there)["claim"] == "files"


def test_another_claim_is_used_as_it_is(there: Namespace) -> None:
    there.claim("other", "ReadWriteOnce")
    found = surveyed(there, shared_pvc="other")
    assert (found["claim"], found["affinity"]) == ("other", {})


def test_what_can_not_be_mounted_is_told(there: Namespace) -> None:
    there.claim(CLAIM, "ReadWriteOncePod")
    assert reason(there) == "InvalidVolume"
    there.claim(CLAIM, "ReadOnlyMany")
    assert reason(there) == "InvalidVolume"
    assert reason(there, shared_pvc="nowhere") == "MissingVolume"
    there.there["KojiHub", "hub"]["spec"] = {"persistent": False}
    assert "persistent: false" in surveyed(there)["problem"]["message"]


def test_of_a_hub_elsewhere_the_claim_must_be_named(there: Namespace) -> None:
    found = surveyed(there, hub_host="koji.example.com", cacert_secret="koji-hub-ca-cert")
    assert found["problem"]["reason"] == "MissingVolume"
    assert "shared_pvc" in found["problem"]["message"]
