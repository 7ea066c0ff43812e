# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The soak's own arithmetic."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from tests.soak.tally import Tally, attempts, ended_twice, lost
from tests.soak.work import Work

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("history", "meant", "canceled", "is_lost"),
    [
        ("FREE ASSIGNED OPEN CLOSED", "CLOSED", False, False),
        ("FREE ASSIGNED OPEN FREE ASSIGNED OPEN CLOSED", "CLOSED", False, False),
        ("FREE ASSIGNED OPEN FAILED", "CLOSED", False, True),
        ("FREE ASSIGNED OPEN FAILED", "FAILED", False, False),
        ("FREE ASSIGNED OPEN", "CLOSED", False, True),
        ("FREE CANCELED", "CLOSED", True, False),
        ("FREE ASSIGNED OPEN CLOSED", "CLOSED", True, False),
        ("FREE CANCELED", "CLOSED", False, True),
        ("FREE ASSIGNED", "CLOSED", True, True),
    ],
)
def test_what_is_lost(history: str, meant: str, canceled: bool, is_lost: bool) -> None:
    found = lost({7: history.split()}, {7: meant}, {7} if canceled else set())
    assert found == ({7: history} if is_lost else {})


def test_children_may_end_in_any_way_but_must_end() -> None:
    histories = {1: ["OPEN", "CLOSED"], 2: ["OPEN", "FAILED"], 3: ["OPEN"]}
    assert lost(histories, {1: "CLOSED"}, set()) == {3: "OPEN"}


def test_a_task_that_the_hub_does_not_know_is_lost() -> None:
    assert lost({}, {1: "CLOSED"}, set()) == {1: "never made"}


@pytest.mark.parametrize(
    ("history", "twice"),
    [("OPEN CLOSED", False), ("OPEN", False), ("OPEN CLOSED CLOSED", True), ("OPEN CANCELED FREE", True)],
)
def test_what_ended_twice(history: str, twice: bool) -> None:
    assert (7 in ended_twice({7: history.split()})) == twice


def test_attempts() -> None:
    assert attempts({1: ["FREE", "OPEN", "FREE", "OPEN", "CLOSED"], 2: ["FREE"]}) == 2


@pytest.mark.parametrize("bad", ["lost", "double_closed", "left_over"])
def test_what_must_be_zero(bad: str, tmp_path: Path) -> None:
    good = {"tasks": 500, "attempts": 700, "lost": 0, "double_closed": 0, "left_over": 0, "seconds": 300.0}
    assert Tally(**good).holds  # type: ignore[arg-type]
    tally = Tally(**{**good, bad: 1})  # type: ignore[arg-type]
    assert not tally.holds
    tally.write(tmp_path / "build/soak.json")
    assert json.loads((tmp_path / "build/soak.json").read_text()) == {**good, bad: 1}


def test_the_same_seed_makes_the_same_tasks() -> None:
    def requests(seed: int) -> list[mock._Call]:
        session = mock.Mock()
        session.makeTask.side_effect = range(1, 51)
        work = Work(session, Random(seed))  # noqa: S311
        for _ in range(50):
            work.make()
        assert work.meant.keys() == set(range(1, 51))
        calls: list[mock._Call] = session.makeTask.call_args_list
        return calls

    assert requests(1) == requests(1)
    assert requests(1) != requests(2)
