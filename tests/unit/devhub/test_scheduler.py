# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The scheduler's rules, one by one."""

from typing import Any

import koji
import pytest

from tests.devhub.local import Clock, LocalHub

from .answers import result


def assigned(builder: koji.ClientSession) -> list[int]:
    """Ids of the tasks that a host is given when it asks."""
    return [task["id"] for task in builder.host.getTasks()]


def test_run_interval_holds_for_the_whole_hub(clock: Clock) -> None:
    hub = LocalHub({"RunInterval": 60}, clock=clock)
    builder, other = hub.host("b"), hub.host("c")
    assert assigned(builder) == []
    task_id = hub.admin().makeTask("sleep", [0])
    clock.tick(59)
    assert assigned(builder) == assigned(other) == []
    clock.tick(2)
    assert assigned(builder) == [task_id]


def test_it_does_not_run_for_a_host_with_assigned_tasks(hub: LocalHub) -> None:
    builder, admin = hub.host("b", capacity=20), hub.admin()
    first = admin.makeTask("sleep", [0])
    assert assigned(builder) == [first]
    second = admin.makeTask("sleep", [0])
    assert assigned(builder) == [first]
    builder.host.openTask(first)
    assert assigned(builder) == [second]


def test_it_does_not_run_while_another_process_does(hub: LocalHub) -> None:
    builder = hub.host("b")
    task_id = hub.admin().makeTask("sleep", [0])
    hub.hub.storage.busy.add("scheduler")  # type: ignore[attr-defined]
    assert assigned(builder) == []
    hub.hub.storage.busy.clear()  # type: ignore[attr-defined]
    assert assigned(builder) == [task_id]


def test_a_clock_set_back_skips_one_run(clock: Clock) -> None:
    hub = LocalHub({"RunInterval": 60}, clock=clock)
    builder = hub.host("b")
    assigned(builder)
    task_id = hub.admin().makeTask("sleep", [0])
    clock.tick(-3600)
    assert assigned(builder) == []
    clock.tick(61)
    builder.host.updateHost(0, True)
    assert assigned(builder) == [task_id]


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        ({}, True),
        ({"arch": "x86_64"}, True),
        ({"arch": "ppc64le"}, False),
        ({"channel": "vm"}, False),
    ],
)
def test_arch_and_channel_must_fit(hub: LocalHub, options: dict[str, Any], fits: bool) -> None:
    builder = hub.host("b", ["x86_64"])
    task_id = hub.admin().makeTask("sleep", [0], **options)
    assert assigned(builder) == ([task_id] if fits else [])


def test_disabled_unready_and_disabled_channels_get_nothing(hub: LocalHub) -> None:
    builder, admin = hub.host("b"), hub.admin()
    task_id = admin.makeTask("sleep", [0])
    admin.disableHost("b")
    assert assigned(builder) == []
    admin.enableHost("b")
    builder.host.updateHost(0, False)
    assert assigned(builder) == []
    builder.host.updateHost(0, True)
    admin.disableChannel("default")
    assert assigned(builder) == []
    admin.enableChannel("default")
    assert assigned(builder) == [task_id]


def test_a_host_that_is_silent_for_ready_timeout_is_not_ready(hub: LocalHub, clock: Clock) -> None:
    builder = hub.host("b")
    hub.admin().makeTask("sleep", [0])
    clock.tick(181)
    assert assigned(builder) == []
    assert hub.anonymous().getHost("b")["ready"] is False
    assert "Marking host not ready" in [one["msg"] for one in hub.anonymous().scheduler.getLogMessages()]


@pytest.mark.parametrize(("maxjobs", "count"), [(1, 1), (3, 3), (0, 15), (None, 15)])
def test_maxjobs_and_zero_counts_as_unset(hub: LocalHub, maxjobs: int | None, count: int) -> None:
    builder, admin = hub.host("b", capacity=100), hub.admin()
    builder.host.updateHost(0, True, data={"maxjobs": maxjobs} if maxjobs is not None else {})
    for _ in range(20):
        admin.makeTask("sleep", [0])
    assert len(assigned(builder)) == count


def test_waiting_parents_count_against_maxjobs(hub: LocalHub) -> None:
    builder, admin = hub.host("b", capacity=100), hub.admin()
    builder.host.updateHost(0, True, data={"maxjobs": 1})
    parent = admin.makeTask("waittest", [])
    builder.host.openTask(parent)
    child = builder.host.subtask("sleep", [0], parent)
    builder.host.taskSetWait(parent, [child])
    assert assigned(builder) == []
    builder.host.updateHost(0, True, data={"maxjobs": 2})
    assert assigned(builder) == [child]


def test_capacity_counts_the_weight_of_what_is_not_waiting(hub: LocalHub) -> None:
    builder, admin = hub.host("b", capacity=6), hub.admin()
    heavy = admin.makeTask("sleep", [0])
    builder.host.openTask(heavy)
    builder.host.setTaskWeight(heavy, 6)
    light = admin.makeTask("sleep", [0])
    assert assigned(builder) == []
    builder.host.taskSetWait(heavy, None)
    assert assigned(builder) == [light]


@pytest.mark.parametrize(("weight", "fits"), [(6.5, True), (7.0, False)])
def test_overcommit(hub: LocalHub, weight: float, fits: bool) -> None:
    # capacity - load > max(0, weight - CapacityOvercommit): 2 - 0.25 > weight - 5
    builder, admin = hub.host("b", capacity=2), hub.admin()
    heavy = admin.makeTask("sleep", [0])
    builder.host.openTask(heavy)
    builder.host.setTaskWeight(heavy, weight)
    builder.host.freeTasks([heavy])
    small = admin.makeTask("sleep", [0], priority=1)
    builder.host.openTask(small)
    builder.host.setTaskWeight(small, 0.25)
    assert assigned(builder) == ([heavy] if fits else [])


def test_priority_then_age(hub: LocalHub, clock: Clock) -> None:
    builder, admin = hub.host("b", capacity=100), hub.admin()
    ids = []
    for priority in (20, 5, 20):
        ids.append(admin.makeTask("sleep", [0], priority=priority))
        clock.tick(1)
    builder.host.updateHost(0, True)
    assert assigned(builder) == [ids[1], ids[0], ids[2]]


def test_tasks_spread_over_hosts(hub: LocalHub) -> None:
    builders = [hub.host(name, capacity=100) for name in "abc"]
    for _ in range(6):
        hub.admin().makeTask("sleep", [0])
    assert [len(assigned(builder)) for builder in builders] == [2, 2, 2]


def test_a_task_only_one_host_can_take_keeps_others_off_it(hub: LocalHub) -> None:
    special, plain = hub.host("special", ["x86_64", "ppc64le"], capacity=10), hub.host("plain", capacity=10)
    admin = hub.admin()
    common = admin.makeTask("sleep", [0], arch="x86_64", priority=1)
    rare = admin.makeTask("sleep", [0], arch="ppc64le")
    assert assigned(special) == [rare]
    assert assigned(plain) == [common]


@pytest.mark.parametrize(("soft", "comes_back"), [(True, True), (False, False)])
def test_refusals(hub: LocalHub, clock: Clock, soft: bool, comes_back: bool) -> None:
    builder, admin = hub.host("b"), hub.admin()
    task_id = admin.makeTask("sleep", [0])
    assert assigned(builder) == [task_id]
    builder.host.refuseTask(task_id, soft, "not now")
    assert hub.anonymous().getTaskInfo(task_id)["state"] == koji.TASK_STATES["FREE"]
    [refusal] = hub.anonymous().scheduler.getTaskRefusals([["task_id", task_id]])
    assert (refusal["soft"], refusal["by_host"], refusal["msg"]) == (soft, True, "not now")
    assert assigned(builder) == []
    clock.tick(901)
    builder.host.updateHost(0, True)
    assert assigned(builder) == ([task_id] if comes_back else [])


def test_refusing_anothers_task_changes_nothing(hub: LocalHub) -> None:
    builder, other = hub.host("b"), hub.host("c")
    task_id = hub.admin().makeTask("sleep", [0], assign="b")
    other.host.refuseTask(task_id)
    assert assigned(builder) == [task_id]
    assert hub.anonymous().scheduler.getTaskRefusals() == []


def test_refusals_of_finished_tasks_are_dropped(hub: LocalHub) -> None:
    builder, admin = hub.host("b"), hub.admin()
    task_id = admin.makeTask("sleep", [0])
    assigned(builder)
    builder.host.refuseTask(task_id, False)
    admin.cancelTask(task_id)
    assigned(builder)
    assert hub.anonymous().scheduler.getTaskRefusals() == []


def test_assigned_but_not_opened_in_time_is_freed_and_refused(hub: LocalHub, clock: Clock) -> None:
    builder, other = hub.host("b"), hub.host("c", ready=False)
    task_id = hub.admin().makeTask("sleep", [0])
    assert assigned(builder) == [task_id]
    clock.tick(301)
    builder.host.updateHost(0, True)
    assert assigned(other) == []
    [refusal] = hub.anonymous().scheduler.getTaskRefusals()
    assert (refusal["soft"], refusal["by_host"], refusal["msg"]) == (True, False, "assignment timeout")
    assert assigned(builder) == []


def test_an_override_never_times_out(hub: LocalHub, clock: Clock) -> None:
    admin, builder, other = hub.admin(), hub.host("b"), hub.host("c")
    task_id = admin.makeTask("sleep", [0])
    admin.assignTask(task_id, "b", override=True)
    clock.tick(3600)
    assigned(other)
    assert assigned(builder) == [task_id]


@pytest.mark.parametrize(("disabled", "freed"), [(False, True), (True, False)])
def test_a_silent_hosts_open_tasks_are_freed_by_another_unless_disabled(
    hub: LocalHub, clock: Clock, disabled: bool, freed: bool
) -> None:
    builder, other, admin = hub.host("b"), hub.host("c", ["ppc64le"]), hub.admin()
    task_id = admin.makeTask("sleep", [0], arch="x86_64")
    assert assigned(builder) == [task_id]
    builder.host.openTask(task_id)
    if disabled:
        admin.disableHost("b")
    clock.tick(901)
    other.host.updateHost(0, True)
    assigned(other)
    state = koji.TASK_STATES[admin.getTaskInfo(task_id)["state"]]
    assert state == ("FREE" if freed else "OPEN")


def test_a_task_opened_past_the_scheduler_has_no_run_and_is_never_freed(hub: LocalHub, clock: Clock) -> None:
    builder, other = hub.host("b"), hub.host("c")
    task_id = hub.admin().makeTask("sleep", [0])
    builder.host.openTask(task_id)
    clock.tick(9000)
    assigned(other)
    assert hub.anonymous().getTaskInfo(task_id)["state"] == koji.TASK_STATES["OPEN"]


def test_runs_end_with_their_tasks(hub: LocalHub) -> None:
    builder = hub.host("b")
    task_id = hub.admin().makeTask("sleep", [0])
    assigned(builder)
    builder.host.openTask(task_id)
    builder.host.closeTask(task_id, result(None))
    assigned(builder)
    session = hub.anonymous()
    [run] = session.scheduler.getTaskRuns([["task_id", task_id]], ["active", "host_name", "state"])
    assert run == {"active": False, "host_name": "b", "state": koji.TASK_STATES["CLOSED"]}
    with pytest.raises(koji.ParameterError):
        session.scheduler.getTaskRuns([["nonsense", 1]])


def test_do_run_is_for_admins(hub: LocalHub) -> None:
    builder, admin = hub.host("b"), hub.admin()
    task_id = admin.makeTask("sleep", [0])
    with pytest.raises(koji.ActionNotAllowed):
        hub.anonymous().scheduler.doRun()
    assert admin.scheduler.doRun(force=True) is True
    assert assigned(builder) == [task_id]
    assert admin.scheduler.getHostData() == []
