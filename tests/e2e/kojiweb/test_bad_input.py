# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a user did wrong ends in a condition that says what, where and what to do; one KojiWeb, wrong in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client.exceptions import ApiException

from tests.devhub.certificates import Authority
from tests.devhub.manifests import config_map, secret
from tests.e2e.resources import SOON

from .site import NAME, WebSite

if TYPE_CHECKING:
    from collections.abc import Callable

    from .pages import Browser


@pytest.fixture(scope="module")
def visitor(site: WebSite) -> Browser:
    """Of web pages that serve; whatever comes after, they go on."""
    return site.ready()


def pair(authority: Authority, user: str, *names: str) -> dict[str, str]:
    made = authority.issue(user, list(names) or None)
    return {"tls.crt": made.certificate, "tls.key": made.key}


SECRETS: dict[str, tuple[str, Callable[[WebSite], dict[str, str]], str, list[str]]] = {
    "an empty client Secret": ("client_cert_secret", lambda site: {}, "MissingSecretKey", ["tls.crt"]),
    "half a client Secret": (
        "client_cert_secret",
        lambda site: {"tls.crt": pair(site.hub.deployed.authority, "kojiweb")["tls.crt"]},
        "MissingSecretKey",
        ["tls.key"],
    ),
    "no certificate": (
        "client_cert_secret",
        lambda site: {"tls.crt": "x", "tls.key": "y"},
        "InvalidCertificate",
        ["no PEM certificate"],
    ),
    "another's key": (
        "client_cert_secret",
        lambda site: {**pair(site.hub.deployed.authority, "kojiweb"), "tls.key": pair(Authority(), "x")["tls.key"]},
        "InvalidCertificate",
        ["the key is not the certificate's"],
    ),
    "a certificate for another user": (
        "client_cert_secret",
        lambda site: pair(site.hub.deployed.authority, "somebody"),
        "CertificateForAnotherUser",
        ["somebody", "kojiweb"],
    ),
    "an empty CA": ("cacert_secret", lambda site: {"other": "x"}, "MissingSecretKey", ["ca.crt"]),
    "no CA": ("cacert_secret", lambda site: {"ca.crt": "x"}, "InvalidCertificate", ["no PEM certificate"]),
    "another CA": (
        "cacert_secret",
        lambda site: {"ca.crt": Authority("other").pair.certificate},
        "CaMismatch",
        ["bad-another-ca"],
    ),
    "half a server Secret": (
        "service_cert_secret",
        lambda site: {"tls.crt": pair(Authority(), "x")["tls.crt"]},
        "MissingSecretKey",
        ["tls.key"],
    ),
    "a server certificate for another name": (
        "service_cert_secret",
        lambda site: pair(Authority(), "x", "elsewhere.example.org"),
        "CertificateForAnotherName",
        ["elsewhere.example.org", "koji-web."],
    ),
    "half an admin": (
        "admin_secret",
        lambda site: {"tls.crt": pair(site.hub.deployed.authority, "koji-admin")["tls.crt"]},
        "MissingSecretKey",
        ["tls.key"],
    ),
}


@pytest.mark.parametrize("case", SECRETS)
def test_a_secret_that_is_no_good_is_named_with_its_key(site: WebSite, visitor: Browser, case: str) -> None:
    field, make, reason, words = SECRETS[case]
    name = f"bad-{case.removeprefix('a ').replace(' ', '-').replace(chr(39), '')}".lower()
    site.kube.apply(secret(name, site.namespace, make(site)))
    said = site.refused(reason, **{field: name})
    assert [word for word in [name, *words] if word not in said] == [], said
    assert visitor.answers()


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"admin_secret": "nowhere"}, "MissingSecret", ["nowhere", "create it"]),
        ({"theme_configmap": "nowhere"}, "MissingConfigMap", ["nowhere", "theme_configmap"]),
        ({"configmap": f"{NAME}-config"}, "ConflictingFields", [f"{NAME}-config"]),
        ({"hub_host": "a", "koji_hub_url": "b"}, "ConflictingFields", ["hub_host", "koji_hub_url"]),
        ({"hub_host": "nowhere:8443"}, "HubUnreachable", ["nowhere."]),
        ({"hub_host": "http://koji-hub/kojihub"}, "InvalidHubAddress", ["https"]),
        ({"host": "192.0.2.7"}, "InvalidHost", ["192.0.2.7"]),
        ({"service_cert_secret": f"{NAME}-session"}, "ConflictingFields", ["service_cert_secret"]),
        ({"web_options": {"LogLevel": "LOUD"}}, "InvalidWebOptions", ["LogLevel", "WARNING"]),
    ],
)
def test_a_field_that_can_not_be_followed_is_named(
    site: WebSite, visitor: Browser, fields: dict[str, Any], reason: str, words: list[str]
) -> None:
    said = site.refused(reason, **fields)
    assert [word for word in words if word not in said] == [], said


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("web.conf", "SiteName = koji\n", "web.conf"),
        ("web.conf", "[web]\nLoginTimeout = soon\n", "whole number"),
        ("web.conf", "[web]\nSiteName = 100% Koji\n", "%%"),
        ("httpd.conf", "<Location /x>\n", "has no end"),
    ],
)
def test_settings_that_can_not_be_read_are_named(
    site: WebSite, visitor: Browser, key: str, text: str, words: str
) -> None:
    name = f"settings-{abs(hash(text))}"
    site.kube.apply(config_map(name, site.namespace, {key: text}))
    said = site.refused("InvalidConfigMap", configmap=name)
    assert name in said
    assert words in said
    assert visitor.answers()


def test_a_service_that_is_deleted_while_something_is_wrong_comes_back(site: WebSite, visitor: Browser) -> None:
    site.refused("MissingConfigMap", theme_configmap="nowhere")
    site.kube.delete("Service", NAME, site.namespace)
    site.kube.wait_for(visitor.answers, SOON, "the web pages are there")


def test_settings_that_apache_does_not_take_are_told_by_the_pod_and_the_old_one_serves(
    site: WebSite, visitor: Browser
) -> None:
    site.kube.apply(config_map("nonsense", site.namespace, {"httpd.conf": "NoSuchDirective on\n"}))
    site.apply(configmap="nonsense")
    site.told(lambda item: "NoSuchDirective" in str(item["status"]["conditions"]), "Apache's words are told")
    assert visitor.answers()


def test_a_session_secret_of_the_site_s_that_is_no_good_is_named(site: WebSite, visitor: Browser) -> None:
    site.kube.delete("KojiWeb", "web", site.namespace, timeout=SOON)
    site.kube.delete("Secret", f"{NAME}-session", site.namespace)
    site.kube.apply(secret(f"{NAME}-session", site.namespace, {"secret": "short"}))
    assert f"{NAME}-session" in site.refused("InvalidSecret")
    site.kube.apply(secret(f"{NAME}-session", site.namespace, {"secret": "long enough to sign with"}))
    site.ready()
    assert b"long enough" in site.kube.secret(site.namespace, f"{NAME}-secrets")["secret.conf"]


def test_an_object_of_somebody_else_is_not_taken(site: WebSite, visitor: Browser) -> None:
    site.kube.delete("KojiWeb", "web", site.namespace, timeout=SOON)
    site.kube.wait_gone("ConfigMap", f"{NAME}-config", site.namespace, SOON)
    site.kube.apply(config_map(f"{NAME}-config", site.namespace, {"a": "b"}))
    assert f"{NAME}-config" in site.refused("NameTaken")
    site.kube.delete("ConfigMap", f"{NAME}-config", site.namespace)
    site.ready()


@pytest.mark.parametrize(
    "fields",
    [
        {"http_enabled": False, "https_enabled": False},
        {"replicas": -1},
        {"client_username": "two words"},
        {"client_username": "a|b"},
        {"host": "no name"},
        {"web_options": {"LoginTimeout": 0}},
    ],
)
def test_what_the_schema_rules_out_is_refused_at_once(site: WebSite, fields: dict[str, Any]) -> None:
    with pytest.raises(ApiException) as refused:
        site.apply(**fields)
    assert refused.value.status == 422


def test_a_hub_that_goes_does_not_hold_up_the_web_pages_end(site: WebSite) -> None:
    """Last: no hub is left, and finalize_timeout has not to be waited for."""
    site.ready(finalize_timeout=5)
    site.kube.delete("Service", "koji-hub", site.namespace)
    site.kube.delete("Deployment", "koji-hub", site.namespace)
    site.kube.delete("KojiWeb", "web", site.namespace, timeout=SOON)
    events = site.kube.events(site.namespace, "web")
    assert any("Hub user 'kojiweb' stays enabled" in event["message"] for event in events), events
