# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the objects of a KojiHub are called."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names

from tests.unit.resources.cluster import resource


def names(**spec: Any) -> Names:
    return Names(resource("KojiHub", "hub", **spec))


def test_the_proposals_names_are_the_defaults() -> None:
    ours = names()
    assert ours.internal_url == "https://koji-hub.koji.svc:8443/kojihub" == ours.url
    assert (ours.ca_secret, ours.ca_key_secret) == ("koji-hub-ca-cert", "koji-hub-ca-cert-key")
    assert (ours.service_secret, ours.admin_secret) == ("koji-hub-service-cert", "koji-hub-admin")
    assert (ours.mnt_claim, ours.httpd_claim) == ("koji-hub-mnt-pvc", "koji-hub-httpd-pvc")
    assert (ours.config, ours.job("abc")) == ("koji-hub-config", "koji-hub-db-abc")


@pytest.mark.parametrize(
    ("field", "attribute"),
    [
        ("ca_cert_secret", "ca_secret"),
        ("service_cert_secret", "service_secret"),
        ("postgres_secret", "postgres_secret"),
        ("mnt_pvc_name", "mnt_claim"),
        ("httpd_pvc_name", "httpd_claim"),
    ],
)
def test_a_field_that_names_an_object_wins_and_an_empty_one_does_not(field: str, attribute: str) -> None:
    assert getattr(names(**{field: "other"}), attribute) == "other"
    assert getattr(names(**{field: ""}), attribute) == getattr(names(), attribute)


def test_the_public_url_has_the_host_and_the_scheme_that_is_served() -> None:
    assert names(host="koji.example").url == "https://koji.example/kojihub"
    plain = names(host="koji.example", https_enabled=False)
    assert plain.url == "http://koji.example/kojihub"
    assert plain.internal_url == "http://koji-hub.koji.svc:8080/kojihub"


def test_two_hubs_share_no_name_and_no_selector() -> None:
    one, other = names(), Names(resource("KojiHub", "second"))
    assert one.selector != other.selector
    same = {key for key, value in one.as_dict().items() if other.as_dict()[key] == value}
    assert same == {"namespace", "postgres_secret", "host"}
