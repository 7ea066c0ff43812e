# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The tasks of a soak, and what people do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

    import koji


class Work:
    """Makes tasks of several kinds and knows how each is meant to end. `session`: the hub's admin."""

    def __init__(self, session: koji.ClientSession, random: Random) -> None:
        self.meant: dict[int, str] = {}
        self.canceled: set[int] = set()
        self.session = session
        self._random = random

    def make(self) -> int:
        """Make a task: most sleep for up to three seconds, some fail, some have children."""
        kind = self._random.random()
        method, end = "sleep", "CLOSED"
        request: list[Any] = [self._random.choice([0, 0, 1, 1, 2, 3])]
        if kind < 0.06:
            request, end = ["not a number"], "FAILED"
        elif kind < 0.10:
            method, request = "waittest", [2, 1]
        options: dict[str, Any] = {"priority": self._random.choice([15, 20, 20, 25])}
        task: int = self.session.makeTask(method, request, **options)
        self.meant[task] = end
        return task

    def cancel(self, task: int) -> None:
        """As `koji cancel`; a task that has ended stays as it is."""
        self.canceled.add(task)
        self.session.cancelTask(task, recurse=True)

    def free(self, task: int) -> None:
        """As `koji free-task`."""
        self.session.freeTask(task)
