# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Channels, and which hosts listen to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .callers import Caller, fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def host(admin: Caller, name: Callable[[str], str]) -> Iterator[str]:
    """A host that listens to no channel."""
    made = name("host")
    admin.quiet.addHost(made, ["x86_64"])
    admin.quiet.removeHostFromChannel(made, "default")
    yield made
    for channel in admin.quiet.listChannels(hostID=made):
        admin.quiet.removeHostFromChannel(made, channel["name"])


def channels_of(caller: Caller, host: str) -> list[str]:
    """Names of the channels that a host listens to."""
    return sorted(channel["name"] for channel in caller.listChannels(hostID=host))


def test_an_unknown_channel_is_none(anonymous: Caller, name: Callable[[str], str]) -> None:
    assert anonymous.getChannel(name("channel")) is None


def test_an_unknown_channel_is_a_fault_if_strict(anonymous: Caller, name: Callable[[str], str]) -> None:
    with fault(1000):
        anonymous.getChannel(name("channel"), strict=True)


def test_anybody_may_look_at_a_channel(anonymous: Caller, channel: str) -> None:
    found = anonymous.getChannel(channel)
    assert found["name"] == channel
    assert found["enabled"] is True


def test_every_hub_has_the_default_channel(anonymous: Caller) -> None:
    assert "default" in [channel["name"] for channel in anonymous.quiet.listChannels()]


def test_adding_a_channel_twice_is_refused(admin: Caller, channel: str) -> None:
    with fault(1000):
        admin.addChannel(channel)


def test_a_host_joins_and_leaves_a_channel(admin: Caller, host: str, channel: str) -> None:
    assert admin.addHostToChannel(host, channel) is None
    assert channels_of(admin, host) == [channel]
    assert admin.removeHostFromChannel(host, channel) is None
    assert channels_of(admin, host) == []


def test_a_host_may_come_back_to_a_channel(admin: Caller, host: str, channel: str) -> None:
    admin.addHostToChannel(host, channel)
    admin.removeHostFromChannel(host, channel)
    admin.addHostToChannel(host, channel)
    assert channels_of(admin, host) == [channel]


def test_joining_twice_is_refused(admin: Caller, host: str, channel: str) -> None:
    admin.addHostToChannel(host, channel)
    with fault(1000):
        admin.addHostToChannel(host, channel)


def test_leaving_a_channel_one_is_not_in_is_refused(admin: Caller, host: str, channel: str) -> None:
    with fault(1000):
        admin.removeHostFromChannel(host, channel)


def test_an_unknown_channel_can_be_neither_joined_nor_left(
    admin: Caller, host: str, name: Callable[[str], str]
) -> None:
    unknown = name("channel")
    with fault(1000):
        admin.addHostToChannel(host, unknown)
    with fault(1000):
        admin.removeHostFromChannel(host, unknown)


def test_an_unknown_host_joins_nothing(admin: Caller, channel: str, name: Callable[[str], str]) -> None:
    unknown = name("host")
    with fault(1000):
        admin.addHostToChannel(unknown, channel)
    with fault(1000):
        admin.removeHostFromChannel(unknown, channel)


def test_channels_of_an_unknown_host_are_a_fault(anonymous: Caller, name: Callable[[str], str]) -> None:
    with fault(1000):
        anonymous.listChannels(hostID=name("host"))


def test_a_task_for_an_unknown_channel_is_refused(admin: Caller, name: Callable[[str], str]) -> None:
    with fault(1000):
        admin.makeTask("sleep", [0], channel=name("channel"))


def test_only_permission_host_changes_who_listens(login: Callable[..., Caller], host: str, channel: str) -> None:
    caller = login("host")
    with fault(1004):
        caller.addHostToChannel(host, channel)
    with fault(1004):
        caller.removeHostFromChannel(host, channel)


def test_a_disabled_channel_takes_neither_hosts_nor_tasks(admin: Caller, host: str, channel: str) -> None:
    admin.disableChannel(channel)
    try:
        assert admin.getChannel(channel)["enabled"] is False
        with fault(1000):
            admin.addHostToChannel(host, channel)
        with fault(1000):
            admin.makeTask("sleep", [0], channel=channel)
        admin.addHostToChannel(host, channel, force=True)
    finally:
        admin.enableChannel(channel)
