# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Who waits for a worker, and when a run gives way."""

from __future__ import annotations

import json
import threading
from typing import Any
from unittest import mock

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.report import stamp
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.turns import (
    LONGEST,
    START,
    Namespaces,
    Others,
    Turns,
    judged,
    length,
    waiting,
)

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("served", "line", "seconds"),
    [(2, 0, 30), (2, 1, 30), (2, 2, 30), (1, 2, 30), (2, 6, LONGEST / 3 - START), (1, 10, 6), (1, 50, 5), (0, 1, 30)],
)
def test_length_of_a_turn(served: int, line: int, seconds: float) -> None:
    assert length(30, served, line) == pytest.approx(seconds)


def test_nobody_waits_for_longer_than_the_hub_does_while_that_can_be() -> None:
    for served in range(1, 9):
        for line in range(1, 11 * served):
            rounds = -(-line // served)
            assert rounds * (length(30, served, line) + START) <= LONGEST + 1e-9


def test_a_short_turn_stays_as_short_as_it_was_asked_for() -> None:
    assert length(2, 1, 100) == 2


def lease(namespace: str, holder: str, age: float, began: float = 50) -> dict[str, Any]:
    spec = {"holderIdentity": holder, "renewTime": stamp(NOW - age), "acquireTime": stamp(NOW - began)}
    return {"metadata": {"namespace": namespace}, "spec": spec}


def test_who_is_served_and_who_is_not() -> None:
    since = {"busy": NOW - 500, "between": NOW - 500, "dead": NOW - 500, "new": NOW - 3, "old": NOW - 400, "mine": 0.0}
    leases = [lease("busy", "a", 1), lease("between", "", 2), lease("dead", "b", 60), lease("no-builders", "c", 1)]
    others = judged("mine", since, [*leases, lease("mine", "d", 1, began=40)], NOW)
    assert (others.served, others.older) == (1, 1)
    assert judged("mine", since, [*leases, lease("mine", "d", 1, began=60)], NOW).older == 0
    assert others.silent == {"between": 2, "dead": 60, "new": 3, "old": 400}
    assert waiting(others, 30) == ["dead", "old"]


class Line:
    """Neighbours that say what they are told to; `asked` is set when they were looked at."""

    def __init__(self, others: Others | Exception) -> None:
        self.others = others
        self.asked = threading.Event()

    def look(self) -> Others:
        self.asked.set()
        if isinstance(self.others, Exception):
            raise self.others
        return self.others


def test_a_run_has_its_turn_and_then_gives_way() -> None:
    clock = [0.0]
    turns = Turns(Line(Others(1, 0, {"waits": 20.0, "between": 3.0})), 30, lambda: clock[0])
    clock[0] = 29.0
    turns.look()
    assert not turns.waiting
    clock[0] = 30.0
    turns.look()
    assert turns.waiting == ["waits"]
    assert "MAX_CONCURRENT_RECONCILES_CONFIGMAP_" in turns.message


def test_a_run_that_nobody_waits_for_goes_on() -> None:
    clock = [0.0]
    turns = Turns(Line(Others(7, 0, {"between": 14.0})), 30, lambda: clock[0])
    clock[0] = 3000.0
    turns.look()
    assert not turns.waiting


@pytest.mark.parametrize(("older", "line", "over"), [(0, 1, True), (1, 1, False), (1, 2, True), (7, 2, False)])
def test_only_as_many_give_way_as_wait_and_the_oldest_first(older: int, line: int, over: bool) -> None:
    clock = [0.0]
    turns = Turns(Line(Others(7, older, {str(one): 20.0 for one in range(line)})), 30, lambda: clock[0])
    clock[0] = 30.0
    turns.look()
    assert bool(turns.waiting) == over


def test_the_thread_tells_when_it_is_over() -> None:
    line = Line(Others(1, 0, {"waits": 20.0}))
    turns = Turns(line, 0.04)
    with turns.counted() as over:
        assert line.asked.wait(10)
        for _ in range(1000):
            if over():
                break
            threading.Event().wait(0.01)
        assert over()
    assert turns.waiting == ["waits"]


def test_who_may_not_look_at_others_has_its_whole_time() -> None:
    line = Line(OSError("forbidden"))
    with Turns(line, 0.04).counted() as over:
        assert line.asked.wait(10)
        assert not over()


def listed(*items: dict[str, Any]) -> Any:

    return mock.Mock(data=json.dumps({"items": items}))


@pytest.mark.parametrize(("watched", "scopes"), [("", [None]), ("a, b", ["a", "b"])])
def test_the_namespaces_of_the_operator_are_looked_at(
    watched: str, scopes: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCH_NAMESPACE", watched)

    def get(namespace: str | None, **options: Any) -> Any:
        asked.append(namespace)
        if "field_selector" in options:
            return listed(lease("served", "x", 1), lease("mine", "y", 1))
        names = ["mine", "served", "silent"] + ["empty"] * (options["label_selector"].endswith("=true"))
        old = stamp(NOW - 100)
        return listed(*({"metadata": {"namespace": name, "creationTimestamp": old}} for name in names))

    asked: list[str | None] = []
    dynamic = mock.Mock()
    dynamic.resources.get.return_value.get = get
    others = Namespaces(dynamic, "mine", lambda: NOW).look()
    assert sorted(set(asked), key=str) == sorted(scopes, key=str)
    assert others == Others(1, 0, {"silent": 100.0})


def test_nobody_waits_where_the_api_server_lists_nothing() -> None:
    # As it writes an empty list of metadata: no list at all.
    answer = mock.Mock(data=json.dumps({"kind": "PartialObjectMetadataList", "items": None}))
    dynamic = mock.Mock()
    dynamic.resources.get.return_value.get.return_value = answer
    assert Namespaces(dynamic, "mine", lambda: NOW).look() == Others()
