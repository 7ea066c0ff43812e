# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""From a script: standard streams, exit codes and signals are koji's."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from .world import TIMEOUT, alive, only_child, until

if TYPE_CHECKING:
    from .world import World

MARK = "command terminated with exit code"


@pytest.mark.parametrize("code", [0, 1, 2, 77, 255])
def test_the_exit_code_is_koji_s_and_kubectl_says_nothing_about_it(world: World, code: int) -> None:
    done = world.run("exit", str(code))
    assert (done.returncode, done.stdout, done.stderr) == (code, b"out\n", b"err\n")


@pytest.mark.parametrize(
    "text", ["no end of line", "koji: error: bad\n", f"{MARK} 3\n", f"{MARK} 4\n", "error: x\n", "", "\n\n"]
)
def test_what_koji_says_on_standard_error_is_kept_to_the_byte(world: World, text: str) -> None:
    for code in (0, 3):
        done = world.run("say", str(code), text)
        assert (done.returncode, done.stderr.decode()) == (code, text)


def test_standard_input_is_koji_s(world: World) -> None:
    data = bytes(range(256)) * 5000
    assert world.run("cat", stdin=data).stdout == data


def test_no_standard_input_at_all_is_none_for_koji(world: World) -> None:
    command = ["sh", "-c", "exec kubectl-koji cat <&-"]
    done = subprocess.run(command, env=world.environment, capture_output=True, timeout=TIMEOUT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert "-i" not in world.called("kubectl")[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_koji_in_the_pod_and_its_last_words_arrive(world: World, number: signal.Signals) -> None:
    running = world.start("sleep")
    pid = world.recorded("pid")
    running.send_signal(number)
    _, err = running.communicate(timeout=TIMEOUT)
    assert world.recorded("signal") == number.name
    assert (running.returncode, err) == (128 + number, f"koji: {number.name}\n".encode())
    assert not alive(pid)


def test_a_signal_that_comes_first_of_all_ends_it(world: World) -> None:
    """Before there is a kubectl that runs koji."""
    running = world.start("sleep")
    until(lambda: world.called("kubectl"), "a first kubectl")
    running.send_signal(signal.SIGTERM)
    assert running.wait(TIMEOUT) in (-signal.SIGTERM, 128 + signal.SIGTERM)
    until(
        lambda: not any(alive(record["pid"]) for record in world.called("koji") if "pid" in record),
        "koji ends in the pod",
    )


def test_a_second_signal_ends_what_does_not_listen(world: World) -> None:
    running = world.start("sleep", "deaf")
    pid = world.recorded("pid")
    try:
        running.send_signal(signal.SIGINT)
        until(lambda: any("INT" in call for call in world.called("kubectl")), "koji is told")
        running.send_signal(signal.SIGINT)
        assert running.wait(TIMEOUT) == -signal.SIGINT, "as one whom the signal ended"
    finally:
        os.kill(pid, signal.SIGKILL)


def test_nohup_is_respected(world: World) -> None:
    running = subprocess.Popen(
        ["env", "--default-signal", "nohup", "kubectl-koji", "sleep"],
        env=world.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    world.recorded("pid")
    running.send_signal(signal.SIGHUP)
    running.send_signal(signal.SIGTERM)
    assert running.wait(TIMEOUT) == 128 + signal.SIGTERM
    assert [record["signal"] for record in world.called("koji") if "signal" in record] == ["SIGTERM"]


def test_koji_ends_when_nobody_reads_any_more(world: World) -> None:
    """kubectl koji list-builds | head -1"""
    running = world.start("flood")
    assert running.stdout is not None
    assert running.stdout.readline() == b"line\n"
    running.stdout.close()
    assert running.wait(TIMEOUT) == -signal.SIGPIPE
    pid = world.recorded("pid")
    until(lambda: not alive(pid), "koji ends in the pod")


def test_when_kubectl_is_killed_koji_does_not_stay_behind(world: World) -> None:
    running = world.start("sleep")
    pid = world.recorded("pid")
    os.kill(only_child(running.pid), signal.SIGKILL)
    assert running.wait(TIMEOUT) == -signal.SIGKILL
    until(lambda: not alive(pid), "koji ends in the pod")


def test_kubectl_s_own_failure_is_told_in_its_words(world: World) -> None:
    """The pod goes between the look and the command."""
    kubectl = world.bin / "kubectl"
    there = kubectl.read_text("utf-8")
    kubectl.write_text(
        there.replace("exec ", '[ "$1" != exec ] || { echo "error: lost it" >&2; exit 1; }\nexec ', 1), "utf-8"
    )
    done = world.run("list-hosts")
    assert (done.returncode, done.stderr) == (1, b"error: lost it\n")
