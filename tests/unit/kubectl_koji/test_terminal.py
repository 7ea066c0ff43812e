# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""At a terminal: koji has one when we have one, and job control works."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster import ClusterError, packages

from .world import PROGRAM, TIMEOUT, alive, hub_pod, kojihub, only_child, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .world import World


class Terminal:
    """A terminal with the plugin in its foreground; `redirected`: streams that are elsewhere."""

    def __init__(self, world: World, *words: str, **redirected: Any) -> None:
        self.ours, theirs = pty.openpty()
        self.shown = b""

        def settle() -> None:
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs, **redirected}
        self.process = subprocess.Popen(
            [*PROGRAM, *words],
            env=world.environment,
            preexec_fn=settle,  # noqa: PLW1509 - there are none
            **streams,
        )
        os.close(theirs)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.ours, keys)

    def sees(self, text: bytes) -> None:
        """Wait until a text is shown."""
        deadline = time.monotonic() + TIMEOUT
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            self._read(0.1)

    def ends(self) -> int:
        """Wait for the end. -> exit code"""
        code = None
        deadline = time.monotonic() + TIMEOUT
        while code is None:
            assert time.monotonic() < deadline, self.shown
            self._read(0.05)
            code = self.process.poll()
        self._read(0.05)
        os.close(self.ours)
        return code

    def _read(self, seconds: float) -> None:
        with contextlib.suppress(OSError):  # nobody has the other side any more
            while select.select([self.ours], [], [], seconds)[0]:
                chunk = os.read(self.ours, 65536)
                if not chunk:
                    return
                self.shown += chunk


def tty_of(world: World) -> list[bool]:
    """Which streams of koji are a terminal."""
    found: list[bool] = next(record["tty"] for record in world.called("koji") if "tty" in record)
    return found


def test_koji_has_a_terminal_when_there_is_one(world: World) -> None:
    terminal = Terminal(world, "ask")
    terminal.sees(b"really? ")
    terminal.type(b"yes\r")
    terminal.sees(b"got yes")
    assert terminal.ends() == 0
    assert tty_of(world) == [True, True, True]


def test_ctrl_c_at_a_terminal_is_koji_s(world: World) -> None:
    terminal = Terminal(world, "sleep")
    terminal.sees(b"sleeping")
    pid = world.recorded("pid")
    terminal.type(b"\x03")
    assert terminal.ends() == 128 + signal.SIGINT
    assert world.recorded("signal") == "SIGINT"
    assert not alive(pid)


def test_sigterm_at_a_terminal_reaches_koji_too(world: World) -> None:
    terminal = Terminal(world, "sleep")
    terminal.sees(b"sleeping")
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.ends() == 128 + signal.SIGTERM
    assert world.recorded("signal") == "SIGTERM"


def test_a_terminal_is_as_before_when_kubectl_is_killed(world: World) -> None:
    terminal = Terminal(world, "sleep")
    before = termios.tcgetattr(terminal.ours)
    terminal.sees(b"sleeping")
    pid = world.recorded("pid")
    assert termios.tcgetattr(terminal.ours) != before, "raw"
    os.kill(only_child(terminal.process.pid), signal.SIGKILL)
    terminal.process.wait(TIMEOUT)
    assert termios.tcgetattr(terminal.ours) == before
    until(lambda: not alive(pid), "koji ends in the pod")


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_one_stream_that_is_none_is_no_terminal(world: World, stream: str) -> None:
    with (world.folder / "elsewhere").open("w+b") as file:
        terminal = Terminal(world, "exit", "3", **{stream: file})
        assert terminal.ends() == 3
    assert tty_of(world)[{"stdin": 0, "stdout": 1, "stderr": 2}[stream]] is False
    assert "-t" not in world.called("kubectl")[-1]


def test_what_is_typed_is_koji_s_though_the_output_goes_elsewhere(world: World) -> None:
    """kubectl koji ... | tee log"""
    with (world.folder / "elsewhere").open("w+b") as file:
        terminal = Terminal(world, "ask", stdout=file)
        world.recorded("argv")
        terminal.type(b"yes\n")
        assert terminal.ends() == 0
        file.seek(0)
        assert file.read() == b"really? got yes\n"


def test_ctrl_c_is_koji_s_though_the_output_goes_elsewhere(world: World) -> None:
    with (world.folder / "elsewhere").open("w+b") as file:
        terminal = Terminal(world, "sleep", stdout=file)
        world.recorded("pid")
        terminal.type(b"\x03")
        assert terminal.ends() == 128 + signal.SIGINT
    assert world.recorded("signal") == "SIGINT"


def test_colours_are_for_terminals(world: World) -> None:
    terminal = Terminal(world, "status")
    assert terminal.ends() == 0
    assert b"\x1b[32mReady\x1b[0m" in terminal.shown
    assert b"\x1b" not in world.run("status").stdout


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_turned_off(world: World, monkeypatch: pytest.MonkeyPatch, variable: dict[str, str]) -> None:
    plain = {**world.environment, **variable}
    monkeypatch.setattr(type(world), "environment", plain)
    terminal = Terminal(world, "status")
    assert terminal.ends() == 0
    assert b"Ready" in terminal.shown
    assert b"\x1b" not in terminal.shown


@pytest.fixture(scope="session")
def shells() -> None:
    """tmux and zsh, which root installs."""
    try:
        lacking = packages.missing(["tmux", "zsh"])
    except ClusterError as error:
        pytest.skip(str(error))
    if lacking and os.geteuid() != 0:
        pytest.skip(f"needs Debian's {', '.join(lacking)}")
    packages.ensure(["tmux", "zsh"])


class Screen:
    """A shell in tmux: a real terminal with a person before it."""

    def __init__(self, world: World, shell: str) -> None:
        self._tmux = ["tmux", "-S", str(world.folder / "tmux"), "-f", "/dev/null"]
        start = ["new-session", "-d", "-x", "120", "-y", "40", f"env --default-signal {shell}"]
        subprocess.run([*self._tmux, *start], env=world.environment, check=True, timeout=TIMEOUT)

    def type(self, text: str, *keys: str) -> None:
        """Type text, then press keys."""
        subprocess.run([*self._tmux, "send-keys", "-l", text], check=True)
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def press(self, *keys: str) -> None:
        """Press keys, as tmux calls them."""
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    @property
    def shown(self) -> str:
        """What is on the screen."""
        return subprocess.run([*self._tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout

    def sees(self, text: str) -> None:
        """Wait until a text is on the screen."""
        try:
            until(lambda: text in self.shown, text)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.shown}") from None

    def end(self) -> None:
        """End the shell and all in it."""
        subprocess.run([*self._tmux, "kill-server"], check=False)


@pytest.fixture
def bash(world: World, shells: None) -> Iterator[Screen]:
    """bash, without what a person has set."""
    screen = Screen(world, "bash --norc --noprofile")
    screen.type("PS1='now> '", "Enter")
    screen.sees("\nnow>")
    yield screen
    screen.end()


@pytest.fixture
def zsh(world: World, shells: None) -> Iterator[Screen]:
    """zsh, without what a person has set."""
    screen = Screen(world, "zsh -f")
    screen.type("PROMPT='now> '; autoload -U compinit; compinit -D", "Enter")
    screen.sees("\nnow>")
    yield screen
    screen.end()


def test_a_person_answers_a_question_in_tmux(world: World, bash: Screen) -> None:
    bash.type("kubectl-koji ask; echo code $?", "Enter")
    bash.sees("really?")
    bash.type("of course", "Enter")
    bash.sees("got of course")
    bash.sees("code 0")
    bash.type("echo still here", "Enter")
    bash.sees("\nstill here")


def test_ctrl_c_in_tmux_ends_koji_and_gives_the_terminal_back(world: World, bash: Screen) -> None:
    bash.type("kubectl-koji sleep; echo code $?", "Enter")
    bash.sees("sleeping")
    bash.press("C-c")
    bash.sees("code 130")
    bash.type("echo typed", "Enter")
    bash.sees("\ntyped")


def test_a_job_in_the_background_leaves_the_terminal_alone(world: World, bash: Screen) -> None:
    bash.type("kubectl-koji sleep & echo", "Enter")
    pid = world.recorded("pid")
    bash.type("echo typed", "Enter")
    bash.sees("\ntyped")
    bash.type("jobs", "Enter")
    bash.sees("Running")
    assert tty_of(world)[0] is False
    bash.type("kill %1", "Enter")
    until(lambda: not alive(pid), "koji ends in the pod")


def test_ctrl_z_stops_it_and_fg_goes_on(world: World, bash: Screen) -> None:
    bash.type("kubectl-koji ask | cat", "Enter")
    world.recorded("argv")
    bash.press("C-z")
    bash.sees("Stopped")
    bash.type("echo typed", "Enter")
    bash.sees("\ntyped")
    bash.type("fg", "Enter")
    bash.type("back", "Enter")
    bash.sees("got back")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_tab_completes(world: World, request: pytest.FixtureRequest, shell: str) -> None:
    world.has(kojihub("west"), hub_pod(hub="west"))
    screen: Screen = request.getfixturevalue(shell)
    screen.type(f"source <(kubectl-koji completion {shell}); clear", "Enter")
    until(lambda: "source" not in screen.shown, "a clear screen")
    for begun, completed in (
        ("kubectl koji stat", "kubectl koji status"),
        ("kubectl-koji comp", "kubectl-koji completion"),
        ("kubectl koji --hub ", "kubectl koji --hub west"),
        ("kubectl koji --hub west list-h", "kubectl koji --hub west list-hosts"),
        ("kubectl koji -n koji logs --tim", "kubectl koji -n koji logs --timestamps"),
    ):
        screen.type(begun, "Tab")
        screen.sees(completed)
        screen.press("C-u")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_kubectl_s_own_completion_stays(world: World, request: pytest.FixtureRequest, shell: str) -> None:
    screen: Screen = request.getfixturevalue(shell)
    own = {
        "bash": "theirs() { COMPREPLY=(describe); }; complete -F theirs kubectl",
        "zsh": "theirs() { compadd describe }; compdef theirs kubectl",
    }[shell]
    screen.type(f"{own}; source <(kubectl-koji completion {shell}); clear", "Enter")
    until(lambda: "source" not in screen.shown, "a clear screen")
    screen.type("kubectl desc", "Tab")
    screen.sees("kubectl describe")
    screen.press("C-u")
    screen.type("kubectl koji stat", "Tab")
    screen.sees("kubectl koji status")
