# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Hub users: what an admin sees and may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import koji

from .callers import Caller, fault

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCKED = koji.USER_STATUS["BLOCKED"]
NORMAL = koji.USER_STATUS["NORMAL"]


def test_an_unknown_user_is_none_and_a_fault_if_strict(admin: Caller, name: Callable[[str], str]) -> None:
    user = name("user")
    assert admin.getUser(user) is None
    with fault(1000):
        admin.getUser(user, strict=True)


def test_anybody_may_look_at_a_user(admin: Caller, anonymous: Caller, name: Callable[[str], str]) -> None:
    user = name("user")
    user_id = admin.createUser(user)
    found = anonymous.getUser(user)
    assert (found["id"], found["name"], found["status"], found["usertype"]) == (user_id, user, NORMAL, 0)
    assert found["krb_principals"] == []
    assert anonymous.getUser(user_id)["name"] == user


def test_a_user_can_be_looked_up_by_a_map(admin: Caller, name: Callable[[str], str]) -> None:
    user = name("user")
    admin.createUser(user)
    assert admin.getUser({"name": user})["name"] == user


def test_a_user_can_be_shown_without_principals(admin: Caller, name: Callable[[str], str]) -> None:
    user = name("user")
    admin.createUser(user)
    assert "krb_principals" not in admin.getUser(user, krb_princs=False)


def test_nobody_is_a_fault_where_the_caller_is_not_logged_in(anonymous: Caller) -> None:
    with fault(1000):
        anonymous.getUser()


def test_creating_a_user_twice_is_refused(admin: Caller, name: Callable[[str], str]) -> None:
    user = name("user")
    admin.createUser(user)
    with fault(1000):
        admin.createUser(user)


def test_a_user_can_be_created_blocked(admin: Caller, name: Callable[[str], str]) -> None:
    user = name("user")
    admin.createUser(user, status=BLOCKED)
    assert admin.getUser(user)["status"] == BLOCKED


def test_names_of_users_are_checked(admin: Caller) -> None:
    with fault(1000):
        admin.createUser("no spaces please")
    with fault(1000):
        admin.createUser("")
    with fault(1000):
        admin.createUser("x" * 300)


def test_disabling_and_enabling_a_user_may_be_repeated(admin: Caller, name: Callable[[str], str]) -> None:
    user = name("user")
    admin.createUser(user)
    for _ in range(2):
        admin.disableUser(user)
        assert admin.getUser(user)["status"] == BLOCKED
    for _ in range(2):
        admin.enableUser(user)
        assert admin.getUser(user)["status"] == NORMAL


def test_disabling_or_enabling_an_unknown_user_is_refused(admin: Caller, name: Callable[[str], str]) -> None:
    user = name("user")
    with fault(1000):
        admin.disableUser(user)
    with fault(1000):
        admin.enableUser(user)


def test_a_user_can_be_renamed_and_keeps_its_id(admin: Caller, name: Callable[[str], str]) -> None:
    old, new = name("user"), name("user")
    user_id = admin.createUser(old)
    admin.editUser(old, name=new)
    assert admin.getUser(old) is None
    assert admin.getUser(new)["id"] == user_id


def test_a_user_cannot_be_renamed_to_a_taken_name(admin: Caller, name: Callable[[str], str]) -> None:
    one, other = name("user"), name("user")
    admin.createUser(one)
    admin.createUser(other)
    with fault(1000):
        admin.editUser(one, name=other)


def test_users_can_be_listed_by_prefix(admin: Caller, name: Callable[[str], str]) -> None:
    user = name("listed")
    admin.createUser(user)
    assert [found["name"] for found in admin.listUsers(prefix=user)] == [user]


def test_only_an_admin_makes_or_blocks_users(
    admin: Caller, login: Callable[..., Caller], name: Callable[[str], str]
) -> None:
    user = name("user")
    admin.createUser(user)
    host = login("host")
    with fault(1004):
        host.createUser(name("user"))
    with fault(1004):
        host.disableUser(user)
    with fault(1004):
        host.enableUser(user)
    with fault(1004):
        host.editUser(user, name=name("user"))


def test_only_an_admin_means_nobody_without_login_either(anonymous: Caller, name: Callable[[str], str]) -> None:
    with fault(1004):
        anonymous.createUser(name("user"))


def test_disabling_a_user_kills_its_sessions_at_once(
    admin: Caller, login: Callable[..., Caller], name: Callable[[str], str]
) -> None:
    user = name("user")
    admin.createUser(user)
    caller = login("user", user)
    assert caller.getLoggedInUser()["name"] == user
    admin.disableUser(user)
    with fault(1002):
        caller.getAPIVersion()
    admin.enableUser(user)
    assert caller.getAPIVersion() == 1, "the session itself was not closed"


def test_the_admin_sees_himself(admin: Caller) -> None:
    me = admin.getLoggedInUser()
    assert me["authtype"] == koji.AUTHTYPES["SSL"]
    assert me["krb_principal"] is None
