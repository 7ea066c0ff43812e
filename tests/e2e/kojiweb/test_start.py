# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Web pages beside a KojiHub: applied together they become ready, people log in, and logins last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests

from tests.devhub.certificates import Authority
from tests.e2e.kojihub.site import ENFORCE, Site, kojihub, prepare
from tests.e2e.kube import condition
from tests.e2e.resources import READY, SOON, user

from .site import DEFAULTS, NAME, WebSite

if TYPE_CHECKING:
    from tests.e2e.kube import Kube
    from tests.e2e.operator import Operator

    from .pages import Browser


@pytest.fixture(scope="module")
def site(operator: Operator, kube: Kube, module_namespace: str, tmp_path_factory: pytest.TempPathFactory) -> WebSite:
    """A KojiHub with a user, and its web pages, applied at once to a namespace that enforces Pod Security."""
    prepare(kube, module_namespace)
    hubs = Site(kube, module_namespace, tmp_path_factory.mktemp("hub"))
    web = {**kojihub(module_namespace), "kind": "KojiWeb"}
    kube.apply(kojihub(module_namespace))
    kube.apply(user("releng", module_namespace))
    web["metadata"], web["spec"] = {"name": "web", "namespace": module_namespace}, dict(DEFAULTS)
    kube.apply(web)
    hubs.wait()
    kube.wait_condition("KojiUser", "releng", module_namespace, READY)
    return WebSite(kube, hubs.hub(), tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def visitor(site: WebSite) -> Browser:
    """Nobody's browser, when the web pages are ready."""
    site.wait()
    return site.browser()


def test_the_front_page_shows_what_the_hub_says(site: WebSite, visitor: Browser) -> None:
    assert visitor.hub_version == "1.35.3"
    assert visitor.user == ""
    assert visitor.get("/nothing").status_code == 404
    origin = visitor.url.removesuffix("/koji")
    root = requests.get(origin, verify=str(visitor.ca), timeout=30, allow_redirects=False)
    assert root.headers["Location"] == f"{origin}/koji/"


def test_the_status_says_what_people_look_for(site: WebSite, visitor: Browser) -> None:
    item = site.get()
    status = item["status"]
    assert status["url"] == visitor.url
    assert status["hub_url"] == site.hub.url
    assert status["user"] == "kojiweb"
    assert status["certificate_expires"]
    assert status["replicas"] == 1
    assert status["observedGeneration"] == item["metadata"]["generation"]
    assert len(site.kube.find("Pod", site.namespace, status["selector"])) >= 1
    wanted = {"Ready": "True", "Progressing": "False", "Degraded": "False", "HubReachable": "True"}
    assert {name: condition(item, name).get("status") for name in wanted} == wanted, status["conditions"]
    header, row = site.kube.kubectl("get", "kojiweb", "web", "-n", site.namespace).splitlines()
    assert header.split() == ["NAME", "URL", "READY", "REASON", "AGE"]
    assert row.split()[:4] == ["web", visitor.url, "True", "InLine"]


def test_a_user_logs_in_with_a_certificate_through_the_service(site: WebSite, visitor: Browser) -> None:
    browser = site.browser("releng")
    answer = browser.login()
    assert (answer.status_code, answer.url) == (200, f"{browser.url}/index")
    assert browser.user == "releng"
    assert visitor.user == ""
    out = browser.get("/logout")
    assert (out.status_code, out.url) == (200, f"{browser.url}/index"), "still by TLS"
    assert browser.user == ""
    logs = [site.kube.logs(site.namespace, pod["metadata"]["name"]) for pod in site.pods()]
    assert "client denied" not in "".join(logs), "a visit is no error"


def test_nobody_logs_in_without_a_certificate_or_with_one_by_another_ca(site: WebSite, visitor: Browser) -> None:
    stranger = site.browser()
    stranger.pem = site.folder / "stranger.pem"
    stranger.pem.write_text(Authority("stranger CA").issue("releng").pem, "ascii")
    for browser in (visitor, stranger):
        with pytest.raises(requests.RequestException):
            browser.login().raise_for_status()
        assert browser.user == ""


def test_a_user_whom_the_hub_does_not_let_in_is_told_so(site: WebSite, visitor: Browser) -> None:
    admin = site.hub.session()
    admin.createUser("gone", 1)
    gone = site.browser("gone")
    answer = gone.login()
    assert (answer.status_code, gone.user) == (500, "")
    assert "logins by gone are not allowed" in answer.text


def test_the_hub_knows_the_web_pages_user_and_lets_it_log_in_others(site: WebSite, visitor: Browser) -> None:
    assert site.hub.session().getUser("kojiweb")["status"] == 0
    assert "ProxyDNs = CN=kojiweb\n" in site.good("ConfigMap", "koji-hub-config")["data"]["hub.conf"]


def test_logins_outlive_pods_and_the_kojiweb(site: WebSite, visitor: Browser) -> None:
    browser = site.browser("releng")
    browser.login()
    before = site.kube.secret(site.namespace, f"{NAME}-session")
    site.kube.kubectl("rollout", "restart", f"deployment/{NAME}", "-n", site.namespace)
    site.kube.kubectl("rollout", "status", f"deployment/{NAME}", "-n", site.namespace, timeout=SOON)
    site.kube.wait_for(browser.answers, SOON, "the web pages are there again")
    assert browser.user == "releng"

    site.kube.delete("KojiWeb", "web", site.namespace, timeout=SOON)
    site.kube.wait_gone("Deployment", NAME, site.namespace, SOON)
    assert site.hub.session().getUser("kojiweb")["status"] == 1, "disabled, as it can't be deleted"
    site.ready()
    assert site.kube.secret(site.namespace, f"{NAME}-session") == before
    assert site.hub.session().getUser("kojiweb")["status"] == 0
    site.kube.wait_for(browser.answers, SOON, "the web pages are there again")
    assert browser.user == "releng"


def test_keys_and_the_sessions_secret_are_only_in_secrets(site: WebSite, visitor: Browser, operator: Operator) -> None:
    session = site.kube.secret(site.namespace, f"{NAME}-session")["secret"].decode()
    key = site.kube.secret(site.namespace, "koji-web-client-cert")["tls.key"].decode().splitlines()[1]
    for kind in ("ConfigMap", "Deployment", "ReplicaSet", "Pod", "Service", "Event", "KojiWeb"):
        text = json.dumps(site.kube.find(kind, site.namespace), default=str)
        assert session not in text, kind
        assert key not in text, kind
    log = operator.log.read_text("utf-8", "replace")
    for pod in site.pods():
        log += site.kube.logs(site.namespace, pod["metadata"]["name"])
    assert session not in log
    assert key not in log


def test_pods_are_locked_down(site: WebSite, visitor: Browser) -> None:
    namespace = site.kube.get("Namespace", site.namespace)
    assert namespace is not None
    assert namespace["metadata"]["labels"][ENFORCE] == "restricted"
    [container] = site.pods()[0]["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert site.in_pod("sh", "-c", "test -w /etc || test -w /usr/share/koji-web || echo read-only") == "read-only\n"


def test_web_pages_that_come_later_are_let_in_at_once(site: WebSite, visitor: Browser) -> None:
    """Not at the hub's next period, which is five minutes away."""
    web = site.get()
    second = {"apiVersion": web["apiVersion"], "kind": "KojiWeb", "spec": {**DEFAULTS, "client_username": "second"}}
    site.kube.apply({**second, "metadata": {"name": "second", "namespace": site.namespace}})
    site.kube.wait_condition("KojiWeb", "second", site.namespace, SOON)
    browser = site.browser("releng")
    browser.url = f"https://koji-second.{site.namespace}.svc:8443/koji"
    browser.login()
    assert browser.user == "releng"
    site.kube.delete("KojiWeb", "second", site.namespace, timeout=SOON)
