# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What someone deletes or edits comes back; what can't be done is named, and what serves goes on serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.devhub.manifests import HUB
from tests.e2e.kube import condition
from tests.e2e.resources import SOON, user

from .site import NAME, WebSite

if TYPE_CHECKING:
    from .pages import Browser

PERIOD = "ansible.sdk.operatorframework.io/reconcile-period"


@pytest.fixture(scope="module")
def visitor(site: WebSite) -> Browser:
    """Web pages whose period is seconds: what the runtime doesn't watch is seen by then."""
    browser = site.ready()
    site.kube.patch("KojiWeb", "web", site.namespace, {"metadata": {"annotations": {PERIOD: "5s"}}})
    return browser


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Deployment", NAME),
        ("Service", NAME),
        ("ConfigMap", f"{NAME}-config"),
        ("Secret", f"{NAME}-secrets"),
        ("Secret", f"{NAME}-service-cert"),
        ("Secret", f"{NAME}-client-cert"),
        ("Secret", f"{NAME}-session"),
    ],
)
def test_what_is_deleted_comes_back(site: WebSite, visitor: Browser, kind: str, name: str) -> None:
    uid = site.good(kind, name)["metadata"]["uid"]
    site.kube.delete(kind, name, site.namespace)
    site.kube.wait_object(kind, name, site.namespace, lambda item: item["metadata"]["uid"] != uid, SOON, "it is back")
    site.kube.wait_for(visitor.answers, SOON, "the web pages are there")
    site.wait()


@pytest.mark.parametrize(
    ("kind", "name", "key"),
    [("ConfigMap", f"{NAME}-config", "web.conf"), ("Secret", f"{NAME}-client-cert", "client.pem")],
)
def test_what_is_edited_is_put_right(site: WebSite, visitor: Browser, kind: str, name: str, key: str) -> None:
    before = site.good(kind, name)["data"]
    site.kube.patch(kind, name, site.namespace, {"data": {key: "AAAA"}})
    site.kube.wait_object(kind, name, site.namespace, lambda item: item["data"] == before, SOON, "it is as it was")


def test_an_edited_pod_template_is_put_right(site: WebSite, visitor: Browser) -> None:
    before = site.good("Deployment")["spec"]["template"]
    site.kube.kubectl("set", "image", f"deployment/{NAME}", "web=localhost/nowhere:dev", "-n", site.namespace)
    site.kube.wait_object(
        "Deployment", NAME, site.namespace, lambda item: item["spec"]["template"] == before, SOON, "as it was"
    )
    site.wait()


def test_a_user_that_somebody_disabled_is_enabled(site: WebSite, visitor: Browser) -> None:
    admin = site.hub.session()
    admin.disableUser("kojiweb")
    site.kube.wait_for(lambda: admin.getUser("kojiweb")["status"] == 0, SOON, "it is enabled")


def test_an_image_that_cannot_be_pulled_is_named_and_the_pages_stay(site: WebSite, visitor: Browser) -> None:
    site.apply(image="localhost/nowhere:dev", image_pull_policy="Never")
    site.told(lambda item: "ErrImageNeverPull" in str(item["status"]["conditions"]), "the reason is named")
    assert visitor.answers()
    site.ready()


def test_a_hub_that_is_down_is_named_and_the_pages_come_back_with_it(site: WebSite, visitor: Browser) -> None:
    scale = ("scale", f"deployment/{HUB}", "-n", site.namespace)
    site.kube.kubectl(*scale, "--replicas=0")
    assert f"{HUB}.{site.namespace}.svc" in site.message("HubUnreachable")
    item = site.get()
    assert condition(item, "HubReachable")["status"] == "False"
    [pod] = site.pods()
    site.kube.wait_object(
        "Pod", pod["metadata"]["name"], site.namespace, lambda item: not _ready(item), SOON, "it is not ready"
    )
    site.kube.kubectl(*scale, "--replicas=1")
    site.wait()
    assert condition(site.get(), "HubReachable")["status"] == "True"
    site.kube.wait_for(visitor.answers, SOON, "the web pages are there")
    [after] = site.pods()
    assert after["metadata"]["uid"] == pod["metadata"]["uid"], "not killed for the hub's absence"
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0


def _ready(pod: dict[str, object]) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def test_a_user_that_a_kojiuser_claims_too_stays_when_the_web_pages_go(site: WebSite, visitor: Browser) -> None:
    """Last: no web pages are left."""
    site.kube.apply(user("kojiweb", site.namespace))
    site.kube.wait_condition("KojiUser", "kojiweb", site.namespace, SOON)
    site.kube.delete("KojiWeb", "web", site.namespace, timeout=SOON)
    assert site.hub.session().getUser("kojiweb")["status"] == 0
