# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a pod's status says, and how a pod is made."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils import pods
from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import SettingsError, parse
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scheduler.world import World

TASK = {"id": 7, "method": "newRepo", "arch": "noarch", "parent": None}


def pod(status: dict[str, Any], **meta: Any) -> pods.TaskPod:
    base = {"name": "koji-task-7-2", "uid": "u", "labels": {}, "creationTimestamp": "2026-01-01T00:00:00Z", **meta}
    found = pods.view({"metadata": base, "spec": {"nodeName": "n1"}, "status": status})
    assert found is not None
    return found


def ended(
    exit_code: int | None, message: str = "", reason: str = "", status: dict[str, Any] | None = None
) -> pods.TaskPod:
    container = {"name": "task", "state": {"terminated": {"exitCode": exit_code, "message": message, "reason": reason}}}
    return pod({"phase": "Failed", "containerStatuses": [container] if exit_code is not None else [], **(status or {})})


def test_a_name_is_task_and_attempt() -> None:
    assert (pod({}).task_id, pod({}).attempt) == (7, 2)
    assert pods.view({"metadata": {"name": "koji-hub-1"}}) is None


@pytest.mark.parametrize(
    ("exit_code", "message", "outcome"),
    [
        (0, json.dumps({"outcome": "closed"}), "closed"),
        (1, json.dumps({"outcome": "failed"}), "failed"),
        (1, "Traceback", "failed"),
        (75, json.dumps({"outcome": "freed"}), "freed"),
        (77, "", "refused"),
        (3, json.dumps({"outcome": "crashed", "message": "no module"}), "crashed"),
        (137, json.dumps({"outcome": "closed"}), "crashed"),
        (137, "[1, 2]", "crashed"),
        (None, "", "crashed"),
    ],
)
def test_the_runner_s_word_counts_if_its_exit_code_agrees(exit_code: int | None, message: str, outcome: str) -> None:
    assert ended(exit_code, message).outcome == outcome


def test_a_runner_that_its_node_forbids_to_work_never_ran() -> None:
    found = ended(78, json.dumps({"outcome": "forbidden", "message": "unshare: Operation not permitted"}))
    assert (found.never_ran, found.reason, found.outcome) == (True, "UserNamespacesForbidden", "forbidden")
    assert not ended(1, json.dumps({"outcome": "forbidden"})).never_ran  # a task that says so does not stop a builder


def test_a_disruption_is_not_the_task_s_fault() -> None:
    assert ended(137, reason="OOMKilled").reason == "OOMKilled"
    assert not ended(137, reason="OOMKilled").disrupted
    low = "The node was low on resource: memory. Container task was using 9Mi, which exceeds its request of 0. "
    assert ended(None, status={"reason": "Evicted", "message": low}).disrupted
    target = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    assert ended(143, status={"conditions": [target]}).disrupted
    assert ended(128, reason="StartError").never_ran


@pytest.mark.parametrize(
    "message",  # of the kubelet
    [
        'Usage of EmptyDir volume "work" exceeds the limit "1Gi". ',
        "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
        'Container task exceeded its local ephemeral storage limit "1Gi". ',
    ],
)
def test_a_pod_evicted_for_its_own_use_of_disk_is_the_task_s_doing(message: str) -> None:
    assert not ended(None, status={"reason": "Evicted", "message": message}).disrupted


def test_a_log_that_stands_in_for_the_runner_s_word_is_no_reason() -> None:
    assert ended(137, "work\nmore work", reason="Error").message == ""
    assert ended(128, "exec: python3: not found", reason="StartError").message == "exec: python3: not found"


def test_a_pod_that_should_be_gone_is_lost_with_its_node() -> None:
    gone = pod({"phase": "Running"}, deletionTimestamp="2026-01-01T00:01:00Z")
    assert gone.deleting is not None
    assert not gone.lost(gone.deleting + pods.LOST_AFTER)
    assert gone.lost(gone.deleting + pods.LOST_AFTER + 1)


@given(st.text())
def test_a_label_is_always_valid(text: str) -> None:
    assert re.fullmatch(r"|[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", pods.label(text))


def test_the_koji_volume_is_for_its_methods_only_and_read_only() -> None:
    world = World(shared_pvc="koji-mnt", volume_methods=["newRepo"])
    repo = pods.manifest(world.settings, TASK, 1, 5, 4)
    [claim] = [v["persistentVolumeClaim"] for v in repo["spec"]["volumes"] if v["name"] == "koji-mnt"]
    assert claim == {"claimName": "koji-mnt", "readOnly": True}
    [mount] = repo["spec"]["containers"][0]["volumeMounts"]
    assert mount == {"name": "koji-mnt", "mountPath": "/mnt/koji", "readOnly": True}
    build = pods.manifest(world.settings, {**TASK, "method": "buildArch"}, 1, 5, 4)
    assert [v["name"] for v in build["spec"]["volumes"]] == ["task"]


def test_a_koji_volume_for_one_node_takes_its_pods_to_the_hubs_node() -> None:
    labels = {"app.kubernetes.io/name": "koji-hub"}
    world = World(shared_pvc="koji-mnt", volume_methods=["newRepo"], shared_beside=labels)
    repo = pods.manifest(world.settings, TASK, 1, 5, 4)
    [term] = repo["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term == {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    build = pods.manifest(world.settings, {**TASK, "method": "buildArch"}, 1, 5, 4)
    assert "podAffinity" not in build["spec"].get("affinity", {})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": {}}, "key builder.json is missing"),
        ({"data": {"builder.json": "{", "pod.json": "{}"}}, "not JSON"),
        ({"data": {"builder.json": "{}", "pod.json": '{"spec": {"containers": []}}'}}, "no container is called task"),
    ],
)
def test_a_bad_config_map_is_named(change: dict[str, Any], words: str) -> None:
    config_map = World().cluster.maps["koji-default-builder"]
    with pytest.raises(SettingsError, match=words) as error:
        parse({**config_map, **change})
    assert "ns/koji-default-builder" in str(error.value)


def test_a_config_map_without_owner_is_refused() -> None:
    config_map = World().cluster.maps["koji-default-builder"]
    config_map["metadata"]["ownerReferences"] = []
    with pytest.raises(SettingsError, match="no owner"):
        parse(config_map)
