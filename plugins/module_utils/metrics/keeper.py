# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Carries a ledger from run to run. Nothing that goes wrong here ever fails a tick: metrics are off then."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.file import FileError, Store
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVERY = 5.0  # seconds between writes

LOG = logging.getLogger("koji-operator.metrics")


class Keeper:
    """A namespace's ledger and its file; without a folder the ledger is kept in memory alone.

    Call `begin`, `keep` and `end` only while the Lease is held: the file has one writer.
    """

    def __init__(
        self,
        namespace: str,
        folder: Path | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ledger = Ledger(namespace)
        self.problems: list[str] = []  # for people; at most two
        self._store = Store(folder, namespace) if folder is not None else None
        self._clock = clock
        self._monotonic = monotonic
        self._due = float("-inf")
        self._begun = False

    def begin(self) -> None:
        """Go on from what the last run left; the Lease is ours."""
        self._begun = True
        self._take_over()
        self.ledger.runs += 1
        self.keep()

    def keep(self) -> None:
        """Write the file, if it is time to."""
        now = self._monotonic()
        if self._begun and now >= self._due:
            self._due = now + EVERY
            self._write()

    def end(self) -> None:
        """Write the file for the last time."""
        if self._begun:
            self._write()

    def _off(self, store: Store, error: OSError) -> None:
        self._store = None
        self._say(f"metrics are off for this run: {store.path}: {error.strerror or error}")

    def _say(self, problem: str) -> None:
        LOG.warning("%s", problem)
        self.problems.append(problem)

    def _take_over(self) -> None:
        """Read the file into the ledger."""
        store = self._store
        if store is None:
            return
        try:
            left = store.read()
        except FileError as error:
            self._say(f"metrics start anew: {store.path} makes no sense: {error}")
            return
        except OSError as error:
            self._off(store, error)
            return
        if left is not None:
            left.resume(self._clock())
            self.ledger.pages, self.ledger.runs, self.ledger.resumed = left.pages, left.runs, left.written

    def _write(self) -> None:
        store = self._store
        if store is None:
            return
        try:
            if store.foreign():
                # Their numbers are the ones that were served last: going on from ours could make a counter go down.
                self._take_over()
            now = self._clock()
            self.ledger.tidy(now)
            self.ledger.written = now
            store.write(self.ledger)
        except OSError as error:
            self._off(store, error)
