# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a run that was cut off may have left: subsessions and Secrets that no pod has, sessions that nobody uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import koji

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import TaskPod
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import Cluster
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.execute import Memory
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import Hub

IDLE = 60.0  # seconds without a call after which another session of the host's user is nobody's


class Leftovers:
    """Cleans up for one builder: after a start, and whenever a call's effect is not known."""

    def __init__(self, cluster: Cluster, builder: str, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._builder = builder
        self._clock = clock
        self.unsure = True
        self.dead: frozenset[int] = frozenset()  # subsessions of pods that the hub does not know any more
        self._again_at: float | None = None  # other sessions of the host's user are too young yet to be closed

    def clean(self, hub: Hub, pods: list[TaskPod], memory: Memory) -> None:
        """Look, if there is a reason to. Raises what hub and cluster raise; then the next tick looks again."""
        if not (self.unsure or memory.unsure):
            if self._again_at is not None and self._clock() >= self._again_at:
                self.close_strays(hub, IDLE)
            return
        memory.unsure = False
        self.unsure = True
        self._secrets(pods)
        # A pod that a killed run was just about to make would work with one of these.
        claimed = {pod.subsession for pod in pods}
        try:
            children = hub.children()
        except (koji.ActionNotAllowed, koji.ParameterError):
            children = {}  # a hub that does not say
        else:
            # Those of a session that expired have gone with it, and are not back with its renewal.
            self.dead = frozenset(one for one in claimed if one is not None and one not in children)
        unclaimed = {child for child in children if child not in claimed}
        closed = hub.revoke(sorted(unclaimed))
        memory.revoked |= closed
        if closed != unclaimed:
            # Whoever has one of them could report for a task that this tick gives to another.
            raise koji.GenericError(f"the hub does not close subsessions {sorted(unclaimed - closed)}")
        self.close_strays(hub, IDLE)
        self.unsure = False

    def _secrets(self, pods: list[TaskPod]) -> None:
        """Task Secrets go with their pods: those without a pod are deleted, and the others are given to theirs."""
        names = {pod.name for pod in pods if not pod.recorded}
        for name, given in self._cluster.task_secrets(self._builder).items():
            there = None if given and name in names else self._cluster.get_pod(name)
            if there is not None and not given:
                self._cluster.give_secret(name, there)
            elif there is None and name not in names:
                self._cluster.delete_secret(name)

    def close_strays(self, hub: Hub, idle: float) -> None:
        """Close what a run left that was killed between its login and the keeping of the key, and the subsessions of a
        master of ours that was forced away.

        While our session is exclusive, no other one of this host's user can do anything, except force ours away. So
        nobody loses anything; who is about to force, or waits for the lock as another operator does, is not idle.
        """
        try:
            strays, more = hub.strays(idle)
        except koji.AuthError:
            raise
        except koji.GenericError:
            return  # a hub that does not say
        hub.close_strays(strays)
        self._again_at = self._clock() + IDLE + 1 if more else None
