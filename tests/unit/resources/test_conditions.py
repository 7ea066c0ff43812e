# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Conditions as they go into status."""

from ansible_collections.fedoraproject.koji.plugins.module_utils.conditions import (
    Condition,
    Outcome,
    rendered,
    summary,
    unchanged,
)
from ansible_collections.fedoraproject.koji.plugins.modules.koji_status import retry_after

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
OWN = ("Ready", "Progressing", "Degraded")


def states(outcome: Outcome) -> dict[str, bool]:
    return {condition.type: condition.status for condition in summary(outcome)}


def test_an_outcome_is_one_of_three_states() -> None:
    ready = Outcome(ready=True, progressing=False, reason="InLine", message="")
    waiting = Outcome(ready=False, progressing=True, reason="Waiting", message="")
    broken = Outcome(ready=False, progressing=False, reason="Broken", message="")
    assert states(ready) == {"Ready": True, "Progressing": False, "Degraded": False}
    assert states(waiting) == {"Ready": False, "Progressing": True, "Degraded": False}
    assert states(broken) == {"Ready": False, "Progressing": False, "Degraded": True}


def test_the_transition_time_moves_only_with_the_status() -> None:
    first = rendered([Condition("Ready", status=False, reason="A")], [], 1, EARLY)
    same = rendered([Condition("Ready", status=False, reason="B")], first, 2, LATE)
    turned = rendered([Condition("Ready", status=True, reason="C")], same, 2, LATE)
    assert same[0]["lastTransitionTime"] == EARLY
    assert same[0]["reason"] == "B"
    assert turned[0]["lastTransitionTime"] == LATE


def test_a_status_that_says_so_already_is_not_written() -> None:
    conditions = rendered(summary(Outcome(ready=True, progressing=False, reason="InLine", message="")), [], 1, EARLY)
    others = [{"type": "Scheduling", "status": "True"}]
    wanted = {"conditions": conditions, "user": "x"}
    current = {"conditions": others + conditions, "user": "x", "running_tasks": 3}
    assert unchanged(current, wanted, ["user", "host_id"], OWN)
    assert not unchanged({**current, "host_id": 1}, wanted, ["user", "host_id"], OWN)
    assert not unchanged({**current, "user": "y"}, wanted, ["user"], OWN)
    assert not unchanged(current, {**wanted, "conditions": conditions[1:]}, ["user"], OWN)


def test_a_long_trouble_is_looked_at_less_often() -> None:
    broken = summary(Outcome(ready=False, progressing=False, reason="Broken", message=""))
    conditions = rendered(broken, [], 1, EARLY)
    assert retry_after(conditions, conditions, EARLY) == "20s"
    assert retry_after(conditions, conditions, LATE) == "30s"
    assert retry_after(conditions, conditions, "2026-01-02T00:00:00Z") == "300s"
    starting = rendered(
        summary(Outcome(ready=False, progressing=True, reason="Waiting", message="")), conditions, 1, LATE
    )
    assert retry_after(conditions, starting, LATE) == "5s"
    fine = summary(Outcome(ready=True, progressing=False, reason="InLine", message=""))
    assert retry_after(conditions, rendered(fine, [], 1, EARLY), LATE) == ""


def test_another_trouble_is_looked_at_soon() -> None:
    before = rendered(summary(Outcome(ready=False, progressing=False, reason="Broken", message="a")), [], 1, EARLY)
    other = summary(Outcome(ready=False, progressing=False, reason="Broken", message="b"))
    assert retry_after(before, rendered(other, before, 1, "2026-01-02T00:00:00Z"), "2026-01-02T00:00:00Z") == "20s"
