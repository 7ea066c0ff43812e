# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One process a namespace: it holds the Lease and ticks every builder in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import Settings, SettingsError, parse
from ansible_collections.fedoraproject.koji.plugins.module_utils.conditions import Condition
from ansible_collections.fedoraproject.koji.plugins.module_utils.lease import RENEW, Lease
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.keeper import Keeper
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.observer import Observer
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.actions import described
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.board import Board
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.builder import Builder, Tick
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import Cluster, ClusterError
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.connection import (
    MakeAccess,
    Surroundings,
    hub_access,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import Stop
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.report import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

# A little more than the hub's RunInterval (1): at 1.00 every other tick would come a moment too early for it.
PERIOD = 1.03  # seconds between regular ticks
SPACING = 0.05  # seconds at least between a tick and one that a pod asked for
SYNC = 1.0  # seconds between looks at which builders there are
LISTEN = 0.25  # seconds between looks at whether to stop
JOIN = 45.0  # seconds that builders have to end their ticks: a hub call has 20, and may be followed by another
WORKERS = 4  # threads that make pods, for all builders together; more only delays each pod's Secret

LOG = logging.getLogger("koji-operator.scheduler")


@dataclass
class Outcome:
    """What a run did. `actions`: of a single tick, by builder."""

    ticks: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    actions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    holder: str = ""  # who has the Lease, if we did not get it
    gave_way_to: list[str] = field(default_factory=list)  # namespaces that waited for a worker
    pods_left: int = 0
    done: bool = False


class _Runner:
    """A builder's thread."""

    def __init__(self, builder: Builder, lease: Lease) -> None:
        self.builder = builder
        self._lease = lease
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._settings: Settings | None = None
        self.finished = False
        self.ticks = 0
        self._thread = threading.Thread(target=self._run, name=f"builder-{builder.settings.name}", daemon=True)
        self._thread.start()

    def update(self, settings: Settings) -> None:
        """Give it new settings."""
        self.builder.complaint = ""
        if settings != self._settings:
            self._settings = settings
            self._wake.set()

    def wake(self) -> None:
        """Tick now."""
        self._wake.set()

    def stop(self) -> None:
        """End after the tick that is under way."""
        self._stop.set()
        self._wake.set()

    def join(self, until: float) -> bool:
        """Wait until then (monotonic); whether it has ended."""
        self._thread.join(max(0.0, until - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            self._wake.wait(max(0.0, due - time.monotonic()))
            self._wake.clear()
            if self._stop.is_set():
                return
            began = time.monotonic()
            if began >= due:
                due = max(due + PERIOD, began + PERIOD / 2)
            if self._lease.held():
                self._tick()
                if self.finished:
                    return
            self._stop.wait(SPACING)

    def _tick(self) -> None:
        if self._settings is not None:
            self.builder.configure(self._settings)
        name = self.builder.settings.name
        try:
            tick = self.builder.tick()
        except Stop:
            LOG.info("%s: the Lease is lost", name)
        except ClusterError as error:
            LOG.warning("%s: %s", name, error)
            self._stop.wait(1.0)
        except Exception:  # one builder's trouble, even a bug, must not end the others
            LOG.exception("%s: unexpected", name)
            self._stop.wait(5.0)
        else:
            self.ticks += 1
            self.finished = tick.drained


class Process:
    """The scheduler of a namespace."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        holder: str,
        make_access: MakeAccess = hub_access,
        metrics: Path | None = None,
    ) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.lease = Lease(cluster, holder)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="pods")
        self.metrics = Keeper(namespace, metrics)
        self._around = Surroundings(
            cluster, make_access, self._may_write, self._pool, ledger=self.metrics.ledger, board=Board(self._wake)
        )
        self._runners: dict[str, _Runner] = {}
        self._gone: set[str] = set()  # uids of CRs that have been drained
        self._complaints: dict[str, Reporter] = {}
        self._changed = threading.Event()
        self._ended: list[Builder] = []

    def _may_write(self) -> None:
        if not self.lease.held():
            raise Stop

    # One tick

    def _settings(self, outcome: Outcome | None = None) -> list[Settings]:
        found = []
        for config_map in self.cluster.config_maps():
            try:
                found.append(parse(config_map))
            except SettingsError as error:
                self._complain(config_map, error)
                if outcome is not None:
                    outcome.errors[config_map["metadata"]["name"]] = str(error)
        return found

    def _complain(self, config_map: dict[str, Any], error: SettingsError) -> None:
        """Say on the CR that its ConfigMap can't be used."""
        owner = next((o["name"] for o in config_map["metadata"].get("ownerReferences", [])), "")
        resource = self.cluster.builders().get(owner)
        LOG.warning("%s", error)
        if resource is None or not self.lease.held():
            return
        Observer(self.metrics.ledger, owner).unusable(time.time())
        if owner in self._runners:
            self._runners[owner].builder.complaint = str(error)
            return
        reporter = self._complaints.setdefault(owner, Reporter(self.cluster, owner))
        condition = Condition("Scheduling", status=False, reason="SettingsInvalid", message=str(error))
        reporter.write(resource, condition, time.time())

    def once(self, *, only: str = "", check: bool = False) -> Outcome:
        """One tick of every builder, or of one; `check`: say what it would do, and write nothing at all."""
        outcome = Outcome()
        if not check and not self._wait_for_lease(time.monotonic(), outcome):
            return outcome
        if not check:
            self.metrics.begin()
        try:
            for settings in self._settings(outcome):
                if only and settings.name != only:
                    continue
                builder = Builder(settings, self._around)
                self._one(builder, outcome, check=check)
        finally:
            if not check:
                self._write_metrics(last=True)
                self.lease.release()
            self._pool.shutdown(wait=False, cancel_futures=True)
        return outcome

    def _one(self, builder: Builder, outcome: Outcome, *, check: bool) -> None:
        name = builder.settings.name
        try:
            tick: Tick = builder.peek() if check else self._renewed(builder)
        except Stop:
            outcome.errors[name] = "the Lease was lost on the way"
            return
        except ClusterError as error:
            outcome.errors[name] = str(error)
            return
        outcome.ticks += 1
        outcome.actions[name] = [described(action) for action in tick.actions]
        outcome.counts.update(type(action).__name__.lower() for action in tick.actions)
        outcome.pods_left += tick.pods_left
        outcome.done = tick.drained
        if tick.error is not None:
            outcome.errors[name] = f"{tick.error.reason}: {tick.error.message}"

    def _renewed(self, builder: Builder) -> Tick:
        self.lease.acquire()
        return builder.tick()

    def _wait_for_lease(self, until: float, outcome: Outcome) -> bool:
        """Take the Lease, waiting for it until then (monotonic)."""
        while True:
            try:
                if self.lease.acquire():
                    return True
            except ClusterError as error:
                LOG.warning("Lease: %s", error)
                if time.monotonic() >= until:
                    raise
            if time.monotonic() >= until:
                outcome.holder = self.lease.other
                return False
            time.sleep(min(0.5, max(0.0, until - time.monotonic())))

    def note(self, reason: str, message: str) -> None:
        """An Event on each builder, after a run."""
        resources = self.cluster.builders()
        for name, runner in self._runners.items():
            if name in resources:
                runner.builder.report.note(resources[name], reason, message, time.time())

    # Many ticks

    def run(self, duration: float, stopped: Callable[[], bool] = lambda: False) -> Outcome:
        """Tick for `duration` seconds, or until `stopped`."""
        outcome = Outcome()
        until = time.monotonic() + duration
        self.cluster.subscribe(self._wake)
        try:
            if self._wait_for_lease(until, outcome):
                self.metrics.begin()
                self._loop(until, stopped)
        finally:
            self._finish(outcome)
        return outcome

    def _wake(self, builder: str) -> None:
        runner = self._runners.get(builder)
        if runner is not None:
            runner.wake()
        else:
            self._changed.set()

    def _loop(self, until: float, stopped: Callable[[], bool]) -> None:
        renew = time.monotonic() + RENEW
        sync = 0.0
        while (now := time.monotonic()) < until and not stopped():
            if now >= renew:
                renew = now + RENEW
                self._renew()
            if now >= sync or self._changed.is_set():
                self._changed.clear()
                sync = now + SYNC
                if self.lease.held():
                    self._sync()
            self._write_metrics()
            self._changed.wait(max(0.0, min(renew, sync, until, now + LISTEN) - time.monotonic()))

    def _write_metrics(self, *, last: bool = False) -> None:
        if not self.lease.held():
            return  # another process writes the file now
        if last:
            self.metrics.end()
        else:
            self.metrics.keep()

    def _renew(self) -> None:
        try:
            self.lease.acquire()
        except ClusterError as error:
            LOG.warning("Lease: %s", error)

    def _sync(self) -> None:
        """Builders come, change and go."""
        wanted = {settings.name: settings for settings in self._settings() if settings.owner_uid not in self._gone}
        for name, settings in wanted.items():
            runner = self._runners.get(name)
            if runner is None:
                self._runners[name] = _Runner(Builder(settings, self._around), self.lease)
            elif runner.builder.settings.owner_uid == settings.owner_uid:
                runner.update(settings)
            # Else the CR was deleted and created again: first the one is drained, then the other begins.
        # One whose ConfigMap is gone or unreadable goes on as long as there is its CR: the role makes it anew.
        for name, runner in list(self._runners.items()):
            if runner.finished:
                self._gone.add(runner.builder.settings.owner_uid)
                self._ended.append(runner.builder)
                self._around.board.leave(name)
                del self._runners[name]

    def _finish(self, outcome: Outcome) -> None:
        """Let every builder end its tick, renewing the Lease meanwhile, then give it up."""
        runners = list(self._runners.values())
        for runner in runners:
            runner.stop()
        until = time.monotonic() + JOIN
        while not self._all_ended(runners) and time.monotonic() < until:
            self._renew()
        self._write_metrics(last=True)
        self.lease.release()
        self._pool.shutdown(wait=False, cancel_futures=True)
        outcome.ticks = sum(runner.ticks for runner in runners)
        for builder in (*self._ended, *(runner.builder for runner in runners)):
            outcome.counts.update(builder.report.counters)

    @staticmethod
    def _all_ended(runners: Iterable[_Runner]) -> bool:
        until = time.monotonic() + RENEW
        ended = [runner.join(until) for runner in runners]  # each gets its chance
        return all(ended)
