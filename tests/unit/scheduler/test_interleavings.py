# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The property of interleavings.py holds; schedulers that were sabotaged do not have it, so it is one worth having."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.scheduler.interleavings import TOTALS, Interleavings
from tests.unit.scheduler.mutants import MUTANTS

COMMON: dict[str, Any] = {
    "stateful_step_count": 40,
    "deadline": None,
    "suppress_health_check": (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large),
}
# Within which a mutant has to be caught. It takes 4 to 20, of the rarest kind 50: which examples there are depends on
# the constants of all code that is loaded.
EXAMPLES = 400
# What they need is rare otherwise: three crashes of one task, a takeover between the opening of a task and its pod.
THEME = {
    "frees-what-it-could-not-revoke": "fence",
    "never-cleans-Secrets": "kill",
    "never-cleans-subsessions": "kill",
    "never-counts": "attempts",
    "never-deletes-lost-pods": "pods",
    "keeps-all-failed-pods": "attempts",
    "writes-without-its-Lease": "kill",
    "lets-cancelled-pods-go-on": "people",
    "refuses-nothing": "pods",
}

BY_HAND = os.environ.get("KOJI_OPERATOR_EXAMPLES")  # 250 are 10,000 steps; with pytest's --hypothesis-seed=N
# At least so often in 1,000 steps.
WANTED = {
    "pods started": 150,
    "tasks ended": 40,
    "crashes": 10,
    "kills in the middle": 20,
    "takeovers in the middle": 5,
    "ghosts": 10,
    "ghosts that tried, their task taken again": 20,
}


def test_whatever_happens() -> None:
    """Per 1,000 steps there were about 250 pods started, 100 tasks ended, 40 crashes, 50 kills and 20 takeovers in the
    middle of a tick, 30 ghosts, which tried 200 times to report for a task that another pod had.
    """
    TOTALS.clear()
    run_state_machine_as_test(
        Interleavings,
        settings=settings(max_examples=int(BY_HAND or "25"), derandomize=not BY_HAND, print_blob=True, **COMMON),
    )
    per = {what: round(number * 1000 / TOTALS["steps"]) for what, number in TOTALS.items()}
    print(TOTALS["steps"], "steps; per 1,000:", per)  # shown by pytest -s
    assert not {what: per.get(what, 0) for what, least in WANTED.items() if per.get(what, 0) < least}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_sabotaged_scheduler_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Interleavings, "only", THEME.get(name, ""))
    with MUTANTS[name](), pytest.raises(AssertionError):
        run_state_machine_as_test(
            Interleavings,
            settings=settings(
                max_examples=EXAMPLES,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                **COMMON,
            ),
        )
