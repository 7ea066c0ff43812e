# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a NetworkPolicy lets task pods connect to."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils import egress

PORT = [{"port": 443, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://koji.example.org/kojihub", {"ports": PORT}),
        ("https://koji-hub.koji.svc/kojihub", {"ports": PORT}),
        (
            "https://koji-hub.other.svc.cluster.local:8443/kojihub",
            {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}]},
        ),
        ("https://192.0.2.7/kojihub", {"ports": PORT, "to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}]}),
        ("https://[2001:db8::7]/kojihub", {"ports": PORT, "to": [{"ipBlock": {"cidr": "2001:db8::7/128"}}]}),
    ],
)
def test_a_hub_is_named_as_narrowly_as_a_policy_can(url: str, rule: dict[str, Any]) -> None:
    assert egress.hub_rule(url, "koji", None) == rule


def test_a_service_names_its_pods() -> None:
    service = {"spec": {"selector": {"app": "hub"}}}
    rule = egress.hub_rule("https://koji-hub.koji.svc:8443/kojihub", "koji", service)
    assert rule == {"to": [{"podSelector": {"matchLabels": {"app": "hub"}}}]}


def test_what_the_site_gives_is_written_as_it_is_stored() -> None:
    given: list[dict[str, Any]] = [
        {"ports": [{"port": 5432}, {"port": "dns", "protocol": "UDP"}], "to": [{"podSelector": {"matchLabels": {}}}]},
        {"to": [], "ports": []},
        {"to": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": []}}]},
    ]
    hub = {"ports": PORT}
    assert egress.rules(hub, given) == [
        egress.DNS,
        hub,
        {
            "ports": [{"port": 5432, "protocol": "TCP"}, {"port": "dns", "protocol": "UDP"}],
            "to": [{"podSelector": {}}],
        },
        {},
        {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]},
    ]
    assert given[0]["ports"][0] == {"port": 5432}, "the resource's own is not changed"


def test_a_policy_that_lists_nothing_has_no_list() -> None:
    """An object with a list would be written in each run."""
    labels = {"a": "b"}
    assert egress.policy(labels, {}, None) == {"podSelector": {"matchLabels": labels}}
    closed = egress.policy(labels, {"ports": PORT}, [])
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    assert closed["egress"] == [egress.DNS, {"ports": PORT}]
