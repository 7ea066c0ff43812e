# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Users, permissions, principals."""

import koji
import pytest

from tests.devhub.local import ADMIN, LocalHub


def test_nothing_is_idempotent_but_enable_and_disable(hub: LocalHub) -> None:
    admin = hub.admin()
    admin.createUser("u")
    admin.grantPermission("u", "repo")
    for method, *args in (
        ("createUser", "u"),
        ("grantPermission", "u", "repo"),
        ("revokePermission", "u", "tag"),
        ("grantPermission", "u", "unknown"),
    ):
        with pytest.raises(koji.GenericError) as error:
            admin.callMethod(method, *args)
        assert error.value.faultCode == 1000
    for _ in range(2):
        admin.disableUser("u")
    for _ in range(2):
        admin.enableUser("u")
    assert admin.getUserPerms("u") == ["repo"]
    admin.revokePermission("u", "repo")
    admin.grantPermission("u", "repo")


def test_an_unknown_permission_can_be_created(hub: LocalHub) -> None:
    admin = hub.admin()
    admin.createUser("u")
    admin.grantPermission("u", "own", create=True, description="of ours")
    assert admin.getAllPerms()[-1] == {"id": 16, "name": "own", "description": "of ours"}


def test_missing_users_are_none(hub: LocalHub) -> None:
    session = hub.anonymous()
    assert session.getUser("nobody") is None
    with pytest.raises(koji.GenericError):
        session.getUser("nobody", strict=True)
    with pytest.raises(koji.GenericError):
        session.getUserPerms("nobody")


def test_principals(hub: LocalHub) -> None:
    admin = hub.admin()
    user_id = admin.createUser("u", krb_principal="u@A")
    assert admin.addUserKrbPrincipal("u", "u@B") == user_id
    assert admin.getUser("u@B")["krb_principals"] == ["u@A", "u@B"]
    with pytest.raises(koji.GenericError):
        admin.createUser("v", krb_principal="u@A")
    with pytest.raises(koji.AuthError) as absent:
        admin.removeUserKrbPrincipal("u", "u@C")
    assert absent.value.faultCode == 1002
    admin.editUser("u", krb_principal_mappings=[{"old": "u@A", "new": "u@C"}])
    assert set(admin.getUser({"krb_principal": "u@C"})["krb_principals"]) == {"u@B", "u@C"}


def test_renaming(hub: LocalHub) -> None:
    admin = hub.admin()
    user_id = admin.createUser("u")
    admin.editUser("u", name="v")
    assert admin.getUser("v")["id"] == user_id
    with pytest.raises(koji.GenericError, match="already taken"):
        admin.editUser("v", name=ADMIN)


def test_listing_by_type_prefix_and_permission(hub: LocalHub) -> None:
    admin = hub.admin()
    admin.addHost("b", ["x86_64"])
    admin.createUser("repo-maker")
    admin.grantPermission("repo-maker", "repo")
    assert [user["name"] for user in admin.listUsers()] == [ADMIN, "repo-maker"]
    assert [user["name"] for user in admin.listUsers(userType=None, prefix="B")] == ["b"]
    assert [user["name"] for user in admin.listUsers(perm="repo")] == ["repo-maker"]
    assert admin.listUsers(queryOpts={"countOnly": True}) == 2
    assert admin.listUsers(queryOpts={"order": "-name", "limit": 1})[0]["name"] == "repo-maker"


@pytest.mark.parametrize("name", ["", "with blank", "x" * 300, "é"])
def test_names_that_the_hub_does_not_take(hub: LocalHub, name: str) -> None:
    with pytest.raises(koji.GenericError):
        hub.admin().createUser(name)


def test_only_admins_may(hub: LocalHub) -> None:
    hub.make_user("someone", "host")
    session = hub.session("someone")
    calls: list[tuple[object, ...]] = [
        ("createUser", "x"),
        ("grantPermission", "someone", "admin"),
        ("disableUser", ADMIN),
        ("makeTask", "sleep", [0]),
    ]
    for call in calls:
        with pytest.raises(koji.ActionNotAllowed):
            session.callMethod(*call)
    assert session.addHost("b", ["x86_64"])
