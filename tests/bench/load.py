# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Hundreds of tasks on 50 slots: how long, what the scheduling process uses, how often the hub is called."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.bench import pods, setting, tasks
from tests.bench.watching import watched
from tests.soak.faults import scheduling_process

if TYPE_CHECKING:
    from tests.bench.figures import Figures
    from tests.e2e.faults.ledger import Ledger
    from tests.e2e.hub import Hub
    from tests.e2e.kube import Kube

NAME = "bench-load"  # of the builder and its channel
SLOTS = 50
IDLE = 20.0  # seconds
TIMEOUT = 900.0  # seconds for all tasks
RESUMED = 100  # sessions.CALLNUM_MARGIN: a process that resumes a session goes on so far from its last number
# A multicall counts as one. Masters are the scheduler's, the others the runners'.
CALLS = """
    SELECT coalesce(sum(callnum) FILTER (WHERE master IS NULL), 0),
           coalesce(sum(callnum + 1) FILTER (WHERE master IS NOT NULL), 0)
    FROM sessions JOIN users ON users.id = user_id WHERE users.name = %s
"""


def per_task(before: tuple[int, int], after: tuple[int, int], resumed: int, count: int) -> tuple[float, float]:
    """Calls for each task, of the scheduler and of its runner; `resumed`: how often a session was."""
    scheduler = after[0] - before[0] - resumed * RESUMED
    return scheduler / count, (after[1] - before[1]) / count


def measure(kube: Kube, hub: Hub, ledger: Ledger, namespace: str, count: int, figures: Figures) -> None:
    """Add all figures of this part."""

    def process() -> int | None:
        return scheduling_process(kube, namespace)

    def calls() -> tuple[int, int]:
        [(masters, subsessions)] = ledger.rows(CALLS, NAME)
        return int(masters), int(subsessions)

    setting.make_channel(hub.session(), NAME)
    setting.start_builder(kube, namespace, SLOTS, NAME, NAME)
    with watched(process, time.monotonic) as idle:
        time.sleep(IDLE)
    before = calls()
    selector = f"apps.fedoraproject.org/builder={NAME}"
    with pods.counted(kube, namespace, selector) as alive, watched(process, time.monotonic) as busy:
        ended = tasks.at_once(hub, NAME, count, TIMEOUT)
    of_scheduler, of_runner = per_task(before, calls(), busy.processes - 1, count)
    figures.add("load.operator", "s", ended)
    figures.add("load.tasks_per_second", "1/s", [count / max(ended)])
    figures.add("load.pods_alive", "pods", [alive.most])
    figures.add("load.hub_calls.scheduler", "a task", [of_scheduler])
    figures.add("load.hub_calls.runner", "a task", [of_runner])
    for name, seen in (("idle", idle), ("busy", busy)):
        figures.add(f"scheduler.cpu.{name}", "cores", seen.cpu)
        figures.add(f"scheduler.memory.{name}", "MiB", seen.memory)
    kube.delete("KojiBuilder", NAME, namespace, timeout=120)
