# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One builder's ticks against a hub in memory, called by the real Koji client."""

from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import replace
from typing import Any

import koji
import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.actions import described
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import result
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.state import State
from ansible_collections.fedoraproject.koji.plugins.module_utils.sessions import Sinfo

from tests.unit.scheduler.world import HOST, NAME, Killed, World


def test_a_task_runs_in_a_pod_of_its_own() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    assert world.state(task) == "OPEN"
    pod = world.pod(task)
    assert pod["metadata"]["labels"]["koji-task"] == str(task)
    assert pod["metadata"]["labels"]["koji-method"] == "sleep"
    assert pod["metadata"]["ownerReferences"][0]["uid"] == "cr-1"
    name = world.run(task)
    assert pod["spec"]["volumes"][0]["secret"]["secretName"] == name
    assert world.content(name)["task_id"] == task
    assert world.close(name)
    world.tick()
    assert world.state(task) == "CLOSED"
    assert not world.cluster.all_pods
    assert set(world.cluster.secrets) == {"koji-default-session"}
    assert not world.subsessions()
    world.ticks(3)
    status = world.cluster.resources[NAME]["status"]
    assert (status["tasks_taken"], status["tasks_closed"], status["running_tasks"]) == (1, 1, 0)


def test_a_task_that_failed_is_not_run_again_and_its_pod_is_kept() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    world.fail(world.run(task))
    world.ticks(3)
    assert world.state(task) == "FAILED"
    assert list(world.cluster.all_pods) == [f"koji-task-{task}-1"]
    assert set(world.cluster.secrets) == {"koji-default-session"}
    world.clock.tick(3600)
    world.tick()
    assert not world.cluster.all_pods


def test_failed_pod_history_keeps_the_newest() -> None:
    world = World(slots=4)
    tasks = [world.task() for _ in range(4)]
    world.ticks(2)
    for task in tasks:
        world.clock.tick(1)
        world.fail(world.run(task))
    world.ticks(3)
    assert set(world.cluster.all_pods) == {f"koji-task-{task}-1" for task in tasks[2:]}


def test_never_more_pods_than_slots_and_no_task_is_refused_for_it() -> None:
    world = World(slots=3)
    tasks = [world.task() for _ in range(12)]
    for _ in range(40):
        world.tick()
        for name, pod in list(world.cluster.all_pods.items()):
            if pod["status"]["phase"] == "Running":
                world.close(name)
            elif pod["status"]["phase"] == "Pending":
                world.cluster.begin(name)
    assert {world.state(task) for task in tasks} == {"CLOSED"}
    assert world.cluster.most_alive == 3
    assert not world.admin.scheduler.getTaskRefusals()


def test_a_waiting_parent_leaves_its_slot_to_its_child() -> None:
    world = World(slots=1)
    parent = world.task()
    world.ticks(2)
    worker = world.worker(world.run(parent))
    child = worker.host.subtask(method="sleep", arglist=[0], parent=parent)
    worker.host.taskSetWait(parent, [child])
    world.ticks(3)
    assert world.state(child) == "OPEN"
    assert world.pod(child)["metadata"]["labels"]["koji-parent"] == str(parent)


def test_a_task_assigned_when_a_parent_wakes_up_is_held_not_refused() -> None:
    world = World(slots=1)
    parent = world.task()
    world.ticks(2)
    parent_name = world.run(parent)
    worker = world.worker(parent_name)
    child = worker.host.subtask(method="sleep", arglist=[0], parent=parent)
    worker.host.taskSetWait(parent, [child])
    world.ticks(3)
    assert world.close(world.run(child))
    other = world.task()
    world.admin.assignTask(other, HOST)
    worker.host.taskWaitResults(parent, [child])
    world.ticks(2)
    assert world.state(other) == "ASSIGNED"
    assert world.close(parent_name)
    world.tick()
    assert world.state(other) == "OPEN"


def test_a_task_that_a_person_assigns_to_a_full_host_is_refused_at_once() -> None:
    world = World(slots=1)
    running = world.task()
    world.ticks(2)
    world.run(running)
    surplus = world.task()
    world.admin.assignTask(surplus, HOST, override=True)
    world.ticks(2)
    assert world.state(surplus) == "FREE"
    [refusal] = world.admin.scheduler.getTaskRefusals([["task_id", surplus]])
    assert (refusal["soft"], refusal["msg"]) == (True, "no free slot")
    assert world.state(running) == "OPEN"


def test_scaling_down_refuses_the_surplus_at_once() -> None:
    world = World(slots=2)
    world.task()
    world.ticks(2)
    surplus = [world.task(), world.task()]
    for task in surplus:
        world.admin.assignTask(task, HOST)
    world.change(slots=1)
    world.tick()
    assert {world.state(task) for task in surplus} == {"FREE"}
    assert len(world.cluster.all_pods) == 1


@pytest.mark.parametrize("change", [{"paused": True}, {"slots": 0}])
def test_paused_takes_nothing_and_lets_running_tasks_end(change: dict[str, object]) -> None:
    world = World()
    running = world.task()
    world.ticks(2)
    name = world.run(running)
    world.change(**change)
    world.tick()
    late = world.task()
    world.admin.assignTask(late, HOST)
    world.ticks(2)
    assert world.state(late) == "FREE"
    assert world.state(running) == "OPEN"
    assert world.admin.getHost(HOST)["ready"] is False
    assert world.condition()["reason"] == "Paused"
    assert world.close(name)
    assert world.state(running) == "CLOSED"


def test_after_the_drain_timeout_running_tasks_are_given_back_by_their_runners() -> None:
    world = World(drain_timeout=30)
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.change(paused=True)
    world.tick()
    world.tick(31)
    assert "deletionTimestamp" in world.pod(task)["metadata"]
    world.worker(name).host.freeTasks([task])
    world.cluster.end(name, 75, json.dumps({"outcome": "freed"}))
    world.ticks(2)
    assert world.state(task) == "FREE"


def test_a_task_that_its_runner_gave_back_is_counted_once() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.worker(name).host.freeTasks([task])
    world.cluster.end(name, 75, json.dumps({"outcome": "freed"}))
    world.ticks(4)
    assert world.builder.report.counters["freed"] == 1


def test_a_cancelled_task_s_pod_is_deleted_and_its_session_closed() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.admin.cancelTask(task)
    world.tick()
    assert "deletionTimestamp" in world.pod(task)["metadata"]
    assert not world.subsessions()
    world.cluster.end(name, 1)
    world.ticks(2)
    assert not world.cluster.all_pods
    assert world.state(task) == "CANCELED"


def test_a_task_that_an_admin_freed_is_run_again_after_its_old_pod_is_gone() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    worker = world.worker(name)
    world.admin.freeTask(task)
    world.ticks(2)
    with pytest.raises(koji.AuthError):
        worker.host.closeTask(task, result("zombie"))
    world.cluster.end(name, 3)
    world.ticks(3)
    assert world.state(task) == "OPEN"
    assert f"koji-task-{task}-2" in world.cluster.all_pods or f"koji-task-{task}-1" in world.cluster.all_pods


def test_a_pod_that_lingers_after_its_task_is_deleted_in_the_end() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.worker(name).host.closeTask(task, result("done"))
    world.ticks(10)
    assert "deletionTimestamp" not in world.pod(task)["metadata"]
    world.ticks(25)
    assert "deletionTimestamp" in world.pod(task)["metadata"]


def test_crashes_are_freed_then_failed_with_a_story() -> None:
    world = World()
    task = world.task()
    for attempt in (1, 2, 3):
        world.ticks(3)
        assert world.state(task) == "OPEN"
        name = world.run(task, attempt)
        world.cluster.logs[name] = "first line\nlast words"
        world.cluster.end(name, 137, reason="OOMKilled")
        if attempt == 2:
            world.restart()  # the count survives
        world.tick()
    assert world.state(task) == "FAILED"
    with pytest.raises(koji.GenericError) as failure:
        world.admin.getTaskResult(task)
    for words in (f"koji-task-{task}-3", "node-1", "OOMKilled", "137", "attempt 3 of 3", "last words"):
        assert words in str(failure.value)
    assert "TaskPodFailed" in world.event_reasons()


def test_evictions_do_not_count() -> None:
    world = World(task_attempts=1)
    task = world.task()
    for attempt in (1, 2, 3):
        world.ticks(3)
        world.cluster.end(world.run(task, attempt), 137, pod_reason="Evicted")
        world.tick()
    world.ticks(2)
    assert world.state(task) == "OPEN"


def test_a_pod_that_vanishes_gives_its_task_back_after_its_session_is_closed() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    worker = world.worker(name)
    world.cluster.remove(name)
    world.tick()
    assert world.state(task) == "FREE"
    with pytest.raises(koji.AuthError):
        worker.host.closeTask(task, result("zombie"))


def test_a_pod_that_vanishes_before_the_next_tick_is_fenced_too() -> None:
    world = World()
    world.tick()
    task = world.task()
    world.tick()
    name = world.run(task)
    worker = world.worker(name)
    world.cluster.remove(name)
    world.tick()
    assert world.state(task) == "FREE"
    with pytest.raises(koji.AuthError):
        worker.host.closeTask(task, result("zombie"))


def test_a_refusing_runner_becomes_a_refusal_for_good() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    world.cluster.end(world.run(task), 77, json.dumps({"outcome": "refused", "message": "wrong arch"}))
    world.ticks(3)
    assert world.state(task) == "FREE"
    [refusal] = world.admin.scheduler.getTaskRefusals([["task_id", task]])
    assert not refusal["soft"]


@pytest.mark.parametrize("reason", ["ErrImagePull", "CreateContainerConfigError", "InvalidImageName"])
def test_start_up_trouble_pauses_the_builder_and_recovers(reason: str) -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    world.cluster.cannot_start(f"koji-task-{task}-1", reason, "no such image")
    world.tick()
    assert world.state(task) == "FREE"
    world.tick()
    assert world.condition()["reason"] == reason
    assert world.admin.getHost(HOST)["ready"] is False
    world.cluster.end(f"koji-task-{task}-1", 1)
    world.ticks(10)
    name = next(iter(world.cluster.all_pods))
    assert world.cluster.begin(name)
    world.ticks(2)
    assert world.condition()["status"] == "True"


def test_an_unschedulable_pod_is_given_time() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    world.pod(task)["status"]["conditions"] = [unschedulable]
    world.ticks(5)
    assert world.state(task) == "OPEN"
    world.tick(120)
    world.tick()
    assert world.state(task) == "FREE"
    assert world.condition()["reason"] == "Unschedulable"


def test_a_pod_that_does_not_start_in_time_says_what_its_events_say() -> None:
    world = World(start_deadline=30)
    task = world.task()
    world.ticks(2)
    world.cluster.warnings[world.pod(task)["metadata"]["uid"]] = ("FailedMount", 'configmap "site" not found')
    world.ticks(25)
    assert world.state(task) == "OPEN"
    world.ticks(7)
    assert world.state(task) == "FREE"
    assert world.condition()["reason"] == "StartDeadlineExceeded"
    assert 'not started within 30 s: configmap "site" not found' in world.condition()["message"]


def test_a_pod_whose_secret_was_deleted_is_replaced_without_a_pause() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = f"koji-task-{task}-1"
    world.cluster.delete_secret(name)
    world.ticks(8)
    assert world.pod(task)["metadata"]["deletionTimestamp"]
    assert world.state(task) in ("FREE", "ASSIGNED")
    assert world.condition()["status"] == "True"
    world.cluster.remove(name)
    world.ticks(2)
    assert world.state(task) == "OPEN"


def test_an_attempt_s_number_is_not_used_again_when_its_pod_vanishes() -> None:
    world = World(task_attempts=1)
    task = world.task()
    world.ticks(2)
    world.cluster.remove(world.run(task))
    world.ticks(3)
    assert world.state(task) == "OPEN"
    assert list(world.cluster.all_pods) == [f"koji-task-{task}-2"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ClusterError(403, "Forbidden", "pods is forbidden: exceeded quota: small"), "QuotaExceeded"),
        (ClusterError(403, "Forbidden", "pods is forbidden: status unknown for quota: small"), "QuotaExceeded"),
        (ClusterError(403, "Forbidden", "violates PodSecurity restricted"), "PodRejected"),
        (ClusterError(422, "Invalid", "spec.containers[0].image: Required value"), "PodRejected"),
    ],
)
def test_a_pod_that_is_not_admitted_gives_the_task_back(error: ClusterError, reason: str) -> None:
    world = World()
    task = world.task()
    world.cluster.refuse["create_pod"] = error
    world.ticks(2)
    assert world.state(task) == "FREE"
    assert not world.subsessions()
    world.tick()
    assert world.condition()["reason"] == reason
    world.change(start_deadline=121)  # somebody has repaired the template
    world.ticks(2)
    assert world.state(task) == "OPEN"


def test_a_host_that_backs_off_says_so_before_the_hub_can_give_it_the_task_again() -> None:
    """The hub's scheduler runs in any host's check-in: a second assignment would have to be refused, for 15 min."""
    world = World()
    other = world.hub.host("other", capacity=100.0)
    other.host.updateHost(0.0, True, data={"methods": [], "maxjobs": 5})
    world.admin.addChannel("pods")
    world.admin.addHostToChannel(HOST, "pods")
    task = world.task(channel="pods")
    world.cluster.refuse["create_pod"] = ClusterError(403, "Forbidden", "exceeded quota: small")
    for _ in range(3):
        world.tick()
        world.clock.tick(1)
        other.host.getTasks()
    assert world.event_reasons() >= {"QuotaExceeded"}
    assert world.state(task) == "FREE"
    assert not world.admin.scheduler.getTaskRefusals()


VIOLATES = 'pods "koji-task-1-1" is forbidden: violates PodSecurity "{level}:latest": allowPrivilegeEscalation != false'


@pytest.mark.parametrize(
    ("profile", "level", "words"),
    [
        (
            "userns",
            "restricted",
            "namespace ns enforces Pod Security restricted, which security profile userns does not",
        ),
        ("userns", "restricted", "label the namespace pod-security.kubernetes.io/enforce=baseline, or set spec."),
        ("userns", "restricted", "or set spec.security_profile to restricted, which can't run mock. The API server"),
        (
            "sysadmin",
            "baseline",
            "pod-security.kubernetes.io/enforce=privileged, or set spec.security_profile to userns",
        ),
        ("sysadmin", "baseline", "userns or spec.security_profile to restricted, which can't run mock. The API server"),
        ("restricted", "restricted", "which security profile restricted fits, but not with what the KojiBuilder adds"),
    ],
)
def test_a_namespace_that_forbids_the_profile_is_named_with_what_to_change(
    profile: str, level: str, words: str
) -> None:
    world = World(security_profile=profile)
    task = world.task()
    world.cluster.refuse["create_pod"] = ClusterError(403, "Forbidden", VIOLATES.format(level=level))
    world.ticks(2)
    assert world.state(task) == "FREE"
    world.tick()
    assert world.condition()["reason"] == "SecurityProfileForbidden"
    assert words in world.condition()["message"]
    assert "allowPrivilegeEscalation != false" in world.condition()["message"]


def test_a_node_that_forbids_the_profile_costs_no_attempt_and_the_builder_backs_off() -> None:
    world = World()
    task = world.task()
    said = json.dumps({"outcome": "forbidden", "message": "unshare: Operation not permitted. Set spec.seccomp_profile"})
    waits = []
    attempt = 0
    for _ in range(120):
        world.tick()
        for name, pod in list(world.cluster.all_pods.items()):
            if pod["status"]["phase"] == "Pending":
                world.cluster.begin(name)
                world.tick()  # it runs for a moment: no proof that the node lets it work
                world.cluster.end(name, 78, said)
                attempt += 1
                waits.append(world.clock())
                world.tick()
                assert world.condition()["reason"] == "UserNamespacesForbidden"
                assert "Set spec.seccomp_profile" in world.condition()["message"]
                world.tick()
                assert world.admin.getHost(HOST)["ready"] is False
    assert attempt >= 4  # more than task_attempts
    assert world.state(task) in ("FREE", "ASSIGNED")
    gaps = [b - a for a, b in itertools.pairwise(waits)]
    assert gaps[0] < gaps[1] < gaps[2]
    world.change(security_profile="sysadmin")
    world.ticks(3)
    assert world.state(task) == "OPEN"


def test_a_node_that_lets_its_pods_work_again_ends_the_backoff() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    world.cluster.end(world.run(task), 78, json.dumps({"outcome": "forbidden", "message": "unshare"}))
    world.ticks(10)
    name = world.run(task, 2)
    world.ticks(2)
    assert world.builder.state.backoff.step == 1
    assert world.close(name)
    world.tick()
    assert world.builder.state.backoff.step == 0


def test_a_name_that_is_taken_is_a_fence() -> None:
    world = World()
    task = world.task()
    foreign = {"metadata": {"name": f"koji-task-{task}-1", "labels": {}}, "spec": {}}
    world.cluster.create_pod(foreign)
    world.ticks(2)
    assert world.content(world.run(task, 2))["attempt"] == 2


def test_a_new_process_goes_on_with_the_session_and_the_pods() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    before = world.session
    world.restart()
    world.ticks(2)
    assert world.session == before
    assert world.state(task) == "OPEN"
    assert world.close(name)


def test_a_predecessor_that_still_writes_is_out_of_step() -> None:
    world = World()
    world.tick()
    old = world.builder.hub
    assert old is not None
    world.restart()
    world.tick()
    old.may_write = lambda: None  # it had looked at its Lease just before
    with pytest.raises(koji.SequenceError):
        old.check_in(0.0, ready=True, maxjobs=1)


def test_a_session_that_was_forced_away_frees_its_tasks_without_forcing_back() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    world.run(task)
    thief = world.hub.session(HOST)
    thief.exclusiveSession(force=True)
    thief.host.updateHost(0, True)
    world.ticks(3)
    assert world.condition()["reason"] == "SessionHeld"
    assert HOST in world.condition()["message"]
    for _ in range(200):
        world.clock.tick(1)
        thief.host.updateHost(0, True)
        world.builder.tick()
    assert thief.host.getID()  # still theirs
    thief.logout()
    world.ticks(20)
    assert world.condition()["status"] == "True"
    assert "deletionTimestamp" in world.pod(task)["metadata"]
    assert world.state(task) in {"FREE", "ASSIGNED", "OPEN"}


def test_a_session_whose_secret_is_lost_is_forced_only_when_its_holder_is_silent() -> None:
    world = World()
    world.ticks(2)
    del world.cluster.secrets["koji-default-session"]
    world.restart()
    world.ticks(60)
    assert world.condition()["reason"] == "SessionHeld"
    world.ticks(200)
    assert world.condition()["status"] == "True"


def test_an_expired_session_is_renewed() -> None:
    world = World({"SessionRenewalTimeout": 1})
    world.ticks(2)
    before = world.session
    world.tick(120)
    world.ticks(2)
    assert world.session == before
    assert world.condition()["status"] == "True"


def test_a_session_that_expires_takes_those_of_the_pods_along_and_their_tasks_run_again() -> None:
    world = World({"SessionRenewalTimeout": 30}, task_attempts=1)
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    session = world.session
    world.clock.tick(1801)
    world.admin = world.hub.admin()  # that of the test has expired too
    world.ticks(4)
    world.cluster.remove(name)
    world.ticks(3)
    assert world.session == session
    assert "SessionLost" in str(world.cluster.events)
    # Nobody's fault: it does not count, even where one attempt is all there is.
    assert world.close(world.run(task, 2))
    world.ticks(2)
    assert world.state(task) == "CLOSED"
    assert not world.subsessions()


def test_a_hub_that_is_down_is_said_so_and_found_again() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.storage.down = True
    world.ticks(5)
    assert world.condition()["reason"] == "HubDown"
    world.storage.down = False
    world.ticks(20)
    assert world.condition()["status"] == "True"
    assert world.close(name)


def test_a_lost_answer_is_no_lost_task() -> None:
    world = World()
    world.tick()
    task = world.task()
    world.hub.injection.add({"kind": "drop", "method": "host.openTask", "times": 1, "when": "after"})
    world.ticks(8)
    assert world.state(task) == "OPEN"
    [name] = world.cluster.all_pods
    assert world.cluster.begin(name)
    assert world.close(name)
    world.ticks(2)
    assert not world.subsessions()  # not even the one whose key was on the way


def test_deletion_drains_logs_out_and_never_logs_in_again() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.cluster.resources[NAME]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not world.tick().drained
    assert world.close(name)
    assert world.tick().drained
    assert not world.cluster.secrets
    assert not world.admin.getSessionInfo(details=True, user_id=HOST)
    world.restart()
    assert world.tick().drained
    assert not world.admin.getSessionInfo(details=True, user_id=HOST)


def test_daemon_methods_are_answered_without_a_pod() -> None:
    world = World()
    world.tick()
    host = world.admin.getHost(HOST)
    restart = world.task("restart", [host])
    world.admin.assignTask(restart, HOST)
    world.tick()
    assert world.state(restart) == "CLOSED"
    verify = world.task("restartVerify", [restart, host])
    world.admin.assignTask(verify, HOST)
    shutdown = world.task("shutdown", [])
    world.admin.assignTask(shutdown, HOST)
    world.ticks(3)
    assert world.state(verify) == "CLOSED"
    assert world.state(shutdown) == "FAILED"
    with pytest.raises(koji.GenericError, match=r"spec\.paused"):
        world.admin.getTaskResult(shutdown)
    assert not world.cluster.all_pods


def test_daemon_methods_are_answered_when_paused() -> None:
    world = World(paused=True)
    world.tick()
    restart = world.task("restart", [world.admin.getHost(HOST)])
    world.admin.assignTask(restart, HOST)
    world.tick()
    assert world.state(restart) == "CLOSED"


def test_check_mode_says_what_a_tick_would_do_and_writes_nothing() -> None:
    world = World()
    world.tick()
    crashed = world.task()
    world.ticks(2)
    world.cluster.end(world.run(crashed), 137)
    waiting = world.task()
    world.admin.assignTask(waiting, HOST)
    session = world.admin.getSessionInfo(details=True, user_id=HOST)
    writes = len(world.cluster.calls)
    world.restart()
    tick = world.builder.peek()
    kinds = [(action["action"], action["task_id"]) for action in map(described, tick.actions)]
    assert ("free", crashed) in kinds
    assert ("take", waiting) in kinds
    assert len(world.cluster.calls) == writes
    assert world.admin.getSessionInfo(details=True, user_id=HOST) == session
    assert world.state(waiting) == "ASSIGNED"


def test_a_quiet_builder_writes_nothing_but_a_heartbeat() -> None:
    world = World()
    world.ticks(5)
    world.cluster.calls.clear()
    world.ticks(60)
    assert world.cluster.calls == ["apply_status"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("calls", range(10))
def test_killed_at_any_step_of_taking_a_task(calls: int, after: bool) -> None:
    world = World()
    world.tick()
    task = world.task()
    world.fuse.left, world.fuse.after = calls, after
    with contextlib.suppress(Killed):
        world.ticks(3)
    world.restart()
    for _ in range(12):
        world.tick()
        for name in list(world.cluster.all_pods):
            if world.cluster.all_pods[name]["metadata"].get("deletionTimestamp"):
                world.cluster.end(name, 143)
            else:
                world.cluster.begin(name)
    [name] = [n for n, p in world.cluster.all_pods.items() if p["status"]["phase"] == "Running"]
    assert world.close(name)
    world.ticks(3)
    assert world.state(task) == "CLOSED"
    assert not world.subsessions()
    assert set(world.cluster.secrets) == {"koji-default-session"}


@pytest.mark.parametrize("calls", range(7))
def test_killed_at_any_step_of_renewing_the_session(calls: int) -> None:
    world = World({"SessionRenewalTimeout": 1})
    world.ticks(2)
    world.clock.tick(120)
    world.fuse.left, world.fuse.after = calls, True
    with pytest.raises(Killed):
        world.ticks(5)
    world.restart()
    world.ticks(4)
    assert world.condition()["status"] == "True"


def test_an_operator_whose_address_changes_is_back_at_once_where_the_hub_checks_addresses() -> None:
    world = World({"CheckClientIP": True})
    world.ticks(2)
    world.address = "10.0.0.7"
    world.restart()
    world.ticks(3)
    assert world.condition()["status"] == "True"
    assert len(world.admin.getSessionInfo(details=True, user_id=HOST)) == 1


def test_another_hub_s_session_of_the_same_number_is_never_closed() -> None:
    world = World()
    world.ticks(2)
    holder = world.hub.session(HOST)  # somebody else's, and its number is ...
    world.builder.connection.forget()
    world.admin.logout(world.admin.getSessionInfo(details=True, user_id=HOST)[0]["id"])
    holder.exclusiveSession()
    holder.host.updateHost(0, True)
    number = holder.sinfo["session-id"]
    world.restart()
    world.builder.connection.sinfo = Sinfo(number, "key of another hub", HOST, "https://elsewhere/kojihub")
    world.builder.connection.save()
    world.restart()
    world.ticks(3)
    assert world.condition()["reason"] == "SessionHeld"
    assert holder.host.getID()


def test_a_builder_that_becomes_another_host_gives_the_old_one_s_tasks_back() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.admin.addHost("builder-2", ["x86_64"])
    world.admin.disableHost(HOST)
    world.user = "builder-2"
    world.change(user="builder-2")
    world.restart()
    world.tick()
    assert world.state(task) in {"FREE", "ASSIGNED"}
    assert not world.admin.getSessionInfo(details=True, user_id=HOST)
    assert world.builder.hub is not None
    assert world.builder.hub.host_id == world.admin.getHost("builder-2")["id"]
    assert "deletionTimestamp" in world.cluster.all_pods[name]["metadata"]


def test_a_login_that_was_cut_off_leaves_no_session() -> None:
    world = World()
    world.fuse.left, world.fuse.after = 1, True  # killed after the login, before the key is saved
    with pytest.raises(Killed):
        world.tick()
    [stray] = world.admin.getSessionInfo(details=True, user_id=HOST)
    world.restart()
    world.ticks(5)
    assert len(world.admin.getSessionInfo(details=True, user_id=HOST)) == 2, "it may be in use: too young to tell"
    world.ticks(70)
    [ours] = world.admin.getSessionInfo(details=True, user_id=HOST)
    assert ours["id"] == world.session != stray["id"]


def test_whoever_waits_for_the_lock_keeps_their_session() -> None:
    world = World()
    world.tick()
    waiting = world.hub.session(HOST)
    for _ in range(150):
        with contextlib.suppress(koji.AuthLockError):
            waiting.exclusiveSession()
        world.tick()
        if world.clock.now % 30 < 1:
            world.restart()
    assert waiting.sinfo["session-id"] in {s["id"] for s in world.admin.getSessionInfo(details=True, user_id=HOST)}


def test_subsessions_of_a_session_that_was_forced_away_are_closed() -> None:
    world = World()
    world.task()
    world.ticks(2)
    thief = world.hub.session(HOST)
    thief.exclusiveSession(force=True)
    thief.logout()
    world.ticks(90)
    assert {s["master"] for s in world.admin.getSessionInfo(details=True, user_id=HOST)} <= {None, world.session}


def behave(world: World) -> None:
    """Let pods do what they should: start, and go when they are told to."""
    for name, pod in list(world.cluster.all_pods.items()):
        if "deletionTimestamp" in pod["metadata"]:
            world.cluster.end(name, 143)
        elif pod["status"]["phase"] == "Pending":
            world.cluster.begin(name)


def denied(world: World, name: str) -> None:
    """End a runner whose first call the hub refused."""
    with pytest.raises(koji.AuthError):
        world.worker(name).host.getID()
    world.cluster.end(name, 76, json.dumps({"outcome": "denied", "message": "Invalid session or bad credentials"}))


def test_a_hub_that_checks_addresses_is_named_and_no_attempt_counts() -> None:
    world = World({"CheckClientIP": True}, task_attempts=1)
    world.pod_address = "10.0.0.99"
    task = world.task()
    world.ticks(2)
    denied(world, world.run(task))
    world.ticks(2)
    assert world.state(task) == "FREE"
    assert world.condition()["reason"] == "CheckClientIP"
    assert "CheckClientIP = False in hub.conf" in world.condition()["message"]
    assert "127.0.0.1" in world.condition()["message"]
    assert world.admin.getHost(HOST)["ready"] is False
    assert "CheckClientIP" in world.event_reasons()
    # That the next pod starts does not mean that the trouble is over.
    world.ticks(7)
    denied(world, world.run(task, 2))
    world.ticks(2)
    assert world.builder.state.backoff.step == 2
    # Pods leave by the operator's address now.
    world.pod_address = "127.0.0.1"
    world.ticks(15)
    assert world.close(world.run(task, 3))
    world.ticks(2)
    assert world.condition()["status"] == "True"


def test_a_session_that_somebody_closed_is_no_matter_of_addresses() -> None:
    world = World({"CheckClientIP": True})
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.admin.logout(world.content(name)["session"]["session-id"])
    denied(world, name)
    world.tick()
    assert world.state(task) == "FREE"
    assert world.condition()["status"] == "True"
    assert world.builder.state.attempts[task].counted == 1


def test_a_task_given_back_by_a_pod_that_nobody_saw_end_is_counted() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.tick()
    world.worker(name).host.freeTasks([task])
    world.cluster.all_pods[name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.cluster.end(name, 75, json.dumps({"outcome": "freed"}))
    assert name not in world.cluster.all_pods
    world.ticks(3)
    assert world.builder.report.counters["freed"] == 1


def test_the_number_of_an_attempt_that_was_given_back_is_not_used_again() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    world.tick()
    world.worker(name).host.freeTasks([task])
    world.cluster.all_pods[name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.cluster.end(name, 75, json.dumps({"outcome": "freed"}))
    world.change(paused=True)
    world.tick()
    world.restart()
    world.change(paused=False)
    world.ticks(3)
    assert f"koji-task-{task}-2" in world.cluster.all_pods
    assert world.builder.state.attempts[task].counted == 0


def test_a_task_that_always_fills_its_disk_fails_in_the_end() -> None:
    world = World(task_attempts=2)
    task = world.task()
    for attempt in (1, 2):
        world.ticks(3)
        name = world.run(task, attempt)
        world.worker(name).host.freeTasks([task])  # the eviction's SIGTERM leaves time for that
        world.cluster.end(name, 75, json.dumps({"outcome": "freed"}), pod_reason="Evicted")
        world.pod(task, attempt)["status"]["message"] = "Pod ephemeral local storage usage exceeds the total limit"
        if attempt == 1:
            world.tick()
            world.restart()
    world.ticks(3)
    assert world.state(task) == "FAILED"
    with pytest.raises(koji.GenericError, match=r"all 2 attempts.*Evicted.*exceeds the total limit"):
        world.admin.getTaskResult(task)


@pytest.mark.parametrize(
    "end",
    [
        {"exit_code": 75, "message": json.dumps({"outcome": "freed"})},  # SIGTERM, and the hub did not answer in time
        {"exit_code": 143, "pod_reason": "Terminated"},  # node shutdown
        {"exit_code": 137, "pod_reason": "Preempting"},
    ],
)
def test_what_was_done_to_a_pod_from_outside_is_no_attempt(end: dict[str, Any]) -> None:
    world = World(task_attempts=1)
    task = world.task()
    for attempt in (1, 2, 3):
        world.ticks(3)
        world.cluster.end(world.run(task, attempt), **end)
        world.tick()
    world.ticks(2)
    assert world.state(task) == "OPEN"


def test_a_drained_node_s_pod_is_no_attempt_even_if_it_crashes_on_the_way() -> None:
    world = World(task_attempts=1)
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    target = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    world.cluster.end(name, 137)
    world.pod(task)["status"]["conditions"] = [target]
    world.ticks(3)
    assert world.state(task) == "OPEN"
    assert world.builder.state.attempts[task].counted == 0


def test_a_lost_node_s_task_is_free_once_its_pod_can_report_nothing() -> None:
    world = World(task_attempts=1)
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    worker = world.worker(name)
    world.cluster.delete_pod(name, world.pod(task)["metadata"]["uid"], 30)  # the node controller's doing
    world.ticks(5)
    assert world.state(task) == "OPEN", "its runner may still give the task back"
    world.tick(60)
    world.ticks(3)
    assert world.state(task) == "OPEN"
    assert f"koji-task-{task}-2" in world.cluster.all_pods
    assert name not in world.cluster.all_pods
    assert world.builder.state.attempts[task].counted == 0
    with pytest.raises(koji.AuthError):
        worker.host.closeTask(task, result("zombie"))
    assert "TaskFreed" in world.event_reasons()


def test_an_image_that_is_gone_at_the_second_start_is_no_attempt() -> None:
    world = World(task_attempts=2)
    task = world.task()
    world.ticks(2)
    world.cluster.end(world.run(task), 137, reason="OOMKilled")
    world.ticks(3)
    world.cluster.cannot_start(f"koji-task-{task}-2", "ErrImagePull", "gone")
    world.tick()
    world.cluster.end(f"koji-task-{task}-2", 1)
    world.restart()
    world.ticks(10)
    world.cluster.end(world.run(task, 3), 137, reason="OOMKilled")
    world.ticks(2)
    assert world.state(task) == "FAILED"
    assert world.builder.report.counters["failed"] == 1


def test_backing_off_is_longer_each_time_and_different_for_each_builder() -> None:
    state = State()
    lengths = []
    for _ in range(9):
        state.pause("ErrImagePull", "gone", 1000.0, jitter=0.0)
        lengths.append(state.backoff.until - 1000.0)
        state.backoff = replace(state.backoff, until=0.0)
    assert lengths == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    state.pause("ErrImagePull", "gone", 1000.0, jitter=0.99)
    assert 300 * 1.2 < state.backoff.until - 1000.0 < 300 * 1.25


def test_many_pods_that_cannot_start_are_one_failure() -> None:
    world = World(slots=4)
    tasks = [world.task() for _ in range(4)]
    world.ticks(2)
    for task in tasks:
        world.cluster.cannot_start(f"koji-task-{task}-1", "ErrImagePull")
        world.tick(0.5)
    assert world.builder.state.backoff.step == 1


def test_while_a_builder_backs_off_another_host_gets_its_tasks() -> None:
    world = World()
    world.tick()
    task = world.task()
    world.tick()
    world.cluster.cannot_start(f"koji-task-{task}-1", "ErrImagePull")
    world.ticks(2)
    other = world.hub.host("builder-2", capacity=100.0)
    assert [one["id"] for one in other.host.getTasks()] == [task]
    assert world.state(task) == "ASSIGNED"


def test_a_template_that_is_rejected_is_tried_without_taking_a_task() -> None:
    world = World()
    task = world.task()
    world.cluster.refuse["create_pod"] = ClusterError(403, "Forbidden", "violates PodSecurity restricted")
    world.ticks(2)
    taken = world.builder.report.counters["taken"]
    for _ in range(60):
        world.cluster.refuse["try_pod"] = ClusterError(403, "Forbidden", "violates PodSecurity restricted")
        world.tick()
    assert world.builder.report.counters["taken"] == taken
    assert world.cluster.calls.count("try_pod") <= 4
    assert world.condition()["reason"] == "PodRejected"
    del world.cluster.refuse["try_pod"]  # the namespace's label was repaired
    world.ticks(60)
    assert world.state(task) == "OPEN"


def test_a_quota_is_used_up_to_the_last_pod_without_taking_tasks_that_do_not_fit() -> None:
    world = World(slots=4)
    tasks = [world.task() for _ in range(6)]
    world.cluster.quota = 2
    for _ in range(100):
        world.tick()
        behave(world)
    assert sum(world.state(task) == "OPEN" for task in tasks) == 2
    assert world.condition()["reason"] == "QuotaExceeded"
    assert world.builder.report.counters["freed"] <= 4
    # One ends: its place is taken soon, without waiting for a long backoff.
    running = next(n for n, p in world.cluster.all_pods.items() if p["status"]["phase"] == "Running")
    assert world.close(running)
    world.ticks(10)
    assert sum(world.state(task) == "OPEN" for task in tasks) == 2
    world.cluster.quota = None
    for _ in range(20):
        world.tick()
        behave(world)
    assert sum(world.state(task) == "OPEN" for task in tasks) == 4
    assert world.condition()["status"] == "True"


def test_a_disabled_host_gets_no_new_tasks_and_its_running_ones_end() -> None:
    world = World()
    running = world.task()
    world.ticks(2)
    name = world.run(running)
    world.admin.disableHost(HOST)
    late = world.task()
    world.ticks(5)
    assert world.state(late) == "FREE"
    assert world.close(name)
    world.admin.enableHost(HOST)
    world.ticks(3)
    assert (world.state(running), world.state(late)) == ("CLOSED", "OPEN")


def test_a_task_that_an_admin_assigns_is_run() -> None:
    world = World()
    world.tick()
    world.admin.addHost("builder-2", ["x86_64"])
    task = world.task()
    world.admin.assignTask(task, HOST, override=True)
    world.tick()
    assert world.state(task) == "OPEN"


def test_a_task_that_an_admin_assigns_elsewhere_leaves_its_pod() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    worker = world.worker(name)
    world.admin.addHost("builder-2", ["x86_64"])
    world.admin.assignTask(task, "builder-2", force=True)
    world.tick()
    assert "deletionTimestamp" in world.pod(task)["metadata"]
    with pytest.raises(koji.AuthError):
        worker.host.getID()


def test_cancelling_a_parent_ends_the_pods_of_all_its_children() -> None:
    world = World(slots=3)
    parent = world.task()
    world.ticks(2)
    worker = world.worker(world.run(parent))
    children = [worker.host.subtask(method="sleep", arglist=[0], parent=parent) for _ in range(2)]
    worker.host.taskSetWait(parent, children)
    world.ticks(3)
    for child in children:
        world.run(child)
    world.admin.cancelTask(parent)
    world.tick()
    assert len(world.cluster.all_pods) == 3
    assert all("deletionTimestamp" in pod["metadata"] for pod in world.cluster.all_pods.values())
    assert not world.subsessions()
    assert {world.state(task) for task in (parent, *children)} == {"CANCELED"}


def test_the_more_urgent_task_comes_first_and_another_arch_s_never() -> None:
    world = World(slots=1)
    world.tick()
    later = world.task(priority=20)
    foreign = world.task(arch="ppc64le", priority=1)
    first = world.task(priority=5)
    world.ticks(3)
    assert [world.state(task) for task in (first, later, foreign)] == ["OPEN", "FREE", "FREE"]


def test_a_secret_is_there_before_its_pod_and_goes_with_it() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    calls = world.cluster.calls
    assert calls.index("create_secret") < calls.index("create_pod") < calls.index("give_secret")
    name = f"koji-task-{task}-1"
    [owner] = world.cluster.secrets[name]["metadata"]["ownerReferences"]
    assert owner["uid"] == world.pod(task)["metadata"]["uid"]


def test_a_secret_that_could_not_be_given_to_its_pod_is_given_in_the_next_tick() -> None:
    world = World()
    task = world.task()
    world.tick()
    world.cluster.refuse["give_secret"] = ClusterError(0, "Unreachable", "down")
    world.ticks(2)
    [owner] = world.cluster.secrets[f"koji-task-{task}-1"]["metadata"]["ownerReferences"]
    assert owner["kind"] == "Pod"


def test_a_new_certificate_does_not_disturb_what_runs() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = world.run(task)
    before = world.session
    world.change(client_secret="renewed")
    world.ticks(2)
    assert world.session == before
    assert world.close(name)


def test_a_restarted_database_costs_no_task() -> None:
    world = World(slots=3)
    tasks = [world.task() for _ in range(3)]
    world.ticks(2)
    names = [world.run(task) for task in tasks]
    world.storage.down = True
    world.ticks(4)
    assert world.cluster.calls.count("delete_pod") == 0
    world.storage.down = False
    world.ticks(15)
    assert all(world.close(name) for name in names)
    world.ticks(2)
    assert {world.state(task) for task in tasks} == {"CLOSED"}


def test_a_runner_that_only_says_that_it_failed_is_a_crash_and_counts() -> None:
    world = World(task_attempts=2)
    task = world.task()
    for attempt in (1, 2):
        world.ticks(3)
        world.cluster.end(world.run(task, attempt), 1, "Traceback (most recent call last): ...")
    world.ticks(2)
    assert world.state(task) == "FAILED"


def test_a_session_that_waits_for_the_lock_does_not_get_out_of_step() -> None:
    world = World()
    world.ticks(2)
    ours = world.session
    thief = world.hub.session(HOST)
    thief.exclusiveSession(force=True)
    thief.host.updateHost(0, True)
    for _ in range(5):
        world.tick(20)
        assert world.builder.hub is None
    assert world.condition()["reason"] == "SessionHeld"
    thief.logout()
    world.tick(20)
    assert world.condition()["status"] == "True"
    assert world.session != ours


def test_a_session_secret_that_somebody_deleted_or_changed_is_written_again() -> None:
    world = World()
    task = world.task()
    world.ticks(2)
    name = "koji-default-session"
    written = world.cluster.secrets[name]["data"]["session.json"]
    for damage in (world.cluster.secrets.pop, lambda name: world.cluster.secrets[name]["data"].clear()):
        damage(name)
        world.clock.tick(10)
        world.tick()
        assert world.cluster.secrets[name]["data"]["session.json"] == written
    # So the next process can resume it, and the pod goes on.
    world.restart()
    world.tick()
    assert world.close(world.run(task))
