# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the scheduling process of a namespace uses, looked at from outside, over its runs."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.e2e.scheduling import Usage, usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PERIOD = 1.0  # seconds between looks


@dataclass
class Watched:
    """CPU seconds in each second, MiB at each look, and how many processes there were."""

    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    processes: int = 0
    _last: tuple[int, float, float] | None = None  # pid, when, CPU

    def saw(self, pid: int, now: float, used: Usage) -> None:
        """Take in one look at a process, at a time (monotonic)."""
        if self._last is None or self._last[0] != pid:
            self.processes += 1
        else:
            _, before, cpu = self._last
            self.cpu.append((used.cpu - cpu) / (now - before))
        self.memory.append(used.memory)
        self._last = pid, now, used.cpu


@contextmanager
def watched(find: Callable[[], int | None], monotonic: Callable[[], float]) -> Iterator[Watched]:
    """Look for the time of a `with` block; `find` gives the process's id while there is one."""
    found, stop = Watched(), threading.Event()

    def look() -> None:
        while not stop.wait(PERIOD):
            pid = find()
            if pid is not None:
                try:
                    found.saw(pid, monotonic(), usage(pid))
                except OSError:
                    continue  # between two runs

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()
