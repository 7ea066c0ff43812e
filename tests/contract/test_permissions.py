# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Permissions: granted, revoked, read; what they allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .callers import Caller, fault

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def user(admin: Caller, name: Callable[[str], str]) -> str:
    """A user without permissions."""
    made = name("user")
    admin.quiet.createUser(made)
    return made


def test_a_new_user_has_no_permissions(admin: Caller, user: str) -> None:
    assert admin.getUserPerms(user) == []


def test_a_permission_is_granted_and_revoked(admin: Caller, anonymous: Caller, user: str) -> None:
    assert admin.grantPermission(user, "repo") is None
    assert anonymous.getUserPerms(user) == ["repo"]
    assert admin.revokePermission(user, "repo") is None
    assert anonymous.getUserPerms(user) == []


def test_a_revoked_permission_can_be_granted_again(admin: Caller, user: str) -> None:
    admin.grantPermission(user, "repo")
    admin.revokePermission(user, "repo")
    admin.grantPermission(user, "repo")
    assert admin.getUserPerms(user) == ["repo"]


def test_permissions_go_by_user_id_too(admin: Caller, user: str) -> None:
    user_id = admin.getUser(user)["id"]
    admin.grantPermission(user_id, "host")
    assert admin.getUserPerms(user_id) == ["host"]


def test_granting_twice_is_refused(admin: Caller, user: str) -> None:
    admin.grantPermission(user, "repo")
    with fault(1000):
        admin.grantPermission(user, "repo")


def test_revoking_what_is_not_granted_is_refused(admin: Caller, user: str) -> None:
    with fault(1000):
        admin.revokePermission(user, "repo")


def test_an_unknown_permission_is_refused(admin: Caller, user: str, name: Callable[[str], str]) -> None:
    unknown = name("perm")
    with fault(1000):
        admin.grantPermission(user, unknown)
    with fault(1000):
        admin.revokePermission(user, unknown)


def test_permissions_of_an_unknown_user_are_refused(admin: Caller, name: Callable[[str], str]) -> None:
    nobody = name("user")
    with fault(1000):
        admin.getUserPerms(nobody)
    with fault(1000):
        admin.grantPermission(nobody, "repo")


def test_create_makes_a_permission_that_is_not_there_yet(admin: Caller, user: str, hub_permission: str) -> None:
    admin.grantPermission(user, hub_permission, create=True)
    assert admin.getUserPerms(user) == [hub_permission]
    assert hub_permission in [known["name"] for known in admin.quiet.getAllPerms()]


@pytest.fixture
def hub_permission(name: Callable[[str], str]) -> str:
    """A permission that no hub has. Koji can't delete permissions: one is left behind a run."""
    return name("perm")


def test_every_hub_knows_these_permissions(admin: Caller) -> None:
    known = {entry["name"]: entry for entry in admin.quiet.getAllPerms()}
    wanted = {"admin", "host", "repo", "tag", "target"}
    assert wanted <= set(known)
    assert all(set(entry) == {"id", "name", "description"} for entry in known.values())


def test_permissions_can_be_listed_by_anybody(anonymous: Caller) -> None:
    assert anonymous.quiet.getAllPerms()


def test_the_own_permissions_are_told_without_naming_oneself(
    admin: Caller, login: Callable[..., Caller], user: str
) -> None:
    admin.grantPermission(user, "repo")
    caller = login("user", user)
    assert caller.getPerms() == ["repo"]
    assert caller.getUserPerms() == ["repo"]
    assert caller.hasPerm("repo") is True
    assert caller.hasPerm("admin") is False


def test_somebody_without_login_has_no_permission(anonymous: Caller) -> None:
    assert anonymous.getPerms() == []
    assert anonymous.hasPerm("admin") is False


def test_only_an_admin_grants_and_revokes(admin: Caller, login: Callable[..., Caller], user: str) -> None:
    admin.grantPermission(user, "host")
    caller = login("user", user)
    with fault(1004):
        caller.grantPermission(user, "admin")
    with fault(1004):
        caller.revokePermission(user, "host")


def test_permissions_act_on_live_sessions(admin: Caller, login: Callable[..., Caller], user: str) -> None:
    caller = login("user", user)
    with fault(1004):
        caller.makeTask("sleep", [0])
    admin.grantPermission(user, "admin")
    assert caller.hasPerm("admin") is True
    admin.revokePermission(user, "admin")
    with fault(1004):
        caller.makeTask("sleep", [0])


def test_permission_host_allows_host_and_channel_calls_only(
    admin: Caller, login: Callable[..., Caller], user: str, name: Callable[[str], str], channel: str
) -> None:
    admin.grantPermission(user, "host")
    caller = login("user", user)
    host = name("host")
    caller.addHost(host, ["x86_64"])
    caller.editHost(host, comment="by permission host")
    caller.addHostToChannel(host, channel)
    caller.removeHostFromChannel(host, channel)
    caller.disableHost(host)
    with fault(1004):
        caller.addChannel(name("channel"))
    with fault(1004):
        caller.createUser(name("user"))
    with fault(1004):
        caller.disableUser(host)
