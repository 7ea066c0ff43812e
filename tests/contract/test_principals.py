# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Kerberos principals of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .callers import Caller, fault

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def user(admin: Caller, name: Callable[[str], str]) -> str:
    """A user without principals."""
    made = name("user")
    admin.quiet.createUser(made)
    return made


@pytest.fixture
def principal(name: Callable[[str], str]) -> Callable[[], str]:
    """Makes principals that no other user has."""
    return lambda: f"{name('principal')}@EXAMPLE.COM"


def test_a_user_may_have_several_principals(admin: Caller, user: str, principal: Callable[[], str]) -> None:
    one, other = principal(), principal()
    user_id = admin.getUser(user)["id"]
    assert admin.addUserKrbPrincipal(user, one) == user_id
    assert admin.addUserKrbPrincipal(user, other) == user_id
    assert sorted(admin.quiet.getUser(user)["krb_principals"]) == sorted([one, other])


def test_a_principal_can_be_removed(admin: Caller, user: str, principal: Callable[[], str]) -> None:
    one = principal()
    user_id = admin.addUserKrbPrincipal(user, one)
    assert admin.removeUserKrbPrincipal(user, one) == user_id
    assert admin.getUser(user)["krb_principals"] == []


def test_a_user_can_be_created_with_a_principal_and_found_by_it(
    admin: Caller, name: Callable[[str], str], principal: Callable[[], str]
) -> None:
    user, one = name("user"), principal()
    admin.createUser(user, krb_principal=one)
    assert admin.getUser(user)["krb_principals"] == [one]
    assert admin.getUser(one)["name"] == user


def test_a_principal_belongs_to_one_user(
    admin: Caller, user: str, name: Callable[[str], str], principal: Callable[[], str]
) -> None:
    one, other = principal(), name("user")
    admin.addUserKrbPrincipal(user, one)
    with fault(1000):
        admin.addUserKrbPrincipal(user, one)
    with fault(1000):
        admin.createUser(other, krb_principal=one)
    assert admin.getUser(other) is None


def test_removing_an_absent_principal_is_refused_as_an_auth_error(
    admin: Caller, user: str, principal: Callable[[], str]
) -> None:
    with fault(1002):
        admin.removeUserKrbPrincipal(user, principal())


def test_principals_of_an_unknown_user_are_refused(
    admin: Caller, name: Callable[[str], str], principal: Callable[[], str]
) -> None:
    nobody = name("user")
    with fault(1000):
        admin.addUserKrbPrincipal(nobody, principal())
    with fault(1000):
        admin.removeUserKrbPrincipal(nobody, principal())


def test_odd_principals_are_refused(admin: Caller, user: str) -> None:
    with fault(1000):
        admin.addUserKrbPrincipal(user, "no spaces@EXAMPLE.COM")
    with fault(1000):
        admin.removeUserKrbPrincipal(user, "")


def test_a_principal_can_be_exchanged_by_editing_the_user(
    admin: Caller, user: str, principal: Callable[[], str]
) -> None:
    old, new = principal(), principal()
    admin.addUserKrbPrincipal(user, old)
    admin.editUser(user, krb_principal_mappings=[{"old": old, "new": new}])
    assert admin.getUser(user)["krb_principals"] == [new]


def test_only_an_admin_changes_principals(
    admin: Caller, user: str, login: Callable[..., Caller], principal: Callable[[], str]
) -> None:
    caller = login("user", user)
    with fault(1004):
        caller.addUserKrbPrincipal(user, principal())
    with fault(1004):
        caller.removeUserKrbPrincipal(user, principal())
