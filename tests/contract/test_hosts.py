# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Hosts: added, edited, enabled, looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import koji
import pytest

from .callers import Caller, fault

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = koji.USERTYPES["HOST"]


@pytest.fixture
def host(admin: Caller, name: Callable[[str], str]) -> str:
    """A host of arch x86_64."""
    made = name("host")
    admin.quiet.addHost(made, ["x86_64"])
    return made


def test_an_unknown_host_is_none_and_a_fault_if_strict(anonymous: Caller, name: Callable[[str], str]) -> None:
    host = name("host")
    assert anonymous.getHost(host) is None
    with fault(1000):
        anonymous.getHost(host, strict=True)


def test_adding_a_host_makes_a_user_of_type_host(admin: Caller, name: Callable[[str], str]) -> None:
    host = name("host")
    host_id = admin.addHost(host, ["x86_64", "noarch"])
    user = admin.getUser(host)
    assert user["usertype"] == HOST
    found = admin.getHost(host)
    assert (found["id"], found["user_id"]) == (host_id, user["id"])
    assert found["arches"] == "x86_64 noarch"


def test_a_new_host_is_enabled_not_ready_and_has_capacity_two(anonymous: Caller, host: str) -> None:
    found = anonymous.getHost(host)
    assert found["enabled"] is True
    assert found["ready"] is False
    assert found["capacity"] == 2.0
    assert found["update_ts"] is None
    assert found["description"] is None
    assert found["comment"] is None


def test_a_new_host_listens_to_the_default_channel(anonymous: Caller, host: str) -> None:
    assert [channel["name"] for channel in anonymous.listChannels(hostID=host)] == ["default"]


def test_adding_an_existing_host_is_refused(admin: Caller, host: str) -> None:
    with fault(1000):
        admin.addHost(host, ["x86_64"])
    with fault(1000):
        admin.addHost(host, ["x86_64"], force=True)


def test_a_normal_user_becomes_a_host_only_with_force(admin: Caller, name: Callable[[str], str]) -> None:
    user = name("user")
    user_id = admin.createUser(user)
    with fault(1000):
        admin.addHost(user, ["x86_64"])
    assert admin.getHost(user) is None
    admin.addHost(user, ["x86_64"], force=True)
    assert admin.getHost(user)["user_id"] == user_id
    assert admin.getUser(user)["usertype"] == HOST


def test_arches_given_as_one_text_are_stored_letter_by_letter(admin: Caller, name: Callable[[str], str]) -> None:
    host = name("host")
    admin.addHost(host, "x86")
    assert admin.getHost(host)["arches"] == "x 8 6"


def test_a_host_may_get_a_principal(admin: Caller, name: Callable[[str], str]) -> None:
    host, principal = name("host"), f"{name('principal')}@EXAMPLE.COM"
    admin.addHost(host, ["x86_64"], krb_principal=principal)
    assert admin.getUser(host)["krb_principals"] == [principal]


def test_names_of_hosts_are_checked(admin: Caller) -> None:
    with fault(1000):
        admin.addHost("no spaces please", ["x86_64"])


def test_odd_arches_are_refused(admin: Caller, name: Callable[[str], str]) -> None:
    host = name("host")
    with fault(1000):
        admin.addHost(host, ["x86_64; true"])
    assert admin.getHost(host) is None


def test_editing_says_whether_something_changed(admin: Caller, host: str) -> None:
    assert admin.editHost(host, arches="aarch64 noarch", capacity=7.5, description="d", comment="c") is True
    assert admin.editHost(host, arches="aarch64 noarch", capacity=7.5, description="d", comment="c") is False
    found = admin.getHost(host)
    assert (found["arches"], found["capacity"]) == ("aarch64 noarch", 7.5)
    assert (found["description"], found["comment"]) == ("d", "c")


def test_editing_one_field_leaves_the_others(admin: Caller, host: str) -> None:
    admin.editHost(host, capacity=7, comment="c")
    admin.disableHost(host)
    admin.editHost(host, description="d")
    found = admin.getHost(host)
    assert (found["arches"], found["capacity"], found["comment"], found["enabled"]) == ("x86_64", 7.0, "c", False)


def test_texts_of_a_host_can_be_emptied_but_not_unset(admin: Caller, host: str) -> None:
    admin.editHost(host, comment="c")
    assert admin.editHost(host, comment="") is True
    assert admin.getHost(host)["comment"] == ""
    with fault(1019):
        admin.editHost(host, comment=None)


def test_arches_are_edited_as_one_text_only(admin: Caller, host: str) -> None:
    with fault(1019):
        admin.editHost(host, arches=["x86_64", "noarch"])
    with fault(1019):
        admin.editHost(host, arches=None)


def test_a_capacity_of_one_or_less_is_an_uncaught_error(admin: Caller, host: str) -> None:
    with fault(1):
        admin.editHost(host, capacity=1)
    with fault(1):
        admin.editHost(host, capacity=0)
    assert admin.getHost(host)["capacity"] == 2.0


def test_a_host_goes_by_id_too(admin: Caller, host: str) -> None:
    host_id = admin.getHost(host)["id"]
    assert admin.editHost(host_id, comment="by id") is True
    assert admin.getHost(host_id)["comment"] == "by id"


def test_editing_an_unknown_host_is_refused(admin: Caller, name: Callable[[str], str]) -> None:
    with fault(1000):
        admin.editHost(name("host"), comment="c")


def test_disabling_and_enabling_a_host_may_be_repeated(admin: Caller, host: str) -> None:
    for _ in range(2):
        assert admin.disableHost(host) is None
        assert admin.getHost(host)["enabled"] is False
    for _ in range(2):
        assert admin.enableHost(host) is None
        assert admin.getHost(host)["enabled"] is True


def test_disabling_an_unknown_host_is_refused(admin: Caller, name: Callable[[str], str]) -> None:
    host = name("host")
    with fault(1000):
        admin.disableHost(host)
    with fault(1000):
        admin.enableHost(host)


def test_a_disabled_host_leaves_its_user_alone(admin: Caller, host: str) -> None:
    admin.disableHost(host)
    assert admin.getUser(host)["status"] == koji.USER_STATUS["NORMAL"]


def test_hosts_are_listed_by_user_channel_arch_and_state(
    admin: Caller, anonymous: Caller, host: str, channel: str
) -> None:
    user_id = admin.getUser(host)["id"]
    assert [found["name"] for found in anonymous.listHosts(userID=user_id)] == [host]
    admin.addHostToChannel(host, channel)
    mine = [found["name"] for found in anonymous.quiet.listHosts(channelID=channel, arches=["x86_64"], enabled=True)]
    assert host in mine
    admin.disableHost(host)
    mine = [found["name"] for found in anonymous.quiet.listHosts(channelID=channel, enabled=True)]
    assert host not in mine
    admin.removeHostFromChannel(host, channel)


def test_a_host_that_never_logged_in_has_no_last_update(anonymous: Caller, admin: Caller, host: str) -> None:
    assert anonymous.getLastHostUpdate(admin.getHost(host)["id"]) is None


def test_only_permission_host_changes_hosts(
    login: Callable[..., Caller], host: str, name: Callable[[str], str]
) -> None:
    caller = login("host")
    with fault(1004):
        caller.addHost(name("host"), ["x86_64"])
    with fault(1004):
        caller.editHost(host, comment="c")
    with fault(1004):
        caller.disableHost(host)
    with fault(1004):
        caller.enableHost(host)
