# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Makes keys, and certificates signed by a CA or, for a CA, by themselves."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

USAGES = {"serverAuth": certificates.SERVER, "clientAuth": certificates.CLIENT}
RSA_BITS = 3072
# Somebody's clock may be behind.
EARLIER = datetime.timedelta(hours=1)


class SigningError(ValueError):
    """A certificate that can't be made so; the message says why."""


@dataclass(frozen=True)
class Order:
    """What a certificate is to say: for `usage` serverAuth or clientAuth, or that it is a CA without; `key` is PEM."""

    common_name: str
    key: str = field(repr=False)
    not_after: datetime.datetime
    usage: str = ""
    names: Sequence[str] = ()


def make_key(key_type: str) -> str:
    """A new key, ECDSA or RSA, as PEM."""
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if key_type == "RSA":
        private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    else:
        private = ec.generate_private_key(ec.SECP256R1())
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def sign(order: Order, signer: str = "", signer_key: str = "") -> str:
    """A certificate as PEM, by the CA `signer`, or by its own key where there is none. Raises SigningError."""
    try:
        return _sign(order, signer, signer_key)
    except certificates.CertificateError as error:
        raise SigningError(f"the signing CA: {error}") from error
    except (ValueError, TypeError) as error:
        raise SigningError(f"certificate for '{order.common_name}': {error}") from error


def _sign(order: Order, signer: str, signer_key: str) -> str:
    own = _load(order.key)
    public = own.public_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, order.common_name)])
    # The key fits, or it is said here: a client would say so much later.
    by = certificates.read(signer, signer_key).parsed if order.usage else None
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.subject if by else subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.now(datetime.UTC) - EARLIER)
        .not_valid_after(order.not_after)
        .public_key(public)
        .add_extension(x509.BasicConstraints(ca=not order.usage, path_length=None if order.usage else 0), critical=True)
        .add_extension(_key_usage(ca=not order.usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if order.usage:
        built = built.add_extension(x509.ExtendedKeyUsage([USAGES[order.usage]]), critical=False)
    if order.names:
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in order.names])
        built = built.add_extension(names, critical=False)
    if by is not None:
        built = built.add_extension(_authority(by), critical=False)
    key = _load(signer_key) if by is not None else own
    has_own_digest = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    made = built.sign(key, None if has_own_digest else hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def _load(key: str) -> CertificateIssuerPrivateKeyTypes:
    return cast("CertificateIssuerPrivateKeyTypes", serialization.load_pem_private_key(key.encode(), password=None))


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(signer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        known = signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known.value)
