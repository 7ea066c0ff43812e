# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A builder's NetworkPolicy: nobody connects to its pods, and they to DNS, the hub and what the site gives."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HTTPS = 443
# A policy sees a pod's own port, not its Service's: OpenShift's DNS listens on 5353.
DNS_PORTS = (53, 5353)
DNS = {"ports": [{"port": port, "protocol": protocol} for port in DNS_PORTS for protocol in ("UDP", "TCP")]}
NAMESPACE_LABEL = "kubernetes.io/metadata.name"


def service_of(hub_url: str) -> tuple[str, str] | None:
    """(namespace, name) of the Service that a hub's URL names, or None: the hub is elsewhere."""
    match (urlsplit(hub_url).hostname or "").split("."):
        case [name, namespace, "svc", *rest] if rest in ([], ["cluster", "local"]):
            return namespace, name
    return None


def hub_rule(hub_url: str, namespace: str, service: Mapping[str, Any] | None) -> dict[str, Any]:
    """The rule that lets task pods of a namespace reach the hub; `service`: the one that its URL names, if it is here.

    A policy knows pods, namespaces and addresses, but neither Services nor names: of a hub outside the cluster it can
    only say the port.
    """
    url = urlsplit(hub_url)
    port = {"ports": [{"port": url.port or HTTPS, "protocol": "TCP"}]}
    selector = ((service or {}).get("spec") or {}).get("selector")
    if selector:
        return {"to": [{"podSelector": {"matchLabels": dict(selector)}}]}
    named = service_of(hub_url)
    if named is not None and named[0] != namespace:
        return {"to": [{"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: named[0]}}}]}
    try:
        address = ipaddress.ip_address(url.hostname or "")
    except ValueError:
        return port
    return {**port, "to": [{"ipBlock": {"cidr": str(ipaddress.ip_network(address))}}]}


def policy(
    pods: Mapping[str, str], hub: Mapping[str, Any], given: Iterable[Mapping[str, Any]] | None
) -> dict[str, Any]:
    """The spec of the policy of pods with these labels, as the API server stores it; `given` None: egress is free.

    Without egress there is no list in it: kubernetes.core's apply writes an object with any list in every run.
    """
    spec: dict[str, Any] = {"podSelector": {"matchLabels": dict(pods)}}
    if given is None:
        return spec
    return {**spec, "policyTypes": ["Ingress", "Egress"], "egress": rules(hub, given)}


def rules(hub: Mapping[str, Any], given: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All egress rules of a builder; `hub` is what hub_rule made."""
    return [DNS, dict(hub), *(_stored(rule) for rule in given)]


def _stored(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A NetworkPolicyEgressRule as it comes back from the API server: else it would be written for ever."""
    stored: dict[str, Any] = without_empty(rule)
    for port in stored.get("ports", []):
        port.setdefault("protocol", "TCP")
    return stored


def without_empty(value: Any) -> Any:
    """Empty lists and matchLabels are left out; an empty selector or rule means everything, and stays."""
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    if not hasattr(value, "items"):
        return value
    return {
        key: without_empty(item)
        for key, item in value.items()
        if item is not None and item != [] and not (key == "matchLabels" and item == {})
    }
