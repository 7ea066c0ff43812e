# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the operator needs to know of a certificate: whose it is, who signed it, whether the key fits, how old it is."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

RENEW_BEFORE = datetime.timedelta(days=30)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
_RSA_BITS, _EC_BITS = 2048, 224  # below these, TLS libraries refuse a key
_LONGEST_CHAIN = 8
# What `cryptography` raises for PEM texts, certificates and keys that it can't make sense of.
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class CertificateError(ValueError):
    """PEM text that can't be used; the message says why."""


@dataclass(frozen=True)
class Certificate:
    """A certificate that was read: CN of its subject, DN of its issuer, end of validity (UTC)."""

    common_name: str
    issuer: str
    subject: str
    expires: datetime.datetime
    parsed: x509.Certificate = field(repr=False)

    def renew(self, before: datetime.timedelta = RENEW_BEFORE, now: datetime.datetime | None = None) -> bool:
        """Whether it is time for a new one, that long before it expires."""
        return (now or _now()) + before >= self.expires

    @property
    def expired(self) -> bool:
        """Whether nobody accepts it any more."""
        return self.renew(datetime.timedelta())

    @property
    def pem(self) -> str:
        """As text."""
        return self.parsed.public_bytes(serialization.Encoding.PEM).decode()

    def issued_by(self, other: Certificate) -> bool:
        """Whether the other one's key has signed it: two CAs may have the same name."""
        try:
            self.parsed.verify_directly_issued_by(other.parsed)
        except (*_UNREADABLE, InvalidSignature):
            return False
        return True

    @property
    def dns_names(self) -> list[str]:
        """The DNS names that it is for; [] if it names none, or nothing that can be read."""
        try:
            names = self.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (*_UNREADABLE, x509.ExtensionNotFound):
            return []
        return [name.lower() for name in names.value.get_values_for_type(x509.DNSName)]

    def covers(self, name: str) -> bool:
        """Whether a client that connects to this DNS name accepts it."""
        name = name.lower()
        wildcard = f"*.{name.partition('.')[2]}"
        return name in self.dns_names or wildcard in self.dns_names

    def serves(self, usage: x509.ObjectIdentifier) -> bool:
        """Whether it may be shown as CLIENT, as SERVER; one that does not say may be shown as both."""
        try:
            usages = self.parsed.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        except x509.ExtensionNotFound:
            return True
        except _UNREADABLE:
            return False
        return usage in usages.value or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages.value


def read(certificate: str, key: str = "") -> Certificate:
    """Read the first certificate of a PEM text, and check that the key is its own. Raises CertificateError."""
    first = read_all(certificate)[0]
    if key:
        private = _load_key(key)
        if private is None:
            raise CertificateError("no PEM private key without a password")
        try:
            fits = private.public_key() == first.parsed.public_key()
        except _UNREADABLE as error:
            raise CertificateError("its kind of key is not known") from error
        if not fits:
            raise CertificateError("the key is not the certificate's")
    return first


def read_all(text: str) -> list[Certificate]:
    """Read all certificates of a PEM text, at least one. Raises CertificateError."""
    try:
        return [_describe(parsed) for parsed in x509.load_pem_x509_certificates(text.encode())]
    except _UNREADABLE as error:
        raise CertificateError("no PEM certificate") from error


def readable(text: str) -> list[Certificate]:
    """All certificates of a PEM text; [] for what is none."""
    try:
        return read_all(text)
    except CertificateError:
        return []


def good_key(text: str) -> bool:
    """Whether a PEM text is a private key that TLS takes: RSA or of an elliptic curve, and long enough."""
    key = _load_key(text)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.key_size >= _RSA_BITS
    return isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size >= _EC_BITS


def chain(certificate: Certificate, others: Iterable[Certificate], trusted: Iterable[Certificate]) -> list[Certificate]:
    """The certificate, those between, and the trusted one that it leads to; [] if it leads to none."""
    trusted, others = list(trusted), list(others)
    found = [certificate]
    while len(found) < _LONGEST_CHAIN:
        last = found[-1]
        if last in trusted:
            return found
        issuer = next((one for one in (*trusted, *others) if one not in found and last.issued_by(one)), None)
        if issuer is None:
            return []
        found.append(issuer)
    return []


def rfc3339(certificate: Certificate) -> str:
    """When it expires, as status fields have it."""
    return certificate.expires.strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _describe(parsed: x509.Certificate) -> Certificate:
    names = parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Certificate(
        common_name=str(names[0].value) if names else "",
        issuer=parsed.issuer.rfc4514_string(),
        subject=parsed.subject.rfc4514_string(),
        expires=parsed.not_valid_after_utc,
        parsed=parsed,
    )


def _load_key(text: str) -> PrivateKeyTypes | None:
    try:
        return serialization.load_pem_private_key(text.encode(), password=None)
    except _UNREADABLE:
        return None
