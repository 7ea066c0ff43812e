# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How far the hub's pods are, and what is said of those that don't serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.rollout import RolloutLook, look

from tests.unit.resources.cluster import Objects, resource

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

DONE = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
BEHIND = {**DONE, "availableReplicas": 0}


class Cluster(Objects):
    """A namespace with a Deployment, pods and their events."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[dict[str, Any]] = []

    def deployment(self, status: dict[str, Any], replicas: int = 1) -> None:
        self.add("Deployment", "koji-hub", metadata={"generation": 2}, spec={"replicas": replicas}, status=status)

    def pod(self, name: str = "koji-hub-1", *, created: str = "2026-01-01T00:00:00Z", **status: Any) -> None:
        volumes = [{"name": "mnt", "persistentVolumeClaim": {"claimName": "koji-hub-mnt-pvc"}}]
        self.add("Pod", name, metadata={"creationTimestamp": created}, spec={"volumes": volumes}, status=status)

    def events(self, namespace: str, uid: str) -> list[dict[str, Any]]:
        assert uid == "uid-Pod-koji-hub-1"
        return self.notes

    def list(self, kind: str, namespace: str, labels: str = "") -> list[dict[str, Any]]:
        assert labels == "app.kubernetes.io/name=koji-hub,app.kubernetes.io/instance=hub"
        return super().list(kind, namespace)


def looked(cluster: Cluster) -> RolloutLook:
    return look(Names(resource("KojiHub", "hub")), cluster)


def problem(cluster: Cluster) -> Problem:
    found = looked(cluster).problem
    assert found is not None
    return found


def waiting(reason: str, **more: Any) -> dict[str, Any]:
    return {"name": "hub", "ready": False, "state": {"waiting": {"reason": reason, "message": "no such"}}, **more}


RUNNING = {"name": "hub", "ready": False, "state": {"running": {}}}


@pytest.fixture
def cluster() -> Cluster:
    one = Cluster()
    one.deployment(BEHIND)
    return one


def test_a_hub_whose_pods_are_all_new_and_ready_is_settled(cluster: Cluster) -> None:
    cluster.deployment(DONE)
    assert looked(cluster) == RolloutLook(exists=True, settled=True, replicas=1, available=1, pods=1)


@pytest.mark.parametrize(
    "status",
    [{}, BEHIND, {**DONE, "observedGeneration": 1}, {**DONE, "updatedReplicas": 0}, {**DONE, "replicas": 2}],
)
def test_a_rollout_that_goes_on_is_waited_for(cluster: Cluster, status: dict[str, Any]) -> None:
    cluster.deployment(status)
    found = problem(cluster)
    assert (found.reason, found.progressing) == ("RollingOut", True)


def test_a_hub_without_a_deployment_is_waited_for() -> None:
    assert problem(Cluster()).progressing


def test_a_hub_scaled_to_zero_does_not_serve(cluster: Cluster) -> None:
    cluster.deployment({"observedGeneration": 2}, replicas=0)
    assert looked(cluster).settled
    assert (problem(cluster).reason, problem(cluster).progressing) == ("ScaledToZero", False)


def test_a_pod_that_ends_is_counted_until_it_is_gone(cluster: Cluster) -> None:
    cluster.deployment({"observedGeneration": 2}, replicas=0)
    cluster.pod()
    assert looked(cluster).pods == 1


def test_refused_pods_are_named(cluster: Cluster) -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: pods"}
    cluster.deployment({**BEHIND, "conditions": [refused]})
    assert problem(cluster).reason == "PodsRefused"
    assert "exceeded quota: pods" in problem(cluster).message


@pytest.mark.parametrize("reason", ["ErrImagePull", "InvalidImageName", "CreateContainerConfigError"])
def test_a_container_that_cannot_start_is_named(cluster: Cluster, reason: str) -> None:
    cluster.pod(containerStatuses=[waiting(reason)])
    assert (problem(cluster).reason, problem(cluster).progressing) == (reason, False)
    assert "'hub' of pod 'koji-hub-1'" in problem(cluster).message
    assert "no such" in problem(cluster).message


def test_a_container_that_crashes_is_named_with_its_last_words(cluster: Cluster) -> None:
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": "AH00526: Syntax error"}}
    cluster.pod(containerStatuses=[waiting("CrashLoopBackOff", lastState=ended)])
    assert "exit code 1 (Error) AH00526: Syntax error" in problem(cluster).message


def test_the_newest_pod_counts_and_one_that_ends_does_not(cluster: Cluster) -> None:
    cluster.pod("koji-hub-0", created="2025-01-01T00:00:00Z", containerStatuses=[waiting("CrashLoopBackOff")])
    cluster.pod(created="2026-01-01T00:00:00Z", containerStatuses=[waiting("ErrImagePull")])
    assert problem(cluster).reason == "ErrImagePull"
    cluster.there["Pod", "koji-hub-1"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert problem(cluster).reason == "CrashLoopBackOff"


def test_a_pod_that_no_node_takes_is_named_and_a_claim_without_a_volume_first(cluster: Cluster) -> None:
    no = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}
    cluster.pod(conditions=[no])
    assert problem(cluster).reason == "ClaimNotBound"
    assert "'koji-hub-mnt-pvc' does not exist" in problem(cluster).message
    cluster.add("PersistentVolumeClaim", "koji-hub-mnt-pvc", status={"phase": "Pending"})
    assert "has no volume yet" in problem(cluster).message
    cluster.add("PersistentVolumeClaim", "koji-hub-mnt-pvc", status={"phase": "Bound"})
    assert problem(cluster).reason == "Unschedulable"
    assert "0/1 nodes are available" in problem(cluster).message


def test_a_volume_that_cannot_be_mounted_is_named(cluster: Cluster) -> None:
    cluster.pod(containerStatuses=[waiting("ContainerCreating")])
    cluster.notes = [{"reason": "FailedMount", "message": 'secret "x" not found', "lastTimestamp": "2026"}]
    assert problem(cluster).reason == "FailedMount"
    assert 'secret "x" not found' in problem(cluster).message


def test_a_pod_that_runs_and_does_not_serve_says_why(cluster: Cluster) -> None:
    cluster.pod(containerStatuses=[RUNNING])
    cluster.notes = [
        {"reason": "FailedMount", "message": "long ago", "lastTimestamp": "2025"},
        {"reason": "Unhealthy", "message": "Readiness probe failed: database is down", "lastTimestamp": "2026"},
    ]
    assert (problem(cluster).reason, problem(cluster).progressing) == ("NotServing", True)
    assert "database is down" in problem(cluster).message
    for reason, status in (("NewReplicaSetAvailable", "True"), ("ProgressDeadlineExceeded", "False")):
        said = {"type": "Progressing", "reason": reason, "status": status}
        cluster.deployment({**BEHIND, "conditions": [said]})
        assert not problem(cluster).progressing
    cluster.deployment({**BEHIND, "conditions": [{**said, "reason": "ReplicaSetUpdated", "status": "True"}]})
    assert problem(cluster).progressing
    cluster.notes.append({"reason": "Unhealthy", "message": "Startup probe failed: refused", "lastTimestamp": "2027"})
    assert "database is down" in problem(cluster).message
    cluster.pod(containerStatuses=[{**RUNNING, "ready": True}])
    assert problem(cluster).reason == "RollingOut"
