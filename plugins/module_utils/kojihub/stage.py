# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What may be applied now: the database first, then the pods."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.rollout import LASTING
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.database import DatabaseLook
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.rollout import RolloutLook

HUB = ("config.configmap.yaml.j2", "secrets.secret.yaml.j2", "hub.deployment.yaml.j2")
DATABASE = ("database.configmap.yaml.j2", "database.job.yaml.j2")


@dataclass
class Stage:
    """Templates to apply, the replicas that the hub gets, and why it is not ready, if it isn't.

    `corrections`: templates of objects that are put right, but don't change to what was not applied before.
    """

    templates: list[str] = field(default_factory=list)
    corrections: list[str] = field(default_factory=list)
    replicas: int = 0
    problem: Problem | None = None


def begin(database: DatabaseLook, rollout: RolloutLook, exposure: Sequence[str], problem: Problem) -> Stage:
    """What a new hub needs no certificates for, while these are made: its database takes longer."""
    return Stage([*exposure, *DATABASE] if database.make and not rollout.exists else [], problem=problem)


def is_awaited(database: DatabaseLook, rollout: RolloutLook) -> bool:
    """Whether a hub's Job or its pods are on their way, without anything that keeps them from it for good."""
    if database.state == "running":
        return database.reason not in LASTING
    problem = rollout.problem if rollout.exists and database.state == "succeeded" else None
    return problem is not None and problem.reason not in LASTING


def decide(replicas: int, database: DatabaseLook, rollout: RolloutLook) -> Stage:
    """The next step, from how far database and pods are."""
    if database.state == "succeeded":
        return Stage(list(HUB), replicas=replicas, problem=rollout.problem)
    stage = Stage(problem=Problem(database.reason, database.message, progressing=database.progressing))
    if database.hub_down_first and rollout.exists:
        # Pods of the new kind, but none of them: the old ones go, and none comes back before the upgrade is done.
        stage.templates += HUB
        if rollout.pods:
            stage.problem = Problem(
                "HubStopping",
                f"the hub is stopped for an upgrade of its database, {rollout.pods} pods are left: {database.message}",
                progressing=True,
            )
            return stage
    if database.make:
        stage.templates += DATABASE
    return stage
