# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A builder whose check-in lets the hub assign tasks wakes the others that got them."""

from __future__ import annotations

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.board import Board

from tests.unit.scheduler.world import World

HUB, OTHER_HUB = "https://one/kojihub", "https://two/kojihub"


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def board(woken: list[str]) -> Board:
    """Builders a, b and c, whose hosts are 1, 2 and 3."""
    board = Board(woken.append)
    for host, builder in ((1, "a"), (2, "b"), (3, "c")):
        board.others(HUB, host, builder)
    return board


def test_everyone_on_the_hub_is_looked_at_but_oneself(board: Board) -> None:
    assert board.others(HUB, 2, "b") == [1, 3]
    assert board.others(OTHER_HUB, 2, "d") == []


def test_who_got_a_task_is_woken_once(board: Board, woken: list[str]) -> None:
    board.tell(HUB, {70: 2}, [2, 3])
    board.tell(HUB, {70: 2}, [1, 2])
    assert woken == ["b"]


def test_one_who_sees_less_does_not_make_others_forget(board: Board, woken: list[str]) -> None:
    board.tell(HUB, {70: 2}, [2, 3])
    board.tell(HUB, {}, [1, 3])  # b itself doesn't look at b
    board.tell(HUB, {70: 2}, [2, 3])
    assert woken == ["b"]


def test_a_task_that_comes_again_wakes_again(board: Board, woken: list[str]) -> None:
    board.tell(HUB, {70: 2}, [2, 3])
    board.tell(HUB, {}, [2, 3])
    board.tell(HUB, {70: 2}, [2, 3])
    board.tell(HUB, {70: 3}, [2, 3])
    assert woken == ["b", "b", "c"]


def test_hosts_of_another_hub_and_those_that_have_left_are_nobody_s(board: Board, woken: list[str]) -> None:
    board.leave("b")
    board.tell(HUB, {70: 2}, [2, 3])
    board.tell(OTHER_HUB, {70: 3}, [3])
    assert woken == []


def test_a_check_in_wakes_the_builder_whose_host_the_hub_gave_a_task() -> None:
    world = World()
    host = world.hub.host("builder-2", capacity=100.0)
    host_id = world.admin.getHost("builder-2")["id"]
    world.admin.addHostToChannel("builder-2", "theirs", create=True)
    world.builder.around.board.others(world.settings.hub_url, host_id, "second")
    world.tick()
    task = world.task(channel="theirs")
    host.host.updateHost(0, True)
    world.tick(2)
    assert world.state(task) == "ASSIGNED"
    assert world.woken == ["second"]
    world.tick(2)
    assert world.woken == ["second"]
