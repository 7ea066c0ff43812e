# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A hub's certificates: made from nothing, kept as they should be, or the site's own, which are checked."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.certificates import CertificatesLook
from hypothesis import given, settings
from hypothesis import strategies as st

from .namespace import START, HubRole, Namespace, accepts, certificate, issued

CA, KEY, SERVER, ADMIN = "koji-hub-ca-cert", "koji-hub-ca-cert-key", "koji-hub-service-cert", "koji-hub-admin"
DAY = datetime.timedelta(days=1)
INSIDE = "koji-hub.koji.svc"


class Site:
    """A CA of the site's own."""

    def __init__(self, name: str = "Site CA", days: int = 3000, by: Site | None = None) -> None:
        self._wanted = {"into": "tls", "usage": "", "key": "", "names": [], "signer_key": "", "signer_certificate": ""}
        signer = {"signer_certificate": by.certificate, "signer_key": by.key} if by else {}
        end = f"{START + days * DAY:%Y%m%d%H%M%SZ}"
        wanted = {**self._wanted, **signer, "common_name": name, "not_after": end}
        self.certificate: str
        self.key: str
        self.certificate, self.key = issued(wanted, START - 2 * DAY)

    def issue(
        self, common_name: str, *names: str, usage: str = "serverAuth", days: float = 300, begins: int = -1
    ) -> dict[str, str]:
        order = {
            **self._wanted,
            "common_name": common_name,
            "names": [f"DNS:{name}" for name in names],
            "usage": usage,
            "not_after": f"{START + days * DAY:%Y%m%d%H%M%SZ}",
            "signer_certificate": self.certificate,
            "signer_key": self.key,
        }
        text, key = issued(order, START + begins * DAY)
        return {"tls.crt": text, "tls.key": key}


@pytest.fixture
def there() -> Namespace:
    return Namespace()


@pytest.fixture(scope="module")
def site() -> Site:
    return Site()


def given_all(there: Namespace, site: Site, **server: Any) -> None:
    """The site brings everything but the CA's key."""
    there.secret(CA, {"ca.crt": site.certificate})
    there.secret(SERVER, site.issue("hub", INSIDE, **server))
    there.secret(ADMIN, site.issue("koji-admin", usage="clientAuth"))


def problem(role: HubRole) -> tuple[str, str]:
    found = role.run()
    assert found.problem is not None
    assert not found.valid
    return found.problem.reason, found.problem.message


# Made from nothing


def test_an_empty_namespace_gets_a_ca_a_server_and_an_admin(there: Namespace) -> None:
    role = HubRole(there, host="koji.example.org")
    first = role.look()
    assert [order["secret"] for order in first.make] == [KEY], "the CA first: the others need it"
    found = role.run()
    assert found.valid
    assert not found.make
    assert not found.problem
    assert set(there.texts(CA)) == {"ca.crt"}
    assert set(there.texts(KEY)) == {"tls.crt", "tls.key"}
    assert set(there.texts(SERVER)) == {"tls.crt", "tls.key", "ca.crt"}
    assert set(there.texts(ADMIN)) == {"tls.crt", "tls.key", "ca.crt", "client.pem"}
    assert found.ca.strip() == there.texts(KEY)["tls.crt"].strip()
    assert found.admin_pem == there.texts(ADMIN)["client.pem"]
    for name in (SERVER, ADMIN):
        assert accepts(found.ca, there.texts(name)["tls.crt"], START)
    assert found.expires == f"{START + 365 * DAY:%Y-%m-%dT%H:%M:%SZ}"
    assert role.run().checksum == found.checksum


def test_a_second_run_writes_nothing(there: Namespace) -> None:
    role = HubRole(there)
    role.run()
    writes = there.writes
    assert role.run().make == []
    assert there.writes == writes


def test_the_server_has_the_names_of_its_service_and_its_host(there: Namespace) -> None:
    role = HubRole(there, host="koji.example.org")
    role.run()
    order = role.look()
    assert not order.make
    key = there.texts(SERVER)["tls.key"]
    names = ["koji.example.org", "koji-hub", "koji-hub.koji", INSIDE, f"{INSIDE}.cluster.local", "localhost"]
    assert dns_names(there.texts(SERVER)["tls.crt"]) == names
    role.resource["spec"]["host"] = "hub.example.org"
    before = order.checksum
    assert role.run().checksum != before, "httpd has to read it"
    assert "hub.example.org" in dns_names(there.texts(SERVER)["tls.crt"])
    assert "koji.example.org" not in dns_names(there.texts(SERVER)["tls.crt"])
    assert there.texts(SERVER)["tls.key"] == key, "a key that exists is kept"


def dns_names(text: str) -> list[str]:
    return certificates.read(text).dns_names


def test_only_the_service_s_certificate_goes_with_the_hub(there: Namespace) -> None:
    role = HubRole(there)
    kept: dict[str, bool] = {}
    for _ in range(2):
        found = role.look()
        kept |= {order["secret"]: order["kept"] for order in found.make}
        for order in found.make:
            there.write(order, role.names.labels, START)
    assert kept == {KEY: True, CA: True, SERVER: False, ADMIN: True}


def test_the_same_hub_created_again_finds_its_ca_and_admin(there: Namespace) -> None:
    role = HubRole(there)
    found = role.run()
    there.delete("Secret", SERVER)
    again = HubRole(there)
    again.resource["metadata"]["uid"] = "another"
    after = again.run()
    assert (after.ca, after.admin_pem) == (found.ca, found.admin_pem)


def test_a_certificate_is_renewed_before_it_ends_and_keeps_its_key(there: Namespace) -> None:
    role = HubRole(there, certificate={"days": 90, "renew_before_days": 20})
    role.run()
    before = there.texts(SERVER)
    role.now = START + 69 * DAY
    assert role.look().make == []
    role.now = START + 71 * DAY
    assert {order["secret"] for order in role.look().make} == {SERVER, ADMIN}
    assert role.run().expires == f"{role.now + 90 * DAY:%Y-%m-%dT%H:%M:%SZ}"
    assert there.texts(SERVER)["tls.key"] == before["tls.key"]


@pytest.mark.parametrize("name", [CA, SERVER, ADMIN, KEY])
def test_what_somebody_deletes_or_spoils_is_made_again(there: Namespace, name: str) -> None:
    role = HubRole(there)
    before = role.run()
    labels = role.names.labels
    for texts in (None, {"tls.crt": "x", "tls.key": "y", "ca.crt": "z"}, {"tls.crt": "", "tls.key": "", "ca.crt": ""}):
        there.delete("Secret", name)
        if texts:
            there.secret(name, texts, kind_of(name), labels=labels)
        after = role.run()
        assert after.valid, (name, after)
        for leaf in (SERVER, ADMIN):
            assert accepts(after.ca, there.texts(leaf)["tls.crt"], START)
        if name != KEY:
            assert after.ca == before.ca, "it is no reason for another CA"


def kind_of(name: str) -> str:
    return "Opaque" if name == CA else "kubernetes.io/tls"


def test_an_admin_of_another_name_gets_another_certificate(there: Namespace) -> None:
    role = HubRole(there)
    role.run()
    role.resource["spec"]["admin_username"] = "root"
    role.run()
    assert "CN=root" in certificate(there.texts(ADMIN)["tls.crt"]).subject.rfc4514_string()


def test_two_hubs_that_name_one_ca_share_it(there: Namespace) -> None:
    first, second = HubRole(there, ca_cert_secret="shared"), HubRole(there, ca_cert_secret="shared")
    second.resource["metadata"] |= {"name": "hub2", "uid": "two"}
    order = second.look().make[0]  # both have looked before either has written
    first.run()
    there.write(order, second.names.labels, START)
    found = second.run()
    assert found.valid
    assert found.ca == first.run().ca
    assert accepts(found.ca, there.texts("koji-hub2-service-cert")["tls.crt"], START)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({"ca_cert_secret": "one", "service_cert_secret": "one"}, ["ca_cert_secret", "service_cert_secret"]),
        ({"ca_cert_secret": "one", "service_cert_secret": "one-key"}, ["-key", "service_cert_secret"]),
        ({"service_cert_secret": ADMIN}, ["service_cert_secret", "admin"]),
    ],
)
def test_one_secret_for_two_purposes_is_refused(there: Namespace, spec: dict[str, str], names: list[str]) -> None:
    role = HubRole(there, **spec)
    reason, message = problem(role)
    assert reason == "ConflictingFields"
    assert all(name in message for name in names)
    assert there.writes == 0


# Given


def test_given_certificates_are_used_as_they_are(there: Namespace, site: Site) -> None:
    given_all(there, site)
    found = HubRole(there).run()
    assert found.valid
    assert there.writes == 0
    assert found.ca.strip() == site.certificate.strip()
    assert found.warnings == []


def test_a_given_ca_with_its_key_signs_the_rest(there: Namespace, site: Site) -> None:
    there.secret(CA, {"ca.crt": site.certificate})
    there.secret(KEY, {"tls.crt": site.certificate, "tls.key": site.key})
    assert HubRole(there).run().valid
    assert accepts(site.certificate, there.texts(SERVER)["tls.crt"], START)
    assert there.texts(CA) == {"ca.crt": site.certificate}


def test_a_given_key_alone_makes_the_ca_secret(there: Namespace, site: Site) -> None:
    there.secret(KEY, {"tls.crt": site.certificate, "tls.key": site.key})
    assert HubRole(there).run().valid
    assert there.texts(CA)["ca.crt"].strip() == site.certificate.strip()


def test_a_given_admin_may_be_in_one_file(there: Namespace, site: Site) -> None:
    given_all(there, site)
    pair = site.issue("koji-admin", usage="clientAuth")
    there.secret(ADMIN, {"client.pem": pair["tls.crt"] + pair["tls.key"]})
    assert HubRole(there).run().admin_pem.count("BEGIN") == 2


def test_a_key_of_the_operator_s_that_is_kept_beside_a_given_ca_is_told_with_what_to_type(
    there: Namespace, site: Site
) -> None:
    HubRole(there).run()
    own = there.texts(CA)["ca.crt"]
    there.delete("Secret", CA)
    given_all(there, site)
    reason, message = problem(HubRole(there))
    assert reason == "CertificateFromAnotherCA"
    assert f"kubectl delete secret {KEY} -n koji" in message
    there.secret(CA, {"ca.crt": site.certificate + own})
    found = HubRole(there).run()
    assert found.valid
    assert [warning["reason"] for warning in found.warnings] == ["KeptKeySigns"]
    there.delete("Secret", KEY)
    assert HubRole(there).run().warnings == []


def test_an_intermediate_ca_may_stand_between(there: Namespace, site: Site) -> None:
    between = Site("Intermediate", by=site)
    given_all(there, site)
    pair = between.issue("hub", INSIDE)
    there.secret(SERVER, {**pair, "tls.crt": pair["tls.crt"] + between.certificate})
    assert HubRole(there).run().valid
    there.secret(SERVER, pair)
    assert problem(HubRole(there))[0] == "CertificateFromAnotherCA"


@pytest.mark.parametrize("with_root", [False, True])
def test_what_an_intermediate_ca_signs_carries_those_between_it_and_the_root(
    there: Namespace, site: Site, with_root: bool
) -> None:
    policy = Site("Policy CA", by=site)
    issuing = Site("Issuing CA", by=policy)
    between = issuing.certificate + policy.certificate
    there.secret(CA, {"ca.crt": site.certificate})
    there.secret(KEY, {"tls.crt": between + (site.certificate if with_root else ""), "tls.key": issuing.key})
    role = HubRole(there)
    assert role.run().valid
    for name in (SERVER, ADMIN):
        shown = there.texts(name)["tls.crt"]
        assert accepts(issuing.certificate, shown, START)
        assert shown.endswith(between)
        assert shown.count("BEGIN") == 3, "the root is for who connects to know"
    assert there.texts(ADMIN)["client.pem"] == there.texts(ADMIN)["tls.crt"] + there.texts(ADMIN)["tls.key"]
    writes = there.writes
    role.run()
    assert there.writes == writes


def test_a_certificate_that_was_made_without_the_chain_gets_it_and_stays_the_same(there: Namespace, site: Site) -> None:
    between = Site("Intermediate", by=site)
    there.secret(CA, {"ca.crt": site.certificate})
    there.secret(KEY, {"tls.crt": between.certificate, "tls.key": between.key})
    role = HubRole(there)
    role.run()
    made = there.texts(SERVER)
    leaf = made["tls.crt"].removesuffix(between.certificate)
    there.secret(SERVER, {**made, "tls.crt": leaf}, "kubernetes.io/tls", labels=role.names.labels)
    role.run()
    assert there.texts(SERVER)["tls.crt"] == made["tls.crt"]
    assert there.texts(SERVER)["tls.key"].strip() == made["tls.key"].strip()


def test_an_intermediate_ca_alone_is_no_one_s_trust(there: Namespace, site: Site) -> None:
    """Who may log in is for the site to say: all that the root has signed could."""
    between = Site("Intermediate", by=site)
    there.secret(KEY, {"tls.crt": between.certificate + site.certificate, "tls.key": between.key})
    reason, message = problem(HubRole(there))
    assert reason == "MissingSecret"
    assert CA in message
    assert "CN=Site CA" in message


@pytest.mark.parametrize("host", ["", "koji.example.org", "KOJI.example.org"])
def test_a_given_certificate_has_to_be_for_the_name_that_clients_use(there: Namespace, site: Site, host: str) -> None:
    given_all(there, site)
    there.secret(SERVER, site.issue("hub", "other.example.org", "*.example.net"))
    reason, message = problem(HubRole(there, host=host))
    assert reason == "CertificateForAnotherName"
    assert SERVER in message
    assert "other.example.org, *.example.net" in message
    assert (host or INSIDE) in message


def test_a_wildcard_is_for_one_label(there: Namespace, site: Site) -> None:
    given_all(there, site)
    there.secret(SERVER, site.issue("hub", "*.example.org", INSIDE))
    assert HubRole(there, host="koji.example.org").run().valid
    assert problem(HubRole(there, host="a.koji.example.org"))[0] == "CertificateForAnotherName"


def test_a_certificate_for_the_host_alone_is_warned_of(there: Namespace, site: Site) -> None:
    given_all(there, site)
    there.secret(SERVER, site.issue("hub", "koji.example.org"))
    found = HubRole(there, host="koji.example.org").run()
    assert found.valid
    assert [warning["reason"] for warning in found.warnings] == ["CertificateLacksServiceName"]


def test_one_that_ends_soon_is_warned_of(there: Namespace, site: Site) -> None:
    given_all(there, site, days=10)
    found = HubRole(there).run()
    assert found.valid
    assert found.warnings[0]["reason"] == "CertificateExpiresSoon"
    assert SERVER in found.warnings[0]["message"]


def bad_secrets(site: Site) -> list[tuple[str, dict[str, str], str, list[str]]]:
    good = site.issue("hub", INSIDE)
    other = Site("Other CA").issue("hub", INSIDE)
    admin = site.issue("koji-admin", usage="clientAuth")
    return [
        (SERVER, {"tls.crt": good["tls.crt"]}, "MissingSecretKey", ["'tls.key'"]),
        (SERVER, {"tls.key": good["tls.key"]}, "MissingSecretKey", ["'tls.crt'"]),
        (SERVER, {"tls.crt": " \n", "tls.key": ""}, "MissingSecretKey", ["'tls.crt'", "empty"]),
        (SERVER, {}, "MissingSecretKey", ["'tls.crt'"]),
        (SERVER, {**good, "tls.crt": "junk"}, "InvalidCertificate", ["'tls.crt'", "no PEM certificate"]),
        (SERVER, {**good, "tls.key": "junk"}, "InvalidCertificate", ["'tls.key'", "no PEM private key"]),
        (SERVER, {**good, "tls.key": other["tls.key"]}, "InvalidCertificate", ["'tls.key'", "not the certificate's"]),
        (SERVER, other, "CertificateFromAnotherCA", ["Other CA", CA]),
        (
            SERVER,
            site.issue("hub", INSIDE, days=-0.5),
            "CertificateExpired",
            [f"expired at {START - DAY / 2:%Y-%m-%dT%H:%M:%SZ}"],
        ),
        (
            SERVER,
            site.issue("hub", INSIDE, begins=9),
            "CertificateNotYetValid",
            [f"not valid before {START + 9 * DAY - DAY / 24:%Y-%m-%d}"],  # an hour for clocks that are behind
        ),
        (SERVER, site.issue("hub", INSIDE, usage="clientAuth"), "CertificateForAnotherUse", ["serverAuth"]),
        (ADMIN, site.issue("someone", usage="clientAuth"), "CertificateForAnotherUser", ["someone", "koji-admin"]),
        (ADMIN, site.issue("koji-admin"), "CertificateForAnotherUse", ["clientAuth"]),
        (ADMIN, {"tls.crt": admin["tls.crt"]}, "MissingSecretKey", ["'tls.key'"]),
        (ADMIN, {"client.pem": admin["tls.crt"]}, "InvalidCertificate", ["'client.pem'", "no PEM private key"]),
        (CA, {}, "MissingSecretKey", ["'ca.crt'"]),
        (CA, {"ca.crt": "junk"}, "InvalidCertificate", ["'ca.crt'"]),
        (CA, {"ca.crt": Site("Old CA", days=-1).certificate}, "CertificateExpired", ["ca.crt"]),
        (KEY, {"tls.crt": site.certificate, "tls.key": "junk"}, "InvalidCertificate", ["'tls.key'"]),
        (KEY, {"tls.crt": site.certificate}, "MissingSecretKey", ["'tls.key'"]),
        (KEY, {"tls.crt": Site("X").certificate, "tls.key": Site("X").key}, "InvalidCertificate", ["not the cert"]),
    ]


@pytest.mark.parametrize("number", range(len(bad_secrets(Site()))))
def test_a_bad_given_secret_is_named_with_its_key_and_what_is_wrong(there: Namespace, site: Site, number: int) -> None:
    name, texts, reason, words = bad_secrets(site)[number]
    given_all(there, site)
    there.secret(name, texts)
    told, message = problem(HubRole(there))
    assert told == reason, message
    assert f"Secret '{name}' in namespace 'koji'" in message
    assert all(word in message for word in words), message
    assert there.writes == 0


def test_a_secret_of_another_type_is_named_with_its_type(there: Namespace, site: Site) -> None:
    given_all(there, site)
    there.secret(SERVER, {"username": "a", "password": "b"}, "kubernetes.io/basic-auth")
    reason, message = problem(HubRole(there))
    assert reason == "MissingSecretKey"
    assert "kubernetes.io/basic-auth" in message


def test_what_is_not_text_is_named(there: Namespace, site: Site) -> None:
    given_all(there, site)
    data = there.there["Secret", SERVER]["data"]
    data["other"] = base64.b64encode(b"\xff\xfe").decode()
    assert HubRole(there).run().valid
    data["tls.key"] = data["other"]
    reason, message = problem(HubRole(there))
    assert reason == "InvalidSecret"
    assert "'tls.key' is not text" in message


def test_a_given_key_of_another_ca_is_named(there: Namespace, site: Site) -> None:
    given_all(there, site)
    other = Site("Other CA")
    there.secret(KEY, {"tls.crt": other.certificate, "tls.key": other.key})
    reason, message = problem(HubRole(there))
    assert reason == "CertificateFromAnotherCA"
    assert "Other CA" in message
    assert KEY in message


@pytest.mark.parametrize("name", [SERVER, ADMIN])
def test_without_the_key_of_a_given_ca_both_ways_out_are_told(there: Namespace, site: Site, name: str) -> None:
    given_all(there, site)
    there.delete("Secret", name)
    reason, message = problem(HubRole(there))
    assert reason == "MissingSecret"
    assert f"Secret '{name}'" in message
    assert f"Secret '{KEY}'" in message


def test_a_given_certificate_without_its_ca_wants_the_ca(there: Namespace, site: Site) -> None:
    there.secret(SERVER, site.issue("hub", INSIDE))
    reason, message = problem(HubRole(there))
    assert reason == "MissingSecret"
    assert f"Secret '{CA}'" in message
    assert SERVER in message
    assert there.writes == 0, "a CA of ours would be in the way of the site's"


def test_a_ca_that_ends_before_its_certificates_is_not_asked_for_new_ones_again_and_again(there: Namespace) -> None:
    short = Site("Short", days=20)
    there.secret(CA, {"ca.crt": short.certificate})
    there.secret(KEY, {"tls.crt": short.certificate, "tls.key": short.key})
    role = HubRole(there)
    found = role.run()
    assert found.valid
    assert not found.make


def test_another_key_of_the_site_signs_everything_anew_while_the_old_ca_is_still_trusted(
    there: Namespace, site: Site
) -> None:
    there.secret(KEY, {"tls.crt": site.certificate, "tls.key": site.key})
    role = HubRole(there)
    role.run()
    old = there.texts(SERVER)["tls.crt"]
    newer = Site("Newer CA")
    there.secret(KEY, {"tls.crt": newer.certificate, "tls.key": newer.key})
    found = role.look()
    assert {order["secret"] for order in found.make} == {CA, SERVER, ADMIN}
    for order in found.make:
        there.write(order, role.names.labels, START)
    assert accepts(there.texts(CA)["ca.crt"], old, START)
    assert role.run().ca.strip() == newer.certificate.strip(), "nobody needs the old one any more"


# Whatever Secrets hold

PIECES = st.sampled_from(
    [
        "",
        "\n",
        "junk",
        Site().certificate,
        Site().key,
        Site().issue("koji-admin", INSIDE)["tls.crt"],
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    ]
)
CONTENTS = st.one_of(
    st.binary(max_size=40), st.lists(PIECES, max_size=3).map(lambda parts: "".join(parts).encode())
).map(lambda content: base64.b64encode(content).decode())
KEYS = st.sampled_from(["tls.crt", "tls.key", "ca.crt", "client.pem", "next.crt", "next.key", "previous.crt"])
ANNOTATIONS = st.dictionaries(
    st.sampled_from([f"apps.fedoraproject.org/rotate-ca{part}" for part in ("", "-since", "-overlap")]),
    st.one_of(st.text(max_size=12), st.sampled_from(["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+2359", "5", "٣"])),
    max_size=3,
)
SECRETS = st.dictionaries(
    st.sampled_from([CA, KEY, SERVER, ADMIN, "koji-someone-client-cert"]),
    st.tuples(
        st.one_of(st.none(), st.dictionaries(KEYS, CONTENTS, max_size=6)),
        st.booleans(),
        ANNOTATIONS,
        st.sampled_from(["Opaque", "kubernetes.io/tls", "kubernetes.io/dockerconfigjson"]),
    ),
)

SPECS = st.sampled_from([{}, {"host": "koji.example.org"}, {"cert_manager_issuer": {"name": "x"}}])


@settings(max_examples=300, deadline=None)
@given(SECRETS, ANNOTATIONS, SPECS)
def test_whatever_secrets_hold_a_look_ends_well(
    secrets: dict[str, tuple[dict[str, str] | None, bool, dict[str, str], str]],
    annotations: dict[str, str],
    spec: dict[str, Any],
) -> None:
    there = Namespace()
    role = HubRole(there, **spec)
    role.resource["metadata"]["annotations"] = annotations
    for name, (data, ours, its_annotations, kind) in secrets.items():
        there.secret(name, {}, kind, labels=role.names.labels if ours else None, annotations=its_annotations)
        there.there["Secret", name]["data"] = data
    found = role.run()
    assert isinstance(found, CertificatesLook)
    assert found.problem is None or found.problem.message
    assert found.valid <= (found.problem is None)
