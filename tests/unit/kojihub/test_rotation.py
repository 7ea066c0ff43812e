# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A CA is rotated with overlap: at no moment does a client refuse the server, or the server a client."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from .rotation import ADMIN, CA, KEY, SERVER, World

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.fedoraproject.koji.plugins.module_utils.certificates import Certificate

DAY = datetime.timedelta(days=1)
ROUNDS = 12  # of all roles and pods, that a rotation takes at most


def rotate(world: World) -> None:
    """Let everything go on until the rotation is over."""
    said = []
    for _ in range(ROUNDS):
        world.everything()
        world.check()
        found = world.hub.look()
        said.append(found.rotation)
        if not found.rotation and not found.make:
            world.everything()
            return
    raise AssertionError(f"not over after {ROUNDS} rounds: {said}")


def authorities(world: World, secret: str) -> set[Certificate]:
    return set(certificates.read_all(world.there.texts(secret)["ca.crt"]))


def signed(world: World, secret: str, by: Iterable[Certificate]) -> bool:
    return any(certificates.read(world.there.texts(secret)["tls.crt"]).issued_by(one) for one in by)


def test_a_rotation_ends_with_the_new_ca_alone_and_everything_signed_by_it() -> None:
    world = World(users=3)
    old = authorities(world, CA)
    world.pass_time(60)
    world.ask("please")
    rotate(world)
    new = authorities(world, CA)
    assert len(new) == 1
    assert new != old
    for name in (ADMIN, SERVER, "koji-user0-client-cert", "koji-user1-client-cert", "koji-user2-client-cert"):
        assert signed(world, name, new)
        assert authorities(world, name) == new
    assert authorities(world, "copy-1") == new
    assert set(world.there.texts(KEY)) == {"tls.crt", "tls.key"}
    assert all(pod.trusted == world.there.texts(CA)["ca.crt"] for pod in world.pods)


def test_a_rotation_is_not_begun_twice_for_one_request() -> None:
    world = World()
    world.ask("please")
    rotate(world)
    writes = world.there.writes
    for _ in range(3):
        world.everything()
    assert world.there.writes == writes
    before = authorities(world, CA)
    world.ask("again")
    rotate(world)
    assert authorities(world, CA) != before


def test_a_new_hub_does_not_rotate_what_it_has_just_made() -> None:
    world = World()
    world.ask("please")
    for name in (CA, KEY, SERVER, ADMIN):
        world.delete(name)
    world.hub.run()
    assert not world.hub.look().make


def test_a_ca_is_rotated_before_it_can_end_before_its_certificates() -> None:
    world = World(users=0)
    world.hub.resource["spec"]["certificate"] = {"days": 30, "renew_before_days": 10}
    ca = certificates.read(world.there.texts(KEY)["tls.crt"])
    world.hub.now = ca.expires - 41 * DAY
    world.everything()
    assert not world.hub.look().rotation
    world.hub.now = ca.expires - 39 * DAY
    world.run_hub()
    assert world.hub.look().rotation
    rotate(world)
    assert ca not in authorities(world, CA)


def test_what_is_being_waited_for_is_named() -> None:
    world = World(users=2)
    world.ask("please")
    world.run_hub()
    assert "Secret 'copy-1', Secret 'koji-user0-client-cert'" in world.hub.look().rotation
    world.run_user(0)
    world.run_user(1)
    world.run_user(1)
    assert "pods are being renewed" in world.hub.look().rotation
    world.settle()
    world.run_hub()
    assert "for 600 seconds more" in world.hub.look().rotation
    world.pass_time(4)
    assert "for 360 seconds more" in world.hub.look().rotation
    world.pass_time(6)
    world.run_hub()
    assert "has not yet signed Secret 'koji-user0-client-cert', Secret 'koji-user1-" in world.hub.look().rotation


def test_the_steps_may_be_asked_to_be_shorter() -> None:
    world = World(users=0)
    world.hub.annotate(rotate_ca="please", rotate_ca_overlap="30")
    world.run_hub()
    world.settle()
    world.run_hub()
    assert "for 30 seconds more" in world.hub.look().rotation
    world.hub.annotate(rotate_ca="please", rotate_ca_overlap="soon")
    assert [warning["reason"] for warning in world.hub.look().warnings] == ["InvalidAnnotation"]
    assert "for 600 seconds more" in world.hub.look().rotation


def test_a_lost_key_is_replaced_with_overlap() -> None:
    world = World()
    old = authorities(world, CA)
    world.delete(KEY)
    world.run_hub()
    assert authorities(world, CA) > old, "what it has signed stays good"
    assert signed(world, SERVER, old)
    world.run_user(0)
    world.check()
    rotate(world)
    assert not authorities(world, CA) & old


def test_secrets_of_another_hub_are_not_waited_for() -> None:
    world = World(users=0)
    other = World(users=1)
    name = "koji-user0-client-cert"
    world.there.there["Secret", name] = other.there.there["Secret", name]
    world.ask("please")
    rotate(world)


def test_a_ca_that_has_ended_is_replaced_at_once() -> None:
    world = World(users=0)
    world.hub.now = certificates.read(world.there.texts(KEY)["tls.crt"]).expires + DAY
    found = world.hub.run()
    assert found.valid
    assert len(authorities(world, CA)) == 1


STEPS = st.one_of(
    st.just(("run_hub",)),
    st.tuples(st.just("run_user"), st.integers(0, 4)),
    st.just(("replace_pod",)),
    st.tuples(st.just("pass_time"), st.integers(1, 12)),
    st.sampled_from([("everything",), ("everything_but_users",), ("everything_but_pods",), ("run_users",)]),
)
DISTURBANCES = st.one_of(
    st.just(("add_user",)),
    st.tuples(st.just("ask"), st.sampled_from(["a", "b", "c"])),
    st.tuples(st.just("delete"), st.sampled_from([KEY, CA, SERVER])),
)


def play(world: World, steps: list[tuple[object, ...]]) -> None:
    for name, *arguments in steps:
        getattr(world, str(name))(*arguments)
        world.check()


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_in_whatever_order_things_happen_a_rotation_breaks_nobody_and_ends(steps: list[tuple[object, ...]]) -> None:
    world = World()
    world.ask("please")
    old = authorities(world, CA)
    play(world, steps)
    rotate(world)
    assert not authorities(world, CA) & old


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(STEPS, STEPS, STEPS, DISTURBANCES), max_size=40))
def test_whatever_people_do_meanwhile_breaks_nobody(steps: list[tuple[object, ...]]) -> None:
    # With both gone, nothing is left that who knows the old CA alone would accept.
    assume(not {("delete", KEY), ("delete", SERVER)} <= set(steps))
    world = World()
    world.ask("please")
    play(world, steps)
    rotate(world)


@pytest.mark.parametrize("first", ["run_hub", "run_user"])
def test_a_user_that_is_made_during_a_rotation_is_accepted(first: str) -> None:
    world = World()
    world.ask("please")
    for _ in range(ROUNDS):
        world.everything()
        world.add_user()
        world.check()
        play(world, [(first, 0) if first == "run_user" else (first,)])
    assert not world.hub.look().rotation


def test_one_who_does_not_follow_holds_up_each_step() -> None:
    world = World()
    world.ask("please")
    play(world, [("everything_but_users",)] * ROUNDS)
    assert "not yet in ca.crt of" in world.hub.look().rotation
    world.run_users()
    play(world, [("everything_but_users",)] * ROUNDS)
    assert "not yet signed" in world.hub.look().rotation
    rotate(world)
    world.ask("again")
    play(world, [("everything_but_pods",)] * ROUNDS)
    assert "pods are being renewed" in world.hub.look().rotation
    rotate(world)


def test_a_request_that_comes_during_a_rotation_is_obeyed_after_it() -> None:
    world = World()
    world.ask("first")
    world.everything()
    world.ask("second")
    first = authorities(world, CA)
    rotate(world)
    rotate(world)
    assert not authorities(world, CA) & first
