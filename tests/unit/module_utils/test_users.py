# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""ensure_user against the hub's semantics, through the real client."""

from __future__ import annotations

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubError
from ansible_collections.fedoraproject.koji.plugins.module_utils.users import WantedUser, ensure_user, find_user

from tests.devhub.local import ADMIN, LocalHub
from tests.unit.module_utils.pair import LocalPair, picture, storage


@pytest.fixture
def hub() -> LocalHub:
    return LocalHub()


@pytest.fixture
def pair(hub: LocalHub) -> LocalPair:
    return LocalPair(hub)


def wanted(name: str = "kojira", *permissions: str, **more: object) -> WantedUser:
    return WantedUser(name, permissions=frozenset(permissions), **more)  # type: ignore[arg-type]


def test_a_user_is_made_with_its_permissions_and_principals(hub: LocalHub, pair: LocalPair) -> None:
    result = ensure_user(pair, wanted("kojira", "repo", krb_principals=frozenset({"kojira/x@EXAMPLE.ORG"})))
    assert result.changed
    assert result.before == {}
    assert result.after == {
        "name": "kojira",
        "type": "normal",
        "enabled": True,
        "permissions": ["repo"],
        "krb_principals": ["kojira/x@EXAMPLE.ORG"],
    }
    assert find_user(LocalPair(hub), "kojira") == result.item
    assert result.error is None


def test_what_is_in_line_needs_no_login(hub: LocalHub) -> None:
    hub.make_user("kojira", "repo")
    pair = LocalPair(hub)
    result = ensure_user(pair, wanted("kojira", "repo"))
    assert not result.changed
    assert pair.logins == 0


def test_check_mode_does_not_log_in_and_names_the_same_change(hub: LocalHub, pair: LocalPair) -> None:
    hub.make_user("kojira", "host", "repo")
    before = picture(hub)
    told = ensure_user(pair, wanted("kojira", "dist-repo"), check_mode=True)
    assert pair.logins == 0
    assert picture(hub) == before
    done = ensure_user(pair, wanted("kojira", "dist-repo"))
    assert (told.changed, told.before, told.after) == (done.changed, done.before, done.after)


def test_permissions_are_exact(hub: LocalHub, pair: LocalPair) -> None:
    hub.make_user("kojira", "host", "repo")
    ensure_user(pair, wanted("kojira", "repo", "dist-repo"))
    assert sorted(hub.anonymous().getUserPerms("kojira")) == ["dist-repo", "repo"]


def test_append_takes_nothing_away(hub: LocalHub, pair: LocalPair) -> None:
    hub.make_user("kojira", "host")
    result = ensure_user(pair, wanted("kojira", "repo", append=True, krb_principals=frozenset({"a@X.ORG"})))
    assert result.after["permissions"] == ["host", "repo"]
    assert not ensure_user(pair, wanted("kojira", append=True, krb_principals=frozenset())).changed


def test_permissions_that_are_not_named_stay(hub: LocalHub, pair: LocalPair) -> None:
    hub.make_user("kojira", "host")
    assert not ensure_user(pair, WantedUser("kojira")).changed


def test_unknown_permissions_are_named_and_the_rest_is_done(hub: LocalHub, pair: LocalPair) -> None:
    result = ensure_user(pair, wanted("kojira", "repo", "nosuch", "{{ evil }}"))
    assert result.after["permissions"] == ["repo"]
    assert result.names_of("UnknownPermission") == ["nosuch", "{{ evil }}"]
    assert result.error is not None
    assert result.error.reason == "UnknownPermission"
    assert "'nosuch'" in result.error.message
    assert "'{{ evil }}'" in result.error.message
    again = ensure_user(pair, wanted("kojira", "repo", "nosuch"))
    assert not again.changed
    assert again.names_of("UnknownPermission") == ["nosuch"]


def test_a_disabled_user_keeps_the_rest_and_is_enabled_again(hub: LocalHub, pair: LocalPair) -> None:
    hub.make_user("kojira", "repo")
    session = hub.session("kojira")
    result = ensure_user(pair, wanted("kojira", enabled=False))
    assert result.after == {**result.before, "enabled": False}
    assert result.after["permissions"] == ["repo"]
    assert not ensure_user(pair, wanted("kojira", enabled=False)).changed
    session._forget()
    back = ensure_user(pair, wanted("kojira", "repo"))
    assert back.changed
    assert back.after["enabled"]
    assert hub.session("kojira").getLoggedInUser()["name"] == "kojira"


def test_a_user_who_is_not_there_is_not_made_to_be_disabled(hub: LocalHub, pair: LocalPair) -> None:
    before = picture(hub)
    assert not ensure_user(pair, wanted("nobody", enabled=False)).changed
    assert picture(hub) == before


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("wish", [wanted(ADMIN, "repo"), wanted(ADMIN, enabled=False)])
def test_nobody_locks_themselves_out(hub: LocalHub, pair: LocalPair, wish: WantedUser, check_mode: bool) -> None:
    before = picture(hub)
    with pytest.raises(HubError, match=ADMIN) as raised:
        ensure_user(pair, wish, check_mode=check_mode)
    assert raised.value.reason == "OwnAccount"
    assert picture(hub) == before


def test_another_admin_may_lose_admin(hub: LocalHub, pair: LocalPair) -> None:
    hub.make_user("other", "admin")
    assert ensure_user(pair, wanted("other")).after["permissions"] == []


def test_the_own_user_may_gain(hub: LocalHub, pair: LocalPair) -> None:
    assert ensure_user(pair, wanted(ADMIN, "admin", "repo")).after["permissions"] == ["admin", "repo"]


def test_a_name_that_is_someone_elses_principal_is_not_that_user(hub: LocalHub, pair: LocalPair) -> None:
    """getUser of a bare string finds principals as well."""
    admin = pair.writer()
    admin.createUser("someone", krb_principal="kojira")
    hub.make_user("kojira", "host")
    result = ensure_user(pair, wanted("kojira", "repo"))
    assert result.before["permissions"] == ["host"]
    assert hub.anonymous().getUserPerms(hub.anonymous().getUser({"name": "someone"})["id"]) == []


def test_a_principal_more_is_had_beside_those_that_are_there_or_that_are_named(hub: LocalHub, pair: LocalPair) -> None:
    pair.writer().createUser("kojira", krb_principal="a@X.ORG")
    more = frozenset({"b@X.ORG"})
    result = ensure_user(pair, wanted("kojira", more_principals=more))
    assert result.after["krb_principals"] == ["a@X.ORG", "b@X.ORG"]
    result = ensure_user(pair, wanted("kojira", more_principals=more, krb_principals=frozenset({"c@X.ORG"})))
    assert result.after["krb_principals"] == ["b@X.ORG", "c@X.ORG"]
    assert ensure_user(pair, wanted("kojira", more_principals=frozenset({"\n"}))).names_of("InvalidPrincipal")


def test_a_principal_that_another_has_is_a_problem_and_the_rest_is_done(hub: LocalHub, pair: LocalPair) -> None:
    pair.writer().createUser("someone", krb_principal="taken@X.ORG")
    wish = wanted("kojira", "repo", krb_principals=frozenset({"taken@X.ORG", "free@X.ORG"}))
    result = ensure_user(pair, wish)
    assert result.names_of("HubRefused") == ["taken@X.ORG"]
    assert result.after["krb_principals"] == ["free@X.ORG"]
    assert result.after["permissions"] == ["repo"]
    again = ensure_user(pair, wish)
    assert not again.changed
    assert again.names_of("HubRefused") == ["taken@X.ORG"]


def test_a_realm_that_is_not_allowed_is_a_problem_not_a_lockout() -> None:
    pair = LocalPair(LocalHub({"AllowedKrbRealms": "GOOD.ORG"}))
    result = ensure_user(pair, wanted("kojira", krb_principals=frozenset({"a@BAD.ORG", "a@GOOD.ORG"})))
    assert result.names_of("HubRefused") == ["a@BAD.ORG"]
    assert result.after["krb_principals"] == ["a@GOOD.ORG"]


def test_what_someone_else_did_meanwhile_is_no_problem(hub: LocalHub, pair: LocalPair) -> None:
    hub.make_user("kojira")
    session = pair.writer()
    real = session.grantPermission

    def late(user: int, permission: str) -> None:
        hub.make_user("kojira", permission)
        real(user, permission)

    session.grantPermission = late
    result = ensure_user(pair, wanted("kojira", "repo"))
    assert result.problems == ()
    assert result.after["permissions"] == ["repo"]


def test_a_group_is_not_a_user(hub: LocalHub, pair: LocalPair) -> None:
    hub.make_user("staff")
    row = next(row for row in storage(hub).rows["users"] if row["name"] == "staff")
    row["usertype"] = 2
    with pytest.raises(HubError) as raised:
        ensure_user(pair, wanted("staff"))
    assert raised.value.reason == "NameIsAGroup"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x00", " a", "a\ud800", "a\x85"])
def test_a_name_that_no_hub_has_is_refused_before_it_is_sent(hub: LocalHub, name: str) -> None:
    pair = LocalPair(hub)
    with pytest.raises(HubError) as raised:
        ensure_user(pair, wanted(name))
    assert raised.value.reason == "InvalidName"


def test_a_name_that_this_hub_refuses(hub: LocalHub, pair: LocalPair) -> None:
    before = picture(hub)
    with pytest.raises(HubError, match=r"a b; rm") as raised:
        ensure_user(pair, wanted("a b; rm"))
    assert raised.value.reason == "HubRefused"
    assert picture(hub) == before


def test_a_user_without_permission_to_write(hub: LocalHub) -> None:
    hub.make_user("weak")
    with pytest.raises(HubError) as raised:
        ensure_user(LocalPair(hub, "weak"), wanted("kojira", "repo"))
    assert raised.value.reason == "NotAllowed"


def test_a_user_unknown_to_the_hub() -> None:
    hub = LocalHub({"LoginCreatesUser": False})
    with pytest.raises(HubError, match="stranger") as raised:
        ensure_user(LocalPair(hub, "stranger"), wanted("kojira", "repo"))
    assert raised.value.reason == "AccessDenied"


def test_a_hub_that_is_down(hub: LocalHub, pair: LocalPair) -> None:
    storage(hub).down = True
    with pytest.raises(HubError) as raised:
        ensure_user(pair, wanted("kojira", "repo"))
    assert raised.value.reason == "HubDown"


def test_a_hub_that_goes_down_half_way_is_no_refusal(hub: LocalHub, pair: LocalPair) -> None:
    hub.injection.add({"kind": "down", "method": "grantPermission"})
    with pytest.raises(HubError) as raised:
        ensure_user(pair, wanted("kojira", "repo"))
    assert raised.value.reason == "HubDown"
    hub.injection.clear()
    assert ensure_user(pair, wanted("kojira", "repo")).after["permissions"] == ["repo"]


def test_rights_are_taken_before_a_user_is_enabled(hub: LocalHub, pair: LocalPair) -> None:
    hub.make_user("back", "host")
    pair.writer().disableUser("back")
    hub.injection.add({"kind": "down", "method": "revokePermission"})
    with pytest.raises(HubError):
        ensure_user(pair, wanted("back", "repo"))
    found = find_user(pair, "back")
    assert found is not None
    assert not found.enabled
