# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What is applied when: the database first, then the pods; an upgrade that needs it finds the hub down."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.database import DatabaseLook
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.rollout import RolloutLook
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.stage import (
    DATABASE,
    HUB,
    Stage,
    begin,
    decide,
    is_awaited,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

SERVES = RolloutLook(exists=True, settled=True, replicas=2, available=2, pods=2)
DOWN = RolloutLook(exists=True, settled=True)
NONE = RolloutLook(problem=Problem("RollingOut", "none yet", progressing=True))


def staged(rollout: RolloutLook, **data: Any) -> Stage:
    return decide(2, DatabaseLook("abc1234", "koji-hub-db-abc1234", **data), rollout)


def test_the_job_comes_before_the_hub() -> None:
    stage = staged(NONE, make=True)
    assert (stage.templates, stage.replicas) == (list(DATABASE), 0)
    assert stage.problem is not None
    assert stage.problem.progressing


@pytest.mark.parametrize(
    ("rollout", "make", "templates"), [(NONE, True, DATABASE), (NONE, False, ()), (SERVES, True, ())]
)
def test_a_new_hub_s_database_waits_for_no_certificate(
    rollout: RolloutLook, make: bool, templates: tuple[str, ...]
) -> None:
    coming = Problem("CertificatesComing", "certificates are made", progressing=True)
    stage = begin(DatabaseLook("abc1234", "koji-hub-db-abc1234", make=make), rollout, ["service"], coming)
    assert stage.templates == (["service", *templates] if templates else [])
    assert stage.problem is coming


def test_nothing_is_applied_while_the_job_runs() -> None:
    assert staged(SERVES, state="running").templates == []


@pytest.mark.parametrize("rollout", [NONE, SERVES])
def test_the_hub_follows_a_job_that_succeeded(rollout: RolloutLook) -> None:
    stage = staged(rollout, state="succeeded", progressing=False)
    assert (stage.templates, stage.replicas) == (list(HUB), 2)
    assert stage.problem is rollout.problem


def test_a_hub_that_serves_is_left_alone_by_a_job_that_failed_until_the_next() -> None:
    stage = staged(SERVES, state="failed", reason="WrongDatabasePassword", progressing=False)
    assert stage.templates == []
    assert stage.problem is not None
    assert (stage.problem.reason, stage.problem.progressing) == ("WrongDatabasePassword", False)
    assert staged(SERVES, state="failed", make=True).templates == list(DATABASE)


def test_an_upgrade_that_needs_it_waits_until_no_pod_is_left() -> None:
    needs = {"state": "needs_offline", "hub_down_first": True, "make": True, "message": "1.34 -> 1.35"}
    stopping = staged(SERVES, **needs)
    assert (stopping.templates, stopping.replicas) == (list(HUB), 0)
    assert stopping.problem is not None
    assert stopping.problem.reason == "HubStopping"
    assert "1.34 -> 1.35" in stopping.problem.message
    assert staged(DOWN, **needs).templates == [*HUB, *DATABASE]


def test_a_hub_stays_down_while_its_upgrade_runs_or_has_failed() -> None:
    for state in ("running", "failed"):
        stage = staged(DOWN, state=state, hub_down_first=True)
        assert (stage.templates, stage.replicas) == (list(HUB), 0)
    assert staged(NONE, state="needs_offline", hub_down_first=True, make=True).templates == list(DATABASE)


@pytest.mark.parametrize(
    ("state", "reason", "rollout", "awaited"),
    [
        ("running", "DatabaseJobRuns", NONE, True),
        ("running", "FailedMount", NONE, True),
        ("running", "ErrImagePull", NONE, False),
        ("running", "PodsRefused", NONE, False),
        ("absent", "DatabaseJobComes", NONE, False),
        ("failed", "WrongDatabasePassword", NONE, False),
        ("succeeded", "SchemaCurrent", NONE, False),
        ("succeeded", "SchemaCurrent", RolloutLook(exists=True, problem=NONE.problem), True),
        ("succeeded", "SchemaCurrent", RolloutLook(exists=True, problem=Problem("ClaimNotBound", "not yet")), True),
        ("succeeded", "SchemaCurrent", RolloutLook(exists=True, problem=Problem("ErrImagePull", "none")), False),
        ("succeeded", "SchemaCurrent", SERVES, False),
    ],
)
def test_what_is_on_its_way_is_awaited_unless_something_keeps_it_for_good(
    state: str, reason: str, rollout: RolloutLook, awaited: bool
) -> None:
    look = DatabaseLook("abc1234", "koji-hub-db-abc1234", state=state, reason=reason)
    assert is_awaited(look, rollout) is awaited
