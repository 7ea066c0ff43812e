# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Certificates for a test hub: a CA, its server's and its users'."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = timedelta(days=30)
CA_LIFE = timedelta(days=3650)  # longer than what it signs: nobody makes certificates that outlive their CA


@dataclass(frozen=True)
class Pair:
    """A certificate with its key, as PEM text."""

    certificate: str
    key: str

    @property
    def pem(self) -> str:
        """Both in one text: what koji's tools want."""
        return self.certificate + self.key


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, life: timedelta = LIFE
) -> x509.CertificateBuilder:
    # An hour back: a pod's clock may be behind.
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + life)
    )


def _pair(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> Pair:
    certificate = builder.sign(signer, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode())


class Authority:
    """A certificate authority that lasts as long as the object: a root, or one that another has signed."""

    def __init__(self, common_name: str = "devhub CA", by: "Authority | None" = None) -> None:
        self.common_name = common_name
        self.signer = ec.generate_private_key(ec.SECP256R1())
        key_id = x509.SubjectKeyIdentifier.from_public_key(self.signer.public_key())
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        above = by or self
        builder = _builder(common_name, above.common_name, self.signer, CA_LIFE)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(usage, critical=True).add_extension(key_id, critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(above.signer.public_key())
        self.pair = _pair(builder.add_extension(issuer, critical=False), self.signer, above.signer)

    @classmethod
    def load(cls, pair: Pair) -> "Authority":
        """Return the authority that has this certificate and key. Raises TypeError if the key isn't one of ours."""
        key = serialization.load_pem_private_key(pair.key.encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the CA's key isn't an elliptic curve's")
        subject = x509.load_pem_x509_certificate(pair.certificate.encode()).subject
        authority = cls.__new__(cls)
        authority.common_name = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        authority.signer, authority.pair = key, pair
        return authority

    def issue(self, common_name: str, names: list[str] | None = None) -> Pair:
        """Return a certificate: a server's for these DNS names, or a user's without."""
        key = ec.generate_private_key(ec.SECP256R1())
        use = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = _builder(common_name, self.common_name, key)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.signer.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        return _pair(builder, key, self.signer)
