# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a shell is offered; test_terminal.py has the shells."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from .world import TIMEOUT, kojihub, task_pod

if TYPE_CHECKING:
    from .world import World

OWN = ["status", "logs", "wait", "completion"]
KOJI = ["call", "list-hosts", "list-tags"]


def offered(world: World, *words: str) -> tuple[list[str], str]:
    """The candidates, without what they are, and the last line."""
    lines = world.run("__complete", *words).stdout.decode().splitlines()
    return [line.partition("\t")[0] for line in lines[:-1]], lines[-1]


@pytest.mark.parametrize(
    ("words", "candidates", "last"),
    [
        ([""], [*OWN, *sorted(KOJI, key=lambda name: ("list" not in name, name))], ":4"),
        (["list-"], ["list-hosts", "list-tags"], ":4"),
        (["-n", "koji", "l"], ["logs", "list-hosts", "list-tags"], ":4"),
        (["--", "l"], ["list-hosts", "list-tags"], ":4"),
        (["--"], ["--namespace", "--context", "--kubeconfig", "--hub", "--help"], ":4"),
        (["--context", ""], ["here", "there"], ":4"),
        (["-n", "o"], ["other"], ":4"),
        (["--hub", ""], ["hub"], ":4"),
        (["status", "--hub", ""], ["hub"], ":4"),
        (["--kubeconfig", "x"], [], ":0"),
        (["completion", ""], ["bash", "zsh"], ":4"),
        (["logs", "--t"], ["--tail", "--timestamps"], ":4"),
        (["wait", "--"], ["--namespace", "--context", "--kubeconfig", "--hub", "--timeout"], ":4"),
        (["logs", ""], ["13", "12"], ":4"),
        (["wait", "12", "1"], ["13", "12"], ":4"),
        (["list-hosts", ""], [], ":0"),
        (["call", "-n", ""], [], ":0"),
        (["--", "status", ""], [], ":0"),
        (["--help", ""], [], ":4"),
    ],
)  # fmt: skip
def test_what_may_follow(world: World, words: list[str], candidates: list[str], last: str) -> None:
    world.has(*world.cluster["objects"], task_pod(12), task_pod(13))
    assert offered(world, *words) == (candidates, last)


def test_candidates_say_what_they_are(world: World) -> None:
    out = world.run("__complete", "list-h").stdout.decode()
    assert out == "list-hosts\tPrint hosts: all\n:4\n"


def test_koji_s_commands_are_asked_for_once_a_day(world: World) -> None:
    for _ in range(3):
        assert "list-hosts" in offered(world, "")[0]
    assert world.arguments() == [["help", "all"]]
    assert offered(world, "-n", "other", "")[0] == OWN, "another hub, other commands"


def test_nothing_is_said_about_what_is_wrong_while_completing(world: World) -> None:
    world.has(kojihub("a"), kojihub("b"), forbidden=["pods"])
    done = world.run("__complete", "")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines()[-1] == ":4"
    assert offered(world, "logs", "") == ([], ":4")


def test_kubectl_s_own_completion_finds_it_by_the_name_that_it_looks_for(world: World) -> None:
    """kubectl_complete-koji is a link to the plugin."""
    done = subprocess.run(
        ["kubectl_complete-koji", "stat"], env=world.environment, capture_output=True, timeout=TIMEOUT, check=False
    )
    assert done.stdout.decode().splitlines() == ["status\tAll resources and what is wrong with them", ":4"]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_s_completion_is_printed_without_a_cluster(world: World, shell: str) -> None:
    done = world.run("completion", shell)
    assert done.returncode == 0
    assert b"compdef" in done.stdout if shell == "zsh" else b"complete -o default" in done.stdout
    assert world.called("kubectl") == []
