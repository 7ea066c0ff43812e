# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What someone deletes or edits comes back; what is allowed stays; what can't be done is named."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.devhub.manifests import config_map, deployment
from tests.e2e.kube import condition
from tests.e2e.resources import SOON

from .site import IMAGE, PERIOD

if TYPE_CHECKING:
    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

    from .site import Site

QUIET = 15.0  # seconds: some periods, in which a paused hub is left alone


@pytest.fixture(scope="module")
def hub(site: Site) -> Hub:
    """A ready hub whose period is seconds: what the runtime doesn't watch is seen by then."""
    hub = site.ready()
    site.kube.patch("KojiHub", "hub", site.namespace, {"metadata": {"annotations": {PERIOD: "5s"}}})
    return hub


def good(site: Site, kind: str, name: str) -> Json:
    found = site.kube.get(kind, name, site.namespace)
    assert found is not None, f"no {kind} {name}"
    return found


def body(item: Json) -> dict[str, Any]:
    """What an object holds, without what Kubernetes writes."""
    return {key: value for key, value in item.items() if key not in {"metadata", "status"}}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Deployment", "koji-hub"),
        ("Service", "koji-hub"),
        ("ConfigMap", "koji-hub-config"),
        ("Secret", "koji-hub-secrets"),
        ("Secret", "koji-hub-service-cert"),
        ("Secret", "koji-hub-admin"),
    ],
)
def test_what_is_deleted_comes_back(site: Site, hub: Hub, kind: str, name: str) -> None:
    uid = good(site, kind, name)["metadata"]["uid"]
    site.kube.delete(kind, name, site.namespace)
    site.kube.wait_object(kind, name, site.namespace, lambda item: item["metadata"]["uid"] != uid, SOON, "it is back")
    site.kube.wait_for(lambda: answers(site), SOON, "the hub serves")
    site.wait()


def answers(site: Site) -> bool:
    try:
        return "koji-admin" in site.hub().cli("moshimoshi")
    except Exception:  # noqa: BLE001 - requests', koji's and the command's own, until it is up
        return False


def test_an_edited_configuration_is_put_right(site: Site, hub: Hub) -> None:
    before = good(site, "ConfigMap", "koji-hub-config")["data"]
    site.kube.patch("ConfigMap", "koji-hub-config", site.namespace, {"data": {"hub.conf": "[hub]\nLockOut = true\n"}})
    site.kube.wait_object(
        "ConfigMap", "koji-hub-config", site.namespace, lambda item: item["data"] == before, SOON, "it is as it was"
    )


def test_an_edited_pod_template_is_put_right(site: Site, hub: Hub) -> None:
    before = body(good(site, "Deployment", "koji-hub"))["spec"]["template"]
    site.kube.kubectl("set", "image", "deployment/koji-hub", "hub=localhost/nowhere:dev", "-n", site.namespace)
    site.kube.wait_object(
        "Deployment", "koji-hub", site.namespace, lambda item: item["spec"]["template"] == before, SOON, "as it was"
    )
    site.wait()


def test_scaling_by_hand_is_allowed(site: Site, hub: Hub) -> None:
    scale = ("scale", "kojihub/hub", "-n", site.namespace)
    site.kube.kubectl(*scale, "--replicas=0")
    site.kube.wait_for(lambda: not site.pods(), SOON, "all pods are gone", site.pods)
    site.wait("Ready", "False", "ScaledToZero")
    site.kube.kubectl(*scale, "--replicas=1")
    site.wait()
    assert site.get()["status"]["replicas"] == 1
    assert answers(site)


def test_an_image_that_cannot_be_pulled_is_named_and_the_hub_goes_on(site: Site, hub: Hub) -> None:
    site.apply(image="localhost/nowhere:dev", image_pull_policy="Never")
    site.kube.wait_object(
        "KojiHub", "hub", site.namespace, lambda item: "ErrImageNeverPull" in str(item["status"]["conditions"]), SOON,
        "the reason is named with the image",
    )  # fmt: skip
    assert answers(site)
    site.ready()
    assert [pod["spec"]["containers"][0]["image"] for pod in site.pods()] == [IMAGE]


def test_what_is_deleted_while_something_else_is_wrong_comes_back_but_nothing_changes(site: Site, hub: Hub) -> None:
    site.ready(network_policy={"enabled": True})
    site.refused("MissingSecret", postgres_secret="nowhere", network_policy={"enabled": True, "ingress": []})
    uid = good(site, "Service", "koji-hub")["metadata"]["uid"]
    site.kube.delete("Service", "koji-hub", site.namespace)
    site.kube.wait_object(
        "Service", "koji-hub", site.namespace, lambda item: item["metadata"]["uid"] != uid, SOON, "it is back"
    )
    site.kube.wait_for(lambda: answers(site), SOON, "the hub serves")
    assert good(site, "NetworkPolicy", "koji-hub")["spec"]["ingress"], "the wish for another one waits"
    site.ready()
    site.kube.wait_gone("NetworkPolicy", "koji-hub", site.namespace, SOON)


def test_a_paused_hub_is_left_as_it_is(site: Site, hub: Hub) -> None:
    before = good(site, "ConfigMap", "koji-hub-config")["data"]
    site.apply(paused=True)
    site.told(lambda item: "paused" in str(item["status"].get("conditions")).lower(), "the status says so")
    site.kube.delete("ConfigMap", "koji-hub-config", site.namespace)
    site.kube.delete("Secret", "koji-hub-secrets", site.namespace)
    time.sleep(QUIET)
    assert site.kube.get("ConfigMap", "koji-hub-config", site.namespace) is None
    assert site.kube.get("Secret", "koji-hub-secrets", site.namespace) is None
    assert answers(site)
    site.ready()
    assert good(site, "ConfigMap", "koji-hub-config")["data"] == before


def test_what_is_not_the_operators_is_not_taken_over(kube: Kube, own_site: Site) -> None:
    site = own_site
    theirs: list[Json] = [
        deployment("koji-hub", site.namespace, {"image": "localhost/pause:dev"}, [], "theirs"),
        config_map("koji-hub-config", site.namespace, {"theirs": "yes"}),
    ]
    kube.apply_all(theirs)
    names = [(item["kind"], item["metadata"]["name"]) for item in theirs]
    before = {name: body(good(site, *name)) for name in names}
    said = site.refused("NameTaken")
    assert any(name in said for _, name in names)
    assert {name: body(good(site, *name)) for name in names} == before
    # Then the other one.
    kube.delete("Deployment", "koji-hub", site.namespace)
    site.told(lambda item: "koji-hub-config" in condition(item, "Ready").get("message", ""), "the other one is named")
    assert body(good(site, *names[1])) == before[names[1]]
    kube.delete("ConfigMap", "koji-hub-config", site.namespace)
    site.wait()


def test_a_hub_whose_database_is_down_is_not_ready_and_not_killed(site: Site, hub: Hub) -> None:
    pod = site.pods()[0]["metadata"]["uid"]
    site.kube.kubectl("scale", "deployment/postgresql", "-n", site.namespace, "--replicas=0")
    try:
        said = site.message()
        assert "database" in said.lower() or "serve" in said.lower()
        site.kube.wait_for(lambda: not serves(site), SOON, "the pod is out of the Service")
        assert [item["metadata"]["uid"] for item in site.pods()] == [pod]
        assert site.pods()[0]["status"]["containerStatuses"][0]["restartCount"] == 0
    finally:
        site.kube.kubectl("scale", "deployment/postgresql", "-n", site.namespace, "--replicas=1")


def serves(site: Site) -> bool:
    return any(
        entry["type"] == "Ready" and entry["status"] == "True" for entry in site.pods()[0]["status"]["conditions"]
    )
