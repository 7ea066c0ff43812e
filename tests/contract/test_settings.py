# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What takes as long as hub.conf says. These tests need a hub with short times, and say which setting keeps them away.

A hub of our own is deployed with such settings (deployed.py); no other test needs any setting.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import koji.xmlrpcplus
import pytest

from .callers import Caller, Raw, fault, session_headers, until
from .hubs import PATIENCE, needs, needs_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Aging
    from .hubs import Hub
    from .scene import Builder


def test_an_assigned_task_nobody_opens_is_freed_and_refused_for_a_while(
    builder: Builder, second_builder: Builder, hub: Hub
) -> None:
    needs(hub, AssignTimeout=PATIENCE, SoftRefusalTimeout=PATIENCE)
    second_builder.check_in(ready=False)
    task = builder.tasks.make()
    builder.gets(task)
    start = time.monotonic()

    def freed() -> bool:
        builder.check_in()
        # The scheduler doesn't run for a host that has an assigned task: another one drives it.
        second_builder.poll()
        return builder.tasks.state(task) == "FREE"

    until(freed, 3 * PATIENCE, "the task freed")
    assert time.monotonic() - start > hub.settings["AssignTimeout"] - 1
    start = time.monotonic()
    builder.never_gets(task)
    assert builder.gets(task)["id"] == task
    assert time.monotonic() - start > hub.settings["SoftRefusalTimeout"] - 2


def test_a_host_that_is_silent_too_long_is_not_ready(
    admin: Caller, builder: Builder, second_builder: Builder, hub: Hub
) -> None:
    needs(hub, ReadyTimeout=PATIENCE)
    name = hub.address.host_name
    start = time.monotonic()
    builder.check_in()

    def marked() -> bool:
        second_builder.check_in()
        second_builder.poll()
        return not admin.quiet.getHost(name)["ready"]

    until(marked, 3 * PATIENCE, "the host marked not ready")
    assert time.monotonic() - start > hub.settings["ReadyTimeout"] - 1
    assert admin.getHost(name)["enabled"] is True
    task = builder.tasks.make()
    assert second_builder.gets(task)["id"] == task
    builder.check_in()
    assert admin.getHost(name)["ready"] is True


def test_open_tasks_of_a_silent_host_are_freed_by_another_hosts_polling(
    admin: Caller, builder: Builder, second_builder: Builder, hub: Hub
) -> None:
    needs(hub, HostTimeout=PATIENCE)
    # Only a task that the scheduler assigned: one that was opened while free is left alone.
    kept, task = builder.open_one(), builder.tasks.make()
    second_builder.check_in(ready=False)
    builder.gets(task)
    builder.host.openTask(task)
    start = time.monotonic()
    builder.check_in()
    time.sleep(hub.settings["HostTimeout"] + 1)
    assert builder.tasks.state(task) == "OPEN", "without polling nothing is noticed"

    def freed() -> bool:
        second_builder.check_in(ready=False)
        second_builder.poll()
        return builder.tasks.state(task) == "FREE"

    until(freed, PATIENCE, "the task freed")
    assert time.monotonic() - start > hub.settings["HostTimeout"] - 1
    assert builder.tasks.state(kept) == "OPEN"
    assert admin.getTaskInfo(task)["host_id"] is None


def test_a_session_expires_and_is_renewed_with_the_certificate(
    aging: Aging, strict_hub: Hub, strict_login: Callable[..., Caller], strict_raw: Raw
) -> None:
    holder = Caller("holder", aging.wait(), strict_raw.recorder)
    old = dict(holder.sinfo)
    with fault(1007):
        strict_raw.call("holder", "getAPIVersion", **session_headers(old))
    with fault(1007):
        strict_raw.call("worker", "getAPIVersion", **session_headers(aging.subsession))
    with fault(1006):
        strict_login().exclusiveSession()
    with fault(1008) if strict_hub.numbered else nullcontext():
        holder.getAPIVersion()  # the library logs in again by itself, but then counts from 0
    assert holder.sinfo["session-id"] == old["session-id"]
    assert holder.sinfo["session-key"] != old["session-key"]
    with fault(1002):
        strict_raw.call("holder", "getAPIVersion", **session_headers(old))
    told = strict_raw.call("holder", "getSessionInfo", **session_headers(holder.sinfo))
    assert (told["exclusive"], told["expired"]) == (True, False)
    holder.session.callnum = (told["callnum"] or 0) + 1
    assert holder.getAPIVersion() == 1
    with fault(1007):  # a subsession is renewed for itself
        strict_raw.call("worker", "getAPIVersion", **session_headers(aging.subsession))
    with pytest.raises(TypeError):  # which the library can't do for who has only its id and key
        holder.attached("worker", strict_raw.url, Path(strict_raw.ca), aging.subsession).quiet.getAPIVersion()
    assert holder.logout() is None
    needs_numbers(strict_hub)  # the record is of one that has them


def test_a_session_works_from_one_address_only(
    strict_hub: Hub, strict_login: Callable[..., Caller], strict_raw: Raw, name: Callable[[str], str]
) -> None:
    needs(strict_hub, CheckClientIP=True)
    adapter = strict_hub.address.elsewhere()
    if adapter is None:
        pytest.skip("CheckClientIP = True can't be shown: this machine has one address only towards the hub")
    elsewhere = Raw(strict_hub.address.url, strict_hub.address.ca, strict_raw.recorder, adapter)
    caller = strict_login(name("user"))
    if address_seen(strict_hub, elsewhere) == caller.quiet.getSessionInfo(details=True)["hostip"]:
        pytest.skip("CheckClientIP = True can't be shown: the hub sees all our addresses as one")
    child = caller.subsession()
    assert strict_raw.call("user", "getAPIVersion", **session_headers(caller.sinfo)) == 1
    with fault(1002):
        elsewhere.call("user elsewhere", "getAPIVersion", **session_headers(caller.sinfo))
    with fault(1002):
        elsewhere.call("worker elsewhere", "getAPIVersion", **session_headers(child))
    assert elsewhere.call("anonymous elsewhere", "getAPIVersion") == 1


def address_seen(hub: Hub, raw: Raw) -> str:
    """The address that the hub sees a connection come from: that of a session made for the purpose."""
    raw.connection.cert = str(hub.address.host_pem)
    (sinfo,), _ = koji.xmlrpcplus.loads(raw.post("sslLogin", path="/ssllogin").content)
    live = hub.admin.getSessionInfo(details=True, user_id=hub.address.host_name)
    hub.admin.logout(sinfo["session-id"])
    return str(next(entry["hostip"] for entry in live if entry["id"] == sinfo["session-id"]))
