# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Runs of tests side by side: all are run and shown, one that fails counts, and Ctrl-C ends them all."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from tests import shards
from tests.cluster.paths import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _without_a_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shards, "LOGS", tmp_path)
    monkeypatch.setattr(shards, "POLL", 0.02)


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def shard(name: str, *programs: str) -> shards.Shard:
    return shards.Shard(name, f"cluster-{name}", [python(program) for program in programs])


def test_all_runs_are_shown_under_their_shard(capsys: pytest.CaptureFixture[str]) -> None:
    tell = "import os; print('run', {}, 'in', os.environ['KOJI_E2E_SHARD'])"
    assert shards.side_by_side([shard("1", tell.format(1), tell.format(2)), shard("2", tell.format(3))]) == 0
    shown = [part.splitlines()[1:] for part in capsys.readouterr().out.split("==> shard ")[1:]]
    assert sorted([line for line in lines if line] for lines in shown) == [
        ["run 1 in 1", "run 2 in 1"],
        ["run 3 in 2"],
    ]


@pytest.mark.parametrize("failing", [("1", 0), ("1", 1), ("2", 0)])
def test_one_run_that_fails_is_enough_and_the_others_go_on(failing: tuple[str, int], tmp_path: Path) -> None:
    def program(name: str, number: int) -> str:
        code = 3 if (name, number) == failing else 0
        return f"import sys; open({str(tmp_path / f'ran-{name}-{number}')!r}, 'w'); sys.exit({code})"

    made = [shard("1", program("1", 0), program("1", 1)), shard("2", program("2", 0))]
    assert shards.side_by_side(made) == 3
    assert len(list(tmp_path.glob("ran-*"))) == 3


def test_without_a_cluster_there_are_no_tests(capsys: pytest.CaptureFixture[str]) -> None:
    needed = [python("print('up')"), python("import sys; sys.exit('no cluster')")]
    made = shards.Shard("2", "second", [python("print('tests')")], needed)
    assert shards.side_by_side([made]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == ["up", "no cluster", ""]


def test_ctrl_c_lets_all_clean_up(tmp_path: Path) -> None:
    body = """
        import signal, sys, time
        try:
            print("started", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print("cleaned up")
    """
    script = f"""
        import sys
        from pathlib import Path
        from tests import shards
        shards.LOGS = Path({str(tmp_path)!r})
        program = [sys.executable, "-c", {textwrap.dedent(body)!r}]
        try:
            shards.side_by_side([shards.Shard(name, name, [program, program]) for name in "12"])
        except KeyboardInterrupt:
            sys.exit(130)
    """
    running = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=CHECKOUT, stdout=subprocess.PIPE)
    logs = [tmp_path / "shard-1.log", tmp_path / "shard-2.log"]
    while not all(log.exists() and "started" in log.read_text() for log in logs):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    shown, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert shown.count(b"cleaned up") == 2
    assert shown.count(b"started") == 2


def test_progress_is_what_pytest_says(tmp_path: Path) -> None:
    made = shard("1")
    made.log.write_text("tests/e2e/test_a.py ....  [ 12%]\ntests/e2e/test_b.py ..F.  [ 34%]\n")
    assert made.progress() == "1: 34% with failures"
    made.log.write_text("tests/e2e/test_a.py ..s.  [ 12%]\n")
    assert made.progress() == "1: 12%"
