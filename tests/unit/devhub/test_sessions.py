# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Exclusive sessions, subsessions, closing, expiry, addresses, proxies."""

import koji
import pytest

from tests.devhub.local import ADMIN, Clock, LocalHub, local_session

from .answers import Copy


def test_anonymous_has_no_session(hub: LocalHub) -> None:
    session = hub.anonymous()
    assert session.getLoggedInUser() is None
    assert session.getSessionInfo() is None
    with pytest.raises(koji.ActionNotAllowed):
        session.addHost("b", ["x86_64"])


def test_every_call_of_other_sessions_fails_while_one_is_exclusive(hub: LocalHub) -> None:
    master = hub.host("b")
    other = hub.session("b")
    with pytest.raises(koji.AuthLockError):
        other.getAPIVersion()
    master.sharedSession()
    assert other.getAPIVersion() == 1


def test_exclusive_twice_is_1000_and_while_another_has_it_1006(hub: LocalHub) -> None:
    master = hub.host("b")
    with pytest.raises(koji.GenericError) as twice:
        master.exclusiveSession()
    assert twice.value.faultCode == 1000
    with pytest.raises(koji.AuthLockError):
        hub.session("b").exclusiveSession()


def test_force_closes_the_master_and_locks_its_subsessions_out(hub: LocalHub) -> None:
    old = hub.host("b")
    worker = old.subsession()
    task_id = hub.admin().makeTask("sleep", [0])
    old.host.openTask(task_id)
    new = hub.session("b")
    new.exclusiveSession(force=True)
    with pytest.raises(koji.AuthError) as gone:
        old.getAPIVersion()
    assert gone.value.faultCode == 1002
    with pytest.raises(koji.AuthLockError):
        worker.host.closeTask(task_id, "")
    assert [task["id"] for task in new.host.getHostTasks()] == [task_id]


def test_a_subsession_counts_as_exclusive_and_hangs_off_the_top(hub: LocalHub) -> None:
    master = hub.host("b")
    child = master.subsession()
    grandchild = child.subsession()
    assert grandchild.host.getHostTasks() == []
    assert grandchild.getSessionInfo()["master"] == master.sinfo["session-id"]
    with pytest.raises(koji.GenericError, match="subsessions cannot become exclusive"):
        child.exclusiveSession()


def test_logout_child_closes_one_logout_all(hub: LocalHub) -> None:
    master = hub.host("b")
    first, second = master.subsession(), master.subsession()
    master.logoutChild(first.sinfo["session-id"])
    with pytest.raises(koji.AuthError):
        first.host.getHostTasks()
    assert second.host.getHostTasks() == []
    master.logout()
    with pytest.raises(koji.AuthError):
        second.host.getHostTasks()
    hub.session("b").exclusiveSession()


def test_a_host_call_needs_a_host_and_an_exclusive_session(hub: LocalHub) -> None:
    hub.host("b").logout()
    with pytest.raises(koji.AuthError, match="requires an exclusive session"):
        hub.session("b").host.getHostTasks()
    with pytest.raises(koji.AuthError, match="is not a host"):
        hub.admin().host.getHostTasks()
    with pytest.raises(koji.AuthError, match="Not logged-in"):
        hub.anonymous().host.getHostTasks()


def test_disabling_a_user_kills_its_live_session(hub: LocalHub) -> None:
    hub.make_user("someone")
    session = hub.session("someone")
    hub.admin().disableUser("someone")
    with pytest.raises(koji.AuthError, match="logins by someone are not allowed"):
        session.getAPIVersion()
    with pytest.raises(koji.AuthError):
        hub.session("someone")


@pytest.mark.parametrize(("minutes", "gone"), [(61, True), (59, False)])
def test_a_session_expires_after_the_renewal_timeout(clock: Clock, minutes: int, gone: bool) -> None:
    hub = LocalHub({"SessionRenewalTimeout": 60}, clock=clock)
    hub.admin().addHost("b", ["x86_64"])
    master = hub.session("b")
    master.exclusiveSession()
    child = master.subsession()
    worker = local_session(hub, sinfo=child.sinfo, base=Copy)
    clock.tick(minutes * 60)
    if not gone:
        assert worker.getAPIVersion() == 1
        return
    # A worker that holds nothing but a subsession has no means to renew it.
    with pytest.raises(TypeError):
        worker.getAPIVersion()
    # An expired session still blocks.
    with pytest.raises(koji.AuthLockError):
        hub.session("b").exclusiveSession()


def test_renewal_keeps_the_id_changes_the_key_and_restarts_the_callnum(clock: Clock) -> None:
    hub = LocalHub({"SessionRenewalTimeout": 1}, clock=clock)
    admin = hub.admin()
    for name in ("a", "b", "c"):
        admin.createUser(name)
    before = dict(admin.sinfo)
    clock.tick(61)
    with pytest.raises(koji.SequenceError):
        admin.createUser("d")
    assert admin.sinfo["session-id"] == before["session-id"]
    assert admin.sinfo["session-key"] != before["session-key"]
    admin.callnum = 100
    assert admin.createUser("d")


def test_client_address_is_checked_unless_told_otherwise() -> None:
    strict, lax = LocalHub({"CheckClientIP": True}), LocalHub()
    for hub, fails in ((strict, True), (lax, False)):
        admin = hub.admin()
        moved = local_session(hub, sinfo=admin.sinfo, address="192.0.2.7")
        if fails:
            with pytest.raises(koji.AuthError) as error:
                moved.getAPIVersion()
            assert error.value.faultCode == 1002
        else:
            moved.callnum = 50
            assert moved.getAPIVersion() == 1


def test_a_proxy_logs_in_for_others_only_if_listed() -> None:
    hub = LocalHub({"ProxyDNs": "CN=other | CN=kojiweb"})
    web = local_session(hub, "kojiweb")
    web.ssl_login(proxyuser="someone")
    assert web.getLoggedInUser()["name"] == "someone"
    with pytest.raises(koji.AuthError, match="not authorized"):
        local_session(hub, "nobody").ssl_login(proxyuser="someone")


def test_login_creates_users_unless_told_otherwise() -> None:
    assert LocalHub().session("new").getLoggedInUser()["name"] == "new"
    with pytest.raises(koji.AuthError, match="Unknown user"):
        LocalHub({"LoginCreatesUser": False}).session("new")


def test_sessions_in_the_query_string(hub: LocalHub) -> None:
    admin = hub.admin()
    old_style = {key: value for key, value in admin.sinfo.items() if key != "header-auth"}
    client = local_session(hub, sinfo=old_style)
    assert client.getLoggedInUser()["name"] == ADMIN


def test_no_login_without_a_certificate(hub: LocalHub) -> None:
    with pytest.raises(koji.AuthError, match="403"):
        local_session(hub).ssl_login()


def test_session_info_of_others_is_for_admins_and_owners(hub: LocalHub) -> None:
    hub.make_user("someone")
    session = hub.session("someone")
    assert [one["id"] for one in hub.admin().getSessionInfo(details=True, user_id="someone")] == [
        session.sinfo["session-id"]
    ]
    with pytest.raises(koji.ActionNotAllowed):
        session.getSessionInfo(user_id=ADMIN)


def test_lockout_and_offline() -> None:
    locked = LocalHub({"LockOut": True})
    assert locked.admin().getAPIVersion() == 1
    with pytest.raises(koji.ServerOffline):
        locked.session("someone").getAPIVersion()
    offline = LocalHub({"ServerOffline": True, "OfflineMessage": "moving house"})
    with pytest.raises(koji.ServerOffline, match="moving house"):
        offline.anonymous().getAPIVersion()
