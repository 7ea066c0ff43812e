# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The work queue of one controller: a key is never worked on twice at a time, and failures are retried later."""

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

# client-go's default rate limiter for controllers: 5 ms, doubled by each failure, at most 1000 s.
FIRST_DELAY = 0.005
MAX_DELAY = 1000.0


class WorkQueue(Generic[K]):
    """client-go's work queue in small; only for use within one event loop. Delays in seconds."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[K | None] = asyncio.Queue()
        self._dirty: set[K] = set()
        self._working: set[K] = set()
        self._delayed: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._closed = False

    def add(self, key: K) -> None:
        """Ask for a run now; while one is going on, for another one after it."""
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._ready.put_nowait(key)

    def add_after(self, key: K, delay: float) -> None:
        """Ask for a run later; of two such wishes the earlier one counts."""
        loop = asyncio.get_running_loop()
        known = self._delayed.get(key)
        if self._closed or (known is not None and known.when() <= loop.time() + delay):
            return
        if known is not None:
            known.cancel()
        self._delayed[key] = loop.call_later(delay, self._due, key)

    def add_rate_limited(self, key: K) -> float:
        """Ask for a run after a failure; return the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay: float = min(FIRST_DELAY * 2 ** min(failures, 30), MAX_DELAY)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Forget the failures of a key: the next one starts with the shortest delay again."""
        self._failures.pop(key, None)

    async def get(self) -> K | None:
        """Wait for the next key to work on, None once the queue is closed; call `done` after it."""
        key = None if self._closed else await self._ready.get()
        if key is None or self._closed:
            self._ready.put_nowait(None)  # wakes the next worker
            return None
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        self._working.discard(key)
        if key in self._dirty:
            self._ready.put_nowait(key)

    def close(self) -> None:
        """No more work: workers that wait are woken."""
        self._closed = True
        for handle in self._delayed.values():
            handle.cancel()
        self._delayed.clear()
        self._ready.put_nowait(None)

    def _due(self, key: K) -> None:
        del self._delayed[key]
        self.add(key)
