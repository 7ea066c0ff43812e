# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a Kojira says about its hub, user, certificate and settings, and where it has its effect."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.devhub.manifests import config_map
from tests.e2e.kojihub.site import IMAGE
from tests.e2e.kube import condition
from tests.e2e.resources import SOON, user

from .scene import CLAIMS, QUICK, Scene


@pytest.fixture(scope="module")
def ready(scene: Scene) -> Scene:
    scene.ready()
    return scene


def copied(scene: Scene, name: str, to: str) -> None:
    """A Secret under another name, as a site's own."""
    there = scene.kube.get("Secret", name, scene.namespace)
    assert there is not None
    metadata = {"name": to, "namespace": scene.namespace}
    scene.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": there["data"]})


OPTIONS: dict[str, Any] = {
    "repo_lifetime": 1001,
    "dist_repo_lifetime": 1002,
    "expired_repo_lifetime": 1003,
    "recheck_period": 1004,
    "reference_recheck_period": 1005,
    "max_retries": 99,
    "max_delete_processes": 2,
    "check_external_repos": False,
    "ignore_stray_repos": True,
    "ignore_other_volumes": True,
}


def test_kojiras_options_are_what_the_program_reads(ready: Scene) -> None:
    site = "[kojira]\nSleepTime = 2\noffline_retry = false\n"
    ready.kube.apply(config_map("kojira-config", ready.namespace, {"kojira.conf": site}))
    ready.ready(kojira_options={**QUICK, **OPTIONS}, configmap="kojira-config")
    shown = ready.in_pod("kojira", "--config", "/etc/kojira/kojira.conf", "--show-config")
    for name, value in {**OPTIONS, "sleeptime": 2, "retry_interval": 1, "offline_retry": False}.items():
        assert f"'{name}': {value!r}" in shown, name


def test_a_change_of_the_sites_settings_rolls_the_pod(ready: Scene) -> None:
    before = ready.pod()["metadata"]["uid"]
    ready.kube.apply(config_map("kojira-config", ready.namespace, {"kojira.conf": "[kojira]\nsleeptime = 3\n"}))
    ready.ready(configmap="kojira-config", finalize_timeout=299)  # the ConfigMap alone is seen within a period
    assert ready.pod()["metadata"]["uid"] != before
    assert ready.conf()["sleeptime"] == "3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[kojira]\nno_such_option = 1\n", "no option no_such_option"),
        ("[kojira]\nsleeptime = soon\n", "wanted is a whole number"),
        ("[other]\nx = 1\n", "section [other]"),
        ("nonsense", "no section headers"),
    ],
)
def test_settings_at_which_kojira_would_end_are_refused_and_the_old_ones_work_on(
    ready: Scene, text: str, said: str
) -> None:
    uid = ready.pod()["metadata"]["uid"]
    ready.kube.apply(config_map("bad-config", ready.namespace, {"kojira.conf": text}))
    assert said in ready.refused("InvalidConfigMap", configmap="bad-config", finalize_timeout=299)
    assert ready.pod()["metadata"]["uid"] == uid
    ready.ready()


def test_limits_and_sources_are_the_hubs_settings(ready: Scene) -> None:
    """Since Koji 1.35; the KojiHub follows within its period."""
    before = ready.hub_uid()
    ready.ready(max_repo_tasks=4, repo_tasks_limit=3, src="yes")
    assert "max_repo_tasks" not in ready.conf()
    ready.hub_rolls({"maxrepotasks": "3", "sourcetags": "*"}, before)
    for number in range(4):
        ready.hub.session().createTag(f"limited-{number}", extra={"repo.auto": True})
    ready.kube.wait_for(lambda: len(ready.repo_tasks()) == 3, SOON, "three tasks")
    time.sleep(3)  # some of kojira's rounds
    assert len(ready.repo_tasks()) == 3
    ready.ready(max_repo_tasks=4, repo_tasks_limit=3, src="yes", finalize_timeout=299)
    assert not condition(ready.get(), "Warning")


def test_a_setting_of_the_hub_itself_wins(ready: Scene) -> None:
    ready.site.ready(**CLAIMS, hub_options={"MaxRepoTasks": 7})
    ready.ready(max_repo_tasks=4)
    assert "MaxRepoTasks is '7', not '4'" in ready.warned("HubSettingsDiffer")
    assert ready.hub_conf()["maxrepotasks"] == "7"
    ready.site.ready(**CLAIMS)
    ready.ready()


@pytest.mark.parametrize("field", ["koji_hub_user", "hub_username"])
def test_the_hub_user_may_have_another_name(ready: Scene, field: str) -> None:
    item = ready.ready(**{field: f"by-{field}"})
    assert item["status"]["user"] == f"by-{field}"
    assert ready.hub.session().getUserPerms(f"by-{field}") == ["repo"]


def test_a_kojiuser_of_that_name_owns_what_it_may_do(ready: Scene) -> None:
    ready.kube.apply(user("owned", ready.namespace, permissions=["tag"]))
    ready.kube.wait_condition("KojiUser", "owned", ready.namespace, SOON)
    assert "KojiUser 'owned'" in ready.refused("MissingPermission", koji_hub_user="owned")
    ready.kube.apply(user("owned", ready.namespace, permissions=["tag", "repo"]))
    ready.wait()
    assert sorted(ready.hub.session().getUserPerms("owned")) == ["repo", "tag"]
    ready.ready()
    assert ready.hub.session().getUser("owned")["status"] == 0
    ready.kube.delete("KojiUser", "owned", ready.namespace, timeout=SOON)


def test_nobody_becomes_an_admin_by_a_kojira(ready: Scene) -> None:
    said = ready.refused("UserIsAdmin", koji_hub_user="koji-admin", client_cert_secret="stolen")
    assert "'koji-admin'" in said
    assert ready.kube.get("Secret", "stolen", ready.namespace) is None
    ready.ready()


def test_one_that_was_refused_does_not_disable_whom_it_named(ready: Scene) -> None:
    ready.delete()
    ready.hub.session().createUser("boss")
    ready.hub.session().grantPermission("boss", "admin")
    ready.refused("UserIsAdmin", koji_hub_user="boss", name="thief")
    assert ready.hub.session().getUserPerms("boss") == ["admin"]
    ready.delete("thief")
    assert ready.hub.session().getUser("boss")["status"] == 0
    ready.ready()


@pytest.mark.parametrize("field", ["hub_host", "koji_hub_url", "host_name"])
def test_the_hub_may_be_named(ready: Scene, field: str) -> None:
    item = ready.ready(**{field: "https://koji_hub:8443"})
    assert item["status"]["hub_url"] == ready.hub.url
    assert "http" in ready.refused("InvalidHubAddress", **{field: "http://koji-hub"})
    ready.ready()


def test_its_secrets_may_have_other_names(ready: Scene) -> None:
    copied(ready, "koji-hub-ca-cert", "site-ca")
    copied(ready, "koji-hub-admin", "site-admin")
    copied(ready, "kojira-client-cert", "site-client")
    ssl = {"ssl": {"cacert_secret": "site-ca", "client_cert_secret": "site-client"}}
    for spec in ({"authentication": ssl}, {"cacert_secret": "site-ca", "client_cert_secret": "site-client"}):
        ready.ready(**spec, admin_secret="site-admin")
        volumes = {volume["name"]: volume for volume in ready.pod()["spec"]["volumes"]}
        assert volumes["client"]["secret"]["secretName"] == "site-client"
        assert volumes["ca"]["secret"]["secretName"] == "site-ca"
    said = ready.refused("ConflictingFields", authentication=ssl, cacert_secret="another")
    assert "site-ca" in said
    assert "nowhere" in ready.refused("MissingSecret", admin_secret="nowhere")
    ready.ready()


def test_its_certificate_is_as_the_fields_say(ready: Scene) -> None:
    fields = {"days": 5, "renew_before_days": 2, "key_type": "RSA"}
    item = ready.ready(client_cert_secret="own-client", certificate=fields)
    certificate = x509.load_pem_x509_certificate(ready.kube.secret(ready.namespace, "own-client")["tls.crt"])
    assert isinstance(certificate.public_key(), rsa.RSAPublicKey)
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 5
    assert item["status"]["certificate_expires"] == certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    # It would end before it has to be renewed.
    ready.ready(client_cert_secret="own-client", certificate={**fields, "days": 30, "renew_before_days": 20})
    again = x509.load_pem_x509_certificate(ready.kube.secret(ready.namespace, "own-client")["tls.crt"])
    assert again.serial_number != certificate.serial_number
    assert again.public_key() == certificate.public_key()
    ready.ready()


def test_another_claim_may_hold_the_files(ready: Scene) -> None:
    assert "nowhere" in ready.refused("MissingVolume", shared_pvc="nowhere")
    ready.ready(shared_pvc="koji-hub-httpd-pvc")
    volumes = {volume["name"]: volume for volume in ready.pod()["spec"]["volumes"]}
    assert volumes["mnt"]["persistentVolumeClaim"]["claimName"] == "koji-hub-httpd-pvc"
    assert "affinity" not in ready.deployment()["spec"]["template"]["spec"]
    ready.ready()


def test_an_image_that_can_not_be_had_or_has_no_kojira_is_told(ready: Scene) -> None:
    ready.apply(image="localhost/no-such-image:dev", image_pull_policy="Never")
    ready.wait("False", "ErrImageNeverPull", seconds=SOON)
    ready.apply(image="localhost/koji-builder:dev")
    ready.told(lambda item: "no program kojira" in condition(item, "Ready").get("message", ""), "the reason")
    ready.ready(image=IMAGE)


@pytest.mark.parametrize(
    ("kind", "name"), [("Deployment", "kojira"), ("ConfigMap", "kojira-files"), ("Secret", "kojira-client-cert")]
)
def test_what_is_deleted_comes_back(ready: Scene, kind: str, name: str) -> None:
    there = ready.kube.get(kind, name, ready.namespace)
    assert there is not None
    uid = there["metadata"]["uid"]
    ready.kube.delete(kind, name, ready.namespace)
    ready.kube.wait_object(kind, name, ready.namespace, lambda item: item["metadata"]["uid"] != uid, SOON, "it is back")
    ready.wait()


def test_what_is_edited_is_put_right(ready: Scene) -> None:
    ready.kube.patch("Deployment", "kojira", ready.namespace, {"spec": {"replicas": 3}})
    ready.kube.wait_for(lambda: ready.deployment()["spec"]["replicas"] == 1, SOON, "one replica again")
    ready.kube.patch("ConfigMap", "kojira-files", ready.namespace, {"data": {"kojira.conf": "[kojira]\n"}})
    ready.kube.wait_for(lambda: "server" in ready.conf(), SOON, "kojira.conf is back")
    ready.wait()


def test_a_hub_that_can_not_be_told_of_the_end_is_given_up(ready: Scene) -> None:
    ready.ready(finalize_timeout=1)
    ready.site.apply(**CLAIMS, replicas=0)
    ready.site.message("ScaledToZero")
    ready.delete()
    events = ready.kube.events(ready.namespace, "kojira")
    assert any("Hub user 'kojira' stays enabled" in event["message"] for event in events)
