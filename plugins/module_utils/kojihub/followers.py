# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Who follows when a hub's CA changes: Secrets of the operator, whoever they were made for, and the hub's pods."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import MANAGED_BY, OPERATOR
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import GROUP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.certificates import Certificate
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret, Secrets
    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader

# Annotation of the hub's pods: another value rolls them.
CHECKSUM = f"{GROUP}/certificates"


class NamespaceFollowers:
    """Reads what is there; only a rotation needs to know, and each question is answered once."""

    def __init__(self, names: Names, secrets: Secrets, reader: Reader) -> None:
        self._names = names
        self._secrets = secrets
        self._reader = reader

    @functools.cached_property
    def _made(self) -> list[Secret]:
        all_made = self._secrets.made_by_operator(f"{MANAGED_BY}={OPERATOR}")
        return [secret for secret in all_made if secret.name != self._names.ca_key_secret]

    def lacking(self, new: Certificate, trusted: Sequence[Certificate]) -> list[str]:
        """Secrets that carry one of the trusted CAs, but not the new one."""
        found = []
        for secret in self._made:
            carried = certificates.readable(secret.text("ca.crt"))
            # Those of another hub's CA carry none of them.
            if new not in carried and any(one in carried for one in trusted):
                found.append(secret.name)
        return sorted(found)

    def signed_by(self, old: Sequence[Certificate]) -> list[str]:
        """Secrets whose certificate is by one of these."""
        found = []
        for secret in self._made:
            leaf = certificates.readable(secret.text("tls.crt"))[:1]
            if leaf and any(leaf[0].issued_by(one) for one in old):
                found.append(secret.name)
        return sorted(found)

    def rolled_out(self) -> bool:
        """Whether all pods of the hub have what the Secrets hold now."""
        there = self._reader.get("Deployment", self._names.namespace, self._names.deployment)
        if there is None:
            return True
        spec, status = there["spec"], there.get("status") or {}
        wanted = int(spec.get("replicas", 1))
        annotations = (spec["template"].get("metadata") or {}).get("annotations") or {}
        counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
        return (
            counts == {wanted}
            and status.get("observedGeneration", 0) >= there["metadata"].get("generation", 0)
            and annotations.get(CHECKSUM) == self.checksum()
        )

    def checksum(self) -> str:
        """What changes when httpd has to read its certificates anew."""
        server = self._secrets.get(self._names.service_secret)
        ca = self._secrets.get(self._names.ca_secret)
        return checksum(server.text("tls.crt"), ca.text("ca.crt"))


def checksum(server: str, ca: str) -> str:
    """Of the server's certificate and the CAs that httpd trusts."""
    return hashlib.sha256(f"{server.strip()}\n{ca.strip()}".encode()).hexdigest()[:16]
