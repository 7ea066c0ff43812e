# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The invariant of the fault tests notices whatever is left over, and whatever ended twice or otherwise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.faults import invariant

if TYPE_CHECKING:
    from collections.abc import Callable

ONCE = ["FREE", "ASSIGNED", "OPEN", "CLOSED"]


class Witness:
    """A Ledger that says what it is told."""

    def __init__(self) -> None:
        self.told = {1: list(ONCE), 2: list(ONCE)}
        self.sessions: dict[int, int] = {}

    def states(self) -> dict[int, str]:
        return {task: history[-1] for task, history in self.told.items()}

    def histories(self) -> dict[int, list[str]]:
        return self.told

    def subsessions(self) -> dict[int, int]:
        return self.sessions


class Cluster:
    """A Kube with one namespace; its Lease changes hands `moves` times a look."""

    def __init__(self) -> None:
        files = {"builder.json": json.dumps({"failed_pod_history": {"count": 1}})}
        self.there: dict[str, list[dict[str, Any]]] = {"ConfigMap": [{"data": files}]}
        self.moves = 0
        self.transitions = 0

    def find(self, kind: str, namespace: str, labels: str) -> list[dict[str, Any]]:
        return self.there.get(kind, [])

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        self.transitions += self.moves
        return {"spec": {"leaseTransitions": self.transitions}}

    def wait_for(self, condition: Callable[[], Any], timeout: float, message: str, state: Callable[[], str]) -> None:
        assert condition(), state()


def pod(phase: str, name: str = "koji-task-1-1", recorded: bool = True) -> dict[str, Any]:
    notes = {invariant.RECORDED: "failed"} if recorded else {}
    metadata = {"name": name, "labels": {invariant.BUILDER: "default"}, "annotations": notes}
    return {"metadata": metadata, "status": {"phase": phase}}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def witness() -> Witness:
    return Witness()


def settled(cluster: Any, witness: Any, **tasks: Any) -> None:
    invariant.settled(cluster, witness, "ns", **tasks)


def test_all_is_well(cluster: Cluster, witness: Witness) -> None:
    cluster.there["Pod"] = [pod("Failed")]
    witness.told[3] = ["FREE", "ASSIGNED", "OPEN", "FREE"]
    settled(cluster, witness, closed=[1, 2], queued=[3])


@pytest.mark.parametrize(
    ("kind", "item", "word"),
    [
        ("Pod", pod("Running"), "koji-task-1-1 is Running"),
        ("Pod", pod("Pending"), "koji-task-1-1 is Pending"),
        ("Pod", pod("Succeeded", recorded=False), "nobody has dealt with it"),
        ("Secret", pod(""), "Secret koji-task-1-1 is left"),
    ],
)
def test_what_is_left_in_the_cluster(
    cluster: Cluster, witness: Witness, kind: str, item: dict[str, Any], word: str
) -> None:
    cluster.there[kind] = [item]
    with pytest.raises(AssertionError, match=word):
        settled(cluster, witness)


def test_more_failed_pods_than_are_wanted(cluster: Cluster, witness: Witness) -> None:
    cluster.there["Pod"] = [pod("Failed"), pod("Failed", "koji-task-2-1")]
    with pytest.raises(AssertionError, match="2 failed pods of default are kept"):
        settled(cluster, witness)


def test_a_session_that_nobody_needs(cluster: Cluster, witness: Witness) -> None:
    witness.sessions = {7: 3}
    with pytest.raises(AssertionError, match="subsession 7 of session 3"):
        settled(cluster, witness)


@pytest.mark.parametrize("state", ["FREE", "ASSIGNED", "OPEN"])
def test_a_task_that_has_not_ended(cluster: Cluster, witness: Witness, state: str) -> None:
    witness.told[3] = ["FREE", state]
    with pytest.raises(AssertionError, match=f"task 3 is {state}"):
        settled(cluster, witness)


def test_an_open_task_is_not_queued(cluster: Cluster, witness: Witness) -> None:
    witness.told[3] = ["FREE", "ASSIGNED", "OPEN"]
    with pytest.raises(AssertionError, match="task 3 is OPEN"):
        settled(cluster, witness, queued=[3])


@pytest.mark.parametrize("after", ["CLOSED", "OPEN", "FAILED"])
def test_a_task_that_something_happened_to_after_its_end(cluster: Cluster, witness: Witness, after: str) -> None:
    witness.told[1] = [*ONCE, after, "CLOSED"]
    with pytest.raises(AssertionError, match="did not end exactly once"):
        settled(cluster, witness)


def test_a_task_that_ended_otherwise(cluster: Cluster, witness: Witness) -> None:
    with pytest.raises(AssertionError, match="ended otherwise"):
        settled(cluster, witness, canceled=[2])


def test_two_that_fight_for_the_lease(cluster: Cluster, witness: Witness) -> None:
    cluster.moves = 3
    with pytest.raises(AssertionError, match="to and fro"):
        settled(cluster, witness)
