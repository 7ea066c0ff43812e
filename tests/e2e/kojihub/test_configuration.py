# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The running hub's configuration: the resource's options and policies, the site's own files over them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import koji
import pytest
import requests

from tests.devhub.manifests import config_map
from tests.e2e.kube import condition
from tests.e2e.resources import SOON, resource

if TYPE_CHECKING:
    from tests.e2e.hub import Hub

    from .site import Site

SETTINGS = "site-settings"
# None is a default, and with all of them the hub still serves.
OPTIONS: dict[str, Any] = {
    "DNUsernameComponent": "CN",
    "CheckClientIP": True,
    "SessionRenewalTimeout": 60,
    "DisableURLSessions": True,
    "LoginCreatesUser": False,
    "AllowProxyAuthType": True,
    "KojiWebURL": "https://web.example.com/koji%20web",
    "EmailDomain": "example.com",
    "NotifyOnSuccess": False,
    "DisableNotifications": True,
    "Plugins": "echo other",
    "PluginPath": "/opt/plugins",
    "KojiDebug": True,
    "KojiTraceback": "extended",
    "VerbosePolicy": True,
    "MissingPolicyOk": False,
    "LogLevel": "INFO koji.policy:DEBUG",
    "LogFormat": "%(asctime)s %(message)s",
    "EnableMaven": True,
    "EnableWin": True,
    "MemoryWarnThreshold": 1000,
    "MaxRequestLength": 8000000,
    "OfflineMessage": "50 % of us are offline; # sorry",
    "MaxNameLengthInternal": 100,
    "RegexNameInternal": "",
    "RegexUserName": "^[a-z-]+$",
    "RPMDefaultChecksums": "sha256",
    "MaxJobs": 3,
    "CapacityOvercommit": 2,
    "ReadyTimeout": 90,
    "AssignTimeout": 150,
    "SoftRefusalTimeout": 450,
    "HostTimeout": 600,
    "RunInterval": 2,
    "MaxRepoTasks": 4,
    "MaxRepoTasksMaven": 1,
    "RepoRetries": 1,
    "RequestCleanTime": 720,
    "AllowNewRepo": False,
    "RepoLag": 1800,
    "RepoAutoLag": 3600,
    "RepoLagWindow": 300,
    "RepoQueueUser": "regen",
    "DebuginfoTags": "f*-build e*",
    "SourceTags": "f*",
    "SeparateSourceTags": "e*",
}
OFFLINE = {"ServerOffline", "LockOut"}


@pytest.fixture(scope="module")
def hub(site: Site) -> Hub:
    """A ready hub."""
    return site.ready()


def options(site: Site) -> dict[str, Any]:
    """hub.conf as the running hub has read it."""
    found: dict[str, Any] = site.hub().session().showOpts(False)
    return found


def settings(site: Site, **files: str) -> None:
    """Write the site's own ConfigMap; `hub_conf` is the key hub.conf."""
    data = {key.replace("_", "."): text for key, text in files.items()}
    site.kube.delete("ConfigMap", SETTINGS, site.namespace)
    site.kube.apply_all([config_map(SETTINGS, site.namespace, data)])
    site.look()


def says(site: Site, *words: str) -> None:
    """Wait until the conditions name all of these."""
    site.told(
        lambda item: all(word in json.dumps(item["status"]["conditions"]) for word in words), f"{words} are named"
    )


def test_the_defaults_suit_task_pods(site: Site, hub: Hub) -> None:
    found = options(site)
    assert (found["RunInterval"], found["CheckClientIP"], found["SessionRenewalTimeout"]) == (1, False, 0)
    assert found["KojiDir"] == "/mnt/koji"


def test_each_option_of_the_resource_is_the_running_hubs(site: Site, hub: Hub) -> None:
    definition = site.kube.get("CustomResourceDefinition", "kojihubs.apps.fedoraproject.org")
    assert definition is not None
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert set(schema["hub_options"]["properties"]) == set(OPTIONS) | OFFLINE
    site.ready(hub_options=OPTIONS)
    found = options(site)
    assert {name: found[name] for name in OPTIONS} == OPTIONS


def test_a_policy_of_the_resource_decides(site: Site, hub: Hub) -> None:
    site.ready(policies={"priority": "# für alle\nmethod sleep :: adjust +3\nall :: stay\n"})
    session = site.hub().session()
    assert session.getTaskInfo(session.makeTask("sleep", [0]))["priority"] == 23


def test_a_text_of_the_resource_adds_no_option(site: Site, hub: Hub) -> None:
    text = 'f*\n[hub]\nLockOut = true\r\nKojiDir = /tmp\n# "é" %(x)s'
    site.ready(hub_options={"DebuginfoTags": text})
    found = options(site)
    assert found["DebuginfoTags"] == 'f* [hub] LockOut = true KojiDir = /tmp # "é" %(x)s'
    assert (found["LockOut"], found["KojiDir"]) == (False, "/mnt/koji")


def test_the_sites_settings_win_option_by_option(site: Site, hub: Hub) -> None:
    settings(
        site,
        hub_conf="[hub]\nruninterval = 7\n[policy]\npriority = all :: adjust +9\n",
        httpd_conf="Header always set X-Site yes\n",
        sidetag_conf="[sidetag]\nremove_empty = on\n",
    )
    policies = {"priority": "all :: adjust +1", "channel": "all :: use default"}
    site.ready(configmap=SETTINGS, hub_options={"RunInterval": 3, "EmailDomain": "example.com"}, policies=policies)
    found = options(site)
    assert (found["RunInterval"], found["EmailDomain"], found["CheckClientIP"]) == (7, "example.com", False)
    session = site.hub().session()
    assert session.getTaskInfo(session.makeTask("sleep", [0]))["priority"] == 29
    assert requests.get(hub.url, verify=str(hub.ca), timeout=30).headers["X-Site"] == "yes"
    assert "remove_empty" in site.in_pod("cat", "/etc/koji-hub/plugins/sidetag.conf")


def test_a_change_of_the_sites_settings_reaches_the_hub(site: Site, hub: Hub) -> None:
    settings(site, hub_conf="[hub]\nRunInterval = 8\n")
    site.ready(configmap=SETTINGS)
    settings(site, hub_conf="[hub]\nRunInterval = 9\n")

    def changed() -> bool:
        try:
            return bool(options(site)["RunInterval"] == 9)
        except (koji.GenericError, requests.RequestException):
            return False

    site.kube.wait_for(changed, SOON, "the hub has read the new settings")


@pytest.mark.parametrize(
    ("key", "text", "why"),
    [
        ("hub_conf", "[hub]\nRunInterval = 1\nnonsense\n", "line 3"),
        ("hub_conf", "[hub]\nRunInterval = soon\n", "RunInterval is 'soon'"),
        ("httpd_conf", "<Location /x>\n", "<Location> has no end"),
    ],
)
def test_a_file_that_can_not_be_read_is_named_and_the_hub_serves_on(
    site: Site, hub: Hub, key: str, text: str, why: str
) -> None:
    settings(site, **{key: text})
    said = site.refused("InvalidConfigMap", configmap=SETTINGS)
    assert f"ConfigMap '{SETTINGS}' in namespace '{site.namespace}', key '{key.replace('_', '.')}'" in said
    assert why in said
    assert hub.session().getAPIVersion() == 1
    settings(site, hub_conf="[hub]\nRunInterval = 1\n")
    site.wait()


def test_a_policy_that_the_hub_can_not_read_is_named(site: Site, hub: Hub) -> None:
    assert "policy tag: 'all allow'" in site.refused("InvalidPolicy", policies={"tag": "all allow"})
    assert hub.session().getAPIVersion() == 1


def test_settings_that_do_not_exist_are_no_settings(site: Site, hub: Hub) -> None:
    site.ready(configmap="not-there", hub_options={"RunInterval": 4})
    assert options(site)["RunInterval"] == 4


def test_the_database_is_the_secrets_whatever_the_site_says(site: Site, hub: Hub) -> None:
    settings(site, hub_conf="[hub]\nDBHost = elsewhere\nRunIntervall = 5\n")
    site.ready(configmap=SETTINGS)
    says(site, "DBHost in hub.conf", "RunIntervall in hub.conf")
    assert site.hub().session().getLoggedInUser()["name"] == "koji-admin"


def test_webs_of_the_namespace_may_log_in_others(site: Site, hub: Hub) -> None:
    site.ready()
    web = resource("KojiWeb", "web", site.namespace, host="web.example.com", client_username="the-web")
    site.kube.apply(web)
    site.look()
    site.kube.wait_for(lambda: options(site).get("ProxyDNs") == "CN=the-web", SOON, "the pods have it")
    site.wait()
    found = options(site)
    assert (found["ProxyDNs"], found["KojiWebURL"]) == ("CN=the-web", "https://web.example.com/koji")
    site.kube.delete("KojiWeb", "web", site.namespace)


@pytest.mark.parametrize("option", sorted(OFFLINE))
def test_a_hub_that_is_told_to_be_offline_says_so_to_everyone(site: Site, hub: Hub, option: str) -> None:
    site.apply(hub_options={option: True, "OfflineMessage": "back at noon"})
    site.kube.wait_for(lambda: option in site.in_pod("cat", "/etc/koji-hub/hub.conf"), SOON, "the pod has it")

    def told() -> bool:
        try:
            hub.anonymous().getAPIVersion()
        except koji.ServerOffline:
            return True
        except (koji.GenericError, requests.RequestException):
            return False
        return False

    site.kube.wait_for(told, SOON, "clients are told")
    site.told(lambda item: condition(item, "Progressing").get("status") == "False", "it has rolled out")
    [pod] = [pod for pod in site.pods() if not pod["metadata"].get("deletionTimestamp")]
    assert {entry["type"]: entry["status"] for entry in pod["status"]["conditions"]}["Ready"] == "True"
    site.ready()
