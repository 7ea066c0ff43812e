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
EXAMPLES = 40  # within which a mutant has to be caught

# More by hand: KOJI_OPERATOR_EXAMPLES=250 pytest tests/unit/scheduler/test_interleavings.py --hypothesis-seed=N
Interleavings.TestCase.settings = settings(
    max_examples=int(os.environ.get("KOJI_OPERATOR_EXAMPLES", "25")),
    derandomize="KOJI_OPERATOR_EXAMPLES" not in os.environ,
    print_blob=True,
    **COMMON,
)
TestInterleavings = Interleavings.TestCase


def test_examples_are_worth_their_time() -> None:
    """Per 1,000 steps there were about 300 pods started, 100 tasks ended, 50 crashes, 50 kills and 25 takeovers in the
    middle of a tick, 35 ghosts, which tried 240 times to report for a task that another pod had.
    """
    TOTALS.clear()
    run_state_machine_as_test(
        Interleavings,
        settings=settings(max_examples=10, derandomize=True, database=None, phases=[Phase.generate], **COMMON),
    )
    a_thousand = TOTALS["steps"] / 1000
    wanted = {
        "pods started": 150,
        "tasks ended": 40,
        "crashes": 10,
        "kills in the middle": 20,
        "takeovers in the middle": 5,
        "ghosts": 10,
        "ghosts that tried, their task taken again": 20,
    }
    assert not {what: TOTALS[what] for what, least in wanted.items() if TOTALS[what] < least * a_thousand}, TOTALS


@pytest.mark.parametrize("name", MUTANTS)
def test_a_sabotaged_scheduler_is_caught(name: str) -> None:
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
