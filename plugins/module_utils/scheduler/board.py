# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Builders of a namespace tell each other what their hub has assigned.

The hub's scheduler runs inside one host's host.getTasks, once a second for all hosts (koji-facts.md). Whoever had it
run sees whom it gave tasks; without a word the others would find out with their next check-in, up to a second later.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Board:
    """Hosts with a builder in this process. `wake` gets a builder's name. Builders' threads may call all of it."""

    def __init__(self, wake: Callable[[str], None] = lambda _: None) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._hosts: dict[str, dict[int, str]] = {}  # hub's URL -> host's id -> builder's name
        self._told: dict[str, dict[int, int]] = {}  # hub's URL -> task's id -> host's id, as last seen

    def others(self, hub: str, host_id: int, builder: str) -> list[int]:
        """Ids of the other hosts on this hub; this one is known to them from now on."""
        with self._lock:
            hosts = self._hosts.setdefault(hub, {})
            hosts[host_id] = builder
            return sorted(hosts.keys() - {host_id})

    def tell(self, hub: str, assigned: Mapping[int, int], looked_at: list[int]) -> None:
        """What is assigned to the hosts that were looked at, task's id -> host's id; wakes those that have news."""
        with self._lock:
            told = self._told.get(hub, {})
            new = {host for task, host in assigned.items() if told.get(task) != host}
            rest = {task: host for task, host in told.items() if host not in looked_at}
            self._told[hub] = {**rest, **assigned}
            names = [name for host, name in self._hosts.get(hub, {}).items() if host in new]
        for name in names:
            self._wake(name)

    def leave(self, builder: str) -> None:
        """Forget a builder."""
        with self._lock:
            for hosts in self._hosts.values():
                for host in [host for host, name in hosts.items() if name == builder]:
                    del hosts[host]
