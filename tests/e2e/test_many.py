# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Many builders in one scheduler, and more namespaces than the operator has workers. No other operator may run."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import koji
import pytest
import yaml
from kubernetes.client import CoordinationV1Api

from tests.bench.audit import AuditLog
from tests.cluster.cluster import Cluster

from .fake_node import FakeNode
from .operator import Operator
from .resources import SOON, builder
from .scheduling import SchedulerProcess, account, copy_builder
from .test_local import local

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from .hub import Hub
    from .kube import Json, Kube

BUILDERS, SLOTS = 20, 15
TASKS = BUILDERS * SLOTS
CHANNEL = "many"
FIRST = "many-00"
PERIOD = 1.03  # seconds between two ticks of a builder
WINDOW = 6.0  # seconds that are looked at
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
    admin.addChannel(CHANNEL)
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


def said(kube: Kube, namespace: str) -> list[int | None]:
    """The running tasks of each builder, as its status has them."""
    return [(item.get("status") or {}).get("running_tasks") for item in kube.find("KojiBuilder", namespace)]


def requested(events: Iterable[Json], user: str) -> Counter[tuple[str, str]]:
    """What a user asked of the API server: (verb, resource), how often."""
    ours = [event for event in events if event["user"]["username"] == user]
    return Counter((event["verb"], event["objectRef"]["resource"]) for event in ours if "objectRef" in event)


def test_twenty_builders_and_three_hundred_pods(
    kube: Kube, hub: Hub, node: FakeNode, scheduler: tuple[SchedulerProcess, str]
) -> None:
    process, name = scheduler
    cluster = os.environ.get("KOJI_TEST_CLUSTER")
    audit = AuditLog(Cluster(cluster).audit_log) if cluster else None  # of a cluster of one's own it is not at hand
    admin = hub.session()
    with admin.multicall(strict=True) as calls:
        made = [calls.makeTask("sleep", [3600], channel=CHANNEL) for _ in range(TASKS)]
    tasks = [call.result for call in made]
    kube.wait_for(
        lambda: len(node.running) >= TASKS, 3 * SOON, f"{TASKS} pods run",
        lambda: (len(node.running), in_state(hub, tasks)),
    )  # fmt: skip
    filled = process.usage().cpu
    kube.wait_for(lambda: in_state(hub, tasks)["OPEN"] == TASKS, SOON, "every task is open")
    kube.wait_for(lambda: said(kube, hub.namespace) == [SLOTS] * BUILDERS, SOON, "every builder says so")

    calls_before, before, began = checked_in(hub), process.usage(), time.monotonic()
    requests = len(audit.events()) if audit else 0
    time.sleep(WINDOW)
    after = process.usage()
    steady = requested(audit.events()[requests:] if audit else [], name)
    ticks = checked_in(hub)
    ticks.subtract(calls_before)

    rounds = sum(ticks.values()) / BUILDERS
    per_round = (after.cpu - before.cpu) / rounds
    print(
        f"{rounds:.1f} ticks of all builders in {time.monotonic() - began:.1f} s, {per_round:.3f} s of CPU each, "
        f"{filled:.1f} s of CPU to make the pods, {after.peak:.0f} MiB at most; requests: {dict(steady)}"
    )
    # Nobody is held up: each builder has kept its pace, whatever else the machine does.
    assert min(ticks.values()) >= 0.5 * WINDOW / PERIOD, ticks
    assert per_round < CPU
    assert after.peak < MEMORY
    # In the steady state a watch is all that is asked of pods, and nothing is written but the Lease and heartbeats.
    assert set(steady) <= {("get", "leases"), ("update", "leases"), ("patch", "kojibuilders")}
    assert steady.total() < 4 * WINDOW
    if audit:
        pods = {verb: count for (verb, what), count in requested(audit.events(), name).items() if what == "pods"}
        assert pods == {"list": 1, "watch": pods["watch"], "create": TASKS}

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


TURN = 4.0  # seconds; 30 by default
SERVED_AGAIN = 40.0  # seconds, on a busy machine; a whole run without turns takes 300


@pytest.fixture
def crowd(kube: Kube, hub: Hub, first: str) -> Iterator[dict[str, str]]:
    """Three namespaces with builders of one hub; namespace -> a host of it."""
    made = {hub.namespace: first}
    for number in (1, 2):
        name, host = f"{hub.namespace}-{number}", f"{first}-{number}"
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        made[name] = host
        copy_builder(kube, hub, first, [host], CHANNEL, name)
        schedule = kube.get("ConfigMap", "koji-schedule", hub.namespace)
        assert schedule is not None
        metadata = {"name": "koji-schedule", "namespace": name, "labels": schedule["metadata"]["labels"]}
        kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}, name)
    yield made
    for name in made.keys() - {hub.namespace}:
        for item in kube.find("KojiBuilder", name):
            kube.delete("KojiBuilder", item["metadata"]["name"], name)
        kube.delete("Namespace", name)


@pytest.fixture
def two_workers(crowd: dict[str, str], checkout: Path, tmp_path: Path) -> Iterator[Operator]:
    """An operator with two workers for the playbook, which looks after nothing else."""
    watches = yaml.safe_load((checkout / "watches.yaml").read_text("utf-8"))
    [watch] = [one for one in watches if one["kind"] == "ConfigMap"]
    (tmp_path / "watches.yaml").write_text(yaml.safe_dump([{**watch, "vars": {"schedule_turn": TURN}}]), "utf-8")
    for name in ("ansible.cfg", "playbooks", "roles", "plugins"):
        (tmp_path / name).symlink_to(checkout / name)
    operator = Operator(tmp_path, "many-operator", {"MAX_CONCURRENT_RECONCILES_CONFIGMAP_": "2"}, grace=2)
    operator.start()
    yield operator
    operator.stop()


def test_three_namespaces_share_two_workers(kube: Kube, hub: Hub, crowd: dict[str, str], two_workers: Operator) -> None:
    admin = hub.session()
    hosts = {name: admin.getHost(host)["id"] for name, host in crowd.items()}
    began = dict.fromkeys(crowd, time.time())
    longest = dict.fromkeys(crowd, 0.0)
    turns: dict[str, set[str]] = {name: set() for name in crowd}
    most = 0
    leases_api = CoordinationV1Api(kube.client)

    def look() -> bool:
        # In one answer: between two a Lease may go from one to the other.
        found = leases_api.list_lease_for_all_namespaces(field_selector="metadata.name=koji-scheduler").items
        leases = {item.metadata.namespace: item.spec for item in found if item.metadata.namespace in crowd}
        nonlocal most
        most = max(most, sum(bool(spec.holder_identity) for spec in leases.values()))
        for name, host in hosts.items():
            turns[name] |= {leases[name].holder_identity} - {None, ""} if name in leases else set()
            last = admin.getLastHostUpdate(host, ts=True) or 0.0
            longest[name] = max(longest[name], time.time() - max(last, began[name]))
        return all(len(runs) >= 2 for runs in turns.values())

    kube.wait_for(look, 4 * SERVED_AGAIN, "each namespace has had two turns", lambda: (turns, longest))
    print(f"longest silence, s: {[round(seconds, 1) for seconds in longest.values()]}")
    assert max(longest.values()) < SERVED_AGAIN
    assert most == 2
    told = [event for name in crowd for event in kube.events(name) if event["reason"] == "WorkersShared"]
    assert {event["involvedObject"]["kind"] for event in told} == {"KojiBuilder"}
    assert "MAX_CONCURRENT_RECONCILES_CONFIGMAP_" in told[0]["message"]
