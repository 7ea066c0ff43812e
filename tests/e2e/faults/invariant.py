# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What is true after every fault: each task has ended exactly once or is still queued, and nothing is left over."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.e2e.kube import Kube

    from .ledger import Ledger

ENDED = ("CLOSED", "FAILED", "CANCELED")
QUEUED = ("FREE", "ASSIGNED")
SETTLED = 180.0  # seconds until everything has come to rest on a busy machine
LEASE = "koji-scheduler"
RECORDED = "apps.fedoraproject.org/outcome"
BUILDER = "apps.fedoraproject.org/builder"


def settled(
    kube: Kube,
    ledger: Ledger,
    namespace: str,
    *,
    closed: Iterable[int] = (),
    failed: Iterable[int] = (),
    canceled: Iterable[int] = (),
    queued: Iterable[int] = (),
    timeout: float = SETTLED,
) -> None:
    """Wait until everything in the namespace and on its hub has come to rest, then check that it is as it should be.

    Every task of the hub has ended, but for `queued`; those that are named have ended like that.
    """
    wanted = {
        **dict.fromkeys(closed, "CLOSED"),
        **dict.fromkeys(failed, "FAILED"),
        **dict.fromkeys(canceled, "CANCELED"),
    }
    waiting = set(queued)
    before = _transitions(kube, namespace)

    def restless() -> list[str]:
        return [
            *(f"task {task} is {state}" for task, state in ledger.states().items() if _open(state, task in waiting)),
            *_left_over(kube, ledger, namespace),
        ]

    found: list[str] = []

    def at_rest() -> bool:
        found[:] = restless()
        return not found

    kube.wait_for(at_rest, timeout, "nothing is left over", lambda: "\n".join(found))
    states, histories = ledger.states(), ledger.histories()
    wrong = {task: states[task] for task, state in wanted.items() if states[task] != state}
    assert not wrong, f"tasks ended otherwise: {wrong}, wanted {wanted}; { ({t: histories[t] for t in wrong}) }"
    # A second close, or anything after the end, would be one more line in the history.
    twice = {task: one for task, one in histories.items() if _ends(one) != (0 if task in waiting else 1)}
    assert not twice, f"tasks that did not end exactly once: {twice}"
    # One run hands over to the next; two that fight would do so again and again.
    after = _transitions(kube, namespace)
    assert after - before <= 2, f"the Lease went to and fro: {after - before} times"


def _ends(history: list[str]) -> int:
    """How often a task ended; what came after its end counts too."""
    first = next((index for index, state in enumerate(history) if state in ENDED), len(history))
    return len(history) - first


def _open(state: str, may_wait: bool) -> bool:
    return state not in ENDED and not (may_wait and state in QUEUED)


def _left_over(kube: Kube, ledger: Ledger, namespace: str) -> list[str]:
    """Pods, Secrets and sessions that nobody needs."""
    pods = {pod["metadata"]["name"]: pod for pod in kube.find("Pod", namespace, "koji-task")}
    found = []
    for name, pod in pods.items():
        phase = (pod.get("status") or {}).get("phase")
        if phase not in ("Succeeded", "Failed"):
            found.append(f"pod {name} is {phase}")
        elif RECORDED not in (pod["metadata"].get("annotations") or {}):
            found.append(f"pod {name} is {phase} and nobody has dealt with it")
    found += [f"Secret {secret['metadata']['name']} is left" for secret in kube.find("Secret", namespace, "koji-task")]
    found += [f"subsession {one} of session {master} is open" for one, master in ledger.subsessions().items()]
    ended = [pod for pod in pods.values() if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")]
    kept = Counter(pod["metadata"]["labels"][BUILDER] for pod in ended)
    for builder, count in kept.items():
        limit = _history(kube, namespace, builder)
        if count > limit:
            found.append(f"{count} failed pods of {builder} are kept, wanted are at most {limit}")
    return found


def _history(kube: Kube, namespace: str, builder: str) -> int:
    """How many failed pods a builder keeps; 0 when it is gone."""
    for config_map in kube.find("ConfigMap", namespace, f"{BUILDER}={builder}"):
        if "builder.json" in (config_map.get("data") or {}):
            return int(json.loads(config_map["data"]["builder.json"])["failed_pod_history"]["count"])
    return 0


def _transitions(kube: Kube, namespace: str) -> int:
    """How often the scheduler's Lease has changed hands."""
    lease = kube.get("Lease", LEASE, namespace)
    return int(((lease or {}).get("spec") or {}).get("leaseTransitions") or 0)
