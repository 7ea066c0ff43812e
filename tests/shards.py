# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""`python -m tests.shards [--contract] NAME`: the tests that need a cluster, side by side on NAME, NAME-2 and NAME-3.

The end-to-end tests mostly wait: for a delay that is what they are about, for pods that start. So three operators, each
with a cluster of its own, take less than half the time of one. tests/e2e/conftest.py says which tests are whose; those
that measure run at the end, alone. Each shard's output goes to build/logs/shard-<name>.log, and is shown when it ends.
With KUBECONFIG set there is one cluster only, and everything runs one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.cluster.paths import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

LOGS = CHECKOUT / "build" / "logs"
SHARD = "KOJI_E2E_SHARD"  # read by tests/e2e/conftest.py
TELL_EVERY = 60  # seconds
POLL = 0.5  # seconds
END_GRACE = 120  # seconds for pytest's fixtures after Ctrl-C


@dataclass
class Shard:
    """Commands, one after the other, for one cluster: first those without which the others would be in vain."""

    name: str
    cluster: str
    runs: list[list[str]]
    needed: list[list[str]] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self._needed = len(self.needed)
        self.runs = [*self.needed, *self.runs]

    @property
    def log(self) -> Path:
        """What pytest prints."""
        return LOGS / f"shard-{self.name}.log"

    def step(self) -> bool:
        """Start the next run when there is none. -> False after the last one"""
        if self._process is not None and (code := self._process.poll()) is not None:
            self.codes.append(code)
            self._process = None
            if code and len(self.codes) <= self._needed:
                self.runs.clear()
        if self._process is None and self.runs:
            # A session of its own: Ctrl-C comes once, from us.
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self.runs.pop(0), cwd=CHECKOUT, env={**os.environ, SHARD: self.name},
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
        return self._process is not None

    def end(self) -> None:
        """Ask the run to end, and wait until its fixtures have cleaned up."""
        self.runs.clear()
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self.codes.append(self._process.wait(END_GRACE))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self.codes.append(self._process.wait())

    def progress(self) -> str:
        """How far it is, as pytest says it."""
        text = self.log.read_text("utf-8", "replace")
        found = re.findall(r"\[ *(\d+%)\]", text)
        failed = re.search(r"^(?:[\w/.]+ )?[.sxX]*[FE]+[.sxXFE]*(?: |$)", text, re.MULTILINE)
        return f"{self.name}: {found[-1] if found else '0%'}{' with failures' if failed else ''}"


def pytest_command(cluster: str, folder: str) -> list[str]:
    """The command line that runs the tests of a folder in a cluster. Each cluster has a cache of its own."""
    program = [sys.executable, "-m", "pytest", "--durations=8", "-o", f"cache_dir=.pytest_cache/{cluster}", folder]
    return [sys.executable, "-m", "tests.cluster", "exec", "--name", cluster, "--", *program]


def preparations(cluster: str) -> list[list[str]]:
    """The command lines that start a cluster with its images, or check that of KUBECONFIG."""
    return [[sys.executable, "-m", "tests.cluster", command, "--name", cluster] for command in ("up", "images")]


def prepare(cluster: str) -> None:
    """Start a cluster; it says itself what is wrong. Raises SystemExit."""
    for command in preparations(cluster):
        done = subprocess.run(command, cwd=CHECKOUT, check=False)
        if done.returncode:
            sys.exit(done.returncode)


def side_by_side(shards: list[Shard]) -> int:
    """Run all to their ends, and show what each printed. -> exit code; KeyboardInterrupt when all have cleaned up"""
    # A shell's background job ignores it, and so would the shards, which are ended by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    LOGS.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        shard.log.unlink(missing_ok=True)
    waiting, told = list(shards), time.monotonic()
    try:
        while waiting:
            for shard in list(waiting):
                if not shard.step():
                    waiting.remove(shard)
                    show(shard)
            if waiting and time.monotonic() - told > TELL_EVERY:
                told = time.monotonic()
                print(f"shards {', '.join(shard.progress() for shard in waiting)}", flush=True)
            time.sleep(POLL)
    except KeyboardInterrupt:
        for shard in waiting:
            shard.end()
            show(shard)
        raise
    return next((code for shard in shards for code in shard.codes if code), 0)


def show(shard: Shard) -> None:
    """Print a shard's output."""
    minutes, seconds = divmod(round(time.monotonic() - shard.began), 60)
    text = shard.log.read_text("utf-8", "replace")
    print(f"==> shard {shard.name} on cluster {shard.cluster}, {minutes}:{seconds:02} <==\n{text}", flush=True)


def one_by_one(cluster: str, runs: list[list[str]]) -> int:
    """Run all on one cluster, with their output as it comes. -> exit code"""
    prepare(cluster)
    codes = [subprocess.run(run, cwd=CHECKOUT, check=False).returncode for run in runs]
    return next((code for code in codes if code), 0)


def interrupted(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends the tests as Ctrl-C does."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the tests. -> exit code"""
    parser = argparse.ArgumentParser(prog="python -m tests.shards", description=__doc__.partition("\n")[0])
    parser.add_argument("--contract", action="store_true", help="the contract suite as well")
    parser.add_argument("cluster", metavar="NAME")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupted)
    first = options.cluster
    contract = [pytest_command(first, "tests/contract")] if options.contract else []
    end_to_end = pytest_command(first, "tests/e2e")
    if os.environ.get("KUBECONFIG"):
        return one_by_one(first, [*contract, end_to_end])
    prepare(first)  # builds the images, for both
    code = side_by_side(
        [
            Shard("1", first, [*contract, end_to_end]),
            *(
                Shard(name, other, [pytest_command(other, "tests/e2e")], preparations(other))
                for name, other in (("2", f"{first}-2"), ("3", f"{first}-3"))
            ),
        ]
    )
    return side_by_side([Shard("quiet", first, [end_to_end])]) or code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
