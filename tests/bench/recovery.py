# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How long it takes until things go on: after a pod's death, a cancel, the scheduler's death, the operator's."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from kubernetes.client import CoreV1Api
from kubernetes.watch import Watch

from tests.bench.pods import ENDED
from tests.bench.tasks import TIMEOUT
from tests.soak.faults import killed, runners, scheduling_process

if TYPE_CHECKING:
    from collections.abc import Iterable

    import koji

    from tests.e2e.faults.ledger import Ledger
    from tests.e2e.kube import Kube
    from tests.e2e.operator import Operator

HISTORY = "SELECT state, time FROM task_history WHERE task_id = %s AND time >= %s ORDER BY id"
FREE, OPEN = 0, 1  # koji.TASK_STATES


class Recovery:
    """Measures on one builder's channel. Times are taken from the hub's database and a watch, not by polling."""

    def __init__(self, kube: Kube, admin: koji.ClientSession, ledger: Ledger, namespace: str, channel: str) -> None:
        self._kube = kube
        self._admin = admin
        self._ledger = ledger
        self._namespace = namespace
        self._channel = channel

    def freed_after_death(self, count: int) -> list[float]:
        """Seconds from kill -9 of a task's runner until the hub has the task back."""
        found = []
        for _ in range(count):
            task, pod = self._running()
            pids = runners(pod["metadata"]["uid"])
            assert pids, "the runner's process is not on this machine"
            began = time.time()
            for pid in pids:
                killed(pid)  # the runner's second process ends with its first
            found.append(self._until(task, began, FREE))
            self._end(task)
        return found

    def gone_after_cancel(self, count: int) -> list[float]:
        """Seconds from a person's cancel until the pod is gone from the API server."""
        found = []
        for _ in range(count):
            task, pod = self._running()
            gone = _Gone(CoreV1Api(self._kube.client), pod)
            cancelled = time.time()
            self._admin.cancelTask(task)
            found.append(gone.wait() - cancelled)
        return found

    def taken_after_scheduler(self, count: int) -> list[float]:
        """Seconds from kill -9 of the scheduling process until a task that was made at once is opened."""
        found = []
        for _ in range(count):
            pid = self._kube.wait_for(
                lambda: scheduling_process(self._kube, self._namespace), TIMEOUT, "a process has the Lease"
            )
            began = time.time()
            killed(pid)
            found.append(self._taken(began))
        return found

    def taken_after_operator(self, operator: Operator, count: int) -> list[float]:
        """Seconds from kill -9 of the operator and its runs until its successor, started at once, opens a task."""
        found = []
        for _ in range(count):
            began = time.time()
            operator.kill()
            operator.start()
            found.append(self._taken(began))
        return found

    def _taken(self, since: float) -> float:
        task: int = self._admin.makeTask("sleep", [0], channel=self._channel)
        return self._until(task, since, OPEN)

    def _running(self) -> tuple[int, dict[str, Any]]:
        task: int = self._admin.makeTask("sleep", [600], channel=self._channel)

        def pod() -> dict[str, Any] | None:
            for one in self._kube.find("Pod", self._namespace, f"koji-task={task}"):
                # The runner has begun: it says so.
                if one["status"].get("phase") == "Running" and self._kube.logs(
                    self._namespace, one["metadata"]["name"]
                ):
                    return one
            return None

        return task, self._kube.wait_for(pod, TIMEOUT, f"task {task} runs")

    def _until(self, task: int, since: float, state: int) -> float:
        """Seconds from a time to the task's first change into a state."""

        def when() -> float | None:
            rows: Iterable[tuple[int, float]] = self._ledger.rows(HISTORY, task, since)
            return next((at for there, at in rows if there == state), None)

        at: float = self._kube.wait_for(when, TIMEOUT, f"task {task} is in state {state}")
        return at - since

    def _end(self, task: int) -> None:
        """Cancel it; the pod that failed is kept for people to look at."""
        self._admin.cancelTask(task)

        def over() -> bool:
            pods = self._kube.find("Pod", self._namespace, f"koji-task={task}")
            return all(pod["status"].get("phase") in ENDED for pod in pods)

        self._kube.wait_for(over, TIMEOUT, f"task {task} has no pods that run")


class _Gone:
    """Notes when a pod is deleted for good."""

    def __init__(self, core: CoreV1Api, pod: dict[str, Any]) -> None:
        self._at = 0.0
        self._core = core
        self._meta = pod["metadata"]
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        events = Watch().stream(
            self._core.list_namespaced_pod, self._meta["namespace"],
            field_selector=f"metadata.name={self._meta['name']}", resource_version=self._meta["resourceVersion"],
            timeout_seconds=TIMEOUT,
        )  # fmt: skip
        for event in events:
            if event["type"] == "DELETED":
                self._at = time.time()
                return

    def wait(self) -> float:
        """When it was, seconds since the epoch. AssertionError if it still is."""
        self._thread.join(TIMEOUT)
        assert self._at, f"pod {self._meta['name']} is still there after {TIMEOUT} s"
        return self._at
