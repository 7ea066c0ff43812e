# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The process with its threads and its Lease, on a hub in memory and in real time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubError
from ansible_collections.fedoraproject.koji.plugins.module_utils.lease import Lease
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.process import Process

from tests.devhub.local import LocalHub
from tests.unit.scheduler.world import NAME, Access, Fuse, World

if TYPE_CHECKING:
    from collections.abc import Callable


class LiveWorld(World):
    """A world in real time."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(**changes)
        self.hub.hub.clock = time.time
        self.cluster.clock = time.time

    def process(self, holder: str = "me", access: Any = None) -> Process:
        """A process on it."""
        return Process(self.cluster, "ns", holder, lambda *_: access or Access(self.hub, Fuse()))

    def until(self, task: int, state: str) -> bool:
        """Wait for a task to get there."""
        return self.wait(lambda: self.state(task) == state)

    @staticmethod
    def wait(condition: Callable[[], bool]) -> bool:
        """Wait for a condition."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.02)
        return False


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_run_takes_tasks_and_gives_up_the_lease() -> None:
    world = LiveWorld()
    process = world.process()
    stop = threading.Event()
    outcomes: list[Any] = []
    thread = threading.Thread(target=lambda: outcomes.append(process.run(30, stop.is_set)))
    thread.start()
    task = world.task()
    assert world.until(task, "OPEN")
    stop.set()
    thread.join(10)
    assert outcomes[0].ticks >= 1
    assert outcomes[0].counts["taken"] == 1
    assert world.cluster.leases["koji-scheduler"]["spec"]["holderIdentity"] == ""
    assert world.admin.getSessionInfo(details=True, user_id="builder-1")  # not logged out


def test_what_a_run_tells_is_an_event_on_each_builder() -> None:
    world = LiveWorld()
    process = world.process()
    process.run(0.5)
    process.note("WorkersShared", "raise it")
    [event] = [one for one in world.cluster.events.values() if one["reason"] == "WorkersShared"]
    assert (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == ("KojiBuilder", NAME)
    assert event["message"] == "raise it"


def test_one_tick_says_what_it_did() -> None:
    world = LiveWorld()
    world.process().once()
    world.task()
    outcome = world.process().once()
    assert [action["action"] for action in outcome.actions[NAME]] == ["take"]
    assert not outcome.errors


def test_without_the_lease_nothing_is_done() -> None:
    world = LiveWorld()
    Lease(world.cluster, "somebody").acquire()
    outcome = world.process().once()
    assert outcome.holder == "somebody"
    assert outcome.ticks == 0
    assert not world.admin.getSessionInfo(details=True, user_id="builder-1")


def test_a_builder_that_fails_is_reported_and_named() -> None:
    world = LiveWorld()

    def broken(*_: Any) -> Any:
        raise HubError("SecretMissing", "Secret client does not exist")

    outcome = Process(world.cluster, "ns", "me", broken).once()
    assert outcome.errors == {NAME: "SecretMissing: Secret client does not exist"}
    assert world.condition()["reason"] == "SecretMissing"


def test_a_bad_config_map_is_said_on_the_builder() -> None:
    world = LiveWorld()
    world.cluster.maps["koji-default-builder"]["data"]["pod.json"] = "{}"
    outcome = world.process().once()
    assert "no container is called task" in outcome.errors["koji-default-builder"]
    assert world.condition()["reason"] == "SettingsInvalid"


def test_a_config_map_that_somebody_spoils_or_deletes_drains_nobody() -> None:
    world = LiveWorld(slots=5)
    process = world.process()
    stop = threading.Event()
    thread = threading.Thread(target=lambda: process.run(60, stop.is_set))
    thread.start()
    try:
        assert world.until(world.task(), "OPEN")
        eventually(lambda: "status" in world.cluster.resources[NAME])
        good = world.cluster.maps["koji-default-builder"]
        world.cluster.maps["koji-default-builder"] = {**good, "data": {}}
        eventually(lambda: world.condition()["reason"] == "SettingsInvalid")
        assert world.until(world.task(), "OPEN")
        del world.cluster.maps["koji-default-builder"]
        assert world.until(world.task(), "OPEN")
        world.cluster.maps["koji-default-builder"] = good
        eventually(lambda: world.condition()["reason"] == "CheckedIn")
    finally:
        stop.set()
        thread.join(10)
    assert "koji-default-session" in world.cluster.secrets


def test_a_hub_that_hangs_holds_up_its_own_builder_only() -> None:
    world = LiveWorld()
    second = LocalHub()
    second.admin().addHost("builder-1", ["x86_64"])
    second.injection.add({"kind": "slow", "seconds": 3.0})
    name = "slow"
    world.cluster.resources[name] = {
        **world.cluster.resources[NAME],
        "metadata": {"name": name, "namespace": "ns", "uid": "cr-2", "generation": 1},
    }
    original = world.cluster.maps["koji-default-builder"]
    meta = {**original["metadata"], "name": "koji-slow-builder"}
    meta["ownerReferences"] = [{"kind": "KojiBuilder", "name": name, "uid": "cr-2"}]
    world.cluster.maps["koji-slow-builder"] = {**original, "metadata": meta}

    def access(settings: Any, _cluster: Any) -> Any:
        return Access(second if settings.name == name else world.hub, Fuse())

    process = Process(world.cluster, "ns", "me", access)
    stop = threading.Event()
    thread = threading.Thread(target=lambda: process.run(30, stop.is_set))
    thread.start()
    began = time.monotonic()
    task = world.task()
    assert world.until(task, "OPEN")
    assert time.monotonic() - began < 3
    stop.set()
    second.injection.clear()
    thread.join(20)


def test_a_run_that_is_told_to_stop_leaves_its_pods_and_the_next_one_goes_on_at_once() -> None:
    world = LiveWorld()
    stop = threading.Event()
    first = threading.Thread(target=world.process("first").run, args=(30, stop.is_set))
    first.start()
    task = world.task()
    assert world.until(task, "OPEN")
    name = f"koji-task-{task}-1"
    assert world.wait(lambda: name in world.cluster.all_pods and world.cluster.begin(name))
    stopped = time.monotonic()
    stop.set()
    first.join(10)
    assert time.monotonic() - stopped < 5  # half a second on a machine that is idle
    assert "deletionTimestamp" not in world.pod(task)["metadata"]
    stop.clear()
    second = threading.Thread(target=world.process("second").run, args=(30, stop.is_set))
    second.start()
    following = world.task()
    assert world.until(following, "OPEN")
    assert time.monotonic() - stopped < 10
    assert world.close(name)
    stop.set()
    second.join(10)
    assert world.state(task) == "CLOSED"
    assert len([s for s in world.admin.getSessionInfo(details=True, user_id="builder-1") if not s["master"]]) == 1


def test_a_killed_run_s_lease_is_followed_within_its_duration() -> None:
    world = LiveWorld()
    Lease(world.cluster, "somewhere else").acquire()
    stop = threading.Event()
    began = time.monotonic()
    thread = threading.Thread(target=world.process().run, args=(30, stop.is_set))
    thread.start()
    task = world.task()
    assert world.until(task, "OPEN")
    assert 5 < time.monotonic() - began < 15
    stop.set()
    thread.join(10)
