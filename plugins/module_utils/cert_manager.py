# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Certificates that cert-manager makes: what it is asked for, and what it says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.issuing import Wishes

KIND = "Certificate"
WAITING = "WaitingForCertManager"
# cert-manager's own, on the Secrets that it writes.
_WRITTEN_FOR = "cert-manager.io/certificate-name"
_KEYS = {"ECDSA": {"algorithm": "ECDSA", "size": 256}, "RSA": {"algorithm": "RSA", "size": 3072}}


def request(
    secret: str,
    common_name: str,
    *,
    issuer: Mapping[str, Any],
    wishes: Wishes,
    labels: Mapping[str, str],
    names: Sequence[str] = (),
) -> dict[str, Any]:
    """Name, which is its Secret's, and spec of a Certificate: a server's for these DNS names, a user's without."""
    spec: dict[str, Any] = {
        "secretName": secret,
        "secretTemplate": {"labels": dict(labels)},
        "commonName": common_name,
        # As cert-manager writes them back.
        "duration": f"{wishes.days * 24}h0m0s",
        "renewBefore": f"{int(wishes.renew_before.total_seconds()) // 3600}h0m0s",
        "usages": ["digital signature", "server auth" if names else "client auth"],
        "privateKey": {**_KEYS.get(wishes.key_type, _KEYS["ECDSA"]), "encoding": "PKCS8", "rotationPolicy": "Never"},
        "issuerRef": {
            "name": issuer["name"],
            "kind": issuer.get("kind") or "Issuer",
            "group": issuer.get("group") or "cert-manager.io",
        },
    }
    if names:
        spec["dnsNames"] = list(names)
    return {"name": secret, "spec": spec}


def has_written(secret: str, annotations: Mapping[str, str]) -> bool:
    """Whether cert-manager wrote a Secret with these annotations for the Certificate of its name."""
    return annotations.get(_WRITTEN_FOR) == secret


def waiting(secret: str, namespace: str, there: Mapping[str, Any] | None) -> str:
    """What to tell while it has not written a Secret; `there` is the Certificate."""
    conditions = ((there or {}).get("status") or {}).get("conditions") or []
    said = next((str(one.get("message") or "") for one in conditions if one.get("type") == "Ready"), "")
    more = f"its Certificate says: {said}" if said else f"look at Certificate '{secret}'"
    return f"cert-manager has not yet written Secret '{secret}' in namespace '{namespace}'; {more}"
