# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Pods that are slow to start and whose status does not say why: is their Secret there, what do their events say?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import TaskPod, Trouble
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.plan import SECRET_MISSING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import Cluster

SLOW = 5.0  # seconds after which a pod is looked at
AGAIN = 10.0  # seconds between two looks


class SlowStarts:
    """Looks for one builder; costs nothing while every pod starts in time."""

    def __init__(self, cluster: Cluster, builder: str) -> None:
        self._cluster = cluster
        self._builder = builder
        self._looked = 0.0

    def explained(self, pods: Iterable[TaskPod], now: float, deadline: float) -> list[TaskPod]:
        """The pods, those that do not start with the trouble that was found; `deadline` is start_deadline."""
        pods = list(pods)
        slow = {pod.name: pod for pod in pods if _silent(pod) and now - pod.created > SLOW}
        late = {name: pod for name, pod in slow.items() if pod.overdue(now, deadline)}
        found = {name: self._late(pod, now, deadline) for name, pod in late.items()}
        if slow and (late or now - self._looked > AGAIN):
            self._looked = now
            secrets = self._cluster.task_secrets(self._builder)
            found |= {name: SECRET_MISSING for name in slow if name not in secrets}
        return [replace(pod, trouble=found[pod.name]) if pod.name in found else pod for pod in pods]

    def _late(self, pod: TaskPod, now: float, deadline: float) -> Trouble:
        late = pod.overdue(now, deadline)
        assert late is not None  # noqa: S101 (for mypy)
        _reason, warning = self._cluster.pod_warning(pod.uid)
        return Trouble(late.reason, f"{late.message}: {warning}", wait=True) if warning else late


def _silent(pod: TaskPod) -> bool:
    return pod.phase == "Pending" and pod.deleting is None and pod.trouble is None
