# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What one builder's scheduler counts of its ticks: the one place that knows both the metrics and the scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics import catalog
from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import epoch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.conditions import Condition
    from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.ledger import Ledger, Page
    from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import TaskPod
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.execute import Done

_TASKS = {
    "taken": catalog.TASKS_TAKEN,
    "closed": catalog.TASKS_CLOSED,
    "failed": catalog.TASKS_FAILED,
    "freed": catalog.TASKS_FREED,
    "refused": catalog.TASKS_REFUSED,
}
# What happens in every builder's life starts at 0: Prometheus sees no increase in a time series that begins at 1.
_ORDINARY = (
    (catalog.TASKS_TAKEN,),
    (catalog.TASKS_CLOSED,),
    (catalog.TASKS_FAILED, "TaskFailed"),
    (catalog.TASKS_FREED, "GivenBack"),
    (catalog.TASKS_REFUSED, "soft"),
    (catalog.TASKS_REFUSED, "hard"),
    (catalog.PODS_ENDED, "closed", ""),
    (catalog.PODS_ENDED, "failed", ""),
)


class Observer:
    """Counts for one builder."""

    def __init__(self, ledger: Ledger, builder: str) -> None:
        self._ledger = ledger
        self._builder = builder
        self._created: dict[int, float] = {}  # first attempts under way: task id -> its create_ts
        self._started: set[str] | None = None  # uids of pods whose start is counted

    @property
    def page(self) -> Page:
        """The builder's page; another one after the file was read anew."""
        return self._ledger.page(self._builder)

    def seen(self, now: float) -> None:
        """The builder is there."""
        self.page.seen = now

    def unusable(self, now: float) -> None:
        """The builder is there, but its settings can't be used."""
        self.seen(now)
        self.page.set(catalog.SCHEDULING, 0.0)

    def retire(self) -> None:
        """The builder is gone."""
        self.page.retire()

    def tick(self, seconds: float) -> None:
        """A tick has ended."""
        self.page.observe(catalog.TICK, seconds)

    def request(self, call: str, seconds: float, error: str = "") -> None:
        """A request to the hub has ended; `error`: the reason, if it failed."""
        self.page.observe(catalog.HUB_REQUEST, seconds, call)
        if error:
            self.page.count(catalog.HUB_ERRORS, error)

    def done(self, done: Done) -> None:
        """What a tick did."""
        for (what, reason), number in done.reasons.items():
            metric = _TASKS[what]
            self.page.count(metric, *((reason or "Unknown",) if metric.labels else ()), by=number)
        for (outcome, reason), number in done.ended.items():
            self.page.count(catalog.PODS_ENDED, outcome, reason, by=number)
        for task, attempt in done.opened:
            self._opened(task, attempt)

    def _opened(self, task: Mapping[str, Any], attempt: int) -> None:
        created, opened = task.get("create_ts"), task.get("start_ts")
        # A task that comes back was created long ago; its wait then is not ours.
        if attempt == 1 and isinstance(created, (int, float)):
            self._created[task["id"]] = created
            if isinstance(opened, (int, float)):
                self.page.observe(catalog.TASK_TAKE, opened - created)

    def pods(self, pods: Iterable[TaskPod]) -> None:
        """The builder's pods, as a tick finds them."""
        pods = list(pods)
        running = {pod.uid: pod for pod in pods if pod.started is not None}
        if self._started is None:
            # What had started before this run's file was written is in it, or was never seen.
            self._started = {uid for uid, pod in running.items() if (pod.started or 0.0) <= self._ledger.resumed}
        for uid, pod in running.items():
            if uid not in self._started:
                self._count_start(pod)
        self._started = set(running)
        there = {pod.task_id for pod in pods}
        self._created = {task: created for task, created in self._created.items() if task in there}
        alive = [pod for pod in pods if pod.alive]
        self.page.set_each(
            catalog.TASK_PODS,
            {
                "pending": sum(pod.phase == "Pending" for pod in alive),
                "running": sum(pod.phase != "Pending" for pod in alive),
                "kept": sum(pod.recorded and not pod.alive for pod in pods),
            },
        )

    def _count_start(self, pod: TaskPod) -> None:
        started = pod.started or 0.0
        self.page.observe(catalog.POD_START, started - pod.created)
        created = self._created.pop(pod.task_id, None)
        if created is not None and pod.attempt == 1:
            self.page.observe(catalog.TASK_START, started - created)

    def checked_in(self, *, slots: int, running: int, waiting: int, assigned: int, now: float) -> None:
        """The hub has answered a check-in."""
        page = self.page
        for metric, *labels in _ORDINARY:
            page.count(metric, *labels, by=0)
        page.set(catalog.SLOTS, slots)
        page.set(catalog.TASKS_RUNNING, running)
        page.set(catalog.TASKS_WAITING, waiting)
        page.set(catalog.TASKS_ASSIGNED, assigned)
        page.set(catalog.LAST_CHECK_IN, now)

    def says(self, condition: Condition, backoff: str, resource: Mapping[str, Any]) -> None:
        """What the status says; `backoff`: why no tasks are taken for a while, if so."""
        page = self.page
        page.set(catalog.SCHEDULING, float(condition.status))
        if backoff:
            page.set(catalog.BACKING_OFF, 1.0, backoff)
        else:
            page.set(catalog.BACKING_OFF, None)
        try:
            expires = epoch((resource.get("status") or {}).get("certificate_expires"))
        except (ValueError, TypeError):
            expires = None
        page.set(catalog.CERTIFICATE_EXPIRY, expires)
