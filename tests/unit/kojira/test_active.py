# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One kojira a namespace: which, and when the next one begins."""

from __future__ import annotations

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira.active import REASON, oldest

from .namespace import FIRST, Namespace, kojira, reason, surveyed

LATER = "2026-11-30T10:00:01Z"


def test_alone_it_works(there: Namespace) -> None:
    assert surveyed(there)["problem"] == {}


def test_the_oldest_works_and_is_named(there: Namespace) -> None:
    there.other("first")
    problem = surveyed(there, created=LATER)["problem"]
    assert (problem["reason"], problem["progressing"], problem["again"]) == (REASON, False, "15s")
    assert "Kojira 'first'" in problem["message"]
    there.other("first", "2026-11-30T10:00:02Z")
    assert reason(there, created=LATER) == ""


@pytest.mark.parametrize(("uid", "waits"), [("a", True), ("z", False)])
def test_of_the_same_second_the_lower_uid_works(there: Namespace, uid: str, waits: bool) -> None:
    there.other("same", FIRST, uid)
    assert (reason(there) == REASON) is waits


@pytest.mark.parametrize("count", [1, 2, 5])
def test_of_any_number_exactly_one_works(count: int) -> None:
    everyone = [kojira(f"kojira-{number}") for number in range(count)]
    working = [one for one in everyone if oldest([one, *everyone]) == one]
    assert len(working) == 1


def test_nobody_begins_while_anothers_pod_is_there(there: Namespace) -> None:
    there.other("first")
    there.there["Kojira", "first"]["metadata"]["deletionTimestamp"] = LATER
    there.deployment("first")
    there.pod("first")
    for kind, name in (("Deployment", "first"), ("Pod", "first-pod")):
        problem = surveyed(there, created=LATER)["problem"]
        assert (problem["reason"], problem["progressing"]) == (REASON, True)
        assert f"{kind} '{name}'" in problem["message"]
        del there.there[kind, name]
    # The one that goes may still have to tell the hub.
    assert reason(there, created=LATER) == ""


def test_one_that_has_to_wait_ends_its_own_kojira_and_asks_for_nothing(there: Namespace) -> None:
    there.other("first")
    there.deployment()
    del there.there["Secret", "koji-hub-admin"]
    found = surveyed(there, created=LATER)
    assert found["problem"]["reason"] == REASON
    assert found["templates"] == []
    assert [item["metadata"]["name"] for item in found["remove"]] == ["kojira"]


def test_a_deployment_of_somebody_elses_is_not_removed(there: Namespace) -> None:
    there.other("first")
    there.deployment(own=False)
    assert surveyed(there, created=LATER)["remove"] == []
