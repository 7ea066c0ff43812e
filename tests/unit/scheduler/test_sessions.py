# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The master session and those of the pods, whatever becomes of them."""

from __future__ import annotations

import contextlib
import json

import koji
import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.sessions import Sinfo

from tests.unit.scheduler.world import HOST, Killed, World


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


def test_a_hub_that_does_not_number_calls_is_as_good() -> None:
    world = World()
    world.hub.hub.version = "1.34.3"
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


def test_a_hub_that_hangs_has_its_time_from_when_the_call_was_given_up() -> None:
    world = World()
    world.ticks(2)
    world.storage.down = True
    world.fuse.left, world.fuse.instead = 0, lambda: world.clock.tick(20)
    assert world.tick().error is not None
    world.storage.down = False
    assert world.builder.tick().error is not None
    assert world.tick().error is None


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
        world.tick()
        assert world.cluster.secrets[name]["data"]["session.json"] == written
    # So the next process can resume it, and the pod goes on.
    world.restart()
    world.tick()
    assert world.close(world.run(task))
