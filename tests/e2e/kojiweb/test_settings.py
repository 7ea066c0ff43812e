# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the web pages show and whom they trust, as the resource and the site say; one KojiWeb, changed in turn."""

from __future__ import annotations

import base64
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import requests
from cryptography import x509

from tests.devhub.certificates import Authority
from tests.devhub.manifests import config_map, secret
from tests.e2e.resources import SOON

from .site import NAME, WebSite

if TYPE_CHECKING:
    from .pages import Browser

PIXEL = base64.b64encode(b"\x89PNG").decode()
HTTP = {"http_enabled": True}


def served_certificate(site: WebSite) -> x509.Certificate:
    """The certificate that the Service shows."""
    host = f"{NAME}.{site.namespace}.svc"
    context = ssl._create_unverified_context()  # noqa: S323  (it is looked at)
    with socket.create_connection((host, 8443), timeout=30) as plain, context.wrap_socket(plain) as wrapped:
        shown = wrapped.getpeercert(binary_form=True)
    assert shown
    return x509.load_der_x509_certificate(shown)


def shows(site: WebSite, browser: Browser, words: str) -> None:
    """Wait until the front page has them: old pods end after new ones are ready."""

    def has() -> bool:
        return browser.answers() and words in browser.page()

    site.kube.wait_for(has, SOON, f"the front page shows {words}")


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"SiteName": "The 100% site"}, "<title>The 100% site</title>"),
        ({"KojiGreeting": "Hello <you>"}, "Hello &lt;you&gt;"),
        ({"Tasks": "runroot livecd"}, "<li id='tasks'>runroot,livecd</li>"),
        ({"LoginDisabled": True, "LoginTimeout": 5}, "logins are disabled"),
    ],
)
def test_web_options_reach_the_pages(site: WebSite, options: dict[str, Any], shown: str) -> None:
    shows(site, site.ready(web_options=options), shown)


def test_the_sites_settings_win_option_by_option(site: WebSite) -> None:
    web_conf = "[web]\nsitename = The site's own\nHiddenUsers = 1\n"
    data = {"web.conf": web_conf, "httpd.conf": "Header set X-Site yes\n"}
    site.kube.apply(config_map("settings", site.namespace, data))
    browser = site.ready(configmap="settings", web_options={"SiteName": "ours", "KojiGreeting": "Good day"})
    shows(site, browser, "<title>The site&#x27;s own</title>")
    page = browser.get()
    assert "Good day" in page.text
    assert "<li id='hiddenusers'>1</li>" in page.text
    assert page.headers["X-Site"] == "yes"


def test_a_theme_is_what_a_configmap_holds(site: WebSite) -> None:
    theme = config_map("looks", site.namespace, {"koji.css": "body { color: red }", "extra-footer.html": "<i>ours</i>"})
    site.kube.apply({**theme, "binaryData": {"koji.png": PIXEL}})
    browser = site.ready(theme_configmap="looks")
    shows(site, browser, "<i>ours</i>")
    style = "/koji-static/themes/site/koji.css"
    assert style in browser.page()
    origin = browser.url.removesuffix("/koji")
    assert requests.get(origin + style, verify=str(browser.ca), timeout=30).text == "body { color: red }"
    logo = requests.get(f"{origin}/koji-static/themes/site/images/koji.png", verify=str(browser.ca), timeout=30)
    assert logo.content == b"\x89PNG"


def test_plain_http_is_served_when_asked_for_and_sends_logins_to_tls(site: WebSite) -> None:
    browser = site.ready(**HTTP)
    plain = site.browser()
    plain.url = f"http://{NAME}.{site.namespace}.svc:8080/koji"
    site.kube.wait_for(plain.answers, SOON, "plain HTTP is served")
    assert plain.get("/login", follow=False).headers["Location"] == f"{browser.url}/login"


def test_without_https_logins_are_off_and_the_status_has_the_url(site: WebSite) -> None:
    site.ready(https_enabled=False, **HTTP)
    plain = site.browser()
    plain.url = f"http://{NAME}.{site.namespace}.svc:8080/koji"
    shows(site, plain, "logins are disabled")
    assert site.get()["status"]["url"] == plain.url
    assert plain.get("/login").status_code == 403
    assert [port["name"] for port in site.good("Service")["spec"]["ports"]] == ["http"]


def test_another_user_logs_people_in(site: WebSite) -> None:
    """Whom the hub does not let do that: it lets in kojiweb only."""
    site.ready(client_username="other")
    assert site.get()["status"]["user"] == "other"
    assert site.hub.session().getUser("other")["status"] == 0
    people = site.browser("releng")
    refused = "CN=other is not authorized to login other users"
    site.kube.wait_for(lambda: refused in people.login().text, SOON, "the hub refuses")


@pytest.mark.parametrize("field", ["client_cert_secret", "authentication"])
def test_a_given_client_certificate_is_used_as_it_is(site: WebSite, field: str) -> None:
    name = f"given-{field.replace('_', '-')}"
    pair = site.hub.deployed.authority.issue("kojiweb")
    given = secret(name, site.namespace, {"tls.crt": pair.certificate, "tls.key": pair.key}, "kubernetes.io/tls")
    site.kube.apply(given)
    site.ready(**({field: name} if field == "client_cert_secret" else {field: {"ssl": {"client_cert_secret": name}}}))
    assert site.kube.secret(site.namespace, f"{NAME}-secrets")["client.pem"].decode() == pair.pem
    people = site.browser("releng")
    site.kube.wait_for(people.answers, SOON, "they are there")
    people.login()
    assert people.user == "releng"


@pytest.mark.parametrize("field", ["cacert_secret", "authentication"])
def test_the_ca_is_the_one_that_is_named_and_made_where_nobody_did(site: WebSite, field: str) -> None:
    name = f"ca-{field.replace('_', '-')}"
    site.ready(**({field: name} if field == "cacert_secret" else {field: {"ssl": {"cacert_secret": name}}}))
    assert site.kube.secret(site.namespace, name)["ca.crt"].strip() == site.hub.ca.read_bytes().strip()
    volumes = {volume["name"]: volume for volume in site.pods()[0]["spec"]["volumes"]}
    assert volumes["hub-ca"]["secret"]["secretName"] == name


@pytest.mark.parametrize("field", ["hub_host", "koji_hub_url", "host_name"])
def test_the_hub_is_the_one_that_is_named(site: WebSite, field: str) -> None:
    address = f"https://koji-hub.{site.namespace}.svc.cluster.local:8443/kojihub"
    browser = site.ready(**{field: address})
    assert site.get()["status"]["hub_url"] == address
    shows(site, browser, f"<li id='kojihuburl'>{address}</li>")


def test_a_given_server_certificate_is_shown(site: WebSite) -> None:
    """By a CA that the hub does not know: it is for browsers."""
    authority = Authority("public CA")
    host = f"{NAME}.{site.namespace}.svc"
    pair = authority.issue(host, [host, "localhost"])
    data = {"tls.crt": pair.certificate, "tls.key": pair.key}
    site.kube.apply(secret("public", site.namespace, data, "kubernetes.io/tls"))
    site.ready(service_cert_secret="public")

    def shown() -> bool:
        try:
            return "public CA" in served_certificate(site).issuer.rfc4514_string()
        except OSError:
            return False

    site.kube.wait_for(shown, SOON, "it is shown")


def test_certificates_are_made_as_the_resource_wishes(site: WebSite) -> None:
    for name in ("client", "service"):
        site.kube.delete("Secret", f"{NAME}-{name}-cert", site.namespace)
    site.ready(certificate={"days": 20, "renew_before_days": 5, "key_type": "RSA"})
    for name in ("client", "service"):
        made = site.kube.secret(site.namespace, f"{NAME}-{name}-cert")
        found = x509.load_pem_x509_certificate(made["tls.crt"])
        assert (found.not_valid_after_utc - found.not_valid_before_utc).days == 20, name
        assert "RSA" in type(found.public_key()).__name__
    # It has 20 days left and is to be renewed 30 before its end.
    before = site.kube.secret(site.namespace, f"{NAME}-client-cert")["tls.crt"]
    site.apply(certificate={"days": 365, "renew_before_days": 30, "key_type": "RSA"})
    site.kube.wait_for(
        lambda: site.kube.secret(site.namespace, f"{NAME}-client-cert")["tls.crt"] != before, SOON, "it is renewed"
    )
    site.wait()
    expires = site.get()["status"]["certificate_expires"]
    after = x509.load_pem_x509_certificate(site.kube.secret(site.namespace, f"{NAME}-client-cert")["tls.crt"])
    assert expires <= after.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert expires > "2026"


def test_an_admin_of_another_name_makes_the_user(site: WebSite) -> None:
    site.kube.apply(site.hub.deployed.user_secret("another-admin", "koji-admin"))
    site.kube.kubectl("delete", "secret", "koji-hub-admin", "-n", site.namespace)
    assert "koji-hub-admin" in site.refused("MissingSecret")
    site.ready(admin_secret="another-admin")
    site.kube.apply(site.hub.deployed.user_secret("koji-hub-admin", "koji-admin"))
