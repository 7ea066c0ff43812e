# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Many builders in one scheduler, and more namespaces than the operator has workers. No other operator may run."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import koji
import pytest

from tests.bench.audit import AuditLog
from tests.cluster.cluster import Cluster

from .fake_node import FakeNode
from .resources import SOON, builder
from .scheduling import SchedulerProcess, account, copy_builder
from .test_local import local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .hub import Hub
    from .kube import Kube

BUILDERS, SLOTS = 20, 15
TASKS = BUILDERS * SLOTS
CHANNEL = "many"
FIRST = "many-00"
PERIOD = 1.03  # seconds between two ticks of a builder
WINDOW = 8.0  # seconds that are looked at
CPU = 1.0  # seconds that one tick of all builders may take
MEMORY = 250.0  # MiB


@pytest.fixture(scope="module")
def node(kube: Kube, module_namespace: str) -> Iterator[FakeNode]:
    """The node of this namespace's task pods."""
    made = FakeNode(kube, f"fake-{module_namespace[-4:]}", module_namespace)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def first(kube: Kube, hub: Hub, node: FakeNode, definitions: None, checkout: Path) -> Iterator[str]:
    """A builder that the role has made; others are copies of it."""
    admin = hub.session()
    admin.createChannel(CHANNEL)
    kube.apply(
        builder(
            FIRST, hub.namespace, channels=[CHANNEL], replicas=1, max_jobs=SLOTS,
            node_selector=node.selector, tolerations=[{"operator": "Exists"}],
        )
    )  # fmt: skip
    local(checkout, hub.namespace, 0)
    yield FIRST
    for item in kube.find("KojiBuilder", hub.namespace):
        kube.delete("KojiBuilder", item["metadata"]["name"], hub.namespace)  # before an operator sees them


@pytest.fixture
def scheduler(kube: Kube, hub: Hub, first: str, tmp_path: Path) -> Iterator[tuple[SchedulerProcess, str]]:
    """The scheduler of all builders; its process, and its name in the audit log."""
    copy_builder(kube, hub, first, [f"many-{number:02}" for number in range(1, BUILDERS)], CHANNEL)
    kubeconfig, name = account(kube, hub.namespace, tmp_path)
    process = SchedulerProcess(hub.namespace, kubeconfig, tmp_path)
    yield process, name
    process.kill()


def checked_in(hub: Hub) -> Counter[str]:
    """Calls that each builder's session has made so far."""
    admin = hub.session()
    names = [f"many-{number:02}" for number in range(BUILDERS)]
    with admin.multicall(strict=True) as calls:
        found = {name: calls.getSessionInfo(details=True, user_id=name) for name in names}
    # Subsessions, which nobody uses here, have made none.
    return Counter({name: max(one["callnum"] or 0 for one in call.result) for name, call in found.items()})


def in_state(hub: Hub, tasks: list[int]) -> Counter[str]:
    """How many tasks are in which state."""
    return Counter(koji.TASK_STATES[info["state"]] for info in hub.session().getTaskInfo(tasks))


def test_twenty_builders_and_three_hundred_pods(
    kube: Kube, hub: Hub, node: FakeNode, scheduler: tuple[SchedulerProcess, str], record_property: Callable[..., None]
) -> None:
    process, name = scheduler
    audit = AuditLog(Cluster(os.environ["KOJI_TEST_CLUSTER"]).audit_log)
    admin = hub.session()
    with admin.multicall(strict=True) as calls:
        made = [calls.makeTask("sleep", [3600], channel=CHANNEL) for _ in range(TASKS)]
    tasks = [call.result for call in made]
    kube.wait_for(
        lambda: len(node.running) >= TASKS, 3 * SOON, f"{TASKS} pods run",
        lambda: (len(node.running), in_state(hub, tasks)),
    )  # fmt: skip
    filled = process.usage().cpu
    time.sleep(2)  # the last of the pods' changes are read

    calls_before, before, began = checked_in(hub), process.usage(), time.time()
    requests = len(audit.events())
    time.sleep(WINDOW)
    after, ended = process.usage(), time.time()
    steady = [event for event in audit.events()[requests:] if event["user"]["username"] == name]
    ticks = checked_in(hub)
    ticks.subtract(calls_before)

    assert in_state(hub, tasks) == {"OPEN": TASKS}
    rounds = sum(ticks.values()) / BUILDERS
    per_round = (after.cpu - before.cpu) / rounds
    figures = {
        "seconds": round(ended - began, 1), "rounds": round(rounds, 1), "cpu_per_round": round(per_round, 3),
        "cpu_to_fill": filled, "memory": after.memory, "peak": after.peak,
        "requests": Counter(f"{event['verb']} {event['objectRef']['resource']}" for event in steady),
    }  # fmt: skip
    print(json.dumps(figures))
    # Nobody is held up: each builder has kept its pace, give or take a tick and a slow one.
    assert min(ticks.values()) >= 0.7 * WINDOW / PERIOD, ticks
    assert per_round < CPU
    assert after.peak < MEMORY
    # In the steady state a watch is all that is asked of pods, and nothing is written but the Lease and heartbeats.
    assert not [event for event in steady if event["objectRef"]["resource"] in ("pods", "secrets", "configmaps")]
    assert len(steady) < 4 * WINDOW
    ours = [event for event in audit.events() if event["user"]["username"] == name]
    verbs = Counter(event["verb"] for event in ours if event["objectRef"]["resource"] == "pods")
    assert verbs == {"list": 1, "watch": verbs["watch"], "create": TASKS}

    # All at once, and nothing is left.
    with admin.multicall(strict=True) as calls:
        for task in tasks:
            calls.cancelTask(task)
    kube.wait_for(
        lambda: not node.running and not kube.find("Pod", hub.namespace, "koji-task"), SOON,
        "the pods of cancelled tasks are gone", lambda: len(node.running),
    )  # fmt: skip
    assert process.usage().peak < MEMORY
    assert process.stop()["counts"]["taken"] == TASKS
