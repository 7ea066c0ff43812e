# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The test cluster itself: side by side with another, killed, repaired, used and removed without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster import Cluster, mounts
from tests.cluster.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the test cluster needs root")

POD = "client"
# Runs as a pod of the strictest Pod Security level, with a claim, as a user id that no image knows.
OBJECTS: list[dict[str, Any]] = [
    {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "try", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    },
    {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "try"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    },
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD, "namespace": "try", "labels": {"app": POD}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 4711,
                "fsGroup": 4712,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": POD,
                    "image": "localhost/koji-builder:dev",
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "-m", "http.server", "8080"],
                    "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "try"},
        "spec": {"selector": {"app": POD}, "ports": [{"port": 80, "targetPort": 8080}]},
    },
]
# What an operator does in its pod: the service account's token and CA, the API by its DNS name.
ASK_THE_API = """
import ssl, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount"
request = urllib.request.Request("https://kubernetes.default.svc/version")
request.add_header("Authorization", "Bearer " + open(folder + "/token").read())
print(urllib.request.urlopen(request, context=ssl.create_default_context(cafile=folder + "/ca.crt"), timeout=30).status)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(f"test-{os.getpid()}").running() as running:
        running.import_images(["pause", "koji-builder"])
        yield running


@pytest.fixture(scope="module")
def pod(cluster: Cluster) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program in a ready pod, which has written to its volume."""
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": OBJECTS})
    eventually(lambda: cluster.kubectl("apply", "-f", "-", input=manifest).returncode == 0)
    ready = cluster.kubectl("wait", "pod", POD, "-n", "try", "--for=condition=Ready", "--timeout=180s")
    assert ready.returncode == 0, ready.stderr
    written = cluster.kubectl("exec", "-n", "try", POD, "--", "sh", "-c", "echo kept > /data/file")
    assert written.returncode == 0, written.stderr
    return lambda *program: cluster.kubectl("exec", "-n", "try", POD, "--", *program)


def eventually(condition: Callable[[], bool], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.2)


def end(cluster: Cluster, *names: str) -> None:
    for name in names:
        record = cluster.processes()[name]
        assert record is not None
        os.kill(record.pid, signal.SIGKILL)
        eventually(lambda record=record: not record.alive())  # type: ignore[misc]


def command(cluster: Cluster, *words: str) -> list[str]:
    return [sys.executable, "-m", "tests.cluster", words[0], "--name", cluster.name, *words[1:]]


def traces(cluster: Cluster) -> list[str]:
    """What is left of a cluster on this machine: its processes, mounts, namespaces, cgroups and files."""
    places = cluster.places
    found = [str(path) for path in (places.state, places.lock, places.netns_file) if path.exists()]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"**{places.cgroup}") if path.exists()]
    found += [str(path) for path in mounts.below(places.state, Path("/proc/self/mountinfo").read_text())]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            program = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{places.state}/" in program:
            found.append(program)
    return found


def test_up_on_a_running_cluster_takes_less_than_a_second(cluster: Cluster) -> None:
    processes, before = cluster.processes(), os.times()
    cluster.up()
    after = os.times()
    # Of processor time, with all children; the clock on the wall would tell how busy the machine is.
    assert sum(after[:4]) - sum(before[:4]) < 1
    assert cluster.processes() == processes


def test_a_claim_binds_and_any_user_can_write_to_it(cluster: Cluster, pod: Any) -> None:
    phase = cluster.kubectl("get", "pvc", "data", "-n", "try", "-o", "jsonpath={.status.phase}")
    assert phase.stdout == "Bound"
    assert pod("stat", "--format=%u:%g", "/data/file").stdout == "4711:4712\n"


def test_a_pod_finds_services_and_the_api_by_name(pod: Any) -> None:
    fetch = "import urllib.request as r; print(r.urlopen('http://web.try/', timeout=30).status)"
    # Its own Service: the way back is translated too. kube-proxy hears of a ready pod a moment after everyone else.
    eventually(lambda: pod("python3", "-c", fetch).stdout == "200\n")
    answer = pod("python3", "-c", ASK_THE_API)
    assert answer.stdout == "200\n", answer.stderr


def test_the_kubelet_gives_exit_codes_and_logs(cluster: Cluster, pod: Any) -> None:
    assert pod("sh", "-c", "exit 7").returncode == 7
    assert "GET / " in cluster.kubectl("logs", "-n", "try", POD).stdout


def test_rights_are_enforced_and_writes_are_in_the_audit_log(cluster: Cluster, pod: Any) -> None:
    offset = cluster.audit_log.stat().st_size
    user = "--as=system:serviceaccount:try:default"
    refused = cluster.kubectl("create", "configmap", "x", "-n", "try", user)
    assert "cannot create resource" in refused.stderr
    assert cluster.kubectl("create", "configmap", "y", "-n", "try").returncode == 0
    assert cluster.kubectl("patch", "namespace", "try", "--subresource=status", "-p", "{}").returncode == 0
    with cluster.audit_log.open() as log:
        log.seek(offset)
        events = [json.loads(line) for line in log]
    seen = [
        (event["verb"], event["objectRef"]["resource"], event["objectRef"].get("subresource"))
        for event in events
        if event["user"]["username"] == "koji-test-admin" and event["verb"] in {"create", "patch"}
    ]
    assert seen == [("create", "configmaps", None), ("create", "configmaps", None), ("patch", "namespaces", "status")]
    assert [event["responseStatus"]["code"] for event in events if event["verb"] == "create"][:2] == [403, 201]


def test_owner_references_need_the_right_on_finalizers(cluster: Cluster, pod: Any) -> None:
    rule = ["create", "clusterrole", "try", "--verb=create,get", "--resource=configmaps,pods"]
    assert cluster.kubectl(*rule).returncode == 0
    assert cluster.kubectl("create", "clusterrolebinding", "try", "--clusterrole=try", "--user=try").returncode == 0
    uid = cluster.kubectl("get", "pod", POD, "-n", "try", "-o", "jsonpath={.metadata.uid}").stdout
    owner = {"apiVersion": "v1", "kind": "Pod", "name": POD, "uid": uid, "blockOwnerDeletion": True}
    owned = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "owned", "namespace": "try", "ownerReferences": [owner]},
    }

    def refused() -> bool:
        answer = cluster.kubectl("create", "-f", "-", "--as=try", input=json.dumps(owned))
        assert answer.returncode != 0
        return "cannot set blockOwnerDeletion" in answer.stderr

    # The API server knows of the new rights a moment later.
    eventually(refused)


def test_exec_passes_words_exit_code_and_signals(cluster: Cluster) -> None:
    words = ["a  b", "$HOME", "'", ""]
    script = "import sys; print(sys.argv[1:]); sys.exit(9)"
    done = subprocess.run(
        command(cluster, "exec", "--", "python3", "-c", script, *words),
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (9, f"{words}\n")
    sleeper = subprocess.Popen(command(cluster, "exec", "--", "sh", "-c", "echo up; exec sleep 60"), cwd=CHECKOUT, stdout=subprocess.PIPE)  # fmt: skip  # noqa: E501
    assert sleeper.stdout is not None
    assert sleeper.stdout.readline() == b"up\n"
    sleeper.terminate()
    assert sleeper.wait(60) == -signal.SIGTERM


def test_exec_sees_the_cluster_as_a_pod_does(cluster: Cluster) -> None:
    done = cluster.exec_command(["getent", "hosts", "kubernetes.default.svc"], capture_output=True)
    assert done.stdout.split()[0] == "10.96.0.1"
    done = cluster.exec_command(["kubectl", "get", "nodes", "-o", "name"], capture_output=True)
    assert done.stdout == "node/node1\n"


def test_what_was_killed_is_started_again_and_pods_go_on(cluster: Cluster, pod: Any) -> None:
    end(cluster, "containerd", "scheduler", "apiserver")
    assert not cluster.healthy()
    cluster.up()
    assert cluster.healthy()
    # The kubelet finds the new containerd a moment after everyone else.
    eventually(lambda: pod("cat", "/data/file").stdout == "kept\n")


def test_a_volume_is_offered_again_after_its_claim(cluster: Cluster, pod: Any) -> None:
    path = "jsonpath={.spec.volumeName}"
    name = cluster.kubectl("get", "pvc", "data", "-n", "try", "-o", path).stdout
    assert (cluster.places.volumes / name / "file").read_text() == "kept\n"
    cluster.kubectl("delete", "namespace", "try", "--timeout=180s")

    def phase() -> str:
        return cluster.kubectl("get", "pv", name, "-o", "jsonpath={.status.phase}").stdout

    eventually(lambda: phase() == "Released")
    cluster.up()
    eventually(lambda: phase() == "Available")
    assert list((cluster.places.volumes / name).iterdir()) == []


def test_a_second_cluster_beside_it_is_removed_without_a_trace_even_after_a_crash(cluster: Cluster) -> None:
    second = Cluster(f"test-{os.getpid()}-b")
    try:
        second.up()
        assert second.kubectl("create", "namespace", "only-here").returncode == 0
        assert cluster.kubectl("get", "namespace", "only-here").returncode == 1
        stray = second.popen(["sleep", "600"])
        end(second, "containerd", "etcd")
        assert len(traces(second)) > 10  # so that none is seen below for the right reason
        (second.places.pids / "proxy.json").write_text('{"pid": 1')  # as after a crash while it was written
    finally:
        second.down()
    assert stray.wait(60) == -signal.SIGKILL  # what exec runs belongs to the cluster
    assert traces(second) == []
    assert cluster.healthy()


def test_down_leaves_a_process_alone_that_has_the_id_of_one_of_ours(cluster: Cluster) -> None:
    third = Cluster(f"test-{os.getpid()}-c")
    bystander = subprocess.Popen(["sleep", "600"])
    third.places.pids.mkdir(parents=True)  # a state folder as a reboot leaves it: files, and nothing that runs
    (third.places.pids / "etcd.json").write_text(json.dumps({"pid": bystander.pid, "started": 1, "boot": "before"}))
    try:
        assert third.down()
        assert traces(third) == []
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert not third.down()
