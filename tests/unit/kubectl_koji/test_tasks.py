# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""logs and wait."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from .world import TIMEOUT, alive, hub_pod, kojihub, task_pod, until

if TYPE_CHECKING:
    from .world import World

FREE, OPEN, CLOSED, CANCELED, ASSIGNED, FAILED = range(6)


def test_the_log_is_that_of_the_last_attempt(world: World) -> None:
    world.has(task_pod(12, 2, "Failed"), task_pod(12, 10), task_pod(12, 9, "Failed"), task_pod(13))
    done = world.run("logs", "12")
    assert (done.returncode, done.stdout) == (0, b"log of koji-task-12-10 task []\n")


def test_the_log_of_an_earlier_attempt(world: World) -> None:
    world.has(task_pod(12, 1, "Failed"), task_pod(12, 2))
    assert b"koji-task-12-1 " in world.run("logs", "12", "--attempt", "1").stdout
    assert "no pod of attempt 3; there are those of: 1, 2" in world.says("logs", "12", "--attempt=3")


def test_what_is_shown_of_a_log_is_for_kubectl(world: World) -> None:
    world.has(task_pod(12))
    assert world.run("logs", "-f", "--tail", "5", "--since=10m", "12", "--timestamps").returncode == 0
    assert world.called("kubectl")[-1] == [
        "logs", "koji-task-12-1", "-c", "task", "--follow", "--timestamps", "--tail=5", "--since=10m",
    ]  # fmt: skip


def test_a_pod_that_has_not_started_has_no_log_yet(world: World) -> None:
    world.has(task_pod(12, phase="Pending"))
    said = world.says("logs", "12")
    assert "pod koji-task-12-1 of task 12 has not started (task: ImagePullBackOff)" in said
    assert "kubectl koji -n koji logs -f 12" in said


def test_following_waits_until_a_pod_starts(world: World) -> None:
    world.has(task_pod(12, phase="Pending"))
    running = world.start("logs", "-f", "12")
    until(lambda: world.called("kubectl"), "a look")
    world.has(task_pod(12))
    out, err = running.communicate(timeout=TIMEOUT)
    assert running.returncode == 0
    assert out.startswith(b"log of koji-task-12-1")
    assert err.count(b"waiting for it") == 1


def test_a_task_without_a_pod(world: World) -> None:
    world.has(kojihub())
    said = world.says("logs", "12")
    assert "task 12 has no pod in namespace 'koji'" in said
    assert "  kubectl koji -n koji taskinfo 12\n" in said


def test_a_parent_without_a_pod_names_its_children_s(world: World) -> None:
    world.has(task_pod(13, parent="12"), task_pod(14, parent="12"))
    said = world.says("logs", "12")
    assert "  kubectl koji -n koji logs 13\n  kubectl koji -n koji logs 14\n" in said


@pytest.mark.parametrize(
    ("state", "word", "code"), [(CLOSED, "closed", 0), (FAILED, "failed", 1), (CANCELED, "canceled", 1)]
)
def test_wait_says_how_a_task_ended(world: World, state: int, word: str, code: int) -> None:
    world.tasks({"12": [FREE, OPEN, state]})
    done = world.run("wait", "12")
    assert (done.returncode, done.stdout, done.stderr) == (code, f"task 12 (sleep): {word}\n".encode(), b"")
    watched = [argv for argv in world.arguments() if "watch-task" in argv]
    assert watched == [["--noauth", "--quiet", "watch-task", "--quiet", "12"]] * 2


def test_several_tasks_are_waited_for_and_each_is_told(world: World) -> None:
    world.tasks({"12": [OPEN, FAILED], "13": [CLOSED], "14": [OPEN, CLOSED]})
    done = world.run("wait", "12", "13", "14", "13")
    assert done.returncode == 1
    assert done.stdout.decode().splitlines() == [
        "task 12 (sleep): failed",
        "task 13 (sleep): closed",
        "task 14 (sleep): closed",
    ]


def test_wait_has_a_timeout_and_leaves_nothing_in_the_pod(world: World) -> None:
    world.tasks({"12": [OPEN]})
    (world.folder / "watch.json").touch()
    done = world.run("wait", "12", "--timeout", "2s")
    assert (done.returncode, done.stdout) == (124, b"")
    assert done.stderr.endswith(b"task 12: not done in time\n")
    pid = world.recorded("pid")
    until(lambda: not alive(pid), "koji ends in the pod")


def test_a_signal_ends_waiting_and_what_waits_in_the_pod(world: World) -> None:
    world.tasks({"12": [OPEN]})
    (world.folder / "watch.json").touch()
    running = world.start("wait", "12")
    pid = world.recorded("pid")
    running.send_signal(signal.SIGINT)
    assert running.wait(TIMEOUT) == -signal.SIGINT
    until(lambda: not alive(pid), "koji ends in the pod")


def test_waiting_survives_a_hub_that_restarts(world: World) -> None:
    world.tasks({"12": [OPEN, CLOSED]})
    world.has(kojihub(), hub_pod(ready=False))
    running = world.start("wait", "12")
    until(lambda: len(world.called("kubectl")) > 2, "a look")
    world.has(kojihub(), hub_pod("koji-hub-2"))
    out, err = running.communicate(timeout=TIMEOUT)
    assert (running.returncode, out) == (0, b"task 12 (sleep): closed\n")
    assert err.decode().count("has no pod that is ready: koji-hub-1 (not ready: hub, admin). Waiting for it.") == 1


def test_waiting_survives_a_hub_that_does_not_answer(world: World) -> None:
    world.tasks({"12": "down"})
    running = world.start("wait", "12")
    until(world.arguments, "a question")
    world.tasks({"12": [CLOSED]})
    out, err = running.communicate(timeout=TIMEOUT)
    assert (running.returncode, out) == (0, b"task 12 (sleep): closed\n")
    assert b"koji: hub is away" in err


def test_a_task_that_the_hub_does_not_know(world: World) -> None:
    world.tasks({})
    assert world.says("wait", "99") == "kubectl koji: the hub knows no task 99\n"


def test_waiting_without_a_sidecar_is_in_vain(world: World) -> None:
    world.has(kojihub(spec={}), hub_pod(sidecar=False))
    assert "has no admin sidecar" in world.says("wait", "12")
