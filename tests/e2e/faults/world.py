# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A builder that is ready on a hub of its own, and short hands for what fault tests do with its tasks."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import koji

from tests.e2e.bad_input.world import clear_faults, inject
from tests.e2e.hub import deploy_hub
from tests.e2e.kube import condition
from tests.e2e.operator import CHECKOUT
from tests.e2e.resources import builder

from . import invariant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube
    from tests.e2e.operator import Operator

    from .ledger import Ledger

CLAIM = "postgresql"  # the database's PVC
# Sessions can expire, as on a hub with the default settings; no test lasts so long unless it turns the clock.
HUB_CONF = {"SessionRenewalTimeout": 1440}
# The role runs when something changes; its period must not undo what a test does.
SELDOM = {"ansible.sdk.operatorframework.io/reconcile-period": "1h"}
# Seconds, on a very busy machine: a run of the operator, what follows from it, a short task with its retries.
READY, SOON, TASK = 240, 120, 150


@dataclass
class World:
    """A hub, its database as a witness, and KojiBuilder `name` with `spec`. Times are seconds."""

    kube: Kube
    hub: Hub
    ledger: Ledger
    operator: Operator
    name: str
    folder: Path
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
        wanted = builder(self.name, self.namespace, **{**self.spec, **spec})
        wanted["metadata"]["annotations"] = SELDOM
        return self.kube.apply(wanted)[0]

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
        task: int = self.session.makeTask(
            method, [seconds] if method == "sleep" and not args else list(args), **options
        )
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
        """Wait until somebody else, who is alive, has the Lease; return who."""

        def other() -> str | None:
            holder = self.holder()
            return holder if holder not in ("", not_by) and Path(f"/proc/{pid_of(holder)}").exists() else None

        found: str = self.kube.wait_for(other, timeout, "a scheduling process has the Lease")
        return found

    def kill_scheduler(self) -> str:
        """kill -9 of the process that holds the Lease; return its identity."""
        holder = self.held()
        os.kill(pid_of(holder), signal.SIGKILL)
        return holder

    @contextlib.contextmanager
    def no_scheduler(self) -> Iterator[None]:
        """The operator has no scheduling process for a while: it stands still, and the one that it had is killed.

        Deleting the ConfigMap that it runs for would not do: a run of the role makes it again.
        """
        os.kill(self.operator.pid, signal.SIGSTOP)
        try:
            self.kill_scheduler()
            yield
        finally:
            os.kill(self.operator.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def by_hand(self, step: str = "never", about: int = 0) -> Iterator[subprocess.Popen[bytes]]:
        """Start a scheduling process beside the operator's; it kills itself at a step of doomed.STEPS."""
        log = self.folder / f"{step}.log"
        command = [sys.executable, "-m", "tests.e2e.faults.doomed", self.namespace, step, str(about)]
        with (
            log.open("ab") as out,
            subprocess.Popen(
                command, cwd=CHECKOUT, stdout=out, stderr=out, env={**os.environ, "TMPDIR": str(self.folder)}
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def dies_at(self, step: str, about: int) -> None:
        """Let a scheduling process work until it kills itself at that step."""
        with self.by_hand(step, about) as process:
            code = process.wait(SOON)
        log = (self.folder / f"{step}.log").read_text("utf-8")
        assert code == -signal.SIGKILL, f"it ended with {code} instead of at {step}:\n{log}"

    def kill_runner(self, task: int) -> None:
        """kill -9 of every process in the container of a task's pod, as the kernel does when memory runs out."""
        uid = self.running(task)["metadata"]["uid"]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                mine = uid in (process / "cgroup").read_text("utf-8")
                if mine and b"runner" in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)

    # Faults and the end

    def inject(self, **rule: Any) -> None:
        """Ask the hub for a fault; see tests/devhub/README.md."""
        self.settled_since = False
        inject(self.hub, **rule)

    def scale(self, deployment: str, replicas: int) -> None:
        """Stop or start `koji-hub` or `postgresql`; wait until its pods are gone, or one is ready."""
        self.settled_since = False
        self.kube.patch("Deployment", deployment, self.namespace, {"spec": {"replicas": replicas}})

        def pods() -> list[Json]:
            return self.kube.find("Pod", self.namespace, f"app={deployment}")

        def done() -> bool:
            ready = [pod for pod in pods() if condition(pod, "Ready").get("status") == "True"]
            return len(ready) == replicas and (replicas > 0 or not pods())

        self.kube.wait_for(done, SOON, f"{deployment} has {replicas} pods", pods)

    def hub_conf(self, **options: Any) -> None:
        """Give the hub other settings, over its usual ones, and wait until it has them."""
        self.settled_since = False
        deploy_hub(self.kube, self.namespace, self.hub.ca.parent, {**HUB_CONF, **options}, database_claim=CLAIM)
        self.kube.kubectl("rollout", "status", "deployment/koji-hub", "-n", self.namespace, f"--timeout={SOON}s")
        self._session = None

    def host_session(self) -> koji.ClientSession:
        """Log in as the builder's host, with its certificate, as somebody's kojid would."""
        self.settled_since = False
        pem = self.folder / "host.pem"
        pem.touch(0o600)
        pem.write_bytes(self.kube.secret(self.namespace, f"koji-{self.name}-client-cert")["client.pem"])
        return self.hub.session(pem)

    def master(self) -> int:
        """The id of the builder's exclusive session."""
        (master,) = (session for session, exclusive in self.ledger.masters(self.name) if exclusive)
        return master

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


def pid_of(holder: str) -> int:
    """The process of a Lease's holder; it runs on this machine."""
    return int(holder.split("_")[3])


def _phase(pod: Json) -> str:
    return str((pod.get("status") or {}).get("phase"))
