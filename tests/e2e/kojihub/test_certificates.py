# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A hub's certificates: the operator's, kept in line and renewed; the site's, used as they are, bad ones named."""

from __future__ import annotations

import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import koji
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.devhub.certificates import Authority, Pair
from tests.devhub.manifests import secret
from tests.e2e.kube import condition
from tests.e2e.resources import READY, SOON, builder, user

from .callers import Caller
from .pki import hosts_of, in_secret, issue, names, shown, signed_by, tls
from .site import PERIOD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

    from .site import Site

OFTEN = {"metadata": {"annotations": {PERIOD: "5s"}}}  # Secrets aren't watched
CA, KEY, SERVER, ADMIN = "koji-hub-ca-cert", "koji-hub-ca-cert-key", "koji-hub-service-cert", "koji-hub-admin"
OVERLAP, LAG = "20", 8.0  # seconds of a rotation's step; how late the caller has what a Secret holds
ROTATION = 480  # seconds
TWO: dict[str, Any] = {
    "replicas": 2,
    "persistent": True,
    "mnt_pvc_size": "1Gi",
    "httpd_pvc_size": "1Gi",
    "mnt_pvc_access_modes": ["ReadWriteMany"],
    "httpd_pvc_access_modes": ["ReadWriteMany"],
}


def often(site: Site) -> None:
    site.kube.patch("KojiHub", "hub", site.namespace, OFTEN)


def days_left(end: datetime.datetime) -> int:
    return round((end - datetime.datetime.now(datetime.UTC)) / datetime.timedelta(days=1))


def says(reason: str, words: list[str], item: Json) -> bool:
    """Whether Ready is False for a reason, with these words: the reason alone may be that of the case before."""
    ready = condition(item, "Ready")
    return (ready.get("status"), ready.get("reason")) == ("False", reason) and all(
        word in ready["message"] for word in words
    )


def give(site: Site, name: str, data: dict[str, str], kind: str = "Opaque") -> None:
    """Put a Secret of the site's there."""
    site.kube.delete("Secret", name, site.namespace)
    site.kube.apply_all([secret(name, site.namespace, data, kind)])


def eventually(site: Site, check: Callable[[str], bool], name: str, what: str) -> None:
    """Wait until something of a name holds."""
    site.kube.wait_for(lambda: check(name), SOON, f"{name} {what}")


# The operator's own


@pytest.fixture(scope="module")
def hub(site: Site) -> Hub:
    """A hub whose certificates the operator makes, with wishes of its own."""
    hub = site.ready(certificate={"days": 40, "renew_before_days": 10}, ingress_backend="none")
    often(site)
    return hub


def test_certificates_are_made_as_the_fields_say(site: Site, hub: Hub) -> None:
    [ca] = in_secret(site, CA, "ca.crt")
    assert set(site.kube.secret(site.namespace, CA)) == {"ca.crt"}
    for name in (SERVER, ADMIN):
        [made] = in_secret(site, name)
        assert isinstance(made.public_key(), ec.EllipticCurvePublicKey)
        assert days_left(made.not_valid_after_utc) == 40
        assert signed_by(made, ca)
    assert shown(hub.url) == in_secret(site, SERVER)[0]
    ends = f"{in_secret(site, SERVER)[0].not_valid_after_utc:%Y-%m-%dT%H:%M}"
    assert site.get()["status"]["certificate_expires"].startswith(ends)
    assert condition(site.get(), "CertificatesValid")["status"] == "True"


def test_keys_are_of_the_kind_that_is_asked_for(site: Site, hub: Hub) -> None:
    site.apply("second", postgres_secret="nowhere", certificate={"key_type": "RSA"})
    eventually(site, lambda name: bool(in_secret(site, name)), "koji-second-admin", "is made")
    for name in ("koji-second-service-cert", "koji-second-admin", "koji-second-ca-cert-key"):
        key = in_secret(site, name)[0].public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        assert key.key_size == 3072
    site.kube.delete("KojiHub", "second", site.namespace, timeout=SOON)
    site.kube.wait_gone("Secret", "koji-second-service-cert", site.namespace, SOON)
    assert in_secret(site, "koji-second-admin")


def test_the_server_s_names_follow_the_host(site: Site, hub: Hub) -> None:
    key = site.kube.secret(site.namespace, SERVER)["tls.key"]
    inside = f"koji-hub.{site.namespace}.svc"
    assert inside in hosts_of(shown(hub.url))
    for host in ("koji.example.org", "hub.example.org"):
        site.kube.patch("KojiHub", "hub", site.namespace, {"spec": {"host": host}})
        eventually(site, lambda host: host in hosts_of(shown(hub.url)), host, "is in the server's certificate")
        assert inside in hosts_of(shown(hub.url))
    # Connections to the old pod may come for a moment yet.
    eventually(site, lambda host: host not in hosts_of(shown(hub.url)), "koji.example.org", "is gone")
    site.wait()
    assert site.kube.secret(site.namespace, SERVER)["tls.key"] == key
    site.kube.patch("KojiHub", "hub", site.namespace, {"spec": {"host": None}})
    site.kube.wait_for(lambda: "hub.example.org" not in hosts_of(shown(hub.url)), SOON, "the host is gone from it")


def test_certificates_are_renewed_before_they_end(site: Site, hub: Hub) -> None:
    signer = hub.deployed.authority
    old = {SERVER: issue(signer, "koji-hub", names(site.namespace), days=5), ADMIN: issue(signer, "koji-admin", days=5)}
    for name, pair in old.items():
        site.kube.patch("Secret", name, site.namespace, {"data": secret(name, "", tls(pair))["data"]})
    for name in old:
        eventually(site, lambda name: days_left(in_secret(site, name)[0].not_valid_after_utc) == 40, name, "is renewed")
    assert site.kube.secret(site.namespace, SERVER)["tls.key"].decode() == old[SERVER].key
    site.kube.wait_for(lambda: shown(hub.url) == in_secret(site, SERVER)[0], SOON, "the server shows it")
    site.wait()
    assert site.hub().session().getLoggedInUser()["name"] == "koji-admin"


def test_what_somebody_spoils_is_made_again(site: Site, hub: Hub) -> None:
    ca = site.kube.secret(site.namespace, CA)
    for name, key in ((SERVER, "tls.crt"), (ADMIN, "tls.key"), (CA, "ca.crt")):
        before = site.kube.secret(site.namespace, name)[key]
        site.kube.patch("Secret", name, site.namespace, {"data": {key: "anVuaw=="}})
        eventually(site, lambda name: b"junk" not in site.kube.secret(site.namespace, name).values(), name, "is back")
        assert name != CA or site.kube.secret(site.namespace, name)[key] == before
    site.wait()
    assert site.kube.secret(site.namespace, CA) == ca
    assert site.hub().session().getLoggedInUser()["name"] == "koji-admin"


# The site's own


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("site CA")


SITES = {"ca_cert_secret": "site-ca", "service_cert_secret": "site-server"}


def give_all(site: Site, authority: Authority) -> dict[str, dict[str, str]]:
    given = {
        "site-ca": {"ca.crt": authority.pair.certificate},
        "site-server": tls(issue(authority, "hub", names(site.namespace))),
        ADMIN: tls(issue(authority, "koji-admin")),
    }
    for name, data in given.items():
        give(site, name, data)
    return given


def test_given_certificates_are_used_as_they_are_and_bad_ones_are_named(own_site: Site, authority: Authority) -> None:
    site = own_site
    given = give_all(site, authority)
    good, other = given["site-server"], Authority("other CA")
    mine = names(site.namespace)
    expired = tls(issue(authority, "hub", mine, days=-1))
    bad: list[tuple[str, str, dict[str, str], str, str, list[str]]] = [
        # what it is, Secret, what is in it, its type, reason, words of the message
        ("expired", "site-server", expired, "Opaque", "CertificateExpired", ["expired"]),
        ("other name", "site-server", tls(issue(authority, "x", ["a.example.org"])), "Opaque",
         "CertificateForAnotherName", ["a.example.org", mine[2]]),
        ("other CA", "site-server", tls(issue(other, "hub", mine)), "Opaque", "CertificateFromAnotherCA", ["other CA"]),
        ("key does not match", "site-server", {**good, "tls.key": expired["tls.key"]}, "Opaque", "InvalidCertificate",
         ["'tls.key'", "not the certificate's"]),
        ("missing key", "site-server", {"tls.crt": good["tls.crt"]}, "Opaque", "MissingSecretKey", ["'tls.key'"]),
        ("empty", "site-server", {"tls.crt": "", "tls.key": ""}, "kubernetes.io/tls", "MissingSecretKey",
         ["'tls.crt'", "empty"]),
        ("nothing in it", "site-server", {}, "Opaque", "MissingSecretKey", ["'tls.crt'"]),
        ("wrong type", "site-server", {"username": "a", "password": "b"}, "kubernetes.io/basic-auth",
         "MissingSecretKey", ["kubernetes.io/basic-auth"]),
        ("no PEM", "site-server", {**good, "tls.crt": "junk"}, "Opaque", "InvalidCertificate", ["'tls.crt'"]),
        ("a client's", "site-server", tls(issue(authority, "hub")), "Opaque", "CertificateForAnotherName", mine[2:]),
        ("another user's", ADMIN, tls(issue(authority, "someone")), "Opaque", "CertificateForAnotherUser",
         ["'someone'", "'koji-admin'"]),
        ("half-filled CA", "site-ca", {"tls.crt": "x"}, "Opaque", "MissingSecretKey", ["'ca.crt'"]),
        ("expired admin", ADMIN, tls(issue(authority, "koji-admin", days=-1)), "Opaque", "CertificateExpired", []),
    ]  # fmt: skip
    site.apply(**SITES)
    for what, name, data, kind, reason, words in bad:
        give(site, name, data, kind)
        site.look()
        wanted = [f"Secret '{name}' in namespace '{site.namespace}'", *words]
        site.told(partial(says, reason, wanted), f"{what}: {reason}, {wanted}")
        assert condition(site.get(), "CertificatesValid")["status"] == "False", what
        give(site, name, given[name])

    site.look()
    site.wait()
    url = site.get()["status"]["url"]
    ca, pem = site.folder / "site-ca.crt", site.folder / "site-admin.pem"
    ca.write_text(authority.pair.certificate)
    pem.touch(0o600)
    pem.write_text("".join(given[ADMIN].values()))
    session = koji.ClientSession(url, opts={"serverca": str(ca)})
    session.ssl_login(str(pem), None, str(ca))
    assert session.getLoggedInUser()["name"] == "koji-admin"
    for name, data in given.items():
        assert {key: text.decode() for key, text in site.kube.secret(site.namespace, name).items()} == data
    assert site.kube.get("Secret", "site-ca-key", site.namespace) is None


def test_who_trusts_the_root_alone_reaches_a_hub_whose_ca_is_an_intermediate_one(
    own_site: Site, authority: Authority
) -> None:
    site, between = own_site, Authority("intermediate", by=authority)
    give(site, KEY, tls(between.pair))
    said = site.refused("MissingSecret")
    assert f"'{CA}'" in said
    assert "site CA" in said
    give(site, CA, {"ca.crt": authority.pair.certificate})
    hub = site.ready()
    assert hub.ca.read_text() == authority.pair.certificate
    assert hub.session().getLoggedInUser()["name"] == "koji-admin"
    for name in (SERVER, ADMIN):
        assert [found.subject.rfc4514_string() for found in in_secret(site, name)[1:]] == ["CN=intermediate"]


def test_a_bad_certificate_does_not_stop_a_hub_that_serves(site: Site, hub: Hub, authority: Authority) -> None:
    give(site, "late", {"tls.crt": "junk", "tls.key": "junk"})
    site.kube.patch("KojiHub", "hub", site.namespace, {"spec": {"service_cert_secret": "late"}})
    assert "'late'" in site.message("InvalidCertificate")
    assert shown(hub.url) == in_secret(site, SERVER)[0]
    site.kube.patch("KojiHub", "hub", site.namespace, {"spec": {"service_cert_secret": None}})
    site.wait()


# Another CA


def test_the_ca_is_rotated_while_a_client_keeps_calling(own_site: Site, tmp_path: Path) -> None:
    site = own_site
    hub = site.ready(**TWO)
    followers = [user("caller", site.namespace), builder("rotated", site.namespace)]
    for follower in followers:
        follower["metadata"] |= OFTEN["metadata"]
        site.kube.apply(follower)
    for follower in followers:
        site.kube.wait_condition(follower["kind"], follower["metadata"]["name"], site.namespace, READY)
    [old] = in_secret(site, CA, "ca.crt")
    leaves = (SERVER, ADMIN, "koji-caller-client-cert", "koji-rotated-client-cert")
    group = "apps.fedoraproject.org/rotate-ca"
    wanted = {PERIOD: "5s", group: "please", f"{group}-overlap": OVERLAP}
    with Caller(site, "koji-caller-client-cert", tmp_path, LAG) as caller:
        site.kube.patch("KojiHub", "hub", site.namespace, {"metadata": {"annotations": wanted}})
        site.kube.wait_for(lambda: len(in_secret(site, CA, "ca.crt")) == 2, SOON, "the new CA is beside the old one")
        assert condition(site.get(), "CertificatesValid")["status"] == "True"
        site.told(lambda item: condition(item, "CertificatesValid").get("reason") == "RotatingCA", "the status says so")
        site.kube.wait_for(
            lambda: len(in_secret(site, CA, "ca.crt")) == 1 and in_secret(site, CA, "ca.crt") != [old],
            ROTATION,
            "the old CA is gone",
            lambda: condition(site.get(), "CertificatesValid"),
        )
        site.told(lambda item: condition(item, "CertificatesValid").get("reason") == "Valid", "the status says so")
        site.wait()
        calls = caller.calls
        site.kube.wait_for(lambda: caller.calls > calls + 10, SOON, "it goes on calling")
    assert caller.failures == []
    [new] = in_secret(site, CA, "ca.crt")
    for name in leaves:
        assert signed_by(in_secret(site, name)[0], new), name
    for name in (ADMIN, "koji-caller-client-cert", "koji-rotated-client-cert"):
        eventually(site, lambda name: in_secret(site, name, "ca.crt") == [new], name, "has the new CA alone")
    assert set(site.kube.secret(site.namespace, KEY)) == {"tls.crt", "tls.key"}
    assert signed_by(shown(hub.url), new)
    assert site.hub().session().getLoggedInUser()["name"] == "koji-admin"


def test_a_lost_key_is_replaced_and_nobody_is_locked_out(site: Site, hub: Hub) -> None:
    site.wait()
    old = in_secret(site, CA, "ca.crt")
    before = shown(hub.url)
    site.kube.delete("Secret", KEY, site.namespace)
    site.kube.wait_for(lambda: len(in_secret(site, CA, "ca.crt")) == 2, SOON, "another CA is trusted as well")
    assert old[0] in in_secret(site, CA, "ca.crt")
    assert in_secret(site, SERVER)[0] == before
    assert hub.session().getLoggedInUser()["name"] == "koji-admin"


# cert-manager's


def test_cert_manager_s_certificates_are_asked_for_and_used(kube: Kube, own_site: Site, authority: Authority) -> None:
    site = own_site
    crd = Path(__file__).with_name("certificate.crd.yaml")
    kube.apply(crd.read_text("utf-8"))
    kube.wait_condition("CustomResourceDefinition", "certificates.cert-manager.io", "", SOON, "Established")
    site.apply(cert_manager_issuer={"name": "koji-ca", "kind": "ClusterIssuer"}, certificate={"days": 90})
    often(site)
    said = site.message("WaitingForCertManager")
    assert f"Certificate '{SERVER}'" in said

    asked = {name: certificate(kube, site, name) for name in (SERVER, ADMIN)}
    for name, spec in asked.items():
        assert spec["secretName"] == name
        assert spec["issuerRef"] == {"name": "koji-ca", "kind": "ClusterIssuer", "group": "cert-manager.io"}
        assert spec["duration"] == "2160h0m0s"
    pairs = {
        SERVER: issue(authority, "koji-hub", asked[SERVER]["dnsNames"]),
        ADMIN: issue(authority, asked[ADMIN]["commonName"]),
    }
    for name, pair in pairs.items():
        write(kube, site, authority, asked[name], pair)
    site.wait()
    assert site.kube.secret(site.namespace, CA)["ca.crt"].decode().strip() == authority.pair.certificate.strip()
    assert site.kube.get("Secret", KEY, site.namespace) is None
    assert signed_by(shown(site.get()["status"]["url"]), in_secret(site, CA, "ca.crt")[0])
    assert site.get()["status"]["hub_version"]

    someone = user("someone", site.namespace)
    someone["metadata"] |= OFTEN["metadata"]
    kube.apply(someone)
    name = "koji-someone-client-cert"
    kube.wait_condition("KojiUser", "someone", site.namespace, SOON, status="False", reason="WaitingForCertManager")
    spec = certificate(kube, site, name)
    write(kube, site, authority, spec, issue(authority, spec["commonName"]))
    kube.wait_condition("KojiUser", "someone", site.namespace, SOON)


def write(kube: Kube, site: Site, authority: Authority, spec: Json, pair: Pair) -> None:
    """What cert-manager does."""
    data = {**tls(pair), "ca.crt": authority.pair.certificate}
    made = secret(spec["secretName"], site.namespace, data, "kubernetes.io/tls", **spec["secretTemplate"]["labels"])
    made["metadata"]["annotations"] = {"cert-manager.io/certificate-name": spec["secretName"]}
    kube.apply_all([made])


def certificate(kube: Kube, site: Site, name: str) -> Json:
    found: Json = kube.wait_object(
        "Certificate", name, site.namespace, lambda item: True, SOON, "it is asked for", "cert-manager.io/v1"
    )["spec"]
    return found
