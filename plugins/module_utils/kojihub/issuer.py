# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The hub's certificates where cert-manager makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import cert_manager, certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.certificates import Certificate
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.leaves import Leaf
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret
    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader


def check_written(leaf: Leaf, reader: Reader, namespace: str) -> None:
    """Raise Problem with what cert-manager says while its certificate is not there, or not yet as it is asked for."""
    name = leaf.secret.name
    current = leaf.current()
    fits = current is not None and all(current.certificate.covers(wanted) for wanted in leaf.names)
    if fits and cert_manager.has_written(name, leaf.secret.annotations):
        return
    there = reader.get(cert_manager.KIND, namespace, name)
    raise Problem(cert_manager.WAITING, cert_manager.waiting(name, namespace, there), progressing=True)


def read_ca(written: Sequence[Secret], ca: Secret) -> list[Certificate]:
    """The issuer's CA, which cert-manager writes beside the certificate. Raises Problem where it doesn't know it."""
    found = [one for secret in written for one in certificates.readable(secret.text("ca.crt"))]
    if not found:
        raise ca.missing("the CA of cert_manager_issuer (key ca.crt)", "cert-manager does not tell it: create it")
    return list(dict.fromkeys(found))


def leftover(leaves: Sequence[Leaf], labels: Mapping[str, str], reader: Reader, namespace: str) -> list[dict[str, Any]]:
    """Certificates for leaves that cert-manager wrote and is no longer to write, as manifests that name them."""
    found = []
    for name in (
        leaf.secret.name for leaf in leaves if cert_manager.has_written(leaf.secret.name, leaf.secret.annotations)
    ):
        there = reader.get(cert_manager.KIND, namespace, name)
        if there is not None and labels.items() <= (there["metadata"].get("labels") or {}).items():
            metadata = {"name": name, "namespace": namespace}
            found.append({"apiVersion": "cert-manager.io/v1", "kind": cert_manager.KIND, "metadata": metadata})
    return found
