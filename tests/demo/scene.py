# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the demo shows: resources become ready, Koji tasks run in pods and end."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import koji
import yaml

from tests.cluster.progress import say, step
from tests.devhub.manifests import database, volume
from tests.e2e.kojihub.site import Site
from tests.e2e.kube import Kube
from tests.e2e.operator import CHECKOUT

from . import CLUSTER, NAMESPACE, running

if TYPE_CHECKING:
    from tests.e2e.hub import Hub

SECRET = "postgres_secret.yaml"
SAMPLES = tuple(f"apps_v1alpha1_{kind}.yaml" for kind in ("kojihub", "kojiweb", "kojira", "kojiuser", "kojibuilder"))
POSTGRES_IMAGE = "localhost/postgres:dev"
IMAGES = {"KojiBuilder": "localhost/koji-builder:dev"}
HUB_IMAGE = "localhost/devhub:dev"  # of all other kinds
# What `koji make-task` is given, and how the task should end.
TASKS = (
    (("sleep", "3"), "CLOSED"),
    (("waittest", "2", "4"), "CLOSED"),
    (("subtask", "1"), "CLOSED"),
    (("sleep", "not-a-number"), "FAILED"),
)
# What `kubectl koji` shows at the end; the first fails if anything isn't ready.
PLUGIN = (("status",), ("list-hosts",), ("call", "getLoggedInUser"))
ENDED = ("CLOSED", "FAILED", "CANCELED")
READY_TIMEOUT = 180  # seconds
TASKS_TIMEOUT = 180  # seconds


def play() -> int:
    """Set the scene if it isn't, create the tasks and watch them. -> exit code"""
    kube = Kube()
    with step("installing the resource definitions"):
        install_definitions(kube)
    if kube.get("Namespace", NAMESPACE) is None:
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    with tempfile.TemporaryDirectory(prefix="koji-demo-") as folder:
        with step("starting the operator"):
            operator = running.start()
        say(f"  {operator.version}; its log: {operator.log}")
        with step("deploying PostgreSQL, which the site provides"):
            provide_database(kube)
        with step("applying the five samples, until they are ready"):
            apply_samples(kube)
        say(kube.kubectl("get", "koji", "-n", NAMESPACE))
        hub = Site(kube, NAMESPACE, Path(folder)).hub()
        watcher = Watcher(kube, hub.session())
        for arguments, _ in TASKS:
            watcher.ids.append(create(hub, arguments))
            watcher.look()
        watcher.follow()
    ids, rows = watcher.ids, watcher.rows
    print(table(rows))
    ends = {task: row["state"] for task, row in rows.items()}
    wrong = [task for task, (_, end) in zip(ids, TASKS, strict=True) if ends[task] != end]
    for task in wrong:
        say(f"task {task} ended as {ends[task]}; look at it: koji taskinfo {task}, and at {operator.log}")
    code = 1 if wrong else 0
    for words in PLUGIN:
        code = plugin(*words) or code
    look_around(ids[0])
    return code


def leave() -> int:
    """Remove the demo's namespace."""
    Kube().delete("Namespace", NAMESPACE)
    return 0


def install_definitions(kube: Kube) -> None:
    """Apply the CRDs and wait until the API server serves them."""
    for path in sorted((CHECKOUT / "config" / "crd" / "bases").glob("*.yaml")):
        for item in kube.apply(path.read_text("utf-8")):
            kube.wait_condition("CustomResourceDefinition", item["metadata"]["name"], "", 30, "Established")


def provide_database(kube: Kube) -> None:
    """PostgreSQL and the sample Secret that says where it is; its data lasts as long as its pod."""
    sample = yaml.safe_load((CHECKOUT / "config" / "samples" / SECRET).read_text("utf-8"))
    kube.apply(sample, NAMESPACE)
    kube.apply_all(database(NAMESPACE, POSTGRES_IMAGE, volume(None)))


def apply_samples(kube: Kube) -> None:
    """Apply the samples of all kinds at once, with the test cluster's images, and wait for them."""
    samples = [yaml.safe_load((CHECKOUT / "config" / "samples" / name).read_text("utf-8")) for name in SAMPLES]
    for sample in samples:
        if "image" in sample["spec"]:
            image = IMAGES.get(sample["kind"], HUB_IMAGE)
            sample["spec"] |= {"image": image, "image_pull_policy": "IfNotPresent"}
    kube.apply(samples, NAMESPACE)
    for sample in samples:
        kube.wait_condition(sample["kind"], sample["metadata"]["name"], NAMESPACE, READY_TIMEOUT)


def plugin(*words: str) -> int:
    """Run kubectl koji, as the admin in the hub's sidecar. -> exit code"""
    say(f"kubectl koji {' '.join(words)}:")
    path = f"{CHECKOUT / 'bin'}:{os.environ['PATH']}"
    line = ["kubectl", "koji", "-n", NAMESPACE, *words]
    return subprocess.run(line, env={**os.environ, "PATH": path}, check=False).returncode


def create(hub: Hub, arguments: tuple[str, ...]) -> int:
    """Create a task with the koji client, as a person would. -> its id"""
    said = hub.cli("make-task", *arguments)
    say(f"koji make-task {' '.join(arguments)}: {said.strip()}")
    return int(said.split()[-1])


class Watcher:
    """Prints each change of some tasks and their children. `rows`: task -> row of the table."""

    def __init__(self, kube: Kube, session: koji.ClientSession) -> None:
        self.ids: list[int] = []
        self.rows: dict[int, dict[str, Any]] = {}
        self._kube = kube
        self._session = session

    def follow(self) -> None:
        """Look until all have ended, or it takes too long."""
        deadline = time.monotonic() + TASKS_TIMEOUT
        while not all(row["state"] in ENDED for row in self.rows.values()) and time.monotonic() < deadline:
            time.sleep(0.2)
            self.look()

    def look(self) -> None:
        """Print what has changed since the last time."""
        found = self._kube.find("Pod", NAMESPACE, "koji-task")
        pods = {int(pod["metadata"]["labels"]["koji-task"]): pod["metadata"]["name"] for pod in found}
        for task in everything(self._session, self.ids):
            row = self.rows.setdefault(task["id"], {"state": "", "pod": "", "task": task})
            state = koji.TASK_STATES[task["state"]]
            row["pod"] = pods.get(task["id"], row["pod"])
            row["task"] = task
            if state != row["state"]:
                row["state"] = state
                say(f"  task {task['id']} {task['method']}: {state} {row['pod']}".rstrip())


def everything(session: koji.ClientSession, ids: list[int]) -> list[dict[str, Any]]:
    """The tasks and all their descendants, by id."""
    found = {task: session.getTaskInfo(task) for task in ids}
    for task in ids:
        for children in session.getTaskDescendents(task).values():
            found |= {child["id"]: child for child in children}
    return [found[task] for task in sorted(found)]


def table(rows: dict[int, dict[str, Any]]) -> str:
    """Task, method, pod, state and seconds, children below their parents."""
    lines = [f"{'TASK':>6}  {'METHOD':<12} {'POD':<24} {'STATE':<9} {'SECONDS':>7}"]
    for number, row in sorted(rows.items()):
        task = row["task"]
        seconds = (task["completion_ts"] or time.time()) - task["create_ts"]
        method = ("  " if task["parent"] else "") + task["method"]
        lines.append(f"{number:>6}  {method:<12} {row['pod'] or '-':<24} {row['state']:<9} {seconds:>7.1f}")
    return "\n".join(lines)


def look_around(task: int) -> None:
    """Print what to type next."""
    kubectl = f".venv/bin/python -m tests.cluster kubectl --name {CLUSTER} -n {NAMESPACE}"
    print(f"""
The cluster stays up. Look around (bin/kubectl-koji on the PATH makes `kubectl koji` of it):
  {kubectl} get koji
  {kubectl} get kojihub,kojibuilder -o wide
  {kubectl} describe kojibuilder default
  {kubectl} scale kojibuilder default --replicas=5
  {kubectl} get pods -l koji-task
  {kubectl} get events --field-selector involvedObject.kind=KojiBuilder
make demo shows it again (tasks from {task} on are this run's); make demo-down removes every trace.""")
