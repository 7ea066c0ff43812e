# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a resource refers to, and what a person is told when it isn't there."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem, References, Resolver
from ansible_collections.fedoraproject.koji.plugins.modules.koji_references_info import gather

from tests.unit import keytabs

from .cluster import Authority, Objects, resource

SERVES = {"hub_version": "1.35.3"}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def there(authority: Authority) -> Objects:
    """A namespace with a hub's Secrets."""
    objects = Objects()
    certificate, key = authority.issue("koji-admin")
    ca, ca_key = authority.certificate, authority.key
    objects.add("Secret", "koji-hub-admin", {"tls.crt": certificate, "tls.key": key, "ca.crt": ca})
    objects.add("Secret", "koji-hub-ca-cert", {"ca.crt": ca})
    objects.add("Secret", "koji-hub-ca-cert-key", {"tls.crt": ca, "tls.key": ca_key})
    return objects


def found(there: Objects, wanted: dict[str, Any], **owned: str) -> References:
    resolver = Resolver(wanted, there)
    resolver.resolve()
    resolver.own([{"kind": kind, "name": name} for name, kind in owned.items()])
    return resolver.found


def problem(there: Objects, wanted: dict[str, Any], **owned: str) -> Problem:
    with pytest.raises(Problem) as raised:
        found(there, wanted, **owned)
    return raised.value


def test_a_builder_that_names_nothing_finds_the_hub_and_gets_a_certificate(there: Objects) -> None:
    references = found(there, resource("KojiBuilder", "default"))
    assert references.hub_url == "https://koji-hub.koji.svc:8443/kojihub"
    assert references.user == "default"
    assert references.admin_pem.count("BEGIN") == 2
    assert references.ca_secret == "koji-hub-ca-cert"
    assert not references.ca_ours
    assert references.client_secret == "koji-default-client-cert"
    assert references.client_ours
    assert references.client_make
    assert references.client_wanted["signer_key"]


def test_a_given_certificate_is_used_as_it_is(there: Objects, authority: Authority) -> None:
    certificate, key = authority.issue("default", days=3)
    there.add("Secret", "mine", {"client.pem": certificate + key})
    references = found(there, resource("KojiBuilder", "default", client_cert_secret="mine"))
    assert not references.client_ours
    assert not references.client_make
    assert references.client_expires


def test_our_certificate_is_kept_until_it_is_about_to_expire(there: Objects, authority: Authority) -> None:
    wanted = resource("KojiBuilder", "default")
    owner = {"ownerReferences": [{"kind": "KojiBuilder", "name": "default", "uid": wanted["metadata"]["uid"]}]}
    for days, make in ((300, False), (29, True), (-1, True)):
        certificate, key = authority.issue("default", days=days)
        data = {"tls.crt": certificate, "tls.key": key}
        there.add("Secret", "koji-default-client-cert", data, metadata=owner)
        assert found(there, wanted).client_make is make
    certificate, key = authority.issue("somebody-else")
    there.add("Secret", "koji-default-client-cert", {"tls.crt": certificate, "tls.key": key}, metadata=owner)
    assert found(there, wanted).client_make


def ours(there: Objects, wanted: dict[str, Any], pair: tuple[str, str]) -> None:
    """Put the certificate there that the role made earlier."""
    kind, name, uid = wanted["kind"], wanted["metadata"]["name"], wanted["metadata"]["uid"]
    owner = {"ownerReferences": [{"kind": kind, "name": name, "uid": uid}]}
    data = {"tls.crt": pair[0], "tls.key": pair[1]}
    there.add("Secret", f"koji-{name}-client-cert", data, metadata=owner)


@pytest.mark.parametrize("kind", ["KojiUser", "KojiBuilder"])
def test_our_certificate_is_issued_anew_when_another_ca_signs(there: Objects, authority: Authority, kind: str) -> None:
    wanted = resource(kind, "default")
    ours(there, wanted, authority.issue("default"))
    newer = Authority()  # of the same name: a CA is told by its key
    both = authority.certificate + newer.certificate
    there.add("Secret", "koji-hub-ca-cert", {"ca.crt": both})
    assert not found(there, wanted).client_make
    assert found(there, wanted).ca == both.strip(), "who follows carries both"
    there.add("Secret", "koji-hub-ca-cert-key", {"tls.crt": newer.certificate, "tls.key": newer.key})
    references = found(there, wanted)
    assert references.client_make
    assert references.client_wanted["signer_key"] == newer.key
    assert references.client_wanted["key"], "the key is kept"


def test_our_certificate_carries_what_is_between_its_ca_and_the_root(there: Objects) -> None:
    root, wanted = Authority("root"), resource("KojiUser", "default")
    between = Authority("between", by=root)
    there.add("Secret", "koji-hub-ca-cert", {"ca.crt": root.certificate})
    there.add(
        "Secret", "koji-hub-ca-cert-key", {"tls.crt": between.certificate + root.certificate, "tls.key": between.key}
    )
    assert found(there, wanted).client_wanted["chain"] == between.certificate
    leaf, key = between.issue("default")
    ours(there, wanted, (leaf, key))
    references = found(there, wanted)
    assert not references.client_make
    assert references.client_certificate == leaf + between.certificate, "one that was made without it gets it"
    ours(there, wanted, (leaf + between.certificate, key))
    del there.there["Secret", "koji-hub-ca-cert-key"]
    assert found(there, wanted).client_certificate == leaf + between.certificate


def test_a_copy_of_the_ca_follows_the_admin_s(there: Objects, authority: Authority) -> None:
    wanted = resource("KojiUser", "kojira", authentication={"ssl": {"ca_secret_name": "ca-cert"}})
    certificate, key = authority.issue("koji-admin")
    both = authority.certificate + Authority("newer").certificate
    there.add("Secret", "koji-hub-admin", {"tls.crt": certificate, "tls.key": key, "ca.crt": both})
    references = found(there, wanted)
    assert references.ca_ours
    assert references.ca == both.strip()


def test_while_nobody_can_sign_a_certificate_that_the_hub_accepts_stays(there: Objects, authority: Authority) -> None:
    wanted = resource("KojiUser", "someone")
    ours(there, wanted, authority.issue("someone"))
    newer = Authority("newer")
    lost = {"tls.crt": authority.certificate, "tls.key": "", "next.crt": newer.certificate, "next.key": newer.key}
    there.add("Secret", "koji-hub-ca-cert-key", lost)
    assert not found(there, wanted).client_make
    del there.there["Secret", "koji-hub-ca-cert-key"]
    assert not found(there, wanted).client_make
    there.add("Secret", "koji-hub-ca-cert-key", lost)
    told = problem(there, resource("KojiUser", "another"))
    assert told.reason == "NewCA"
    assert told.progressing
    assert "koji-another-client-cert" in told.message


def hub_of_cert_manager(there: Objects) -> None:
    del there.there["Secret", "koji-hub-ca-cert-key"]
    status = {"hub_version": "1.36.1"}
    there.add("KojiHub", "hub", spec={"cert_manager_issuer": {"name": "koji-ca"}}, status=status)


def test_where_cert_manager_signs_for_the_hub_it_is_asked_for_users_too(there: Objects, authority: Authority) -> None:
    hub_of_cert_manager(there)
    wanted = resource("KojiUser", "someone", certificate={"days": 90})
    references = found(there, wanted)
    assert not references.client_ours
    assert not references.client_make
    request = references.client_request
    assert request["name"] == request["spec"]["secretName"] == "koji-someone-client-cert"
    assert request["spec"]["commonName"] == "someone"
    assert request["spec"]["usages"] == ["digital signature", "client auth"]
    assert request["spec"]["duration"] == "2160h0m0s"
    assert references.waiting["reason"] == "WaitingForCertManager"
    assert references.waiting["progressing"]

    owner = [{"kind": "KojiUser", "name": "someone", "uid": wanted["metadata"]["uid"]}]
    there.add("Certificate", request["name"], spec=request["spec"], metadata={"ownerReferences": owner})
    certificate, key = authority.issue("someone")
    metadata = {
        "labels": request["spec"]["secretTemplate"]["labels"],
        "annotations": {"cert-manager.io/certificate-name": request["name"]},
    }
    there.add("Secret", request["name"], {"tls.crt": certificate, "tls.key": key}, metadata=metadata)
    references = found(there, wanted)
    assert references.waiting == {}
    assert references.client_request == {}, "nothing to apply"
    assert references.client_expires
    wanted["spec"]["certificate"]["days"] = 60
    assert found(there, wanted).client_request["spec"]["duration"] == "1440h0m0s"


def test_a_certificate_of_somebody_else_is_not_taken_over(there: Objects) -> None:
    hub_of_cert_manager(there)
    there.add("Certificate", "koji-someone-client-cert", spec={})
    assert problem(there, resource("KojiUser", "someone")).reason == "NameTaken"


def test_a_given_certificate_is_used_where_cert_manager_signs(there: Objects, authority: Authority) -> None:
    hub_of_cert_manager(there)
    certificate, key = authority.issue("someone")
    there.add("Secret", "mine", {"tls.crt": certificate, "tls.key": key})
    references = found(there, resource("KojiUser", "someone", client_cert_secret="mine"))
    assert references.client_request == {}
    assert references.waiting == {}


def test_who_gives_the_ca_s_key_wants_the_operator_to_sign(there: Objects) -> None:
    key = there.there["Secret", "koji-hub-ca-cert-key"]
    hub_of_cert_manager(there)
    there.there["Secret", "koji-hub-ca-cert-key"] = key
    assert found(there, resource("KojiUser", "someone")).client_make


def test_a_ca_that_has_expired_is_named(there: Objects, authority: Authority) -> None:
    certificate, key = authority.issue("old CA", days=-1)
    there.add("Secret", "koji-hub-ca-cert-key", {"tls.crt": certificate, "tls.key": key})
    told = problem(there, resource("KojiUser", "someone"))
    assert told.reason == "CertificateExpired"
    assert "koji-hub-ca-cert-key" in told.message


def test_a_spoiled_key_is_not_kept(there: Objects, authority: Authority) -> None:
    wanted = resource("KojiUser", "someone")
    ours(there, wanted, (authority.issue("someone")[0], "junk"))
    assert found(there, wanted).client_wanted["key"] == ""


def test_a_ca_secret_that_nobody_made_is_written_with_the_hubs_ca(there: Objects, authority: Authority) -> None:
    ssl = {"ssl": {"client_secret_name": "kojira-cert", "ca_secret_name": "ca-cert"}}
    references = found(there, resource("KojiUser", "kojira", authentication=ssl))
    assert references.ca_ours
    assert references.ca == authority.certificate.strip()
    assert references.client_secret == "kojira-cert"


def test_the_kojihub_of_the_namespace_is_the_default(there: Objects, authority: Authority) -> None:
    certificate, key = authority.issue("koji-admin")
    there.add("KojiHub", "hub2", spec={"ca_cert_secret": "koji-hub-ca-cert"}, status=SERVES)
    there.add("Secret", "koji-hub2-admin", {"tls.crt": certificate, "tls.key": key})
    references = found(there, resource("KojiUser", "someone"))
    assert references.hub_url == "https://koji-hub2.koji.svc:8443/kojihub"
    assert references.admin_secret == "koji-hub2-admin"


def test_several_kojihubs_want_a_choice(there: Objects) -> None:
    there.add("KojiHub", "hub", spec={})
    there.add("KojiHub", "hub2", spec={})
    told = problem(there, resource("KojiUser", "someone"))
    assert told.reason == "SeveralHubs"
    assert "koji-hub, koji-hub2" in told.message


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({"hub_host": "a:1", "koji_hub_url": "https://b:1"}, ["hub_host is 'a:1'", "koji_hub_url is 'https://b:1'"]),
        ({"koji_hub_user": "a", "hub_username": "b"}, ["koji_hub_user is 'a'", "hub_username is 'b'"]),
        (
            {"cacert_secret": "a", "authentication": {"ssl": {"cacert_secret": "b"}}},
            ["cacert_secret is 'a'", "authentication.ssl.cacert_secret is 'b'"],
        ),
    ],
)
def test_fields_that_contradict_each_other_are_named(there: Objects, spec: dict[str, Any], names: list[str]) -> None:
    told = problem(there, resource("KojiBuilder", "default", **spec))
    assert told.reason == "ConflictingFields"
    assert all(name in told.message for name in names)


def test_two_spellings_of_one_hub_are_no_conflict(there: Objects) -> None:
    spec = {"hub_host": "koji_hub:8443", "koji_hub_url": "https://koji-hub:8443", "host_name": "koji-hub:8443"}
    assert found(there, resource("KojiBuilder", "default", **spec)).hub_url.endswith("//koji-hub.koji.svc:8443/kojihub")


@pytest.mark.parametrize("name", ["koji-hub-admin", "koji-hub-ca-cert"])
def test_a_missing_secret_is_named_with_what_it_holds(there: Objects, name: str) -> None:
    del there.there["Secret", name]
    told = problem(there, resource("KojiBuilder", "default"))
    assert told.reason == "MissingSecret"
    assert f"Secret '{name}' does not exist in namespace 'koji'" in told.message


def test_without_the_cas_key_a_person_is_told_both_ways_out(there: Objects) -> None:
    del there.there["Secret", "koji-hub-ca-cert-key"]
    told = problem(there, resource("KojiBuilder", "default"))
    assert told.reason == "MissingSecret"
    assert "koji-default-client-cert" in told.message
    assert "koji-hub-ca-cert-key" in told.message


@pytest.mark.parametrize(
    ("secret", "data", "key"),
    [
        ("koji-hub-admin", {"tls.crt": "x"}, "tls.key"),
        ("koji-hub-admin", {}, "tls.crt"),
        ("koji-hub-ca-cert", {"tls.crt": "x"}, "ca.crt"),
        ("koji-hub-ca-cert-key", {"tls.crt": "x"}, "tls.key"),
    ],
)
def test_a_missing_key_is_named(there: Objects, secret: str, data: dict[str, str], key: str) -> None:
    there.add("Secret", secret, data)
    told = problem(there, resource("KojiBuilder", "default"))
    assert told.reason == "MissingSecretKey"
    assert f"Secret '{secret}' in namespace 'koji' has no key '{key}'" in told.message


def test_bad_certificates_are_told_apart(there: Objects, authority: Authority) -> None:
    wanted = resource("KojiBuilder", "default", client_cert_secret="mine")
    good, key = authority.issue("default")
    _, other_key = authority.issue("default")
    expired, expired_key = authority.issue("default", days=-1)
    foreign, foreign_key = authority.issue("someone")
    for data, reason, words in (
        ({"tls.crt": "rubbish", "tls.key": key}, "InvalidCertificate", "no PEM certificate"),
        ({"tls.crt": good, "tls.key": other_key}, "InvalidCertificate", "not the certificate's"),
        ({"tls.crt": expired, "tls.key": expired_key}, "CertificateExpired", "has expired"),
        ({"tls.crt": foreign, "tls.key": foreign_key}, "CertificateForAnotherUser", "'someone'"),
    ):
        there.add("Secret", "mine", data)
        told = problem(there, wanted)
        assert told.reason == reason
        assert words in told.message


def test_a_secret_that_is_not_text_is_named_with_its_key_but_only_one_that_is_read(there: Objects) -> None:
    data = there.there["Secret", "koji-hub-admin"]["data"]
    data["keystore.p12"] = base64.b64encode(b"\xff\xfe").decode()
    assert found(there, resource("KojiBuilder", "default")).admin_pem
    data["tls.key"] = data["keystore.p12"]
    told = problem(there, resource("KojiBuilder", "default"))
    assert told.reason == "InvalidSecret"
    assert "Secret 'koji-hub-admin' in namespace 'koji': key 'tls.key' is not text; it must be PEM" in told.message


def test_one_secret_cannot_be_made_for_both_the_ca_and_the_client(there: Objects) -> None:
    ssl = {"ssl": {"ca_secret_name": "both", "client_secret_name": "both"}}
    told = problem(there, resource("KojiUser", "someone", authentication=ssl))
    assert told.reason == "ConflictingFields"
    assert "Secret 'both'" in told.message
    assert "authentication.ssl.ca_secret_name" in told.message
    assert "authentication.ssl.client_secret_name" in told.message
    told = problem(there, resource("KojiUser", "someone", cacert_secret="koji-someone-client-cert"))
    assert "(by default)" in told.message


def test_one_secret_with_both_the_ca_and_the_client_is_used(there: Objects, authority: Authority) -> None:
    certificate, key = authority.issue("someone")
    there.add("Secret", "both", {"tls.crt": certificate, "tls.key": key, "ca.crt": authority.certificate})
    wanted = resource("KojiUser", "someone", cacert_secret="both", client_cert_secret="both")
    assert not found(there, wanted).client_ours


def test_the_kept_configmap_must_be_labelled(there: Objects) -> None:
    resolver = Resolver(resource("KojiBuilder", "default"), there)
    assert not resolver.keep("koji-schedule", "a/label")
    there.add("ConfigMap", "koji-schedule", metadata={"labels": {"a/label": "true"}})
    assert resolver.keep("koji-schedule", "a/label")
    for labels in (None, {}, {"a/label": "false"}):
        there.add("ConfigMap", "koji-schedule", metadata={"labels": labels})
        with pytest.raises(Problem, match=r"ConfigMap 'koji-schedule'.*without the label a/label") as raised:
            resolver.keep("koji-schedule", "a/label")
        assert raised.value.reason == "NameTaken"


def test_an_object_of_somebody_else_is_never_taken_over(there: Objects) -> None:
    owner = {"ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "1"}]}
    there.add("ConfigMap", "koji-default-builder", {}, metadata=owner)
    told = problem(there, resource("KojiBuilder", "default"), **{"koji-default-builder": "ConfigMap"})
    assert told.reason == "NameTaken"
    assert "Deployment web" in told.message


def test_a_name_that_is_taken_is_told_before_what_is_wrong_with_its_certificate(
    there: Objects, authority: Authority
) -> None:
    certificate, key = authority.issue("twin")
    owner = {"ownerReferences": [{"kind": "KojiBuilder", "name": "twin", "uid": "1"}]}
    there.add("ConfigMap", "koji-twin-builder", {}, metadata=owner)
    there.add("Secret", "koji-twin-client-cert", {"tls.crt": certificate, "tls.key": key}, metadata=owner)
    objects = [{"kind": "ConfigMap", "name": "koji-twin-builder"}]
    params = {"objects": objects, "unwanted": [], "kept": "koji-schedule"}
    told = gather(there, {**params, "resource": resource("KojiBuilder", "koji-twin")})  # type: ignore[arg-type]
    assert told["problem"]["reason"] == "NameTaken"
    assert "KojiBuilder twin" in told["problem"]["message"]
    assert told["references"]["admin_pem"], "to delete the resource"
    assert told["kept"] is False
    told = gather(there, {**params, "objects": [], "kept": "", "resource": resource("KojiBuilder", "koji-twin")})  # type: ignore[arg-type]
    assert told["problem"]["reason"] == "CertificateForAnotherUser"
    told = gather(there, {**params, "resource": resource("KojiBuilder", "default")})  # type: ignore[arg-type]
    assert told["problem"]["reason"] == "NameTaken"
    told = gather(there, {**params, "objects": {}, "resource": resource("KojiBuilder", "default")})  # type: ignore[arg-type]
    assert told["problem"] == {}


def test_a_file_of_the_site_that_cannot_be_parsed_is_named(there: Objects) -> None:
    there.add("ConfigMap", "site", {"kojid.conf": "vendor = x"})
    told = problem(there, resource("KojiBuilder", "default", configmap="site"))
    assert told.reason == "InvalidConfigMap"
    assert "ConfigMap 'site' in namespace 'koji', key 'kojid.conf'" in told.message


def test_a_configmap_that_does_not_exist_means_no_settings(there: Objects) -> None:
    assert found(there, resource("KojiBuilder", "default", configmap="nothing")).settings == {}


def test_ssl_verify_false_is_accepted_with_a_warning(there: Objects) -> None:
    references = found(there, resource("KojiBuilder", "default", ssl_verify=False))
    assert [warning["reason"] for warning in references.warnings] == ["SslVerifyIgnored"]


def test_a_user_that_others_need_is_claimed(there: Objects) -> None:
    wanted = resource("KojiUser", "kojira")
    there.add("KojiUser", "kojira", spec={})
    there.there["KojiUser", "kojira"]["metadata"]["uid"] = wanted["metadata"]["uid"]
    assert found(there, wanted).claimed_by == []
    there.add("Kojira", "repos", spec={"hub_username": "kojira"})
    assert found(there, wanted).claimed_by == ["Kojira repos"]
    there.there["Kojira", "repos"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert found(there, wanted).claimed_by == []


def test_an_object_that_is_no_longer_wanted_is_told_if_it_is_ours(there: Objects) -> None:
    wanted = resource("KojiBuilder", "default")
    ours = {"ownerReferences": [{"kind": "KojiBuilder", "name": "default", "uid": wanted["metadata"]["uid"]}]}
    there.add("NetworkPolicy", "koji-default-tasks", apiVersion="networking.k8s.io/v1", metadata=ours)
    there.add("PodDisruptionBudget", "koji-default-tasks", apiVersion="policy/v1")
    unwanted = [
        {"kind": kind, "name": "koji-default-tasks"} for kind in ("NetworkPolicy", "PodDisruptionBudget", "ConfigMap")
    ]
    told = gather(there, {"resource": wanted, "objects": [], "unwanted": unwanted, "kept": ""})  # type: ignore[arg-type]
    assert told["leftover"] == [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "koji-default-tasks", "namespace": "koji"},
        }
    ]
    assert told["problem"] == {}, "what isn't needed may belong to anybody"


def test_what_does_nothing_is_warned_of(there: Objects) -> None:
    overrides = [{"channels": ["default"]}, {"methods": ["build"], "channels": ["default", "images", "vm"]}]
    told = found(there, resource("KojiBuilder", "default", ssl_verify=False, overrides=overrides)).warnings
    assert [warning["reason"] for warning in told] == ["SslVerifyIgnored", "ChannelOfOthers"]
    assert "overrides[1].channels names 'images', 'vm'" in told[1]["message"]
    both = resource("KojiBuilder", "default", channels=["default", "images", "vm"], overrides=overrides)
    assert found(there, both).warnings == []


def test_a_policy_lets_builds_reach_the_pods_of_the_hub_s_service(there: Objects) -> None:
    wanted = resource("KojiBuilder", "default", network_policy={"egress": []})
    assert found(there, wanted).hub_egress == {"ports": [{"port": 8443, "protocol": "TCP"}]}
    there.add("Service", "koji-hub", spec={"selector": {"app": "hub"}})
    assert found(there, wanted).hub_egress == {"to": [{"podSelector": {"matchLabels": {"app": "hub"}}}]}
    for policy in ({}, {"egress": None}, {"egress": [], "enabled": False}):
        assert found(there, resource("KojiBuilder", "default", network_policy=policy)).hub_egress == {}


def test_what_is_made_together_with_its_hub_waits_for_it(there: Objects) -> None:
    there.add("KojiHub", "hub")
    waits = problem(there, resource("KojiUser", "x"))
    assert (waits.reason, waits.progressing) == ("WaitingForHub", True)
    said = {"type": "Ready", "reason": "MissingSecret", "message": "Secret 'postgres' does not exist"}
    there.add("KojiHub", "hub", status={"conditions": [said]})
    assert "MissingSecret: Secret 'postgres' does not exist" in problem(there, resource("KojiUser", "x")).message
    # Later, what is wrong with the hub is its own matter.
    there.add("KojiHub", "hub", status={**SERVES, "conditions": [said]})
    assert found(there, resource("KojiUser", "x")).admin_pem


def test_a_kojihubs_secrets_are_called_after_it(there: Objects, authority: Authority) -> None:
    certificate, key = authority.issue("koji-admin")
    there.add("KojiHub", "other", status=SERVES)
    there.add("Secret", "koji-other-admin", {"tls.crt": certificate, "tls.key": key})
    there.add("Secret", "koji-other-ca-cert", {"ca.crt": authority.certificate})
    there.add("Secret", "koji-other-ca-cert-key", {"tls.crt": authority.certificate, "tls.key": authority.key})
    references = found(there, resource("KojiUser", "x"))
    assert (references.admin_secret, references.ca_secret) == ("koji-other-admin", "koji-other-ca-cert")
    assert references.client_make


GONE = "2026-01-01T00:00:00Z"


def deleted(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    item = resource(kind, name, **spec)
    item["metadata"]["deletionTimestamp"] = GONE
    return item


@pytest.mark.parametrize("kind", ["KojiUser", "KojiBuilder"])
def test_what_is_deleted_after_its_hub_does_not_wait_for_it_although_its_admin_is_kept(
    there: Objects, kind: str
) -> None:
    assert problem(there, deleted(kind, "x")).reason == "HubGone"
    # A hub on its way out brings its Service back no more.
    there.add("KojiHub", "hub", metadata={"deletionTimestamp": GONE})
    assert problem(there, deleted(kind, "x")).reason == "HubGone"


def test_a_hub_that_is_only_away_is_waited_for(there: Objects) -> None:
    there.add("Service", "koji-hub")
    assert found(there, deleted("KojiUser", "x")).admin_pem
    del there.there["Service", "koji-hub"]
    there.add("KojiHub", "hub", status=SERVES)  # it makes its Service again
    assert found(there, deleted("KojiUser", "x")).admin_pem
    # Of a hub elsewhere nothing is known here.
    assert found(there, deleted("KojiUser", "y", hub_host="koji.example.org")).admin_pem


def test_a_resource_that_stays_says_that_its_hub_does_not_answer_instead(there: Objects) -> None:
    assert found(there, resource("KojiUser", "x")).admin_pem


def test_a_volume_for_one_node_is_where_the_hubs_pod_is(there: Objects) -> None:
    there.add("KojiHub", "hub", status=SERVES)
    builder = resource("KojiBuilder", "x", shared_pvc="koji-hub-mnt-pvc")
    assert found(there, builder).shared_beside == {}  # there is no such claim yet
    there.add("PersistentVolumeClaim", "koji-hub-mnt-pvc", spec={"accessModes": ["ReadWriteOnce"]})
    assert found(there, builder).shared_beside["app.kubernetes.io/instance"] == "hub"
    there.add("PersistentVolumeClaim", "koji-hub-mnt-pvc", spec={"accessModes": ["ReadWriteMany"]})
    assert found(there, builder).shared_beside == {}
    there.add("PersistentVolumeClaim", "others", spec={"accessModes": ["ReadWriteOnce"]})
    assert found(there, resource("KojiBuilder", "x", shared_pvc="others")).shared_beside == {}


def keytab_secret(there: Objects, name: str, *principals: str) -> None:
    there.add("Secret", name)
    there.there["Secret", name]["data"] = keytabs.secret(keytabs.keytab(*principals))


def krb(principal: str, secret: str = "", **more: str) -> dict[str, Any]:
    return {"krb": {"principal": principal, **({"keytab_secret": secret} if secret else {}), **more}}


def test_a_builder_with_a_keytab_gets_no_certificate_unless_it_names_one(there: Objects) -> None:
    keytab_secret(there, "keys", "pods@X")
    there.add("ConfigMap", "krb5", {"krb5.conf": "[libdefaults]\nrdns = false\n"})
    asked = krb("pods@X", "keys", krb5_configmap="krb5")
    references = found(there, resource("KojiBuilder", "pods", authentication=asked))
    assert (references.principal, references.keytab_secret) == ("pods@X", "keys")
    assert references.krb5_conf == "[libdefaults]\nrdns = false"
    assert not references.client_secret
    assert not references.client_make
    beside = found(there, resource("KojiBuilder", "pods", authentication=asked, client_cert_secret="own"))
    assert (beside.client_secret, beside.client_make) == ("own", True)


def test_a_builder_with_a_principal_alone_logs_in_by_certificate(there: Objects) -> None:
    references = found(there, resource("KojiBuilder", "pods", authentication=krb("pods@X", krb5_configmap="krb5")))
    assert (references.principal, references.keytab_secret, references.client_make) == ("pods@X", "", True)
    assert [warning["reason"] for warning in references.warnings] == ["KerberosSettingsIgnored"]


def test_a_user_with_a_principal_has_a_ticket_of_its_own_or_a_keytab_that_is_looked_at(there: Objects) -> None:
    references = found(there, resource("KojiUser", "alice", authentication=krb("alice@X")))
    assert (references.principal, references.client_secret, references.client_make) == ("alice@X", "", False)
    assert (
        problem(there, resource("KojiUser", "alice", authentication=krb("alice@X", "keys"))).reason == "MissingSecret"
    )
    keytab_secret(there, "keys", "bob@X")
    wrong = problem(there, resource("KojiUser", "alice", authentication=krb("alice@X", "keys")))
    assert wrong.reason == "PrincipalNotInKeytab"
    assert found(there, resource("KojiUser", "bob", authentication=krb("bob@X", "keys"))).principal == "bob@X"


def test_the_admin_logs_in_by_keytab_where_the_hub_says_so(there: Objects) -> None:
    hub = resource("KojiHub", "hub", authentication={
        "krb": {"keytab_secret": "h", "admin_principal": "koji/admin@X", "admin_keytab_secret": "admin"}
    })  # fmt: skip
    there.add("KojiHub", "hub", spec=hub["spec"], status=SERVES)
    assert problem(there, resource("KojiUser", "x")).reason == "MissingSecret"
    keytab_secret(there, "admin", "koji/admin@X")
    references = found(there, resource("KojiUser", "x"))
    assert (references.admin_secret, references.admin_principal, references.admin_pem) == ("admin", "koji/admin@X", "")
    assert references.admin_keytab
    assert references.ca
    assert found(there, resource("KojiUser", "x", admin_secret="koji-hub-admin")).admin_pem, "named: as it is"


def test_an_admin_secret_of_a_hub_elsewhere_may_hold_a_keytab(there: Objects) -> None:
    keytab_secret(there, "elsewhere", "admin@X")
    references = found(there, resource("KojiUser", "x", admin_secret="elsewhere"))
    assert (references.admin_principal, references.admin_pem) == ("admin@X", "")
    keytab_secret(there, "elsewhere", "admin@X", "other@X")
    assert problem(there, resource("KojiUser", "x", admin_secret="elsewhere")).reason == "InvalidKeytab"
