# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A builder whose pods did not start: how it tries whether that is over, and what it offers the hub meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import USER_NAMESPACES_FORBIDDEN, manifest
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.plan import CHECK_CLIENT_IP
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.rejection import QUOTA, REFUSALS, rejection

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import Settings
    from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import TaskPod
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.connection import Surroundings
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.state import Backoff, State

REACHES_HUB = 30.0  # seconds after which a pod that still runs has got through to the hub
PROVEN = 10.0  # seconds after its creation that a running pod shows that its node lets it work
PROBE = {"id": 0, "method": "probe", "arch": "noarch"}  # a task that no hub has


def probe(around: Surroundings, state: State, settings: Settings, pods: list[TaskPod], now: float) -> None:
    """Ask the API server whether it would admit a pod now, before a task is taken for one."""
    backoff = state.backoff
    if backoff.reason not in REFUSALS or now < backoff.until:
        return
    if settings.overrides and backoff.reason != QUOTA:
        return  # it may have been an override's pod: one task at a time tries
    try:
        around.cluster.try_pod(manifest(settings, PROBE, 0, 0, 0))
    except ClusterError as error:
        reason, message = rejection(error, settings)
        if reason not in REFUSALS:
            raise
        most = {"most": 1} if reason == QUOTA else {}
        state.pause(reason, message, now, around.jitter(), **most)
    else:
        if backoff.reason != QUOTA or not any(pod.alive for pod in pods):
            state.resume()


def slots(backoff: Backoff, settings: Settings, pods: list[TaskPod]) -> int:
    """Slots to offer. After start-up trouble one pod at a time tries whether it is over."""
    if not backoff.step:
        return settings.slots
    return max(1, min(settings.slots, sum(pod.alive and pod.phase != "Pending" for pod in pods) + 1))


def is_over(backoff: Backoff, settings: Settings, pods: list[TaskPod], now: float) -> bool:
    """Whether a pod made after the backoff began has started; creationTimestamp has whole seconds."""
    if not backoff.step:
        return False
    new = [pod for pod in pods if pod.phase != "Pending" and not pod.never_ran and pod.created + 1 >= backoff.until]
    if backoff.reason == QUOTA:
        # One that fits says nothing of the next one.
        return sum(pod.alive for pod in pods) >= settings.slots
    if backoff.reason == CHECK_CLIENT_IP:
        # Starting is not what they can't.
        return any(
            pod.outcome in ("closed", "failed") or (pod.alive and now - pod.created > REACHES_HUB) for pod in new
        )
    if backoff.reason == USER_NAMESPACES_FORBIDDEN:
        # A runner that its node forbids to work says so within a second or two of starting.
        return any(not pod.alive or now - pod.created >= PROVEN for pod in new)
    return bool(new)
