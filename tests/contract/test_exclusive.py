# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The one exclusive session of a user: who may have it, what it does to the others, how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .callers import Caller, Raw, fault, session_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scene import Builder


def test_host_calls_want_an_exclusive_session(login: Callable[..., Caller]) -> None:
    caller = login("host")
    for call in (caller.host.getTasks, caller.host.getHostTasks, caller.host.getID, caller.host.getHost):
        with fault(1002):
            call()
    with fault(1002):
        caller.host.updateHost(0.0, True)


def test_host_calls_want_a_host(admin: Caller, anonymous: Caller) -> None:
    with fault(1002):
        admin.host.getTasks()
    with fault(1002):
        anonymous.host.getTasks()


def test_an_exclusive_session_says_so(login: Callable[..., Caller]) -> None:
    caller = login("host")
    assert caller.exclusiveSession(force=True) is None
    assert caller.getSessionInfo()["exclusive"] is True


def test_while_one_is_exclusive_every_call_of_the_others_is_locked_out(login: Callable[..., Caller]) -> None:
    holder, other = login("holder"), login("other")
    holder.exclusiveSession(force=True)
    with fault(1006):
        other.getAPIVersion()
    with fault(1006):
        other.getLoggedInUser()
    with fault(1006):
        other.subsession()


def test_a_locked_out_session_may_still_log_out(login: Callable[..., Caller]) -> None:
    holder, other = login("holder"), login("other")
    holder.exclusiveSession(force=True)
    assert other.logout() is None
    with fault(1002):
        other.getAPIVersion()


def test_another_login_is_possible_meanwhile_but_locked_out(login: Callable[..., Caller]) -> None:
    login("holder").exclusiveSession(force=True)
    with fault(1006):
        login("other").getAPIVersion()


def test_the_lock_is_refused_while_another_holds_it(login: Callable[..., Caller]) -> None:
    holder, other = login("holder"), login("other")
    holder.exclusiveSession(force=True)
    with fault(1006):
        other.exclusiveSession()
    assert holder.getAPIVersion() == 1


def test_the_lock_is_not_taken_twice(login: Callable[..., Caller]) -> None:
    holder = login("holder")
    holder.exclusiveSession(force=True)
    with fault(1000):
        holder.exclusiveSession()
    with fault(1000):
        holder.exclusiveSession(force=True)


def test_force_takes_the_lock_and_closes_the_old_master(login: Callable[..., Caller]) -> None:
    old, new = login("old master"), login("new master")
    old.exclusiveSession(force=True)
    assert new.exclusiveSession(force=True) is None
    with fault(1002):
        old.getAPIVersion()
    assert isinstance(new.host.getID(), int)


def test_after_force_subsessions_of_the_old_master_are_locked_out(raw: Raw, login: Callable[..., Caller]) -> None:
    old, new = login("old master"), login("new master")
    old.exclusiveSession(force=True)
    child = old.subsession()
    new.exclusiveSession(force=True)
    with fault(1006):
        raw.call("old subsession", "getAPIVersion", **session_headers(child))
    with fault(1006):
        raw.call("old subsession", "host.getHostTasks", **session_headers(child))


def test_after_force_the_new_master_sees_the_open_tasks_and_can_free_them(
    builder: Builder, login: Callable[..., Caller]
) -> None:
    task = builder.open_one()
    new = login("new master")
    new.exclusiveSession(force=True)
    assert [entry["id"] for entry in new.host.getHostTasks()] == [task]
    assert new.host.freeTasks([task]) is None
    assert builder.tasks.state(task) == "FREE"


def test_the_lock_can_be_given_back(login: Callable[..., Caller]) -> None:
    holder, other = login("holder"), login("other")
    holder.exclusiveSession(force=True)
    assert holder.sharedSession() is None
    assert other.getAPIVersion() == 1
    assert other.exclusiveSession() is None
    with fault(1006):
        holder.getAPIVersion()


def test_logging_out_gives_the_lock_back(login: Callable[..., Caller]) -> None:
    holder, other = login("holder"), login("other")
    holder.exclusiveSession(force=True)
    holder.logout()
    assert other.exclusiveSession() is None


def test_a_client_that_vanished_leaves_the_lock(login: Callable[..., Caller]) -> None:
    holder, other = login("holder"), login("other")
    holder.exclusiveSession(force=True)
    holder.session.new_session()
    with fault(1006):
        other.exclusiveSession()


def test_exclusive_sessions_of_other_users_do_not_matter(admin: Caller, login: Callable[..., Caller]) -> None:
    login("holder").exclusiveSession(force=True)
    assert admin.getAPIVersion() == 1


def test_an_admin_ends_an_exclusive_session_by_its_id(admin: Caller, login: Callable[..., Caller]) -> None:
    holder, other = login("holder"), login("other")
    holder.exclusiveSession(force=True)
    admin.logout(holder.sinfo["session-id"])
    assert other.exclusiveSession() is None


def test_a_disabled_host_keeps_its_session(admin: Caller, builder: Builder) -> None:
    admin.disableHost(builder.hub.address.host_name)
    try:
        assert builder.host.updateHost(0.0, True) is None
        assert builder.host.getTasks() == []
    finally:
        admin.enableHost(builder.hub.address.host_name)


def test_a_disabled_user_does_not(admin: Caller, builder: Builder) -> None:
    admin.disableUser(builder.hub.address.host_name)
    try:
        with fault(1002):
            builder.host.updateHost(0.0, True)
    finally:
        admin.enableUser(builder.hub.address.host_name)
