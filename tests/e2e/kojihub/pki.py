# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Certificates that a site gives to its hub, good and bad ones, and what a hub shows to who connects."""

from __future__ import annotations

import datetime
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.devhub.certificates import Authority, Pair

if TYPE_CHECKING:
    from .site import Site


def names(namespace: str) -> list[str]:
    """The Service's names."""
    return ["koji-hub", f"koji-hub.{namespace}", f"koji-hub.{namespace}.svc"]


def issue(authority: Authority, common_name: str, hosts: list[str] | None = None, *, days: float = 20) -> Pair:
    """A server's certificate for these hosts, or a user's; with `days` below 0 one that has expired."""
    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(x509.load_pem_x509_certificate(authority.pair.certificate.encode()).subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.signer.public_key()), critical=False
        )
    )
    use = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False
        )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signed = builder.sign(authority.signer, hashes.SHA256())
    return Pair(signed.public_bytes(serialization.Encoding.PEM).decode(), private.decode())


def tls(pair: Pair) -> dict[str, str]:
    """As a Secret holds it."""
    return {"tls.crt": pair.certificate, "tls.key": pair.key}


def shown(url: str) -> x509.Certificate:
    """The certificate that a server shows to a new connection."""
    parts = urlsplit(url)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    address = (parts.hostname or "", parts.port or 443)
    with (
        socket.create_connection(address, timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as connection,
    ):
        der = connection.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """The DNS names that a certificate is for."""
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return list(found.value.get_values_for_type(x509.DNSName))


def in_secret(site: Site, name: str, key: str = "tls.crt") -> list[x509.Certificate]:
    """The certificates of a Secret; [] without it."""
    if site.kube.get("Secret", name, site.namespace) is None:
        return []
    return x509.load_pem_x509_certificates(site.kube.secret(site.namespace, name)[key])


def signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the one's key has signed the other."""
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001  (all that it raises says no)
        return False
    return True
