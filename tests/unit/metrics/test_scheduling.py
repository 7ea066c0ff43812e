# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the scheduler counts, on a hub and a cluster in memory."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubError
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics import catalog
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.calls import purpose
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.file import read
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.process import Process

from tests.unit.metrics.ledgers import total
from tests.unit.scheduler.test_process import LiveWorld
from tests.unit.scheduler.world import HOST, NAME, World

if TYPE_CHECKING:
    from pathlib import Path


def value(world: World, metric: catalog.Metric, *labels: str) -> float:
    return total(world.builder.around.ledger, metric, *labels)


def series(world: World, metric: catalog.Metric) -> dict[tuple[str, ...], float]:
    """All values of a gauge, or those of a counter that are not 0."""
    page = world.builder.around.ledger.page(NAME)
    if metric.kind == "gauge":
        return dict(page.gauges.get(metric.name, {}))
    return {labels: value for labels, value in page.counters.get(metric.name, {}).items() if value}


def agrees_with_the_status(world: World) -> None:
    """The status counts the same, without reasons."""
    status = world.cluster.resources[NAME]["status"]
    for name, metric in (
        ("tasks_taken", catalog.TASKS_TAKEN),
        ("tasks_closed", catalog.TASKS_CLOSED),
        ("tasks_failed", catalog.TASKS_FAILED),
        ("tasks_freed", catalog.TASKS_FREED),
    ):
        assert status[name] == sum(series(world, metric).values()), name


def test_a_task_that_closes() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    assert value(world, catalog.TASKS_TAKEN) == 1
    assert series(world, catalog.TASK_PODS) == {("pending",): 1, ("running",): 0, ("kept",): 0}
    assert value(world, catalog.POD_START) == 0
    name = world.run(task)
    world.tick()
    assert series(world, catalog.TASK_PODS) == {("pending",): 0, ("running",): 1, ("kept",): 0}
    assert (value(world, catalog.SLOTS), value(world, catalog.TASKS_RUNNING)) == (2, 1)
    world.close(name)
    world.ticks(4)
    assert (value(world, catalog.TASKS_CLOSED), value(world, catalog.TASKS_RUNNING)) == (1, 0)
    assert series(world, catalog.PODS_ENDED) == {("closed", ""): 1}
    assert [value(world, metric) for metric in (catalog.TASK_TAKE, catalog.POD_START, catalog.TASK_START)] == [1, 1, 1]
    assert value(world, catalog.LAST_CHECK_IN) == world.clock()
    assert value(world, catalog.SCHEDULING) == 1
    agrees_with_the_status(world)


def test_what_every_builder_counts_begins_at_zero() -> None:
    world = World()
    world.tick()
    counters = world.builder.around.ledger.page(NAME).counters
    assert counters[catalog.TASKS_CLOSED.name] == {(): 0}
    assert counters[catalog.TASKS_REFUSED.name] == {("soft",): 0, ("hard",): 0}


def test_how_long_a_start_takes_is_told_by_the_hub_and_the_kubelet() -> None:
    world = World(slots=1)
    busy, task = world.task(), world.task()
    world.ticks(2)
    name = world.run(busy)
    world.clock.tick(40)
    world.close(name)
    world.ticks(2)
    world.clock.tick(7)
    world.run(task)
    world.tick()
    page = world.builder.around.ledger.page(NAME)
    assert page.histograms[catalog.TASK_TAKE.name][()].sum == pytest.approx(45, abs=3)  # 1 or 2, and 43
    assert page.histograms[catalog.POD_START.name][()].sum == pytest.approx(8, abs=2)  # 0 or 1, and 7
    assert page.histograms[catalog.TASK_START.name][()].sum == pytest.approx(53, abs=4)


def test_a_task_that_fails_by_itself_is_told_from_one_whose_pods_die() -> None:
    world = World(task_attempts=2, slots=2)
    bad, unlucky = world.task(), world.task()
    world.ticks(2)
    world.fail(world.run(bad))
    for attempt in (1, 2):
        world.cluster.end(world.run(unlucky, attempt), 137, "", reason="OOMKilled")
        world.ticks(4)
    assert world.state(unlucky) == "FAILED"
    assert series(world, catalog.TASKS_FAILED) == {("TaskFailed",): 1, ("OOMKilled",): 1}
    assert series(world, catalog.TASKS_FREED) == {("OOMKilled",): 1}
    assert series(world, catalog.PODS_ENDED) == {("failed", ""): 1, ("crashed", "OOMKilled"): 2}
    assert value(world, catalog.TASK_PODS, "kept") == 2
    assert value(world, catalog.TASK_TAKE) == 2  # first attempts
    assert value(world, catalog.POD_START) == 3
    agrees_with_the_status(world)


def test_a_task_that_its_runner_gives_back() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.worker(name).host.freeTasks([task])
    world.cluster.end(name, 75, json.dumps({"outcome": "freed"}))
    world.tick()
    assert series(world, catalog.TASKS_FREED) == {("GivenBack",): 1}
    assert series(world, catalog.PODS_ENDED) == {("freed", ""): 1}
    world.ticks(3)
    agrees_with_the_status(world)


def test_refusals_soft_and_hard() -> None:
    world = World(slots=1)
    task = world.task()
    world.ticks(2)
    world.cluster.end(world.run(task), 77, json.dumps({"outcome": "refused", "message": "no"}))
    world.ticks(3)
    assert series(world, catalog.TASKS_REFUSED) == {("hard",): 1}
    world.change(paused=True)
    world.admin.assignTask(world.task(), HOST)
    world.tick()
    assert series(world, catalog.TASKS_REFUSED) == {("hard",): 1, ("soft",): 1}
    assert value(world, catalog.SLOTS) == 0
    assert value(world, catalog.SCHEDULING) == 0


def test_backing_off_says_why_and_ends() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    world.cluster.cannot_start(f"koji-task-{task}-1", "ErrImagePull", "no such image")
    world.tick()
    assert series(world, catalog.BACKING_OFF) == {("ErrImagePull",): 1}
    assert series(world, catalog.TASKS_FREED) == {("ErrImagePull",): 1}
    world.tick(30)
    assert series(world, catalog.BACKING_OFF) == {}


def test_a_pod_that_is_not_admitted() -> None:
    world = World()
    world.task()
    world.cluster.refuse["create_pod"] = ClusterError(403, "Forbidden", "exceeded quota: pods")
    world.ticks(2)
    assert series(world, catalog.TASKS_FREED) == {("QuotaExceeded",): 1}
    assert series(world, catalog.BACKING_OFF) == {("QuotaExceeded",): 1}
    world.ticks(3)
    agrees_with_the_status(world)


def test_a_task_for_the_daemon_itself() -> None:
    world = World()
    host = world.admin.getHost(HOST)
    tasks = [world.task("shutdown", [host]), world.task("restart", [host])]
    for task in tasks:
        world.admin.assignTask(task, HOST)
    world.ticks(3)
    assert {world.state(task) for task in tasks} == {"FAILED", "CLOSED"}
    assert series(world, catalog.TASKS_FAILED) == {("DaemonTask",): 1}
    assert (value(world, catalog.TASKS_TAKEN), value(world, catalog.TASKS_CLOSED)) == (2, 1)


def test_requests_to_the_hub_by_purpose_and_errors_by_kind() -> None:
    world = World()
    world.task()
    world.ticks(3)
    seen = set(world.builder.around.ledger.page(NAME).histograms[catalog.HUB_REQUEST.name])
    assert {("check_in",), ("open",), ("session",)} <= seen
    assert value(world, catalog.TICK) == 3
    assert series(world, catalog.HUB_ERRORS) == {}
    before = value(world, catalog.HUB_REQUEST, "check_in")
    world.storage.down = True
    world.tick()
    assert series(world, catalog.HUB_ERRORS) == {("HubDown",): 1}
    assert value(world, catalog.HUB_REQUEST, "check_in") == before + 1
    assert value(world, catalog.SCHEDULING) == 0
    checked_in = value(world, catalog.LAST_CHECK_IN)
    world.ticks(3)
    assert value(world, catalog.LAST_CHECK_IN) == checked_in
    world.storage.down = False
    world.tick(60)
    assert value(world, catalog.LAST_CHECK_IN) == world.clock()


def test_purposes() -> None:
    assert purpose("getTaskInfo", (1,)) == "read"
    assert purpose("multiCall", ([{"methodName": "getTaskInfo", "params": []}],)) == "read"
    calls = ["host.getHostTasks", "host.updateHost", "host.getTasks"]
    assert purpose("multiCall", ([{"methodName": name, "params": []} for name in calls],)) == "check_in"
    assert purpose("multiCall", ([],)) == "read"


def test_the_certificate_of_the_status() -> None:
    world = World()
    world.tick()
    assert series(world, catalog.CERTIFICATE_EXPIRY) == {}
    for text, expected in (("2027-01-01T00:00:00Z", {(): 1798761600.0}), ("tomorrow", {})):
        world.cluster.resources[NAME]["status"]["certificate_expires"] = text
        world.tick()
        assert series(world, catalog.CERTIFICATE_EXPIRY) == expected


def test_a_builder_that_has_drained_has_no_gauges_left() -> None:
    world = World()
    world.ticks(2)
    assert value(world, catalog.SLOTS) == 2
    world.cluster.resources[NAME]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.tick()
    assert not world.builder.around.ledger.page(NAME).gauges


def test_looking_without_touching_writes_no_file(tmp_path: Path) -> None:
    world = LiveWorld()
    world.task()
    process = Process(world.cluster, "ns", "me", world.process()._around.make_access, tmp_path / "metrics")
    process.once(check=True)
    assert not (tmp_path / "metrics").exists()


def test_runs_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    world = LiveWorld()
    for number in (1, 2):
        process = Process(world.cluster, "ns", "me", world.process()._around.make_access, tmp_path)
        stop = threading.Event()
        thread = threading.Thread(target=process.run, args=(30, stop.is_set))
        thread.start()
        task = world.task()
        assert world.until(task, "OPEN")
        stop.set()
        thread.join(20)
        ledger = read(tmp_path / "ns.json")
        assert (ledger.runs, total(ledger, catalog.TASKS_TAKEN)) == (number, number)


def test_single_ticks_count_too_but_not_without_the_lease(tmp_path: Path) -> None:
    world = LiveWorld()
    access = world.process()._around.make_access
    Process(world.cluster, "ns", "me", access, tmp_path).once()
    ledger = read(tmp_path / "ns.json")
    assert total(ledger, catalog.TICK) == 1
    world.cluster.leases["koji-scheduler"]["spec"]["holderIdentity"] = "somebody"
    Process(world.cluster, "ns", "me", access, tmp_path).once()
    assert read(tmp_path / "ns.json") == ledger


def test_a_folder_that_can_not_be_used_costs_no_task(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    world = LiveWorld()

    process = Process(world.cluster, "ns", "me", world.process()._around.make_access, tmp_path / "file")
    world.task()
    outcome = process.once()
    assert not outcome.errors
    assert outcome.ticks == 1
    assert len(process.metrics.problems) == 1


def test_a_builder_whose_settings_are_no_good_is_counted_as_failing(tmp_path: Path) -> None:
    world = LiveWorld()
    world.cluster.maps["koji-default-builder"]["data"]["pod.json"] = "{}"
    Process(world.cluster, "ns", "me", world.process()._around.make_access, tmp_path).once()
    assert read(tmp_path / "ns.json").pages[NAME].gauges == {catalog.SCHEDULING.name: {(): 0.0}}


def test_a_builder_without_a_session_is_counted_as_failing(tmp_path: Path) -> None:
    def broken(*_: Any) -> Any:
        raise HubError("SecretMissing", "Secret client does not exist")

    Process(LiveWorld().cluster, "ns", "me", broken, tmp_path).once()
    ledger = read(tmp_path / "ns.json")
    assert total(ledger, catalog.SCHEDULING) == 0
    assert ledger.pages[NAME].gauges[catalog.SCHEDULING.name] == {(): 0.0}
    assert catalog.LAST_CHECK_IN.name not in ledger.pages[NAME].gauges
