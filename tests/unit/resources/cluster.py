# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Objects of a namespace in memory, and certificates, for the tests of what reads them."""

from __future__ import annotations

import base64
import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMESPACE = "koji"


class Objects:
    """What `references.Reader` wants of an API server."""

    def __init__(self) -> None:
        self.there: dict[tuple[str, str], dict[str, Any]] = {}

    def add(self, kind: str, name: str, data: dict[str, str] | None = None, **more: Any) -> None:
        """Put an object there; a Secret's data is text here."""
        if kind == "Secret":
            data = {key: base64.b64encode(value.encode()).decode() for key, value in (data or {}).items()}
        metadata = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{kind}-{name}", **more.pop("metadata", {})}
        self.there[kind, name] = {"kind": kind, "metadata": metadata, "data": data, **more}

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None."""
        assert namespace == NAMESPACE
        return self.there.get((kind, name))

    def list(self, kind: str, namespace: str, labels: str = "") -> list[dict[str, Any]]:
        """All objects of a kind, without their kind, as in a list of the API server."""
        assert namespace == NAMESPACE
        assert not labels
        return [
            {key: value for key, value in item.items() if key != "kind"}
            for (its_kind, _), item in self.there.items()
            if its_kind == kind
        ]


class Authority:
    """A CA that signs in memory."""

    def __init__(self, name: str = "ca", by: Authority | None = None) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate, self.key = (by or self)._issue(self._name, self._key, days=1000)

    def issue(self, common_name: str, days: int = 365) -> tuple[str, str]:
        """Certificate and key as PEM; days may be negative for one that has expired."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        return self._issue(name, ec.generate_private_key(ec.SECP256R1()), days)

    def _issue(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> tuple[str, str]:
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=400))
            .not_valid_after(now + datetime.timedelta(days=days))
            .sign(self._key, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()


def resource(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """A resource of the operator as the API server has it."""
    metadata = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{kind}-{name}", "generation": 1}
    return {"apiVersion": "apps.fedoraproject.org/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
