# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The cluster's certificates: one CA, a client certificate for each component, two server certificates."""

from __future__ import annotations

import datetime
import ipaddress
import os
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .network import API_SERVICE_IP, DOMAIN, NODE_IP, NODE_NAME

if TYPE_CHECKING:
    from pathlib import Path

# file name -> (user, group), as Kubernetes' default RBAC bindings name them
CLIENTS: dict[str, tuple[str, str | None]] = {
    "admin": ("koji-test-admin", "system:masters"),
    "apiserver-kubelet": ("kube-apiserver-kubelet", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", None),
    "coredns": ("system:coredns", None),
    "kubelet": (f"system:node:{NODE_NAME}", "system:nodes"),
    "proxy": ("system:kube-proxy", None),
    "scheduler": ("system:kube-scheduler", None),
}
SERVERS: dict[str, list[str]] = {
    "apiserver": [
        "kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{DOMAIN}", "localhost",
        "127.0.0.1", NODE_IP, API_SERVICE_IP,
    ],
    "kubelet-server": [NODE_NAME, NODE_IP],
}  # fmt: skip


def name(user: str, group: str | None = None) -> x509.Name:
    """A subject as Kubernetes reads it: CN is the user, O the group."""
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    if group:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(parts)


def subject_alternative(host: str) -> x509.GeneralName:
    """A DNS name or an IP address as a certificate holds it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def write_key(file: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    """Write a private key, readable by its owner only from the first byte on."""
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(text)


def build(subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name) -> x509.CertificateBuilder:
    """A certificate to be: valid from an hour ago, for a year."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365))
    )


def create(folder: Path) -> None:
    """Write ca, clients and servers as NAME.crt and NAME.key, and the service accounts' sa.key and sa.pub."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_name, ca_key = name("koji-test-ca"), ec.generate_private_key(ec.SECP256R1())
    ca = (
        build(ca_name, ca_key, ca_name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write_key(folder / "ca.key", ca_key)
    (folder / "ca.crt").write_bytes(ca.public_bytes(serialization.Encoding.PEM))

    def issue(file: str, subject: x509.Name, usage: x509.ObjectIdentifier, hosts: list[str]) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            build(subject, key, ca_name)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )
        if hosts:
            certificate = certificate.add_extension(
                x509.SubjectAlternativeName([subject_alternative(host) for host in hosts]), critical=False
            )
        write_key(folder / f"{file}.key", key)
        (folder / f"{file}.crt").write_bytes(
            certificate.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )

    for file, (user, group) in CLIENTS.items():
        issue(file, name(user, group), ExtendedKeyUsageOID.CLIENT_AUTH, [])
    for file, hosts in SERVERS.items():
        issue(file, name(file), ExtendedKeyUsageOID.SERVER_AUTH, hosts)

    accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_key(folder / "sa.key", accounts)
    (folder / "sa.pub").write_bytes(
        accounts.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
