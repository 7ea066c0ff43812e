# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How kojira is, when it talked to the hub last, and how many repositories it has."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira import contact, pod
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

from .namespace import Namespace, silent_hub, surveyed

if TYPE_CHECKING:
    import pytest

NOW = datetime.datetime(2026, 11, 30, 12, 0, 0, tzinfo=datetime.UTC)
READY = pod.PodLook(exists=True, ready=True, pods=1)


def event(message: str) -> dict[str, Any]:
    return {"reason": "Unhealthy", "message": message, "lastTimestamp": "2026-11-30T11:59:00Z"}


def running(there: Namespace) -> None:
    there.deployment(ready=False)
    there.pod(containerStatuses=[{"name": "kojira", "ready": False, "state": {"running": {}}}])


def test_while_all_is_well_the_moment_is_seldom_written() -> None:
    assert contact.last("", READY, NOW) == "2026-11-30T12:00:00Z"
    assert contact.last("2026-11-30T11:50:00Z", READY, NOW) == "2026-11-30T11:50:00Z"
    assert contact.last("2026-11-30T11:44:00Z", READY, NOW) == "2026-11-30T12:00:00Z"
    assert contact.last("2027-01-01T00:00:00Z", READY, NOW) == "2026-11-30T12:00:00Z"
    assert contact.last("nonsense", READY, NOW) == "2026-11-30T12:00:00Z"


def test_a_silent_kojira_keeps_the_moment_that_the_probe_tells() -> None:
    silent = pod.PodLook(exists=True, problem=Problem("NoContact", "it has not ... since 2026-11-30T11:58:01Z"))
    assert contact.last("2026-11-30T11:50:00Z", silent, NOW) == "2026-11-30T11:58:01Z"
    other = pod.PodLook(exists=True, problem=Problem("ErrImagePull", "no such image"))
    assert contact.last("2026-11-30T11:50:00Z", other, NOW) == "2026-11-30T11:50:00Z"


def test_silence_is_told_with_what_the_probe_says(there: Namespace) -> None:
    running(there)
    there.said["uid-Pod-kojira-pod"] = [
        event("Readiness probe failed: kojira has not talked to the hub since 2026-11-30T11:58:01Z")
    ]
    found = surveyed(there)
    assert (found["pod_problem"]["reason"], found["pod_problem"]["progressing"]) == ("NoContact", False)
    assert found["status"]["last_contact"] == "2026-11-30T11:58:01Z"


def test_a_pod_that_starts_is_waited_for(there: Namespace) -> None:
    running(there)
    problem = surveyed(there)["pod_problem"]
    assert (problem["reason"], problem["progressing"]) == ("Starting", True)


def test_a_pod_that_can_not_start_is_told(there: Namespace) -> None:
    there.deployment(ready=False)
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": "unknown config option: x"}}
    there.pod(containerStatuses=[{"name": "kojira", "state": waiting, "lastState": ended}])
    problem = surveyed(there)["pod_problem"]
    assert problem["reason"] == "CrashLoopBackOff"
    assert "unknown config option: x" in problem["message"]


def test_a_cluster_that_refuses_the_pod_is_told(there: Namespace) -> None:
    there.deployment(ready=False)
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    there.there["Deployment", "kojira"]["status"]["conditions"] = [refused]
    assert "exceeded quota" in surveyed(there)["pod_problem"]["message"]


def test_repos_are_counted_by_the_hub(there: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    there.deployment()
    silent_hub(monkeypatch, 5)
    found = surveyed(there)
    assert found["pod_problem"] == {}
    assert found["status"]["repos"] == 5
    assert contact.repos("https://hub", "", new=False) is None
    silent_hub(monkeypatch, [{"id": 1}, {"id": 2}])
    assert contact.repos("https://hub", "", new=False) == 2
    assert contact.repos("https://hub", "", new=True) is None


def test_a_hub_that_does_not_answer_leaves_the_number(there: Namespace) -> None:
    there.deployment()
    assert surveyed(there, status={"repos": 3})["status"]["repos"] == 3
