# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""metav1 conditions: what a writer wants, set against what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_MESSAGE = 1024  # a message is for a person; metav1 would allow 32768


@dataclass(frozen=True)
class Condition:
    """One condition as a writer wants it; reason is CamelCase, message a sentence."""

    type: str
    status: bool
    reason: str
    message: str = ""


@dataclass(frozen=True)
class Outcome:
    """How bringing a resource in line ended. Not ready and not progressing is degraded: somebody has to act."""

    ready: bool
    progressing: bool
    reason: str
    message: str


def summary(outcome: Outcome) -> list[Condition]:
    """Ready, Progressing and Degraded of an outcome."""
    degraded = not outcome.ready and not outcome.progressing
    why = (outcome.reason, outcome.message)
    return [
        Condition("Ready", outcome.ready, *why),
        Condition("Progressing", outcome.progressing, *(why if outcome.progressing else ("Settled", ""))),
        Condition("Degraded", degraded, *(why if degraded else ("AsExpected", ""))),
    ]


def rendered(
    wanted: Iterable[Condition], current: Iterable[Mapping[str, Any]], generation: int, now: str
) -> list[dict[str, Any]]:
    """The conditions as they go into status; lastTransitionTime moves only when the status does.

    `now` is RFC 3339 in UTC, as in metav1.Time.
    """
    before = {condition["type"]: condition for condition in current}
    result = []
    for condition in wanted:
        status = "True" if condition.status else "False"
        old = before.get(condition.type, {})
        result.append(
            {
                "type": condition.type,
                "status": status,
                "reason": condition.reason,
                "message": condition.message[:MAX_MESSAGE],
                "observedGeneration": generation,
                "lastTransitionTime": old["lastTransitionTime"] if old.get("status") == status else now,
            }
        )
    return result


def unchanged(
    current: Mapping[str, Any], wanted: Mapping[str, Any], fields: Iterable[str], own_conditions: Iterable[str]
) -> bool:
    """Whether a status already says what a writer wants.

    `fields` and `own_conditions` are all that the writer may set: one that it no longer sets must be gone.
    """
    here = {condition["type"]: condition for condition in current.get("conditions", [])}
    there = {condition["type"]: condition for condition in wanted["conditions"]}
    return all(here.get(kind) == there.get(kind) for kind in own_conditions) and all(
        current.get(name) == wanted.get(name) for name in fields
    )
