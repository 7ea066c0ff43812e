# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Every metric there is, by Prometheus' naming conventions; docs/metrics.md is made from this list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

COMMON = ("namespace", "builder")
PREFIX = "koji_operator_"

# Seconds. Kubernetes' times have whole seconds, so a pod's start needs no finer ones.
POD_SECONDS = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
TASK_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)


@dataclass(frozen=True)
class Metric:
    """One metric. `labels` come after COMMON; `buckets` are a histogram's upper bounds, without +Inf."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def samples(self) -> tuple[str, ...]:
        """The names of its time series."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"{PREFIX}{name}_total", "counter", text, labels)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"{PREFIX}{name}", "gauge", text, labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(f"{PREFIX}{name}_seconds", "histogram", text, labels, buckets)


TASKS_TAKEN = _counter("tasks_taken", "Tasks opened, to run in a pod or to be answered by the scheduler itself.")
TASKS_CLOSED = _counter("tasks_closed", "Tasks that ended well.")
TASKS_FAILED = _counter(
    "tasks_failed",
    "Tasks that failed: TaskFailed by themselves, DaemonTask those for the daemon; else why their last pod died, "
    "AttemptsUsedUp if they came back after that.",
    "reason",
)
TASKS_FREED = _counter(
    "tasks_freed",
    "Tasks given back to the hub: why their pod ended or did not start; GivenBack by the runner.",
    "reason",
)
TASKS_REFUSED = _counter("tasks_refused", "Tasks refused: soft for a while, hard for good.", "how")
PODS_ENDED = _counter(
    "task_pods_ended",
    "Task pods that ended, by the runner's outcome; reason is set for crashed ones.",
    "outcome",
    "reason",
)
TASK_TAKE = _histogram(
    "task_take",
    "From a task's creation to its being opened here, by the hub's clock (start_ts - create_ts of host.openTask); "
    "first attempts only.",
    TASK_SECONDS,
)
TASK_START = _histogram(
    "task_start",
    "From a task's creation (create_ts of host.openTask) to the start of its pod's container (its startedAt, "
    "which has whole seconds); first attempts only.",
    TASK_SECONDS,
)
POD_START = _histogram(
    "task_pod_start",
    "From a task pod's creation (creationTimestamp) to the start of its container (startedAt), in whole seconds.",
    POD_SECONDS,
)
SLOTS = _gauge("slots", "Tasks that may run at a time, now: 0 when none are taken.")
TASKS_RUNNING = _gauge("tasks_running", "Tasks open here that use a slot.")
TASKS_WAITING = _gauge("tasks_waiting", "Tasks open here that wait for their children.")
TASKS_ASSIGNED = _gauge(
    "tasks_assigned", "Tasks that the hub has assigned, as of the last check-in, before any is taken."
)
TASK_PODS = _gauge("task_pods", "Task pods: pending, running, or kept after they failed.", "state")
SCHEDULING = _gauge("scheduling", "Whether the condition Scheduling is True (1) or False (0).")
BACKING_OFF = _gauge(
    "backing_off", "1 while no tasks are taken because task pods do not start; absent otherwise.", "reason"
)
LAST_CHECK_IN = _gauge("last_check_in_timestamp_seconds", "When the hub last answered a check-in.")
CERTIFICATE_EXPIRY = _gauge(
    "certificate_expiry_timestamp_seconds",
    "When the host's certificate expires (status.certificate_expires); absent for one that the site provides.",
)
TICK = _histogram("tick", "How long a tick took, from looking at pods to writing the status.", CALL_SECONDS)
HUB_REQUEST = _histogram(
    "hub_request", "How long requests to the hub took, failed ones too; a multicall is one.", CALL_SECONDS, "call"
)
HUB_ERRORS = _counter("hub_errors", "Requests to the hub that failed, by the reason that the condition gives.", "kind")

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        TASKS_TAKEN,
        TASKS_CLOSED,
        TASKS_FAILED,
        TASKS_FREED,
        TASKS_REFUSED,
        PODS_ENDED,
        TASK_TAKE,
        TASK_START,
        POD_START,
        SLOTS,
        TASKS_RUNNING,
        TASKS_WAITING,
        TASKS_ASSIGNED,
        TASK_PODS,
        SCHEDULING,
        BACKING_OFF,
        LAST_CHECK_IN,
        CERTIFICATE_EXPIRY,
        TICK,
        HUB_REQUEST,
        HUB_ERRORS,
    )
}

# Of a namespace, not of a builder.
RUNS = Metric(f"{PREFIX}scheduler_runs_total", "counter", "Runs of the scheduler that got the Lease.")
WRITTEN = Metric(
    f"{PREFIX}scheduler_written_timestamp_seconds", "gauge", "When the scheduler last wrote its metrics down."
)
# Of the exporter itself, without labels.
UNREADABLE = Metric(
    f"{PREFIX}metrics_files_unreadable", "gauge", "Files of metrics that can't be read or make no sense."
)

ALL = (*METRICS.values(), RUNS, WRITTEN, UNREADABLE)


def labels_of(metric: Metric) -> tuple[str, ...]:
    """All labels of a metric, in order."""
    if metric is UNREADABLE:
        return ()
    return ("namespace",) if metric in (RUNS, WRITTEN) else (*COMMON, *metric.labels)
