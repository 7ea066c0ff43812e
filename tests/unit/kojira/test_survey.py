# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the role of a Kojira is told: what is to be written, and what is wrong, the most telling first."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira.survey import Survey

from .namespace import CLAIM, Namespace, kojira, reason, silent_hub, surveyed, warned


def test_all_is_written_when_all_is_there(there: Namespace) -> None:
    found = surveyed(there)
    assert found["problem"] == {}
    assert found["pod_problem"]["reason"] == "RollingOut"
    assert found["templates"] == ["config.configmap.yaml.j2", "kojira.deployment.yaml.j2"]
    assert found["references"]["client_make"]
    assert found["claim"] == CLAIM
    assert found["make_user"]
    assert found["any_user"]
    assert found["warnings"] == []
    json.dumps(found)


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "kojira"), ("ConfigMap", "kojira-files")])
def test_what_belongs_to_somebody_else_is_not_taken_over(there: Namespace, kind: str, name: str) -> None:
    # Before anything else that is wrong.
    del there.there["Secret", "koji-hub-admin"]
    there.add(kind, name, metadata={"ownerReferences": [{"kind": "KojiHub", "name": "kojira", "uid": "else"}]}, spec={})
    problem = surveyed(there)["problem"]
    assert problem["reason"] == "NameTaken"
    assert f"{kind} '{name}'" in problem["message"]


def test_the_samples_configmap_is_the_sites(there: Namespace) -> None:
    there.add("ConfigMap", "kojira-config", {"kojira.conf": "[kojira]\nsleeptime = 7\n"})
    found = surveyed(there, configmap="kojira-config")
    assert found["problem"] == {}
    assert "sleeptime = 7" in found["files"]["kojira_conf"]


def test_the_operators_own_configmap_can_not_be_the_sites(there: Namespace) -> None:
    assert reason(there, configmap="kojira-files") == "ConflictingFields"


def test_a_hub_that_has_not_served_yet_comes_first(there: Namespace) -> None:
    there.there["KojiHub", "hub"]["status"] = {}
    problem = surveyed(there)["problem"]
    assert (problem["reason"], problem["progressing"]) == ("WaitingForHub", True)


def test_a_hub_elsewhere_is_asked_for_its_version(there: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere: dict[str, Any] = {
        "hub_host": "koji.example.com",
        "admin_secret": "koji-hub-admin",
        "cacert_secret": "koji-hub-ca-cert",
        "shared_pvc": CLAIM,
    }
    problem = surveyed(there, **elsewhere)["problem"]
    assert (problem["reason"], problem["progressing"]) == ("HubUnreachable", True)
    silent_hub(monkeypatch, "1.34.1")
    found = surveyed(there, **elsewhere)
    assert found["problem"] == {}
    assert "max_repo_tasks = 10" in found["files"]["kojira_conf"]
    assert found["affinity"] == {}


def test_openshift_says_itself_as_whom_pods_run(there: Namespace) -> None:
    there.openshift = True
    assert not surveyed(there)["any_user"]


def test_cert_manager_is_waited_for(there: Namespace) -> None:
    there.there["KojiHub", "hub"]["spec"] = {"cert_manager_issuer": {"name": "ca"}}
    del there.there["Secret", "koji-hub-ca-cert-key"]
    found = surveyed(there)
    assert found["references"]["client_request"]
    assert found["references"]["waiting"]
    assert found["templates"] == []


def test_what_ends_is_removed_and_nothing_is_asked(there: Namespace) -> None:
    there.deployment()
    there.pod()
    there.other("first", "2026-11-30T09:00:00Z")
    resource = kojira()
    resource["metadata"]["deletionTimestamp"] = "2026-11-30T11:00:00Z"
    found = Survey(resource, there).run()
    assert found["problem"] == {}
    assert [item["kind"] for item in found["remove"]] == ["Deployment"]
    assert found["pods"] == 1
    assert found["templates"] == []


def test_a_user_that_it_never_touched_is_not_its_to_disable(there: Namespace) -> None:
    assert not surveyed(there)["worked"]
    owner = {"kind": "Kojira", "name": "kojira", "uid": "uid-Kojira-kojira"}
    there.add("ConfigMap", "kojira-files", apiVersion="v1", metadata={"ownerReferences": [owner]})
    assert surveyed(there)["worked"]


def test_settings_of_the_hub_that_differ_are_told(there: Namespace) -> None:
    asks = {"max_repo_tasks": 3, "src": "yes"}
    there.add("ConfigMap", "koji-hub-config", {"hub.conf": "[hub]\nMaxRepoTasks = 5\n"})
    told = warned(surveyed(there, **asks))["HubSettingsDiffer"]
    assert "MaxRepoTasks is '5', not '3'" in told
    assert "SourceTags is '', not '*'" in told
    there.add("ConfigMap", "koji-hub-config", {"hub.conf": "[hub]\nmaxrepotasks = 3\nSourceTags = *\n"})
    assert surveyed(there, **asks)["warnings"] == []


def test_settings_of_a_hub_elsewhere_are_told(there: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    silent_hub(monkeypatch, "1.35.3")
    found = surveyed(
        there, hub_host="koji.example.com", cacert_secret="koji-hub-ca-cert", shared_pvc=CLAIM, max_repo_tasks=3
    )
    assert "MaxRepoTasks = 3" in warned(found)["HubSettingsElsewhere"]


def test_tags_to_ignore_are_a_matter_of_the_tags_since_1_35(there: Namespace) -> None:
    assert "repo.auto" in warned(surveyed(there, kojira_options={"ignore_tags": "old-*"}))["KojiraOptionIgnored"]
