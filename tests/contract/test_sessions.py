# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Logging in with a certificate, and what a session is."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import koji
import pytest

from .callers import Caller, Raw, client, fault, session_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hubs import Hub


def test_a_login_gives_id_key_and_header_auth(raw: Raw, hub: Hub) -> None:
    session = client(hub.address.url, hub.address.ca)
    session.opts["cert"] = str(hub.address.host_pem)
    session.opts["serverca"] = str(hub.address.ca)
    sinfo = session.callMethod("sslLogin")
    raw.note("host", "sslLogin", sinfo)
    assert sinfo["header-auth"] is True
    assert isinstance(sinfo["session-id"], int)
    raw.call("host", "logout", **session_headers(sinfo))


def test_the_common_name_is_the_user(hub: Hub, login: Callable[..., Caller]) -> None:
    me = login("host").getLoggedInUser()
    assert me["name"] == hub.address.host_name
    assert me["usertype"] == koji.USERTYPES["HOST"]
    assert me["authtype"] == koji.AUTHTYPES["SSL"]


def test_without_a_certificate_there_is_no_login(raw: Raw) -> None:
    with fault(1002):
        raw.call("anonymous", "sslLogin")


def test_the_login_address_wants_a_certificate_in_the_tls_handshake(raw: Raw, hub: Hub) -> None:
    if not hub.address.tls:
        pytest.skip("in process there is no TLS")
    try:
        answer = raw.post("sslLogin", path="/ssllogin").status_code
    except OSError:  # the handshake itself is broken off
        answer = 403
    assert answer == 403


def test_a_certificate_without_a_user_makes_one_only_where_logins_may(hub: Hub) -> None:
    me, aside = hub.address.host_name, hub.name("aside")
    hub.admin.editUser(me, name=aside)
    try:
        session = client(hub.address.url, hub.address.ca)
        with nullcontext() if hub.settings["LoginCreatesUser"] else pytest.raises(koji.AuthError):
            session.ssl_login(str(hub.address.host_pem), None, str(hub.address.ca))
        created = hub.admin.getUser(me)
        assert bool(created) is hub.settings["LoginCreatesUser"]
        if created:
            session.logout()
            hub.admin.editUser(me, name=hub.name("created"))
    finally:
        hub.admin.editUser(aside, name=me)


def test_a_blocked_user_cannot_log_in(hub: Hub, admin: Caller, login: Callable[..., Caller]) -> None:
    admin.disableUser(hub.address.host_name)
    try:
        with pytest.raises(koji.AuthError, match="unable to obtain a session"):
            login("host")
    finally:
        admin.enableUser(hub.address.host_name)


def test_nobody_is_logged_in_without_a_session(anonymous: Caller) -> None:
    assert anonymous.getLoggedInUser() is None
    assert anonymous.getSessionInfo() is None


def test_a_session_works_from_any_client_that_has_id_and_key(hub: Hub, login: Callable[..., Caller]) -> None:
    first = login("host")
    other = first.attached("host elsewhere", hub.address.url, hub.address.ca)
    other.session.callnum = 100
    assert other.getLoggedInUser()["name"] == hub.address.host_name


def test_a_wrong_key_is_refused(raw: Raw, login: Callable[..., Caller]) -> None:
    sinfo = {**login("host").sinfo, "session-key": "1-wrong"}
    with fault(1002):
        raw.call("host", "getAPIVersion", **session_headers(sinfo))


def test_an_unknown_session_is_refused(raw: Raw) -> None:
    with fault(1002):
        raw.call("host", "getAPIVersion", Koji_Session_Id="2000000000", Koji_Session_Key="1-any")


def test_a_session_that_logged_out_is_refused(raw: Raw, login: Callable[..., Caller]) -> None:
    caller = login("host")
    sinfo = dict(caller.sinfo)
    caller.session.logout()
    with fault(1002):
        raw.call("host", "getAPIVersion", **session_headers(sinfo))


def test_logging_out_without_login_is_refused(raw: Raw) -> None:
    with fault(1002):
        raw.call("anonymous", "logout")


def test_sessions_of_one_user_are_independent(login: Callable[..., Caller]) -> None:
    first, second = login("host"), login("host second time")
    assert first.sinfo["session-id"] != second.sinfo["session-id"]
    second.session.logout()
    assert first.getAPIVersion() == 1


def test_a_session_tells_about_itself(login: Callable[..., Caller]) -> None:
    told = login("host").getSessionInfo()
    assert told["exclusive"] is None
    assert told["master"] is None
    assert told["expired"] is False
    assert told["authtype"] == koji.AUTHTYPES["SSL"]


def test_details_name_the_session_and_its_address(login: Callable[..., Caller]) -> None:
    caller = login("host")
    assert caller.getSessionInfo(details=True)["id"] == caller.sinfo["session-id"]


def test_an_admin_sees_the_live_sessions_of_a_user(hub: Hub, admin: Caller, login: Callable[..., Caller]) -> None:
    caller = login("host")
    ids = [entry["id"] for entry in admin.quiet.getSessionInfo(details=True, user_id=hub.address.host_name)]
    assert caller.sinfo["session-id"] in ids
    with fault(1004):
        caller.getSessionInfo(details=True, user_id=hub.address.admin_name)


def test_an_admin_may_log_out_another_session(admin: Caller, login: Callable[..., Caller]) -> None:
    caller = login("host")
    admin.logout(caller.sinfo["session-id"])
    with fault(1002):
        caller.getAPIVersion()


def test_a_host_may_log_out_its_own_sessions_only(hub: Hub, login: Callable[..., Caller]) -> None:
    first, second = login("host"), login("host second time")
    with fault(1000):
        first.logout(hub.admin.sinfo["session-id"])
    first.logout(second.sinfo["session-id"])
    with fault(1002):
        second.getAPIVersion()


def test_a_library_client_that_is_collected_logs_out(hub: Hub, login: Callable[..., Caller]) -> None:
    caller = login("host")
    copy = koji.ClientSession(hub.address.url, {"serverca": str(hub.address.ca)}, sinfo=dict(caller.sinfo))
    del copy
    with fault(1002):
        caller.getAPIVersion()


def test_a_client_that_forgot_its_session_does_not_log_out(hub: Hub, login: Callable[..., Caller]) -> None:
    caller = login("host")
    copy = koji.ClientSession(hub.address.url, {"serverca": str(hub.address.ca)}, sinfo=dict(caller.sinfo))
    copy._forget()
    del copy
    assert caller.getAPIVersion() == 1


def test_a_session_survives_its_connection(login: Callable[..., Caller]) -> None:
    caller = login("host")
    caller.session.new_session()
    assert caller.getAPIVersion() == 1
