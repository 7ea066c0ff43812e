# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A builder that is ready on a hub of its own, and short hands for what fault tests do with its tasks."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import koji

from tests.e2e.bad_input.world import clear_faults, inject
from tests.e2e.kube import condition
from tests.e2e.resources import READY, SOON, builder

from . import invariant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube
    from tests.e2e.operator import Operator

    from .ledger import Ledger

TASK = 90.0  # seconds that a short task may take, with its retries, on a busy machine


@dataclass
class World:
    """A hub, its database as a witness, and KojiBuilder `name` with `spec`. Times are seconds."""

    kube: Kube
    hub: Hub
    ledger: Ledger
    operator: Operator
    name: str
    spec: Json = field(default_factory=dict)
    settled_since: bool = True  # nothing was done since the last settled()
    _session: koji.ClientSession | None = None

    @property
    def namespace(self) -> str:
        """Where everything is."""
        return self.hub.namespace

    @property
    def session(self) -> koji.ClientSession:
        """The hub's admin, logged in once."""
        if self._session is None:
            self._session = self.hub.session()
        return self._session

    # The builder

    def apply(self, **spec: Any) -> Json:
        """Apply the builder with more of a spec than its own; what an earlier call set and this one doesn't goes."""
        return self.kube.apply(builder(self.name, self.namespace, **{**self.spec, **spec}))[0]

    def ready(self, timeout: float = READY) -> Json:
        """Wait until the builder is ready."""
        return self.kube.wait_condition("KojiBuilder", self.name, self.namespace, timeout)

    def scheduling(self, status: str = "True", reason: str | None = None, timeout: float = SOON) -> Json:
        """Wait for the condition Scheduling; return it."""
        item = self.kube.wait_condition("KojiBuilder", self.name, self.namespace, timeout, "Scheduling", status, reason)
        return condition(item, "Scheduling")

    def status(self) -> Json:
        """The builder's status now."""
        item = self.kube.get("KojiBuilder", self.name, self.namespace)
        return (item or {}).get("status") or {}

    def event(self, reason: str, words: str = "", timeout: float = SOON) -> Json:
        """Wait for an event on the builder with a reason and some words in its message; return it."""

        def found() -> Json | None:
            events = self.kube.events(self.namespace, self.name)
            return next((e for e in events if e["reason"] == reason and words in e["message"]), None)

        def shown() -> list[tuple[str, str]]:
            return [(e["reason"], e["message"]) for e in self.kube.events(self.namespace, self.name)]

        event: Json = self.kube.wait_for(found, timeout, f"event {reason} {words}", shown)
        return event

    # Tasks and pods

    def task(self, seconds: float = 1, method: str = "sleep", *args: Any, **options: Any) -> int:
        """Make a task on the hub: `sleep [seconds]`, or `method` with `args`; `options` as makeTask has them."""
        self.settled_since = False
        task: int = self.session.makeTask(method, list(args) or [seconds], **options)
        return task

    def tasks(self, count: int, seconds: float = 1, **options: Any) -> list[int]:
        """Make some."""
        return [self.task(seconds, **options) for _ in range(count)]

    def pods(self, task: int | None = None) -> list[Json]:
        """A task's pods, or all task pods, dead ones too."""
        return self.kube.find("Pod", self.namespace, "koji-task" if task is None else f"koji-task={task}")

    def pod(self, task: int, timeout: float = SOON) -> Json:
        """Wait until a task has a pod that is not ending; return it."""

        def living() -> Json | None:
            pods = [pod for pod in self.pods(task) if _phase(pod) in ("Pending", "Running")]
            return next((pod for pod in pods if not pod["metadata"].get("deletionTimestamp")), None)

        found: Json = self.kube.wait_for(living, timeout, f"task {task} has a pod", self.seen)
        return found

    def running(self, task: int, timeout: float = SOON) -> Json:
        """Wait until a task's runner is at work; return its pod."""

        def at_work() -> Json | None:
            for pod in self.pods(task):
                name = pod["metadata"]["name"]
                if _phase(pod) == "Running" and not pod["metadata"].get("deletionTimestamp"):
                    return pod if self.kube.logs(self.namespace, name) else None
            return None

        found: Json = self.kube.wait_for(at_work, timeout, f"task {task} runs in a pod", self.seen)
        return found

    def ended(self, task: int, state: str = "CLOSED", timeout: float = TASK) -> None:
        """Wait until a task has ended, and check how."""
        self.kube.wait_for(
            lambda: self.ledger.state(task) in invariant.ENDED, timeout, f"task {task} has ended", self.seen
        )
        assert self.ledger.state(task) == state, self.ledger.history(task)

    def is_now(self, task: int, *states: str, timeout: float = SOON) -> str:
        """Wait until a task is in one of these states; return it."""

        def reached() -> str | None:
            now = self.ledger.state(task)
            return now if now in states else None

        found: str = self.kube.wait_for(reached, timeout, f"task {task} is {states}", self.seen)
        return found

    def result(self, task: int) -> str:
        """What koji says of a task that failed: the words of its error. AssertionError if it did not fail."""
        try:
            value = self.session.getTaskResult(task)
        except koji.GenericError as error:
            return str(error)
        raise AssertionError(f"task {task} has a result: {value}")

    def seen(self) -> str:
        """Tasks that have not ended and pods, for messages."""
        pods = [f"{pod['metadata']['name']} {_phase(pod)}" for pod in self.pods()]
        tasks = [f"{task} {self.ledger.history(task)}" for task in self.ledger.unended()]
        return f"tasks: {tasks}\npods: {pods}\nstatus: {self.status()}"

    # The scheduling process

    def holder(self) -> str:
        """Who has the Lease; '' if nobody."""
        lease = self.kube.get("Lease", invariant.LEASE, self.namespace)
        return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")

    def held(self, not_by: str = "", timeout: float = SOON) -> str:
        """Wait until somebody else has the Lease; return who."""

        def other() -> str | None:
            holder = self.holder()
            return holder if holder not in ("", not_by) else None

        found: str = self.kube.wait_for(other, timeout, "a scheduling process has the Lease")
        return found

    def kill_scheduler(self) -> str:
        """kill -9 of the process that holds the Lease; return its identity."""
        holder = self.held()
        os.kill(int(holder.split("_")[3]), signal.SIGKILL)
        return holder

    # Faults and the end

    def inject(self, **rule: Any) -> None:
        """Ask the hub for a fault; see tests/devhub/README.md."""
        self.settled_since = False
        inject(self.hub, **rule)

    def clear(self) -> None:
        """Take all of the hub's faults back."""
        clear_faults(self.hub)

    def settled(
        self,
        *,
        closed: Iterable[int] = (),
        failed: Iterable[int] = (),
        canceled: Iterable[int] = (),
        queued: Iterable[int] = (),
        timeout: float = invariant.SETTLED,
    ) -> None:
        """The invariant, see invariant.settled; last in every fault test."""
        invariant.settled(
            self.kube, self.ledger, self.namespace, closed=closed, failed=failed, canceled=canceled, queued=queued,
            timeout=timeout,
        )  # fmt: skip
        self.settled_since = True

    def clean(self) -> None:
        """After a test that failed, or left tasks queued: no fault, and no task that has not ended."""
        self.clear()
        for task in self.ledger.unended():
            self.session.cancelTask(task)


def _phase(pod: Json) -> str:
    return str((pod.get("status") or {}).get("phase"))
