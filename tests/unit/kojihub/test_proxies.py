# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whom a hub lets log in others: subjects as mod_ssl prints them, which is what the hub compares."""

from __future__ import annotations

import datetime
import subprocess
from typing import TYPE_CHECKING

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import proxies
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.resources.cluster import NAMESPACE, Authority, Objects, resource

from .namespace import START, pem

if TYPE_CHECKING:
    from pathlib import Path

KEY = ec.generate_private_key(ec.SECP256R1())
ORGANISATION = [
    (NameOID.COUNTRY_NAME, "DE"),
    (NameOID.ORGANIZATION_NAME, 'A, "B" + C'),
    (NameOID.COMMON_NAME, "kojiweb"),
]
OTHERS = [
    (NameOID.DOMAIN_COMPONENT, "example"),
    (NameOID.EMAIL_ADDRESS, "web@example.com"),
    (NameOID.USER_ID, "7"),
    (NameOID.SERIAL_NUMBER, "S1"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, " Büro; <x> "),
    (NameOID.COMMON_NAME, "kojiweb"),
]


def certificate(parts: list[tuple[x509.ObjectIdentifier, str]], *, together: bool = False) -> x509.Certificate:
    attributes = [x509.NameAttribute(oid, value) for oid, value in parts]
    rdns = [x509.RelativeDistinguishedName(attributes)] if together else None
    name = x509.Name(rdns or attributes)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + datetime.timedelta(days=1))
        .sign(KEY, hashes.SHA256())
    )


@pytest.mark.parametrize("parts", [[(NameOID.COMMON_NAME, "kojiweb")], ORGANISATION, OTHERS])
@pytest.mark.parametrize("together", [False, True])
def test_a_subject_is_as_openssl_prints_it(
    tmp_path: Path, parts: list[tuple[x509.ObjectIdentifier, str]], together: bool
) -> None:
    one = certificate(parts, together=together)
    file = tmp_path / "one.pem"
    file.write_text(pem(one), "ascii")
    command = ["openssl", "x509", "-in", str(file), "-noout", "-subject", "-nameopt", "RFC2253"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == f"subject={proxies.subject(one)}\n"


def test_a_web_with_a_keytab_is_listed_by_its_principal() -> None:
    def web(name: str, **krb: str) -> dict[str, object]:
        return resource("KojiWeb", name, client_username=name, authentication={"krb": krb})

    webs = [
        web("a", principal="a@X", keytab_secret="k"),
        web("b", principal="b@X"),
        web("c", principal="c,d@X", keytab_secret="k"),
    ]
    assert proxies.principals_of_webs(webs) == ["a@X"], "a comma would make two of one"
    assert proxies.of_webs(webs, Objects(), NAMESPACE) == ["CN=b"]
    assert proxies.listed("[hub]\nProxyPrincipals = a@X, b@X\n", "ProxyPrincipals", ",") == ["a@X", "b@X"]


def test_a_certificate_of_ours_has_the_subject_that_was_expected() -> None:
    assert proxies.subject(certificate([(NameOID.COMMON_NAME, "koji-web_1@x")])) == proxies.proxy_dn("koji-web_1@x")


def test_a_given_certificate_is_let_in_by_its_own_subject() -> None:
    web = resource("KojiWeb", "web", client_cert_secret="mine")
    there = Objects()
    assert proxies.of_webs([web], there, NAMESPACE) == ["CN=kojiweb"]
    there.add("Secret", "mine", {"tls.crt": pem(certificate(ORGANISATION))})
    assert proxies.of_webs([web], there, NAMESPACE) == ['CN=kojiweb,O=A\\, \\"B\\" \\+ C,C=DE']


def test_a_certificate_for_somebody_else_is_not_let_in() -> None:
    there = Objects()
    there.add("Secret", "koji-web-client-cert", {"tls.crt": Authority().issue("koji-admin")[0]})
    webs = [resource("KojiWeb", "web"), resource("KojiWeb", "second", client_username="second")]
    assert proxies.of_webs(webs, there, NAMESPACE) == ["CN=kojiweb", "CN=second"]


def test_who_is_let_in_is_read_from_hub_conf() -> None:
    assert proxies.listed("[hub]\nproxydns = CN=a | CN=b,O=c\n") == ["CN=a", "CN=b,O=c"]
    assert proxies.listed("[hub]\n") == proxies.listed("no file") == []
