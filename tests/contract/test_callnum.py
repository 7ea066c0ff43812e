# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The call number of a session: what keeps a call from being done twice, and what a resumed session has to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .callers import Caller, Raw, fault, session_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hubs import Hub
    from .scene import Builder


@pytest.fixture
def session(login: Callable[..., Caller]) -> Callable[..., dict[str, str]]:
    """Headers of one fresh session, with a call number if one is given."""
    caller = login("host")

    def headers(callnum: int | None = None) -> dict[str, str]:
        return session_headers(caller.sinfo, callnum)

    return headers


def stored(raw: Raw, session: Callable[..., dict[str, str]]) -> int | None:
    """The call number that the hub has, read without giving one."""
    number: int | None = raw.call("host", "getSessionInfo", **session())["callnum"]
    return number


def test_a_fresh_session_has_no_call_number(raw: Raw, session: Callable[..., dict[str, str]]) -> None:
    assert stored(raw, session) is None


def test_a_call_that_only_reads_does_not_store_its_number(raw: Raw, session: Callable[..., dict[str, str]]) -> None:
    raw.call("host", "getLoggedInUser", **session(5))
    assert stored(raw, session) is None
    raw.call("host", "getLoggedInUser", **session(3))


@pytest.mark.usefixtures("numbered")
def test_a_call_that_writes_stores_its_number(raw: Raw, builder: Builder) -> None:
    raw.call("host", "host.updateHost", 0.0, True, **session_headers(builder.sinfo, 50))
    assert raw.call("host", "getSessionInfo", **session_headers(builder.sinfo))["callnum"] == 50
    builder.session.callnum = 60


@pytest.mark.usefixtures("numbered")
def test_a_lower_number_is_a_sequence_error(raw: Raw, builder: Builder) -> None:
    raw.call("host", "host.updateHost", 0.0, True, **session_headers(builder.sinfo, 50))
    with fault(1008):
        raw.call("host", "host.updateHost", 0.0, True, **session_headers(builder.sinfo, 49))
    with fault(1008):
        raw.call("host", "getAPIVersion", **session_headers(builder.sinfo, 49))
    builder.session.callnum = 60


@pytest.mark.usefixtures("numbered")
def test_the_same_number_again_is_a_retry_error(raw: Raw, builder: Builder) -> None:
    raw.call("host", "host.updateHost", 0.0, True, **session_headers(builder.sinfo, 50))
    with fault(1009):
        raw.call("host", "host.setHostData", {"methods": []}, **session_headers(builder.sinfo, 50))
    with fault(1009):
        raw.call("host", "getAPIVersion", **session_headers(builder.sinfo, 50))
    builder.session.callnum = 60


@pytest.mark.parametrize("method", ["host.updateHost", "host.taskWait", "host.taskSetWait"])
def test_some_calls_may_be_repeated_with_the_same_number(raw: Raw, builder: Builder, method: str) -> None:
    task = builder.open_one()
    arguments = {"host.updateHost": (0.0, True), "host.taskWait": (task,), "host.taskSetWait": (task, None)}[method]
    builder.session.callnum = 60
    raw.call("host", "host.updateHost", 0.0, True, **session_headers(builder.sinfo, 70))
    for _ in range(2):
        raw.call("host", method, *arguments, **session_headers(builder.sinfo, 70))
    builder.session.callnum = 80


def test_gaps_are_fine(raw: Raw, builder: Builder) -> None:
    raw.call("host", "host.updateHost", 0.0, True, **session_headers(builder.sinfo, 50))
    raw.call("host", "host.updateHost", 0.0, True, **session_headers(builder.sinfo, 5000))
    builder.session.callnum = 6000


@pytest.mark.usefixtures("numbered")
def test_without_the_header_nothing_is_checked(raw: Raw, builder: Builder) -> None:
    raw.call("host", "host.updateHost", 0.0, True, **session_headers(builder.sinfo, 50))
    raw.call("host", "host.updateHost", 0.0, True, **session_headers(builder.sinfo))
    assert raw.call("host", "getSessionInfo", **session_headers(builder.sinfo))["callnum"] == 50
    builder.session.callnum = 60


def test_a_call_that_failed_does_not_store_its_number(raw: Raw, builder: Builder) -> None:
    raw.call("host", "host.updateHost", 0.0, True, **session_headers(builder.sinfo, 50))
    with fault(1000):
        raw.call("host", "host.refuseTask", 2000000000, **session_headers(builder.sinfo, 55))
    raw.call("host", "host.updateHost", 0.0, True, **session_headers(builder.sinfo, 51))
    builder.session.callnum = 60


@pytest.mark.usefixtures("numbered")
def test_each_session_counts_for_itself(raw: Raw, builder: Builder) -> None:
    raw.call("host", "host.updateHost", 0.0, True, **session_headers(builder.sinfo, 50))
    builder.session.callnum = 60
    child = builder.subsession()
    raw.call("subsession", "host.updateHost", 0.0, True, **session_headers(child, 1))
    assert raw.call("subsession", "getSessionInfo", **session_headers(child))["callnum"] == 1


@pytest.mark.usefixtures("numbered")
def test_a_session_is_resumed_one_beyond_what_the_hub_has(raw: Raw, hub: Hub, builder: Builder) -> None:
    builder.session.callnum = 41
    builder.check_in()
    known = raw.call("host", "getSessionInfo", **session_headers(builder.sinfo))["callnum"]
    assert known == 41
    resumed = builder.attached("host resumed", hub.address.url, hub.address.ca)
    resumed.session.callnum = known + 1
    assert resumed.host.updateHost(0.0, True) is None
    builder.session.callnum = known + 2


@pytest.mark.usefixtures("numbered")
def test_a_call_number_inside_sinfo_is_ignored_by_the_library(hub: Hub, builder: Builder) -> None:
    builder.session.callnum = 41
    builder.check_in()
    resumed = builder.attached("host resumed", hub.address.url, hub.address.ca, {**builder.sinfo, "callnum": 50})
    with fault(1008):
        resumed.host.updateHost(0.0, True)


@pytest.mark.usefixtures("numbered")
def test_odd_call_numbers_are_an_uncaught_error(raw: Raw, session: Callable[..., dict[str, str]]) -> None:
    with fault(1):
        raw.call("host", "getAPIVersion", **{**session(), "Koji_Session_Callnum": "many"})
