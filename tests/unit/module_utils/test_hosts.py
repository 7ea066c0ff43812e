# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""ensure_host against the hub's semantics, through the real client."""

from __future__ import annotations

from typing import Any

import koji
import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.hosts import WantedHost, ensure_host, find_host
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubError

from tests.devhub.local import ADMIN, LocalHub
from tests.unit.module_utils.pair import LocalPair, picture, storage


@pytest.fixture
def hub() -> LocalHub:
    return LocalHub()


@pytest.fixture
def pair(hub: LocalHub) -> LocalPair:
    return LocalPair(hub)


def wanted(name: str = "builder", **more: Any) -> WantedHost:
    return WantedHost(name, **{"arches": ("x86_64",), **more})


def test_a_host_is_added_as_wanted(hub: LocalHub, pair: LocalPair) -> None:
    wish = wanted(
        arches=("x86_64", "i686", "x86_64"),
        channels=frozenset({"createrepo"}),
        capacity=12,
        description="rack 4",
        comment="new",
    )
    result = ensure_host(pair, wish)
    assert result.before == {}
    assert result.after == {
        "name": "builder",
        "enabled": True,
        "arches": ["i686", "x86_64"],
        "channels": ["createrepo"],
        "capacity": 12.0,
        "description": "rack 4",
        "comment": "new",
        "user_type": "host",
        "user_enabled": True,
        "krb_principals": [],
    }
    assert hub.anonymous().getHost("builder")["arches"] == "x86_64 i686"
    assert find_host(LocalPair(hub), "builder") == result.item
    assert not ensure_host(LocalPair(hub), wish).changed


def test_a_host_s_user_has_its_principals_beside_what_the_hub_gives_it() -> None:
    hub = LocalHub({"HostPrincipalFormat": "compile/%s@X.ORG"})
    pair = LocalPair(hub)
    wish = wanted(principals=frozenset({"pods@X.ORG"}))
    assert ensure_host(pair, wish).after["krb_principals"] == ["compile/builder@X.ORG", "pods@X.ORG"]
    assert not ensure_host(pair, wish).changed
    later = ensure_host(pair, wanted(principals=frozenset({"more@X.ORG", "\n"})))
    assert later.after["krb_principals"] == ["compile/builder@X.ORG", "more@X.ORG", "pods@X.ORG"]
    assert later.names_of("InvalidPrincipal")


def test_koji_s_own_defaults_are_foretold(hub: LocalHub, pair: LocalPair) -> None:
    told = ensure_host(pair, wanted(), check_mode=True)
    assert pair.logins == 0
    done = ensure_host(pair, wanted())
    assert (told.before, told.after) == (done.before, done.after)
    assert done.after["channels"] == ["default"]
    assert done.after["capacity"] == 2.0


def test_the_order_of_arches_does_not_matter(hub: LocalHub, pair: LocalPair) -> None:
    ensure_host(pair, wanted(arches=("x86_64", "i686")))
    fresh = LocalPair(hub)
    assert not ensure_host(fresh, wanted(arches=("i686", "x86_64"))).changed
    assert fresh.logins == 0


def test_fields_that_are_not_named_stay(hub: LocalHub, pair: LocalPair) -> None:
    first = ensure_host(pair, wanted(capacity=7, description="d", comment="c", channels=frozenset({"createrepo"})))
    again = ensure_host(pair, WantedHost("builder"))
    assert not again.changed
    assert again.after == first.after


def test_a_host_that_is_not_there_needs_arches(pair: LocalPair) -> None:
    with pytest.raises(HubError, match="arches") as raised:
        ensure_host(pair, WantedHost("builder"))
    assert raised.value.reason == "ArchesMissing"


def test_unknown_channels_are_named_and_the_rest_is_done(pair: LocalPair) -> None:
    wish = wanted(channels=frozenset({"createrepo", "nosuch"}), capacity=5)
    result = ensure_host(pair, wish)
    assert result.after["channels"] == ["createrepo"]
    assert result.after["capacity"] == 5.0
    assert result.names_of("UnknownChannel") == ["nosuch"]
    assert result.error is not None
    assert "'nosuch'" in result.error.message
    assert not ensure_host(pair, wish).changed


def test_a_disabled_channel_can_be_subscribed(hub: LocalHub, pair: LocalPair) -> None:
    pair.writer().disableChannel("createrepo")
    result = ensure_host(pair, wanted(channels=frozenset({"createrepo"})))
    assert result.after["channels"] == ["createrepo"]
    assert result.problems == ()
    assert find_host(pair, "builder") == result.item


def test_disabled_keeps_the_rest_and_present_enables_again(hub: LocalHub, pair: LocalPair) -> None:
    ensure_host(pair, wanted(capacity=7))
    gone = ensure_host(pair, WantedHost("builder", state="disabled", capacity=99, channels=frozenset()))
    assert gone.after == {**gone.before, "enabled": False}
    assert not ensure_host(pair, WantedHost("builder", state="disabled")).changed
    back = ensure_host(pair, WantedHost("builder"))
    assert back.after == gone.before


def test_the_user_is_disabled_and_enabled_with_its_host(hub: LocalHub, pair: LocalPair) -> None:
    ensure_host(pair, wanted())
    gone = ensure_host(pair, WantedHost("builder", state="disabled", disable_user=True))
    assert gone.after == {**gone.before, "enabled": False, "user_enabled": False}
    assert hub.anonymous().getUser("builder")["status"] == 1
    assert ensure_host(pair, WantedHost("builder")).after["user_enabled"]
    assert hub.anonymous().getUser("builder")["status"] == 0


def test_a_host_that_is_present_but_not_enabled(hub: LocalHub, pair: LocalPair) -> None:
    assert not ensure_host(pair, wanted(enabled=False)).after["enabled"]
    assert not hub.anonymous().getHost("builder")["enabled"]


def test_what_people_disabled_stays_so_where_nothing_is_said(hub: LocalHub, pair: LocalPair) -> None:
    admin = hub.admin()
    unsaid = WantedHost("b", enabled=None, arches=("x86_64",))
    assert ensure_host(pair, unsaid).after["enabled"]
    admin.disableHost("b")
    assert not ensure_host(pair, unsaid).changed
    assert not admin.getHost("b")["enabled"]
    admin.enableHost("b")
    admin.disableUser("b")
    assert not ensure_host(pair, unsaid).changed
    # Both, as a deleted resource leaves them.
    admin.disableHost("b")
    after = ensure_host(pair, unsaid).after
    assert after["enabled"]
    assert after["user_enabled"]


def test_nothing_is_added_to_be_disabled(hub: LocalHub, pair: LocalPair) -> None:
    before = picture(hub)
    assert not ensure_host(pair, wanted(state="disabled")).changed
    assert picture(hub) == before


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_normal_user_of_the_name_is_left_alone(hub: LocalHub, check_mode: bool) -> None:
    hub.make_user("builder")
    before = picture(hub)
    pair = LocalPair(hub)
    with pytest.raises(HubError, match=r"builder is a normal user.*convert_user") as raised:
        ensure_host(pair, wanted(), check_mode=check_mode)
    assert raised.value.reason == "UserExists"
    assert picture(hub) == before
    assert pair.logins == 0


def test_a_normal_user_is_converted_when_told(hub: LocalHub, pair: LocalPair) -> None:
    user_id = hub.make_user("builder")
    told = ensure_host(pair, wanted(convert_user=True), check_mode=True)
    done = ensure_host(pair, wanted(convert_user=True))
    assert (told.before, told.after) == (done.before, done.after)
    assert done.before["user_type"] == "normal"
    assert done.after["user_type"] == "host"
    assert done.item is not None
    assert done.item.user_id == user_id
    assert not ensure_host(pair, wanted(convert_user=True)).changed


def test_the_own_user_is_not_converted(hub: LocalHub, pair: LocalPair) -> None:
    before = picture(hub)
    with pytest.raises(HubError) as raised:
        ensure_host(pair, wanted(ADMIN, convert_user=True))
    assert raised.value.reason == "OwnAccount"
    assert picture(hub) == before


def test_a_blocked_normal_user_is_converted_and_enabled(hub: LocalHub, pair: LocalPair) -> None:
    hub.make_user("builder")
    pair.writer().disableUser("builder")
    done = ensure_host(pair, wanted(convert_user=True))
    assert done.after["user_enabled"]
    assert hub.anonymous().getUser("builder")["status"] == 0


def test_the_user_of_a_host_is_the_one_of_its_id(hub: LocalHub, pair: LocalPair) -> None:
    """Users can be renamed; then another user may have the host's name."""
    made = ensure_host(pair, wanted())
    row = next(row for row in storage(hub).rows["users"] if row["name"] == "builder")
    row["name"] = "renamed"
    hub.make_user("builder")
    gone = ensure_host(pair, WantedHost("builder", state="disabled", disable_user=True))
    assert gone.item is not None
    assert made.item is not None
    assert gone.item.user_id == made.item.user_id
    assert hub.anonymous().getUser("builder")["status"] == 0
    assert hub.anonymous().getUser("renamed")["status"] == 1


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        (wanted(arches=()), "InvalidArch"),
        (wanted(arches=("x86 64",)), "InvalidArch"),
        (wanted(arches=("x86_64\n",)), "InvalidArch"),
        (wanted(capacity=1), "InvalidCapacity"),
        (wanted(capacity=float("nan")), "InvalidCapacity"),
        (wanted(capacity=float("inf")), "InvalidCapacity"),
        (wanted(description="a\x00b"), "InvalidText"),
        (wanted(comment="\ud800"), "InvalidText"),
        (wanted(""), "InvalidName"),
        (wanted("a\nb"), "InvalidName"),
    ],
)
def test_what_no_hub_takes_is_refused_before_anything_is_done(hub: LocalHub, wish: WantedHost, reason: str) -> None:
    before = picture(hub)
    with pytest.raises(HubError) as raised:
        ensure_host(LocalPair(hub), wish)
    assert raised.value.reason == reason
    assert picture(hub) == before


def test_line_ends_come_back_as_xml_makes_them(hub: LocalHub, pair: LocalPair) -> None:
    wish = wanted(description="a\r\nb\rc", comment="{{ 1 + 1 }} <&> $(id)\n\ttab é \U0001f40d")
    result = ensure_host(pair, wish)
    assert result.after["description"] == "a\nb\nc"
    assert hub.anonymous().getHost("builder")["comment"] == wish.comment
    assert not ensure_host(pair, wish).changed


def test_a_refused_channel_does_not_hold_up_the_others(hub: LocalHub, pair: LocalPair) -> None:
    hub.injection.add({"kind": "error", "code": 1000, "message": "no", "method": "removeHostFromChannel"})
    result = ensure_host(pair, wanted(channels=frozenset({"createrepo"}), capacity=3))
    assert result.names_of("HubRefused") == ["default"]
    assert result.after["channels"] == ["createrepo", "default"]
    assert result.after["capacity"] == 3.0
    hub.injection.clear()
    assert ensure_host(pair, wanted(channels=frozenset({"createrepo"}))).after["channels"] == ["createrepo"]


def test_a_lost_answer_is_made_good_by_the_next_run(hub: LocalHub, pair: LocalPair) -> None:
    hub.injection.add({"kind": "drop", "method": "addHost", "when": "after", "times": 2})
    with pytest.raises(HubError):
        ensure_host(pair, wanted(capacity=3))
    hub.injection.clear()
    assert ensure_host(LocalPair(hub), wanted(capacity=3)).after["capacity"] == 3.0


def test_permission_host_is_enough_for_a_host(hub: LocalHub) -> None:
    hub.make_user("hosts", "host")
    assert ensure_host(LocalPair(hub, "hosts"), wanted(capacity=3)).changed


def test_check_in_is_no_difference(hub: LocalHub, pair: LocalPair) -> None:
    ensure_host(pair, wanted())
    session = hub.host("builder")
    found = find_host(pair, "builder")
    assert found is not None
    assert found.ready
    assert found.last_check_in is not None
    assert not ensure_host(pair, wanted()).changed
    session._forget()


def test_a_disabled_host_s_tasks_are_given_back_once_its_user_is_disabled(hub: LocalHub, pair: LocalPair) -> None:
    builder = hub.host("builder", capacity=100)
    admin = hub.admin()
    opened, assigned, elsewhere = (admin.makeTask("sleep", [1]) for _ in range(3))
    for task in (opened, assigned):
        admin.assignTask(task, "builder")
    builder.host.openTask(opened)
    wish = WantedHost("builder", state="disabled", disable_user=True, free_tasks=True)
    told = ensure_host(pair, wish, check_mode=True)
    assert [admin.getTaskInfo(task)["state"] for task in (opened, assigned)] == [1, 4]
    result = ensure_host(pair, wish)
    assert result.before["tasks"] == [opened, assigned]
    assert (result.after["tasks"], told.after) == ([], result.after)
    assert {admin.getTaskInfo(task)["state"] for task in (opened, assigned, elsewhere)} == {0}
    with pytest.raises(koji.AuthError):
        builder.host.closeTask(opened, "")
    assert not ensure_host(LocalPair(hub), wish).changed


def test_a_task_that_the_hub_does_not_free_is_a_problem_while_it_lasts(hub: LocalHub, pair: LocalPair) -> None:
    hub.host("builder", capacity=100)
    admin = hub.admin()
    task = admin.makeTask("sleep", [1])
    admin.assignTask(task, "builder")
    hub.injection.add({"kind": "error", "method": "freeTask", "times": 1})
    wish = WantedHost("builder", state="disabled", free_tasks=True)
    result = ensure_host(pair, wish)
    assert [problem.reason for problem in result.problems] == ["HubRefused"]
    admin.cancelTask(task)
    assert not ensure_host(LocalPair(hub), wish).problems
