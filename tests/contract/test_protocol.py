# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""XML-RPC itself: what is answered before any call is made, named arguments, multicalls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import koji.xmlrpcplus
import pytest
import requests

from .callers import Caller, Raw, fault, session_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hubs import Hub
    from .scene import Builder


def test_the_api_version_is_one(anonymous: Caller) -> None:
    assert anonymous.getAPIVersion() == 1


def test_the_version_stands_in_every_answer(raw: Raw, hub: Hub) -> None:
    answer = raw.post("getAPIVersion")
    assert answer.headers["Koji-Version"] == hub.version
    assert answer.headers["Content-Type"].startswith("text/xml")
    raw.note("anonymous", "HTTP status", answer.status_code)


def test_a_get_is_answered_method_not_allowed(raw: Raw, hub: Hub) -> None:
    answer = requests.get(hub.address.url, verify=str(hub.address.ca), timeout=30)
    raw.note("anonymous", "GET, HTTP status", answer.status_code)
    raw.note("anonymous", "GET, Allow", answer.headers.get("Allow"))
    assert answer.status_code == 405


@pytest.mark.parametrize("body", [b"", b"no XML"], ids=["empty", "not XML"])
def test_a_body_that_is_no_call_is_a_bad_request(raw: Raw, body: bytes) -> None:
    answer = raw.post_body(body)
    if answer.status_code == 200:
        assert b"<fault>" in answer.content
        pytest.skip("this hub answers with a fault; later ones with status 400")
    raw.note("anonymous", "HTTP status", answer.status_code)
    assert answer.status_code == 400


def test_faults_come_with_status_ok(raw: Raw) -> None:
    answer = raw.post("getHost", "nobody-has-this-host", True)
    raw.note("anonymous", "HTTP status", answer.status_code)
    assert answer.status_code == 200
    assert b"<fault>" in answer.content


def test_an_unknown_method_is_a_generic_error(anonymous: Caller) -> None:
    with fault(1000):
        anonymous.thereIsNoSuchMethod()
    with fault(1000):
        anonymous.host.thereIsNoSuchMethod()


def test_wrong_arguments_are_a_parameter_error(anonymous: Caller) -> None:
    with fault(1019):
        anonymous.getUser("a", "b", "c", "d", "e", "f")
    with fault(1019):
        anonymous.getUser(nosuchargument=1)
    with fault(1019):
        anonymous.getHost()


def test_echo_gives_every_type_back(anonymous: Caller) -> None:
    told = [1, -1, 1.5, "text", True, None, ["list"], {"key": "value"}, "ümläut", 2**40]
    assert anonymous.echo(*told) == told


def test_named_arguments_are_a_last_struct_with_a_star(raw: Raw, hub: Hub) -> None:
    found = raw.call("anonymous", "getUser", {"userInfo": hub.address.host_name, "strict": True, "__starstar": True})
    assert found["name"] == hub.address.host_name


def test_a_multicall_answers_in_order_and_goes_on_after_a_fault(raw: Raw) -> None:
    calls = [
        {"methodName": "getAPIVersion", "params": []},
        {"methodName": "getHost", "params": ["nobody-has-this-host", True]},
        {"methodName": "echo", "params": ["last"]},
    ]
    answer = raw.post("multiCall", calls)
    assert answer.status_code == 200
    first, second, third = raw_answer(answer)
    assert first == [1]
    assert third == [["last"]]
    assert second["faultCode"] == 1000
    raw.note("anonymous", "multiCall", [first, sorted(second), second["faultCode"], third])


def raw_answer(answer: requests.Response) -> list[Any]:
    """What an XML-RPC answer holds."""
    (value,), _ = koji.xmlrpcplus.loads(answer.content)
    return list(value)


def test_the_library_makes_one_multicall_of_several_calls(builder: Builder) -> None:
    task = builder.open_one()
    with builder.session.multicall() as multi:
        results = [multi.host.getHostTasks(), multi.host.updateHost(0.0, True), multi.host.getTasks()]
    for method, result in zip(("host.getHostTasks", "host.updateHost", "host.getTasks"), results, strict=True):
        builder.noted(method, lambda result=result: result.result)  # type: ignore[misc]
    assert [entry["id"] for entry in results[0].result] == [task]


def test_a_call_refused_in_a_multicall_takes_nothing_back_from_the_others(
    admin: Caller, name: Callable[[str], str]
) -> None:
    user = name("user")
    with admin.session.multicall(strict=False) as multi:
        made, twice, granted = multi.createUser(user), multi.createUser(user), multi.grantPermission(user, "repo")
    assert isinstance(made.result, int)
    with fault(1000):
        admin.noted("createUser", lambda: twice.result)
    assert granted.result is None
    assert admin.getUserPerms(user) == ["repo"]


@pytest.mark.usefixtures("numbered")
def test_a_multicall_is_one_step_of_the_call_number(raw: Raw, builder: Builder) -> None:
    builder.session.callnum = 30
    with builder.session.multicall() as multi:
        multi.host.updateHost(0.0, True)
        multi.host.updateHost(0.0, True)
    assert raw.call("host", "getSessionInfo", **session_headers(builder.sinfo))["callnum"] == 30


def test_a_bad_session_fails_the_whole_multicall(raw: Raw, login: Callable[..., Caller]) -> None:
    holder, other = login("holder"), login("other")
    holder.exclusiveSession(force=True)
    outcome = raw.post("multiCall", [{"methodName": "getAPIVersion", "params": []}], **session_headers(other.sinfo))
    told = "fault" if b"<fault>" in outcome.content else raw_answer(outcome)[0]["faultCode"]
    raw.note("other", "multiCall, locked out", told)
