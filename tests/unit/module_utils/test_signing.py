# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Certificates say what they were ordered to say; what can't be made is refused with a reason."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.signing import Order, SigningError, make_key, sign
from ansible_collections.fedoraproject.koji.plugins.modules import koji_certificate
from ansible_collections.fedoraproject.koji.plugins.plugin_utils.in_process import Ended, InProcessModule
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

END = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(days=40)
CA_KEY = make_key("ECDSA")
CA = sign(Order("the CA", CA_KEY, END), "", "")


def parsed(text: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text.encode())


def module(**args: Any) -> dict[str, Any]:
    given = {"common_name": "kojira", "not_after": f"{END:%Y%m%d%H%M%SZ}", **args}
    with pytest.raises(Ended) as end:
        koji_certificate.main(lambda **rules: InProcessModule(given, False, False, **rules))
    return end.value.result


@pytest.mark.parametrize(("kind", "type_"), [("RSA", rsa.RSAPrivateKey), ("ECDSA", ec.EllipticCurvePrivateKey)])
def test_a_key_is_of_the_kind_that_is_asked_for_and_good(kind: str, type_: type) -> None:
    key = make_key(kind)
    assert isinstance(serialization.load_pem_private_key(key.encode(), None), type_)
    assert certificates.good_key(key)


def test_a_leaf_is_the_ca_s_for_its_names_and_use_and_time() -> None:
    key = make_key("ECDSA")
    made = parsed(sign(Order("hub", key, END, "serverAuth", ["koji-hub.koji.svc", "*.example.org"]), CA, CA_KEY))
    made.verify_directly_issued_by(parsed(CA))
    found = certificates.read(made.public_bytes(serialization.Encoding.PEM).decode(), key)
    assert (found.common_name, found.dns_names) == ("hub", ["koji-hub.koji.svc", "*.example.org"])
    assert found.serves(certificates.SERVER)
    assert not found.serves(certificates.CLIENT)
    assert found.expires == END
    assert made.not_valid_before_utc < datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=59)
    constraints = made.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca


def test_a_site_s_ca_may_have_another_kind_of_key() -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    coding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key = private.private_bytes(*coding).decode()
    authority = sign(Order("of the site", key, END))
    made = parsed(sign(Order("x", make_key("ECDSA"), END, "clientAuth"), authority, key))
    made.verify_directly_issued_by(parsed(authority))


@pytest.mark.parametrize(
    ("order", "signer", "words"),
    [
        (Order("x", CA_KEY, END, "clientAuth"), (CA, make_key("ECDSA")), "the key is not the certificate's"),
        (Order("x", CA_KEY, END, "clientAuth"), ("nothing", CA_KEY), "no PEM certificate"),
        (Order("x" * 65, CA_KEY, END, "clientAuth"), (CA, CA_KEY), "certificate for 'xxx"),
        (Order("x", "nothing", END), ("", ""), "certificate for 'x'"),
        (Order("x", CA_KEY, END, "serverAuth", ["ä.example.org"]), (CA, CA_KEY), "certificate for 'x'"),
    ],
)
def test_what_can_not_be_made_is_refused(order: Order, signer: tuple[str, str], words: str) -> None:
    with pytest.raises(SigningError) as error:
        sign(order, *signer)
    assert words in str(error.value)
    assert "PRIVATE KEY" not in str(error.value)


def test_the_module_makes_a_key_where_none_is_given_and_never_returns_one_that_is() -> None:
    made = module(usage="clientAuth", signer_certificate=CA, signer_key=CA_KEY)
    assert certificates.read(made["certificate"], made["privatekey"]).serves(certificates.CLIENT)
    kept = module(usage="clientAuth", signer_certificate=CA, signer_key=CA_KEY, key=made["privatekey"])
    assert kept["privatekey"] == ""
    assert certificates.read(kept["certificate"], made["privatekey"]).serves(certificates.CLIENT)


def test_the_module_says_what_is_wrong() -> None:
    assert "not_after: 'soon'" in module(not_after="soon")["msg"]
    failed = module(usage="clientAuth", signer_certificate=CA, signer_key=make_key("ECDSA"))
    assert failed["msg"] == "the signing CA: the key is not the certificate's"
