# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the operator needs to know of a certificate: whose it is, whether the key fits, when to renew it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

RENEW_BEFORE = datetime.timedelta(days=30)


class CertificateError(ValueError):
    """PEM text that can't be used; the message says why."""


@dataclass(frozen=True)
class Certificate:
    """A certificate that was read: CN of its subject, DN of its issuer, end of validity (UTC)."""

    common_name: str
    issuer: str
    subject: str
    expires: datetime.datetime

    def renew(self, before: datetime.timedelta = RENEW_BEFORE) -> bool:
        """Whether it is time for a new one, that long before it expires."""
        return datetime.datetime.now(datetime.UTC) >= self.expires - before

    @property
    def expired(self) -> bool:
        """Whether nobody accepts it any more."""
        return datetime.datetime.now(datetime.UTC) >= self.expires


def read(certificate: str, key: str = "") -> Certificate:
    """Read the first certificate of a PEM text, and check that the key is its own. Raises CertificateError."""
    try:
        cert = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError as error:
        raise CertificateError("no PEM certificate") from error
    if key:
        try:
            private = serialization.load_pem_private_key(key.encode(), password=None)
        except (ValueError, TypeError) as error:
            raise CertificateError("no PEM private key without a password") from error
        if private.public_key() != cert.public_key():
            raise CertificateError("the key is not the certificate's")
    names = cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Certificate(
        common_name=str(names[0].value) if names else "",
        issuer=cert.issuer.rfc4514_string(),
        subject=cert.subject.rfc4514_string(),
        expires=cert.not_valid_after_utc,
    )


def rfc3339(certificate: Certificate) -> str:
    """When it expires, as status fields have it."""
    return certificate.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
