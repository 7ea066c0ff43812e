# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A KojiBuilder: a host on the hub whose tasks each run in a pod of their own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import koji
import pytest

from .kube import condition
from .resources import READY, SOON, builder

if TYPE_CHECKING:
    from .hub import Hub
    from .kube import Json, Kube
    from .operator import Operator

pytestmark = pytest.mark.usefixtures("operator")
TASK_TIME = 120  # seconds that a short task may take on a busy machine
OUTCOME = "apps.fedoraproject.org/outcome"  # annotation of a pod that is kept


@pytest.fixture(scope="module")
def ready_builder(kube: Kube, hub: Hub, operator: object) -> Json:
    """The builder `default` with two slots, ready."""
    kube.apply(builder("default", hub.namespace, replicas=2, description="in pods", failed_pod_history={"count": 1}))
    return kube.wait_condition("KojiBuilder", "default", hub.namespace, READY)


@pytest.fixture
def default(kube: Kube, hub: Hub, ready_builder: Json) -> Json:
    """The builder `default` as it is now, with nothing running."""
    return kube.wait_condition("KojiBuilder", "default", hub.namespace, SOON)


def ended(hub: Hub, task: int, timeout: float = TASK_TIME) -> dict[str, Any]:
    """Wait until a task has ended. -> its getTaskInfo"""
    session = hub.session()
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        info: dict[str, Any] = session.getTaskInfo(task)
        if info["state"] in (koji.TASK_STATES["CLOSED"], koji.TASK_STATES["CANCELED"], koji.TASK_STATES["FAILED"]):
            return info
        time.sleep(0.2)
    raise AssertionError(f"task {task} has not ended after {timeout} s: {info}")


def state(info: dict[str, Any]) -> str:
    return str(koji.TASK_STATES[info["state"]])


def pods(kube: Kube, hub: Hub, labels: str = "koji-task") -> list[Json]:
    return kube.find("Pod", hub.namespace, labels)


def alive(kube: Kube, hub: Hub) -> list[Json]:
    return [pod for pod in pods(kube, hub) if pod["status"].get("phase") in ("Pending", "Running")]


def test_the_host_is_on_the_hub_as_the_resource_says(hub: Hub, default: Json) -> None:
    host = hub.session().getHost("default")
    assert host["enabled"]
    assert host["arches"] == "x86_64"
    assert host["capacity"] == 12
    assert host["description"] == "in pods"
    assert [channel["name"] for channel in hub.session().listChannels("default")] == ["default"]
    status = default["status"]
    assert status["host_id"] == host["id"]
    assert status["slots"] == 2
    assert status["replicas"] == 2
    assert condition(default, "Scheduling")["status"] == "True"


def test_a_task_runs_in_a_pod_of_its_own_and_closes(kube: Kube, hub: Hub, default: Json) -> None:
    task = hub.session().makeTask("sleep", [3])
    seen = kube.wait_for(lambda: pods(kube, hub, f"koji-task={task}"), SOON, "the task has a pod")
    assert len(seen) == 1
    metadata, spec = seen[0]["metadata"], seen[0]["spec"]
    assert metadata["name"] == f"koji-task-{task}-1"
    assert metadata["labels"]["koji-method"] == "sleep"
    assert metadata["ownerReferences"][0]["kind"] == "KojiBuilder"
    assert spec["automountServiceAccountToken"] is False
    secrets = {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
    assert secrets == {f"koji-task-{task}-1"}
    info = ended(hub, task)
    assert state(info) == "CLOSED"
    assert info["host_id"] == default["status"]["host_id"]
    kube.wait_for(lambda: not pods(kube, hub, f"koji-task={task}"), SOON, "the pod of the closed task is gone")
    kube.wait_gone("Secret", f"koji-task-{task}-1", hub.namespace, SOON)


def test_a_parent_waits_for_its_children_without_using_up_a_slot(hub: Hub, default: Json) -> None:
    task = hub.session().makeTask("waittest", [3, 2])
    info = ended(hub, task, 2 * TASK_TIME)
    children = hub.session().getTaskChildren(task)
    assert state(info) == "CLOSED"
    # koji's own test handler adds a child that fails, and waits for it too.
    assert sorted(state(child) for child in children) == ["CLOSED", "CLOSED", "CLOSED", "FAILED"]


def test_a_cancelled_task_loses_its_pod(kube: Kube, hub: Hub, default: Json) -> None:
    task = hub.session().makeTask("sleep", [300])
    kube.wait_for(
        lambda: any(pod["status"].get("phase") == "Running" for pod in pods(kube, hub, f"koji-task={task}")),
        SOON,
        "the task's pod runs",
    )
    hub.session().cancelTask(task)
    kube.wait_for(lambda: not pods(kube, hub, f"koji-task={task}"), SOON, "the pod of the cancelled task is gone")
    assert state(hub.session().getTaskInfo(task)) == "CANCELED"


def test_tasks_are_no_reason_to_run_the_role(hub: Hub, default: Json, operator: Operator) -> None:
    """A run costs seconds of CPU; what the scheduler makes and changes for a task must not call for one."""
    if operator.real:
        pytest.skip("the runs are counted in the log of tests.devloop")

    def runs() -> int:
        return operator.log.read_text("utf-8", "replace").count(f"KojiBuilder {hub.namespace}/default")

    before = -1
    while before != runs():  # what earlier tests have called for
        before = runs()
        time.sleep(5)
    for _ in range(4):
        ended(hub, hub.session().makeTask("sleep", [0]))
    assert runs() - before <= 1  # its period may be over


def test_never_more_pods_than_slots(kube: Kube, hub: Hub, default: Json) -> None:
    tasks = [hub.session().makeTask("sleep", [1]) for _ in range(6)]
    most = 0
    while any(koji.TASK_STATES[hub.session().getTaskInfo(task)["state"]] in ("FREE", "ASSIGNED") for task in tasks):
        most = max(most, len(alive(kube, hub)))
        time.sleep(0.1)
    assert 1 <= most <= 2
    assert {state(ended(hub, task)) for task in tasks} == {"CLOSED"}


def test_scaling_changes_the_slots(kube: Kube, hub: Hub, default: Json) -> None:
    kube.kubectl("scale", "kojibuilder/default", "-n", hub.namespace, "--replicas=4")
    kube.wait_object(
        "KojiBuilder",
        "default",
        hub.namespace,
        lambda item: item["status"].get("slots") == 4 and item["status"].get("replicas") == 4,
        SOON,
        "4 slots",
    )
    assert hub.session().getHost("default")["capacity"] == 24
    kube.kubectl("scale", "kojibuilder/default", "-n", hub.namespace, "--replicas=2")
    kube.wait_object(
        "KojiBuilder", "default", hub.namespace, lambda item: item["status"].get("slots") == 2, SOON, "2 slots"
    )


def test_failed_pods_are_kept_by_number_and_age(kube: Kube, hub: Hub, default: Json) -> None:
    tasks = [hub.session().makeTask("sleep", ["not a number"]) for _ in range(2)]
    assert {state(ended(hub, task)) for task in tasks} == {"FAILED"}

    def left() -> list[Json]:
        return [pod for task in tasks for pod in pods(kube, hub, f"koji-task={task}")]

    kube.wait_for(
        lambda: [OUTCOME in pod["metadata"]["annotations"] for pod in left()] == [True], SOON, "one pod is kept", left
    )
    kube.patch("KojiBuilder", "default", hub.namespace, {"spec": {"failed_pod_history": {"max_age": 5}}})
    kube.wait_for(lambda: not left(), SOON, "it is gone at its age", left)
    last = max(hub.session().getTaskInfo(task)["completion_ts"] for task in tasks)
    assert time.time() - last > 5 - 1  # a pod's finishedAt is a whole second, rounded down


def test_kubectl_shows_what_people_want_to_know(kube: Kube, hub: Hub, default: Json) -> None:
    head, row = kube.kubectl("get", "kojibuilder", "default", "-n", hub.namespace, "-o", "wide").splitlines()
    assert head.split()[:6] == ["NAME", "READY", "REASON", "RUNNING", "WAITING", "SLOTS"]
    assert row.split()[:2] == ["default", "True"]
    assert "default" in kube.kubectl("get", "koji", "-n", hub.namespace)
