# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The benchmark's own arithmetic: percentiles, verdicts, what counts as a write, who counts as alive."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tests.bench.audit import AuditLog, brief, role_writes
from tests.bench.figures import Figures, percentile, record
from tests.bench.kojihub import Started, written
from tests.bench.load import per_task
from tests.bench.pods import Alive
from tests.bench.runs import TimedRuns
from tests.bench.tasks import Timed
from tests.bench.watching import Watched
from tests.e2e.scheduling import Usage, usage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("share", "value"), [(0.5, 20), (0.95, 38), (1.0, 40), (0.0, 1)])
def test_percentile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert percentile(list(range(40, 0, -1)), share) == value


def test_record() -> None:
    assert vars(record("a", "s", [0.12345])) == {
        "name": "a",
        "unit": "s",
        "n": 1,
        "p50": 0.123,
        "p95": 0.123,
        "max": 0.123,
    }


def figures(**values: list[float]) -> Figures:
    """Figures of these series; __ stands for a dot."""
    found = Figures()
    for name, series in values.items():
        found.add(name.replace("__", "."), "s", series)
    return found


@pytest.mark.parametrize(
    ("ours", "word"), [(0.65, "holds"), (0.66, "holds, aim missed"), (0.97, "holds, aim missed"), (0.98, "FAILED")]
)
def test_open_against_kojid(ours: float, word: str) -> None:
    [verdict] = figures(task_open__operator=[ours], task_open__kojid=[6.5]).verdicts()
    assert verdict.word == word
    assert verdict.holds == (word != "FAILED")


def test_all_verdicts() -> None:
    found = figures(
        task_open__operator=[0.8], task_open__kojid=[6.5], task_closed__operator=[1.3], pod__floor=[2.0],
        burst__operator=[10.0, 30.0], burst__kojid=[84.0], burst__pods_alive=[11],
        reconcile__KojiUser__writes=[0, 1], reconcile__KojiUser__tasks=[9], reconcile__KojiUser__cpu=[2.5],
        reconcile__KojiUser__wall=[99.0],
    )  # fmt: skip
    words = {verdict.text: verdict.word for verdict in found.verdicts()}
    assert words == {
        "task_open.operator p50 / kojid's": "holds, aim missed",
        "task_closed.operator p50 / a bare pod's": "holds, aim missed",
        "burst.operator, all closed / kojid's": "holds, aim missed",
        "burst: task pods alive": "FAILED",
        "reconcile of a KojiUser: writes, worst": "FAILED",
        "reconcile of a KojiUser: tasks, worst": "holds",
        "reconcile of a KojiUser: cpu, worst": "holds",
    }
    assert found.table().count("FAILED") == 2


def test_file_keeps_what_was_not_measured_now(tmp_path: Path) -> None:
    path = tmp_path / "build/bench.json"
    figures(a=[1.0], b=[2.0]).write(path)
    figures(b=[3.0]).write(path)
    assert [(entry["name"], entry["max"]) for entry in json.loads(path.read_text())] == [("a", 1.0), ("b", 3.0)]


def event(verb: str = "patch", resource: str = "configmaps", **changes: Any) -> dict[str, Any]:
    """A request of the operator's in the audit log."""
    return {
        "verb": verb,
        "requestURI": f"/api/v1/namespaces/ns/{resource}/x",
        "requestReceivedTimestamp": "1970-01-01T00:00:10.500000Z",
        "userAgent": "OpenAPI-Generator/33.1.0/python",
        "user": {"username": "admin"},
        "objectRef": {"resource": resource, "namespace": "ns", "name": "x"},
        **changes,
    }


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        (event(), True),
        (event("create", "events"), True),
        (event("get"), False),
        (event(resource="leases"), False),
        (event(user={"username": "system:node:node1"}), False),
        (event(userAgent="kubectl/v1.34"), False),
        (event(requestURI="/apis/x?fieldManager=koji-scheduler&force=true"), False),
        (event(requestURI="/apis/x?fieldManager=koji-role&force=true"), True),
        (event(objectRef={"resource": "configmaps", "namespace": "other"}), False),
        (event(requestReceivedTimestamp="1970-01-01T00:00:12Z"), False),
    ],
)
def test_what_counts_as_a_write(one: dict[str, Any], counts: bool) -> None:
    assert list(role_writes([one], "ns", 10.0, 11.0)) == ([one] if counts else [])


def test_brief() -> None:
    one = event(objectRef={"resource": "kojiusers", "namespace": "ns", "name": "x", "subresource": "status"})
    assert brief(one) == "patch kojiusers/x/status by OpenAPI-Generator/33.1.0/python"


def test_audit_log_is_read_from_now_on_and_whole_lines_only(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text('{"n": 1}\n')
    log = AuditLog(path)
    with path.open("a") as file:
        file.write('{"n": 2}\n{"n"')
    assert log.events() == [{"n": 2}]
    with path.open("a") as file:
        file.write(": 3}\n")
    assert log.events() == [{"n": 2}, {"n": 3}]


def test_most_pods_alive() -> None:
    alive = Alive(mock.Mock(), "ns", "a=b")
    for kind, uid, phase in [
        ("ADDED", "1", "Pending"),
        ("ADDED", "2", "Pending"),
        ("MODIFIED", "1", "Running"),
        ("MODIFIED", "1", "Succeeded"),
        ("ADDED", "3", "Pending"),
        ("DELETED", "2", "Running"),
    ]:
        alive.saw(kind, uid, phase)
    assert alive.most == 2


def test_a_task_that_did_not_close_is_no_figure() -> None:
    info = {"id": 1, "state": 2, "create_ts": 10.0, "start_ts": 10.5, "completion_ts": 12.0}
    assert Timed.of(info) == Timed(0.5, 2.0, 10.0)
    with pytest.raises(AssertionError, match="task 1 is FAILED"):
        Timed.of({**info, "state": 5})


def test_timed_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that works for 0.2 s in a child process, leaves ansible-runner's artifacts and fails."""
    real = tmp_path / "real/ansible-runner"
    real.parent.mkdir()
    real.write_text(
        "#!/bin/sh\nmkdir -p $2/artifacts/77/job_events\n"
        'for n in 1 2; do echo \'{"event": "playbook_on_task_start"}\' > $2/artifacts/77/job_events/$n.json; done\n'
        'echo \'{"event": "runner_on_ok"}\' > $2/artifacts/77/job_events/3.json\n'
        "python3 -c 'import time\nwhile time.process_time() < 0.2: pass'\nexit 3\n"
    )
    real.chmod(0o755)
    monkeypatch.setattr("tests.bench.runs.sysconfig.get_path", lambda _: str(real.parent))
    timed = TimedRuns(tmp_path / "timed")
    folder = tmp_path / "apps/v1/KojiUser/ns/me"
    environ = {**os.environ, **timed.environment(os.environ["PATH"])}
    done = subprocess.run(["ansible-runner", "run", folder, "--role", "x", "-i", "77"], env=environ, check=False)
    assert done.returncode == 3
    [run] = timed.of("KojiUser", "ns", "me")
    assert (run.tasks, run.exit_code) == (2, 3)
    assert run.cpu >= 0.2
    assert run.wall >= 0.2
    assert run.rss > 1
    assert timed.of("KojiUser", "ns", "other") == []


def test_what_must_hold_of_many_and_of_recovery() -> None:
    found = figures(
        task_open__alone=[1.0], task_open__of_20=[1.4], task_closed__alone=[2.0], task_closed__of_20=[2.4],
        load__pods_alive=[51.0], scheduler__memory__busy=[90.0, 251.0], scheduler__cpu__busy=[0.9],
        recovery__pod_killed=[1.0, 2.9, 9.0], recovery__cancelled=[3.1], recovery__scheduler_killed=[4.0, 11.0],
        recovery__operator_killed=[39.0],
    )  # fmt: skip
    assert {verdict.text: verdict.word for verdict in found.verdicts()} == {
        "task_open p50 of 20 builders / of one": "FAILED",
        "task_closed p50 of 20 builders / of one": "holds",
        "load.pods_alive, worst": "FAILED",
        "scheduler.memory.busy, worst": "FAILED",
        "recovery.pod_killed, p50": "holds",
        "recovery.cancelled, p50": "FAILED",
        "recovery.scheduler_killed, worst": "FAILED",
        "recovery.operator_killed, worst": "holds",
    }


def test_calls_for_each_task_without_the_jumps_of_resumed_sessions() -> None:
    assert per_task((1000, 50), (1700, 1250), resumed=1, count=300) == (2.0, 4.0)


def test_a_process_is_watched_until_the_next_one_follows() -> None:
    seen = Watched()
    seen.saw(7, 10.0, Usage(1.0, 80.0, 80.0))
    seen.saw(7, 12.0, Usage(1.5, 90.0, 90.0))
    seen.saw(8, 13.0, Usage(0.5, 70.0, 70.0))
    seen.saw(8, 14.0, Usage(0.6, 71.0, 71.0))
    assert seen.cpu == pytest.approx([0.25, 0.1])
    assert seen.memory == [80.0, 90.0, 70.0, 71.0]
    assert seen.processes == 2


def test_own_usage() -> None:
    used = usage(os.getpid())
    assert used.cpu > 0
    assert 1 < used.memory <= used.peak


def test_what_must_hold_of_a_hub() -> None:
    found = figures(
        hub__ready__operator=[20.0, 25.0], hub__ready__plain=[8.0, 9.0], hub__restart__lost=[1.0],
        reconcile__KojiHub__tasks=[15.0], reconcile__KojiUser__tasks=[15.0],
    )  # fmt: skip
    assert {verdict.text: verdict.word for verdict in found.verdicts()} == {
        "hub.ready.operator p50 / plain manifests'": "holds",
        "hub.ready.operator, worst": "holds",
        "hub.restart.lost, worst": "FAILED",
        "reconcile of a KojiHub: tasks, worst": "holds",
        "reconcile of a KojiUser: tasks, worst": "FAILED",
    }


def test_the_stages_of_a_hubs_start_follow_each_other() -> None:
    started = Started({"certificates": 4.0, "start": 20.0, "database": 12.5})
    assert started.each() == {"certificates": 4.0, "database": 8.5, "start": 7.5}
    assert sum(started.each().values()) == started.ready


def test_a_job_from_a_cluster_can_be_applied_elsewhere() -> None:
    labels = {"app.kubernetes.io/instance": "hub", "batch.kubernetes.io/controller-uid": "u", "job-name": "j"}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "labels": labels, "uid": "u", "ownerReferences": [{}], "namespace": "a"},
        "spec": {"selector": {}, "template": {"metadata": {"labels": labels}, "spec": {"containers": []}}},
        "status": {},
    }
    own = {"app.kubernetes.io/instance": "hub"}
    assert written(job) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "labels": own},
        "spec": {"template": {"metadata": {"labels": own}, "spec": {"containers": []}}},
    }
