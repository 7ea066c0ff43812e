# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A host's check-in, and how the hub shows it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from .callers import Caller, fault

if TYPE_CHECKING:
    from .hubs import Hub
    from .scene import Builder


def test_a_check_in_makes_the_host_ready(admin: Caller, builder: Builder, hub: Hub) -> None:
    assert builder.host.updateHost(0.0, True) is None
    assert admin.getHost(hub.address.host_name)["ready"] is True
    assert builder.host.updateHost(0.0, False) is None
    assert admin.getHost(hub.address.host_name)["ready"] is False


def test_a_check_in_updates_the_time(admin: Caller, builder: Builder, hub: Hub) -> None:
    before = time.time()
    builder.host.updateHost(0.0, True)
    found = admin.getHost(hub.address.host_name)
    assert before - 5 < found["update_ts"] < time.time() + 5
    assert before - 5 < admin.getLastHostUpdate(found["id"], ts=True) < time.time() + 5


def test_the_last_update_is_a_text_unless_a_number_is_asked_for(admin: Caller, builder: Builder, hub: Hub) -> None:
    found = admin.quiet.getHost(hub.address.host_name)
    assert isinstance(admin.getLastHostUpdate(found["id"]), str)
    assert isinstance(admin.getLastHostUpdate(found["id"], ts=True), float)


def test_any_call_of_the_host_user_counts_as_its_last_update(admin: Caller, builder: Builder, hub: Hub) -> None:
    host_id = admin.quiet.getHost(hub.address.host_name)["id"]
    before = admin.quiet.getLastHostUpdate(host_id, ts=True)
    time.sleep(0.05)
    builder.getAPIVersion()
    assert admin.quiet.getLastHostUpdate(host_id, ts=True) > before


def test_the_load_is_kept_as_told(admin: Caller, builder: Builder, hub: Hub) -> None:
    builder.host.updateHost(3.5, True)
    assert admin.getHost(hub.address.host_name)["task_load"] == 3.5
    builder.host.updateHost(2, True)
    assert admin.getHost(hub.address.host_name)["task_load"] == 2.0


def test_a_load_that_is_no_number_is_an_uncaught_error(builder: Builder) -> None:
    with fault(1):
        builder.host.updateHost("much", True)


def test_check_in_data_is_a_map(builder: Builder) -> None:
    assert builder.host.updateHost(0.0, True, data={"methods": ["sleep"], "maxjobs": 4}) is None
    with fault(1019):
        builder.host.updateHost(0.0, True, data=["methods"])


def test_check_in_data_can_be_given_alone(builder: Builder) -> None:
    assert builder.host.setHostData({"methods": [], "maxjobs": 4}) is None


def test_a_host_knows_itself(admin: Caller, builder: Builder, hub: Hub) -> None:
    found = admin.quiet.getHost(hub.address.host_name)
    assert builder.host.getID() == found["id"]
    assert builder.host.getHost()["name"] == hub.address.host_name


def test_a_host_without_tasks_has_none(builder: Builder) -> None:
    assert builder.host.getTasks() == []
    assert builder.host.getHostTasks() == []


def test_load_data_of_old_daemons_is_the_host_and_its_tasks(builder: Builder, hub: Hub) -> None:
    hosts, assigned = builder.host.getLoadData()
    assert [host["name"] for host in hosts] == [hub.address.host_name]
    assert assigned == []


@pytest.mark.parametrize("weight", [0.5, 4.0])
def test_the_weight_of_an_open_task_can_be_set(builder: Builder, weight: float) -> None:
    task = builder.open_one()
    assert builder.host.setTaskWeight(task, weight) is None
    (entry,) = builder.host.getHostTasks()
    assert entry["weight"] == weight
