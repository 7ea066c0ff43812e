# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A namespace in memory in which the hub's role writes its certificates, as koji_certificate's secrets.yml does."""

from __future__ import annotations

import base64
import datetime
from typing import Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.certificates import CertificatesLook, look
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.unit.resources.cluster import NAMESPACE, resource

# What has no clock of its own to be told reads the real one.
START = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
_USES = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}


def coded(texts: dict[str, str]) -> dict[str, str]:
    """As a Secret has it."""
    return {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}


class Namespace:
    """Objects as the API server has them, with resource versions and what a server-side apply owns."""

    def __init__(self) -> None:
        self.there: dict[tuple[str, str], dict[str, Any]] = {}
        self._applied: dict[str, set[str]] = {}  # Secret -> keys that an apply owns
        self._version = 0
        self.writes = 0

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        assert namespace == NAMESPACE
        return self.there.get((kind, name))

    def list(self, kind: str, namespace: str, labels: str = "") -> list[dict[str, Any]]:
        assert namespace == NAMESPACE
        wanted = dict(label.split("=", 1) for label in labels.split(",") if label)
        return [
            item
            for (its_kind, _), item in self.there.items()
            if its_kind == kind and wanted.items() <= (item["metadata"].get("labels") or {}).items()
        ]

    def secret(self, name: str, texts: dict[str, str], kind: str = "Opaque", **metadata: Any) -> None:
        """Put a Secret there, as a site does."""
        self._version += 1
        self.there["Secret", name] = {
            "kind": "Secret",
            "metadata": {"name": name, "namespace": NAMESPACE, "resourceVersion": str(self._version), **metadata},
            "type": kind,
            "data": coded(texts),
        }

    def texts(self, name: str) -> dict[str, str]:
        """What a Secret holds, {} without it."""
        data = (self.there.get(("Secret", name)) or {}).get("data") or {}
        return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}

    def delete(self, kind: str, name: str) -> None:
        self.there.pop((kind, name), None)
        self._applied.pop(name, None)

    def write(self, order: dict[str, Any], labels: dict[str, str], now: datetime.datetime) -> None:
        """What tasks/secret.yml does."""
        name, there = order["secret"], self.there.get(("Secret", order["secret"]))
        texts = dict(order["data"])
        if order["issue"]:
            certificate, key = issued(order["issue"], now)
            certificate += order["issue"]["chain"]
            into = order["issue"]["into"]
            texts |= {f"{into}.crt": certificate, f"{into}.key": key}
            texts |= {"client.pem": certificate + key} if order["role"] in {"admin", "client"} else {}
        if there is not None and not order["update"]:
            return
        assert order["version"] == (there["metadata"]["resourceVersion"] if there else ""), "looked at what is there"
        assert there is None or there["type"] == order["type"], "the API server refuses another type"
        self.writes += 1
        # Who creates without an apply can't take a key away by one.
        stays = set(self.texts(name)) - self._applied.get(name, set())
        if order["update"]:
            self._applied[name] = (self._applied.get(name, set()) | set(texts)) - stays
        old = {key: text for key, text in self.texts(name).items() if key in stays}
        self.secret(name, old | texts, order["type"], labels=labels, annotations=order["annotations"])


class HubRole:
    """The role koji_hub, as far as certificates go."""

    def __init__(self, namespace: Namespace, **spec: Any) -> None:
        self.namespace = namespace
        self.resource = resource("KojiHub", "hub", **spec)
        self.now = START

    @property
    def names(self) -> Names:
        return Names(self.resource)

    def look(self) -> CertificatesLook:
        annotations = self.resource["metadata"].get("annotations")
        return look(self.resource["spec"], self.names, self.namespace, self.now, annotations)

    def run(self) -> CertificatesLook:
        """Look, and write at most twice, as the role does."""
        found = self.look()
        for _ in range(2):
            if not found.make:
                break
            for order in found.make:
                self.namespace.write(order, self.names.labels, self.now)
            found = self.look()
        return found

    def annotate(self, **annotations: str) -> None:
        own = {f"apps.fedoraproject.org/{key.replace('_', '-')}": value for key, value in annotations.items()}
        self.resource["metadata"]["annotations"] = own


def issued(issue: dict[str, Any], now: datetime.datetime) -> tuple[str, str]:
    """Certificate and key as role koji_certificate makes them."""
    key = load_key(issue["key"]) if issue["key"] else ec.generate_private_key(ec.SECP256R1())
    signer = load_key(issue["signer_key"]) if issue["signer_key"] else key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issue["common_name"])])
    by = issue["signer_certificate"]
    parent = x509.load_pem_x509_certificate(by.encode()).subject if by else subject
    until = datetime.datetime.strptime(issue["not_after"], "%Y%m%d%H%M%S%z")
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(
            x509.BasicConstraints(ca=not issue["usage"], path_length=None if issue["usage"] else 0), critical=True
        )
        .add_extension(key_usage(ca=not issue["usage"]), critical=True)
    )
    if issue["usage"]:
        builder = builder.add_extension(x509.ExtendedKeyUsage([_USES[issue["usage"]]]), critical=False)
    # The verifier of these tests wants a name in a user's certificate, too.
    names = [x509.DNSName(name) for name in issue["names"]]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return pem(builder.sign(signer, hashes.SHA256())), key_pem(key)


def key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def load_key(text: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(text.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def certificate(text: str) -> x509.Certificate:
    """The first one of a PEM text."""
    return x509.load_pem_x509_certificate(text.encode())


def accepts(trusted: str, shown: str, now: datetime.datetime) -> bool:
    """Whether who trusts these CAs accepts a certificate: signature and time, which is what a CA's change is about."""
    leaf = certificate(shown)
    if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
        return False
    for ca in x509.load_pem_x509_certificates(trusted.encode()):
        try:
            leaf.verify_directly_issued_by(ca)
        except Exception:  # noqa: BLE001, S112  (all of them say no)
            continue
        return ca.not_valid_before_utc <= now < ca.not_valid_after_utc
    return False
