# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""cert-manager signs a hub's certificates: what it is asked for, and what is made of what it writes."""

from __future__ import annotations

from typing import Any

import pytest

from .namespace import START, HubRole, Namespace, accepts
from .test_certificates import ADMIN, CA, DAY, INSIDE, KEY, SERVER, Site

NAMES = ["koji-hub", "koji-hub.koji", INSIDE, f"{INSIDE}.cluster.local", "localhost"]


@pytest.fixture
def there() -> Namespace:
    return Namespace()


@pytest.fixture(scope="module")
def site() -> Site:
    return Site("cert-manager's CA")


def hub(there: Namespace, **spec: Any) -> HubRole:
    return HubRole(there, cert_manager_issuer={"name": "koji-ca"}, **spec)


def written(there: Namespace, site: Site, name: str, *names: str, days: float = 300, ca: bool = True) -> None:
    """What cert-manager does."""
    pair = site.issue(*(("koji-hub", *(names or NAMES)) if name == SERVER else ("koji-admin",)), days=days)
    if name == ADMIN:
        pair = site.issue("koji-admin", usage="clientAuth", days=days)
    data = {**pair, **({"ca.crt": site.certificate} if ca else {})}
    annotations = {"cert-manager.io/certificate-name": name}
    there.secret(name, data, "kubernetes.io/tls", annotations=annotations, labels=hub(there).names.labels)


def test_certificates_are_asked_for_as_the_fields_say(there: Namespace) -> None:
    wanted = {"days": 90, "renew_before_days": 20, "key_type": "RSA"}
    role = HubRole(
        there,
        host="koji.example.org",
        certificate=wanted,
        cert_manager_issuer={"name": "koji-ca", "kind": "ClusterIssuer", "group": "example.org"},
    )
    server, admin = role.look().requests
    assert server["name"] == server["spec"]["secretName"] == SERVER
    assert server["spec"]["dnsNames"] == ["koji.example.org", *NAMES]
    assert server["spec"]["usages"] == ["digital signature", "server auth"]
    assert server["spec"]["duration"] == "2160h0m0s"
    assert server["spec"]["renewBefore"] == "480h0m0s"
    assert server["spec"]["privateKey"]["algorithm"] == "RSA"
    assert server["spec"]["issuerRef"] == {"name": "koji-ca", "kind": "ClusterIssuer", "group": "example.org"}
    assert admin["name"] == ADMIN
    assert admin["spec"]["commonName"] == "koji-admin"
    assert admin["spec"]["usages"] == ["digital signature", "client auth"]
    assert "dnsNames" not in admin["spec"]


def test_what_cert_manager_says_is_told_while_nothing_is_there(there: Namespace) -> None:
    found = hub(there).run()
    assert found.problem is not None
    assert found.problem.progressing
    assert found.problem.reason == "WaitingForCertManager"
    assert f"Certificate '{SERVER}'" in found.problem.message
    condition = {"type": "Ready", "status": "False", "message": "Issuer koji-ca not found"}
    there.there["Certificate", SERVER] = {"metadata": {"name": SERVER}, "status": {"conditions": [condition]}}
    problem = hub(there).run().problem
    assert problem is not None
    assert "Issuer koji-ca not found" in problem.message
    assert there.writes == 0


def test_what_it_wrote_is_used_and_its_ca_is_everyone_s(there: Namespace, site: Site) -> None:
    for name in (SERVER, ADMIN):
        written(there, site, name)
    found = hub(there).run()
    assert found.valid
    assert found.admin_pem.count("BEGIN") == 2
    assert there.texts(CA)["ca.crt"].strip() == site.certificate.strip()
    assert ("Secret", KEY) not in there.there
    assert there.writes == 1
    assert hub(there).run().make == []


def test_another_host_is_waited_for(there: Namespace, site: Site) -> None:
    for name in (SERVER, ADMIN):
        written(there, site, name)
    role = hub(there, host="koji.example.org")
    problem = role.run().problem
    assert problem is not None
    assert problem.progressing
    written(there, site, SERVER, "koji.example.org", *NAMES)
    assert role.run().valid


def test_a_given_certificate_is_not_asked_for(there: Namespace, site: Site) -> None:
    there.secret(SERVER, site.issue("hub", INSIDE))
    written(there, site, ADMIN)
    role = hub(there)
    assert [request["name"] for request in role.look().requests] == [ADMIN]
    assert role.run().valid
    assert there.texts(CA)["ca.crt"].strip() == site.certificate.strip()


def test_an_issuer_that_does_not_tell_its_ca_wants_it_given(there: Namespace, site: Site) -> None:
    for name in (SERVER, ADMIN):
        written(there, site, name, ca=False)
    problem = hub(there).run().problem
    assert problem is not None
    assert problem.reason == "MissingSecret"
    assert f"Secret '{CA}'" in problem.message
    there.secret(CA, {"ca.crt": site.certificate})
    assert hub(there).run().valid


def test_one_that_has_expired_is_named_although_cert_manager_wrote_it(there: Namespace, site: Site) -> None:
    written(there, site, ADMIN)
    written(there, site, SERVER, days=-0.5)
    problem = hub(there).run().problem
    assert problem is not None
    assert problem.reason == "CertificateExpired"


def test_the_issuer_s_old_ca_is_trusted_while_someone_has_a_certificate_by_it(there: Namespace, site: Site) -> None:
    for name in (SERVER, ADMIN):
        written(there, site, name)
    hub(there).run()
    newer = Site("cert-manager's newer CA")
    written(there, newer, SERVER)
    hub(there).run()
    bundle = there.texts(CA)["ca.crt"]
    assert bundle.count("BEGIN") == 2
    assert accepts(bundle, there.texts(ADMIN)["tls.crt"], START)
    written(there, newer, ADMIN)
    hub(there).run()
    assert there.texts(CA)["ca.crt"].strip() == newer.certificate.strip()


def test_who_leaves_cert_manager_gets_a_ca_of_the_operator_s_with_overlap(there: Namespace, site: Site) -> None:
    for name in (SERVER, ADMIN):
        written(there, site, name)
    hub(there).run()
    role = HubRole(there)
    found = role.run()
    assert found.valid
    assert found.rotation
    assert accepts(found.ca, there.texts(SERVER)["tls.crt"], START)
    for _ in range(6):
        role.now += DAY / 24
        role.run()
    assert there.texts(CA)["ca.crt"].strip() == there.texts(KEY)["tls.crt"].strip()
    assert accepts(there.texts(CA)["ca.crt"], there.texts(SERVER)["tls.crt"], role.now)


def test_a_key_that_is_kept_beside_an_issuer_is_told_with_what_to_type(there: Namespace, site: Site) -> None:
    HubRole(there).run()
    assert not hub(there).look().warnings, "not before the issuer has shown that it works"
    for name in (SERVER, ADMIN):
        written(there, site, name)
    [warning] = hub(there).run().warnings
    assert warning["reason"] == "KeptKeySigns"
    assert "kubectl delete secret koji-hub-ca-cert-key -n koji" in warning["message"]
    there.delete("Secret", f"{CA}-key")
    assert hub(there).run().warnings == []
    there.secret(f"{CA}-key", {"tls.crt": site.certificate, "tls.key": site.key})
    assert hub(there).run().warnings == [], "who gives a key wants it to sign"


def test_certificates_that_are_no_longer_wanted_are_removed(there: Namespace, site: Site) -> None:
    for name in (SERVER, ADMIN):
        written(there, site, name)
        there.there["Certificate", name] = {"metadata": {"name": name, "labels": hub(there).names.labels}}
    assert hub(there).run().remove == []
    removed = HubRole(there).look().remove
    assert [item["metadata"]["name"] for item in removed] == [SERVER, ADMIN]
    there.there["Certificate", SERVER]["metadata"]["labels"] = {}
    assert [item["metadata"]["name"] for item in HubRole(there).look().remove] == [ADMIN], "only the operator's own"
