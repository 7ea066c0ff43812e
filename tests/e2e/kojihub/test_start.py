# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A namespace with nothing but a database becomes a hub, and does so again after the resource was deleted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.kube import condition
from tests.e2e.resources import READY, SOON, user

if TYPE_CHECKING:
    from tests.e2e.hub import Hub
    from tests.e2e.kube import Kube
    from tests.e2e.operator import Operator

    from .site import Site

OTHER_ID = 1000720000  # as OpenShift gives them; no passwd entry


def test_status_says_what_people_and_other_operators_look_for(site: Site, hub: Hub) -> None:
    item = site.get()
    status = item["status"]
    assert status["internal_url"] == f"https://koji-hub.{site.namespace}.svc:8443/kojihub"
    assert status["url"] == status["internal_url"]
    assert status["admin_secret"] == "koji-hub-admin"
    assert status["schema_version"] == "1.35"
    assert status["hub_version"] == "1.35.3"
    assert status["certificate_expires"]
    assert status["replicas"] == 1
    assert status["observedGeneration"] == item["metadata"]["generation"]
    assert len(site.kube.find("Pod", site.namespace, status["selector"])) >= 1
    wanted = {"Ready": "True", "Progressing": "False", "DatabaseReady": "True", "CertificatesValid": "True"}
    assert {name: condition(item, name).get("status") for name in wanted} == wanted, status["conditions"]
    assert hub.url == status["url"]


def test_kubectl_shows_url_version_and_readiness(site: Site, hub: Hub) -> None:
    header, row = site.kube.kubectl("get", "kojihub", "hub", "-n", site.namespace).splitlines()
    assert header.split()[:4] == ["NAME", "URL", "VERSION", "READY"]
    assert header.split()[-1] == "AGE"
    assert row.split()[:4] == ["hub", hub.url, "1.35.3", "True"]


def test_koji_talks_to_it_with_the_admins_certificate(hub: Hub) -> None:
    assert "koji-admin" in hub.cli("moshimoshi")
    assert "admin" in hub.session().getPerms()
    assert hub.cli("add-user", "someone") == "" or hub.session().getUser("someone")


def test_a_login_is_no_error_in_its_log(site: Site, hub: Hub) -> None:
    hub.session().getLoggedInUser()
    [pod] = site.pods()
    said = site.kube.logs(site.namespace, pod["metadata"]["name"]).splitlines()
    assert any("/kojihub/ssllogin" in line for line in said)
    # What the hub itself prints is [wsgi:error], whatever it is.
    assert not [line for line in said if ":error]" in line and "[wsgi:" not in line]


def test_other_kinds_find_it_without_being_told(kube: Kube, hub: Hub) -> None:
    kube.apply(user("releng", hub.namespace, permissions=["repo"]))
    made = kube.wait_condition("KojiUser", "releng", hub.namespace, READY)
    assert made["status"]["hub_url"] == hub.url
    assert hub.session().getUserPerms("releng") == ["repo"]
    kube.delete("KojiUser", "releng", hub.namespace, timeout=SOON)


def test_one_job_makes_the_database_and_is_kept(site: Site, hub: Hub) -> None:
    [job] = site.jobs()
    assert job["metadata"]["name"].startswith("koji-hub-db-")
    assert job["status"]["succeeded"] == 1
    assert job["spec"].get("ttlSecondsAfterFinished") is None
    assert site.psql("SELECT count(*) FROM koji_operator_schema") != "0"


def test_the_databases_password_is_only_in_secrets(site: Site, hub: Hub, operator: Operator) -> None:
    password = site.kube.secret(site.namespace, "postgres")["POSTGRES_PASSWORD"].decode()
    for kind in ("ConfigMap", "Deployment", "ReplicaSet", "Pod", "Job", "Service", "Event", "KojiHub"):
        assert password not in json.dumps(site.kube.find(kind, site.namespace), default=str), kind
    for pod in site.kube.find("Pod", site.namespace):
        assert password not in site.kube.logs(site.namespace, pod["metadata"]["name"]), pod["metadata"]["name"]
    assert password not in operator.log.read_text("utf-8", "replace")
    shown = site.kube.kubectl("exec", "-n", site.namespace, "deploy/koji-hub", "--", "sh", "-c", "cat /proc/*/cmdline")
    assert password not in shown


def test_pods_are_locked_down(site: Site, hub: Hub) -> None:
    [pod] = site.pods()
    security = pod["spec"]["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["spec"]["automountServiceAccountToken"] is False
    for container in pod["spec"]["containers"]:
        own = container["securityContext"]
        assert own["readOnlyRootFilesystem"] is True, container["name"]
        assert own["allowPrivilegeEscalation"] is False, container["name"]
        assert own["capabilities"] == {"drop": ["ALL"]}, container["name"]


def test_any_user_id_will_do(site: Site, hub: Hub) -> None:
    other = site.ready(security_context={"runAsUser": OTHER_ID, "runAsGroup": 0})
    assert site.in_pod("id", "-u").strip() == str(OTHER_ID)
    assert "koji-admin" in other.cli("moshimoshi")


@pytest.mark.parametrize("secret", ["koji-hub-ca-cert", "koji-hub-ca-cert-key", "koji-hub-admin"])
def test_what_clients_rely_on_has_no_owner(site: Site, hub: Hub, secret: str) -> None:
    found = site.kube.get("Secret", secret, site.namespace)
    assert found is not None
    assert not found["metadata"].get("ownerReferences"), yaml.safe_dump(found["metadata"])


def test_deleted_and_created_again_it_has_the_same_data_ca_and_admin(site: Site, hub: Hub) -> None:
    hub.session().addChannel("kept")
    names = ("koji-hub-ca-cert", "koji-hub-ca-cert-key", "koji-hub-admin")
    before = {name: site.kube.secret(site.namespace, name) for name in names}
    admin = hub.session().getUser("koji-admin")["id"]
    site.kube.delete("KojiHub", "hub", site.namespace, timeout=SOON)
    site.kube.wait_gone("Deployment", "koji-hub", site.namespace, SOON)
    site.kube.wait_for(lambda: not site.pods(), SOON, "the pods are gone", site.pods)
    assert {name: site.kube.secret(site.namespace, name) for name in names} == before

    again = site.ready()
    assert {name: site.kube.secret(site.namespace, name) for name in names} == before
    assert again.session().getChannel("kept")
    assert again.session().getUser("koji-admin")["id"] == admin
    assert hub.session().getLoggedInUser()["name"] == "koji-admin"
