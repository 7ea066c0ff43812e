# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The first process of a hub's container turns a stop into a graceful one, and ends as its server ends."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

DELAY = 0.5  # seconds; the real one is longer
SCRIPT = (Path(__file__).parents[3] / "roles/koji_http/files/serve.sh").read_text().replace("sleep 4", f"sleep {DELAY}")
# In place of httpd: says when it has begun, and which signal it got; WINCH ends it after what is under way.
SERVER = """#!/usr/bin/env python3
import signal, sys, time
def graceful(*_):
    print("winch", flush=True)
    time.sleep(0.3)
    print("done", flush=True)
    sys.exit(7)
signal.signal(signal.SIGWINCH, graceful)
signal.signal(signal.SIGTERM, lambda *_: print("term", flush=True))
print("began", *sys.argv[1:], flush=True)
if "fail" in sys.argv:
    sys.exit(3)
while True:
    signal.pause()
"""
SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A shell, and in the PATH what it is to run."""
    server = tmp_path / "httpd"
    server.write_text(SERVER)
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return str(request.param)


def served(shell: str, *args: str) -> subprocess.Popen[str]:
    # What a shell runs in the background ignores SIGINT, as a container's first process doesn't.
    command = ["env", "--default-signal", shell, "-c", SCRIPT, "httpd", *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("name", ["TERM", "WINCH", "INT"])
def test_a_stop_waits_and_is_then_graceful(shell: str, name: str) -> None:
    process = served(shell, "-DFOREGROUND")
    assert first_line(process) == "began -DFOREGROUND"
    process.send_signal(signal.Signals[f"SIG{name}"])
    began = time.monotonic()
    rest, _ = process.communicate(timeout=10)
    assert time.monotonic() - began >= DELAY
    assert rest.split() == ["winch", "done"], "what was under way was done, and nothing else was said"
    assert process.returncode == 7


def test_a_server_that_ends_by_itself_ends_the_container_with_its_code(shell: str) -> None:
    process = served(shell, "fail")
    assert process.communicate(timeout=10)[0].split() == ["began", "fail"]
    assert process.returncode == 3


def test_a_program_that_is_not_there_ends_the_container(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    process = subprocess.Popen([shell, "-c", SCRIPT, "no-such-server"], stderr=subprocess.PIPE, text=True)
    assert "no-such-server" in process.communicate(timeout=10)[1]
    assert process.returncode == 127
