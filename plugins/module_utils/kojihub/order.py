# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A Secret with certificates that the role is to write."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret
    from ansible_collections.fedoraproject.koji.plugins.module_utils.making import Made

TLS = "kubernetes.io/tls"
# What holds no certificate with its key: the CA alone, a secret text.
_PLAIN = ("bundle", "session")
# Koji's tools want certificate and key in one file.
_CLIENTS = ("admin", "client")


def order(
    secret: Secret,
    role: str,
    data: Mapping[str, str],
    *,
    issue: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
    kept: bool = True,
    replace: bool = False,
) -> dict[str, Any]:
    """An entry for module koji_certificate_secrets.

    `data` is what is known of the Secret; `issue`, for `make` in making.py, gives the rest. One that was absent is
    only created, so that nobody's is overwritten, unless `replace`.
    """
    return {
        "secret": secret.name,
        "role": role,
        "type": secret.type or ("Opaque" if role in _PLAIN else TLS),
        "version": secret.version,
        "update": secret.there or replace,
        "kept": kept,
        "annotations": {key: value for key, value in (annotations or {}).items() if value},
        "data": dict(data),
        "issue": dict(issue or {}),
    }


def manifest(
    ordered: Mapping[str, Any], owner: Mapping[str, Any], labels: Mapping[str, str], made: Made | None
) -> dict[str, Any]:
    """The Secret of an order; `made` is what its `issue` asked for, `owner` the resource that it is deleted with."""
    metadata: dict[str, Any] = {
        "name": ordered["secret"],
        "namespace": owner["metadata"]["namespace"],
        "labels": dict(labels),
    }
    if ordered["version"]:
        # Nothing is written where somebody has changed it since it was looked at.
        metadata["resourceVersion"] = ordered["version"]
    if not ordered["kept"]:
        whose = {key: owner["metadata"][key] for key in ("name", "uid")}
        metadata["ownerReferences"] = [{"apiVersion": owner["apiVersion"], "kind": owner["kind"], **whose}]
    if ordered["annotations"]:
        metadata["annotations"] = ordered["annotations"]
    texts = dict(ordered["data"])
    if made:
        certificate, into = made.certificate + ordered["issue"]["chain"], ordered["issue"]["into"]
        texts |= {f"{into}.crt": certificate, f"{into}.key": made.key}
        texts |= {"client.pem": certificate + made.key} if ordered["role"] in _CLIENTS else {}
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": ordered["type"], "data": data}
