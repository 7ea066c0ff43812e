# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The cluster as the scheduler sees it: one namespace, pods from a cache, few calls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.fedoraproject.koji.plugins.module_utils.lease import LeaseStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.pods import TaskPod

CONFLICT, NOT_FOUND, FORBIDDEN, INVALID = 409, 404, 403, 422
MANAGER = "koji-scheduler"  # field manager of everything that the scheduler applies


class ClusterError(Exception):
    """The API server said no (`status` as in HTTP, `reason` as in metav1.Status) or did not answer (status 0)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def quota(self) -> bool:
        """Whether a ResourceQuota is used up, or so new that nobody has counted yet: later it may work."""
        return self.status == FORBIDDEN and any(
            words in self.message for words in ("exceeded quota", "status unknown for quota")
        )

    @property
    def pod_security_level(self) -> str:
        """The Pod Security level that the namespace enforces and the pod does not fit; '' if it is not that."""
        found = re.search(r'violates PodSecurity "(privileged|baseline|restricted):', self.message)
        return found[1] if found and self.status == FORBIDDEN else ""

    @property
    def template(self) -> bool:
        """Whether the pod template is to blame: invalid, or forbidden by Pod Security or a webhook."""
        return self.status in (INVALID, 400) or (self.status == FORBIDDEN and not self.quota)


class Cluster(LeaseStore, Protocol):
    """One namespace. All calls raise ClusterError; each has a deadline."""

    def pods(self, builder: str) -> list[TaskPod]:
        """A builder's task pods, from the cache; those made by `create_pod` are in it at once."""

    def config_maps(self) -> list[dict[str, Any]]:
        """The builders' ConfigMaps, from the cache."""

    def builders(self) -> dict[str, dict[str, Any]]:
        """KojiBuilders by name, from the cache."""

    def vanished(self, builder: str) -> list[TaskPod]:
        """Pods that ended and were gone before anybody looked, as they were last seen; each is given once."""

    def task_secrets(self, builder: str) -> dict[str, bool]:
        """A builder's task Secrets, asked now: name -> whether it belongs to its pod already."""

    def live_pods_of(self, task_id: int) -> list[TaskPod]:
        """A task's pods, asked now."""

    def session_secret(self, name: str) -> dict[str, Any] | None:
        """A builder's session Secret, from the cache, or None."""

    def get_secret(self, name: str) -> dict[str, Any] | None:
        """A Secret, or None."""

    def apply_secret(self, manifest: Mapping[str, Any]) -> None:
        """Create it or set its fields."""

    def delete_secret(self, name: str) -> None:
        """Delete it; one that is not there is no error."""

    def create_pod(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create it; ClusterError 409 if the name is taken."""

    def try_pod(self, manifest: Mapping[str, Any]) -> None:
        """Ask whether it would be admitted (dryRun); ClusterError if not."""

    def pod_warning(self, uid: str) -> tuple[str, str]:
        """Reason and message of the newest Warning event about a pod; ('', '') if there is none."""

    def get_pod(self, name: str) -> dict[str, Any] | None:
        """A pod, asked now, or None."""

    def create_secret(self, manifest: Mapping[str, Any]) -> None:
        """Create it; ClusterError 409 if the name is taken."""

    def give_secret(self, name: str, pod: Mapping[str, Any]) -> None:
        """Make a pod the owner of a Secret; one that is not there is no error."""

    def delete_pod(self, name: str, uid: str, grace: int | None) -> None:
        """Delete this very pod; one that is not there is no error."""

    def annotate_pod(self, name: str, notes: Mapping[str, str]) -> None:
        """Add annotations; a pod that is not there is no error."""

    def pod_log(self, name: str, lines: int) -> str:
        """The last lines of its container's log; '' if there is none to be had."""

    def apply_status(self, name: str, status: Mapping[str, Any]) -> None:
        """Server-side apply of a KojiBuilder's status, as koji-scheduler."""

    def create_event(self, manifest: Mapping[str, Any]) -> None:
        """Create an Event."""

    def count_event(self, name: str, count: int, last: str) -> None:
        """Count an Event of ours once more; `last` is RFC 3339."""

    def subscribe(self, wake: Callable[[str], None]) -> None:
        """Have `wake(builder)` called when one of its pods ends, vanishes or can't start, or its settings change."""
