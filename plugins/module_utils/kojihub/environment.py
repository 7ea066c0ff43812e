# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The environment of the pods: the site's HTTP proxy and what never goes through it, the CAs that it trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# What every cluster has inside.
CLUSTER = ("localhost", "127.0.0.1", "::1", ".svc", ".cluster.local")
# The image's CAs and the site's in one file; an init container makes it.
TRUST = "/run/koji-trust"
CA_BUNDLE = "ca-bundle.crt"
TRUSTED_CA = f"{TRUST}/{CA_BUNDLE}"
# curl's, requests' and OpenSSL's names for the file.
CA_VARIABLES = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


def environment(spec: Mapping[str, Any], direct: Iterable[str]) -> list[dict[str, Any]]:
    """Variables of a pod, in the order of their names; `direct` are hosts that are reached past the proxy."""
    proxy = spec.get("proxy") or {}
    found: dict[str, str] = {}
    for field in ("http_proxy", "https_proxy"):
        if given(proxy.get(field)):
            found[field] = found[field.upper()] = given(proxy[field])
    if found:
        hosts = [*CLUSTER, *direct, *(proxy.get("no_proxy") or [])]
        found["no_proxy"] = found["NO_PROXY"] = ",".join(dict.fromkeys(host for host in hosts if host))
    if given(spec.get("trusted_ca_configmap")):
        found.update(dict.fromkeys(CA_VARIABLES, TRUSTED_CA))
    return [{"name": name, "value": found[name]} for name in sorted(found)]


def trust(spec: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """`volumes` of a pod with the file of CAs and what it is made of, `mounts` of who reads it; none without a wish."""
    name = given(spec.get("trusted_ca_configmap"))
    if not name:
        return {"volumes": [], "mounts": []}
    source = {"name": name, "items": [{"key": CA_BUNDLE, "path": CA_BUNDLE}]}
    volumes = [{"name": "trust", "emptyDir": {}}, {"name": "trusted-ca", "configMap": source}]
    return {"volumes": volumes, "mounts": [{"name": "trust", "mountPath": TRUST, "readOnly": True}]}
