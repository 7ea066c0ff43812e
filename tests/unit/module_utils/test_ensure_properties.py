# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""From any state to any wish: twice is once, check mode foretells and never writes, any text comes back."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.hosts import (
    Host,
    WantedHost,
    ensure_host,
    find_host,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubError
from ansible_collections.fedoraproject.koji.plugins.module_utils.users import WantedUser, ensure_user, find_user
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.devhub.local import LocalHub
from tests.unit.module_utils.pair import LocalPair, picture

KNOWN_PERMISSIONS = ["admin", "host", "repo", "dist-repo"]
KNOWN_CHANNELS = ["default", "createrepo", "maven"]
HOSTILE = st.one_of(
    st.sampled_from(
        ["{{ lookup('pipe', 'id') }}", "a: b\nc: d", "$(id)", "'; drop table users; --", "%(x)s", "<&>]]>"]
    ),
    st.text(st.characters(codec=None), max_size=20),  # all of Unicode: controls and lone surrogates, too
)
PRINCIPAL = r"[a-z]{1,3}(/[a-z]{1,3})?@[A-Z]{1,3}"
PRINCIPALS = st.from_regex(PRINCIPAL, fullmatch=True)


def sets(known: list[str], other: st.SearchStrategy[str]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(known) | other, max_size=4)


USER_WISHES = st.builds(
    WantedUser,
    name=st.just("someone"),
    enabled=st.booleans(),
    permissions=st.none() | sets(KNOWN_PERMISSIONS, HOSTILE),
    krb_principals=st.none() | st.frozensets(PRINCIPALS | HOSTILE, max_size=3),
    append=st.booleans(),
)
USER_STARTS = st.none() | st.tuples(
    st.booleans(), sets(KNOWN_PERMISSIONS, st.nothing()), st.frozensets(PRINCIPALS, max_size=2)
)
TEXTS = st.none() | HOSTILE
HOST_WISHES = st.builds(
    WantedHost,
    name=st.just("builder"),
    state=st.sampled_from(["present", "present", "present", "disabled"]),
    enabled=st.booleans(),
    arches=st.none() | st.lists(st.sampled_from(["x86_64", "i686", "noarch"]), min_size=1, max_size=4).map(tuple),
    channels=st.none() | sets(KNOWN_CHANNELS, HOSTILE),
    capacity=st.none() | st.floats(min_value=1, exclude_min=True, max_value=1e300),
    description=TEXTS,
    comment=TEXTS,
    convert_user=st.booleans(),
    disable_user=st.booleans(),
)
HOST_STARTS = st.none() | st.sampled_from(["normal user", "blocked user", "disabled host"]) | HOST_WISHES


def refused(error: HubError | None) -> bool:
    return error is not None and "refused" in error.message


@settings(max_examples=120, deadline=None)
@given(start=USER_STARTS, wish=USER_WISHES)
def test_users(start: tuple[bool, frozenset[str], frozenset[str]] | None, wish: WantedUser) -> None:
    hub = LocalHub()
    if start is not None:
        enabled, permissions, principals = start
        hub.make_user("someone", *permissions)
        admin = hub.admin()
        for principal in principals:
            admin.addUserKrbPrincipal("someone", principal)
        if not enabled:
            admin.disableUser("someone")
    before = picture(hub)
    foretold = ensure_user(LocalPair(hub), wish, check_mode=True)
    assert picture(hub) == before, "check mode wrote"

    pair = LocalPair(hub)
    done = ensure_user(pair, wish)
    assert done.before == foretold.before
    if not refused(done.error):
        assert (done.changed, done.after) == (foretold.changed, foretold.after)
    assert done.changed == (picture(hub) != before)
    found = find_user(LocalPair(hub), "someone")
    assert (found.as_dict() if found else {}) == done.after, "what was said is not what is"

    after = picture(hub)
    again = ensure_user(LocalPair(hub), wish)
    assert not again.changed
    assert picture(hub) == after
    assert {p.name for p in again.problems} == {p.name for p in done.problems}
    if found is not None:
        assert found.enabled == wish.enabled
    if found is not None and wish.enabled and wish.permissions is not None:
        known = wish.permissions & set(KNOWN_PERMISSIONS)
        assert found.permissions == (known | start[1] if start and wish.append else known)
        assert set(done.names_of("UnknownPermission")) == wish.permissions - known


def outcome(pair: LocalPair, wish: WantedHost, **more: Any) -> Any:
    """The result, or the reason why there is none."""
    try:
        return ensure_host(pair, wish, **more)
    except HubError as error:
        return error.reason


@settings(max_examples=150, deadline=None)
@given(start=HOST_STARTS, wish=HOST_WISHES)
def test_hosts(start: str | WantedHost | None, wish: WantedHost) -> None:
    hub = LocalHub()
    if isinstance(start, WantedHost):
        outcome(LocalPair(hub), start)
    elif start == "disabled host":
        hub.admin().addHost("builder", ["x86_64"])
        outcome(LocalPair(hub), WantedHost("builder", state="disabled", disable_user=True))
    elif start is not None:
        hub.make_user("builder")
        if start == "blocked user":
            hub.admin().disableUser("builder")
    before = picture(hub)
    foretold = outcome(LocalPair(hub), wish, check_mode=True)
    assert picture(hub) == before, "check mode wrote"

    done = outcome(LocalPair(hub), wish)
    if isinstance(done, str):
        assert foretold == done
        assert picture(hub) == before, "an error that was known before any write"
        assert done in {"InvalidText", "UserExists", "ArchesMissing"}
        return
    assert (done.changed, done.before, done.after) == (foretold.changed, foretold.before, foretold.after)
    assert done.changed == (picture(hub) != before)
    found = find_host(LocalPair(hub), "builder")
    assert found == done.item, "what was said is not what is"

    after = picture(hub)
    again = outcome(LocalPair(hub), wish)
    assert not again.changed
    assert picture(hub) == after
    if found is not None:
        check_wish(found, wish, done.names_of("UnknownChannel"))


def check_wish(found: Host, wish: WantedHost, unknown: list[str]) -> None:
    """What was wished for is there, read back from the hub."""
    if wish.state == "disabled":
        assert not found.enabled
        assert not (wish.disable_user and found.user_enabled)
        return
    assert found.enabled == wish.enabled
    assert found.user_enabled or not wish.enabled
    if wish.arches is not None:
        assert found.arches == set(wish.arches)
    if wish.channels is not None:
        assert found.channels == wish.channels - set(unknown)
        assert not set(unknown) & set(KNOWN_CHANNELS)
    if wish.capacity is not None:
        assert found.capacity == wish.capacity
    for text, want in ((found.description, wish.description), (found.comment, wish.comment)):
        if want is not None:
            assert text == re.sub("\r\n?", "\n", want)
