# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Certificates that cert-manager makes: what it is asked for, and what it says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.certificates import Certificate
    from ansible_collections.fedoraproject.koji.plugins.module_utils.issuing import Wishes
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.leaves import Leaf
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret
    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader

# cert-manager's own, on the Secrets that it writes.
WRITTEN_FOR = "cert-manager.io/certificate-name"
_KEYS = {"ECDSA": {"algorithm": "ECDSA", "size": 256}, "RSA": {"algorithm": "RSA", "size": 3072}}


def request(leaf: Leaf, named: Mapping[str, Any], wishes: Wishes, labels: Mapping[str, str]) -> dict[str, Any]:
    """Name and spec of the Certificate for a leaf. It is called as its Secret is."""
    hours = wishes.days * 24
    spec: dict[str, Any] = {
        "secretName": leaf.secret.name,
        "secretTemplate": {"labels": dict(labels)},
        "commonName": leaf.common_name,
        # As cert-manager writes them back.
        "duration": f"{hours}h0m0s",
        "renewBefore": f"{int(wishes.renew_before.total_seconds()) // 3600}h0m0s",
        "usages": ["digital signature", "server auth" if leaf.names else "client auth"],
        "privateKey": {**_KEYS.get(wishes.key_type, _KEYS["ECDSA"]), "encoding": "PKCS8", "rotationPolicy": "Never"},
        "issuerRef": {
            "name": named["name"],
            "kind": named.get("kind") or "Issuer",
            "group": named.get("group") or "cert-manager.io",
        },
    }
    if leaf.names:
        spec["dnsNames"] = list(leaf.names)
    return {"name": leaf.secret.name, "spec": spec}


def has_written(secret: Secret) -> bool:
    """Whether cert-manager wrote this Secret for a Certificate of ours."""
    return secret.annotations.get(WRITTEN_FOR) == secret.name


def check_written(leaf: Leaf, reader: Reader, namespace: str) -> None:
    """Raise Problem with what cert-manager says while its certificate is not there, or not yet as it is asked for."""
    if has_written(leaf.secret) and leaf.current() is not None and _fits(leaf):
        return
    there = reader.get("Certificate", namespace, leaf.secret.name)
    conditions = ((there or {}).get("status") or {}).get("conditions") or []
    said = next((str(one.get("message") or "") for one in conditions if one.get("type") == "Ready"), "")
    raise Problem(
        "WaitingForCertManager",
        f"cert-manager has not yet written {leaf.secret}; "
        + (f"its Certificate says: {said}" if said else f"look at Certificate '{leaf.secret.name}'"),
        progressing=True,
    )


def _fits(leaf: Leaf) -> bool:
    current = leaf.current()
    return current is not None and all(current.certificate.covers(name) for name in leaf.names)


def read_ca(written: Sequence[Secret], ca: Secret) -> list[Certificate]:
    """The issuer's CA, which cert-manager writes beside the certificate. Raises Problem where it doesn't know it."""
    found = [one for secret in written for one in certificates.readable(secret.text("ca.crt"))]
    if not found:
        raise ca.missing("the CA of cert_manager_issuer (key ca.crt)", "cert-manager does not tell it: create it")
    return list(dict.fromkeys(found))
