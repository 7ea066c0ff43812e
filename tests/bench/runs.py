# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What each of the operator's runs took, whichever runtime starts them."""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.bench import timed_runner


@dataclass(frozen=True)
class Run:
    """One ansible-runner; times in seconds, rss in MiB."""

    kind: str
    namespace: str
    name: str
    begin: float
    end: float
    cpu: float
    rss: float
    tasks: int
    exit_code: int

    @property
    def wall(self) -> float:
        """How long it took."""
        return self.end - self.begin


class TimedRuns:
    """Puts a timed ansible-runner on the operator's PATH; `folder` holds it and its notes."""

    def __init__(self, folder: Path) -> None:
        self._bin = folder / "bin"
        self._notes = folder / "runs.jsonl"
        self._bin.mkdir(parents=True)
        self._notes.touch()
        shim = self._bin / "ansible-runner"
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {timed_runner.__file__} "$@"\n', "utf-8")
        shim.chmod(0o755)

    def environment(self, path: str) -> dict[str, str]:
        """What the operator's environment needs; `path` is the PATH that it would have."""
        real = shutil.which("ansible-runner", path=sysconfig.get_path("scripts"))
        if real is None:
            raise FileNotFoundError("ansible-runner is not installed beside this Python")
        return {"PATH": f"{self._bin}:{path}", "KOJI_BENCH_RUNNER": real, "KOJI_BENCH_RUNS": str(self._notes)}

    def of(self, kind: str, namespace: str, name: str) -> list[Run]:
        """The runs for an object that have ended so far."""
        found = []
        for line in self._notes.read_text("utf-8").splitlines():
            note = json.loads(line)
            where = Path(note.pop("folder")).parts[-3:]
            if where == (kind, namespace, name):
                found.append(Run(*where, **note))
        return found
