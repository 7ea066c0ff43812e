# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""kubectl-koji between a fake kubectl and a fake koji, and objects as a cluster has them."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.generated import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

Json = dict[str, Any]
PLUGIN = ROOT / "bin" / "kubectl-koji"
HERE = Path(__file__).parent
TIMEOUT = 60  # seconds
# What a shell runs in the background ignores SIGINT, and so does the plugin then.
PROGRAM = ["env", "--default-signal", "kubectl-koji"]


def load() -> ModuleType:
    """The plugin as a module, for what can be asked without running it."""
    loader = importlib.machinery.SourceFileLoader("kubectl_koji", str(PLUGIN))
    spec = importlib.util.spec_from_loader("kubectl_koji", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kubectl_koji"] = module  # dataclasses look there
    loader.exec_module(module)
    return module


def resource(kind: str, name: str = "hub", conditions: Mapping[str, Any] | None = None, **more: Any) -> Json:
    """A resource of ours; a condition is its status, or (status, reason, message). `more`: spec, status, metadata."""
    metadata = {"name": name, "namespace": "koji", "generation": 1, **more.get("metadata", {})}
    listed = []
    for kind_, said in (conditions or {}).items():
        status, reason, message = said if isinstance(said, tuple) else (said, "Fine", "")
        listed.append({"type": kind_, "status": status, "reason": reason, "message": message, "observedGeneration": 1})
    status = {**more.get("status", {}), **({"conditions": listed} if conditions else {})}
    return {"kind": kind, "metadata": metadata, "spec": more.get("spec", {}), "status": status}


def kojihub(name: str = "hub", **more: Any) -> Json:
    """A hub that is ready, with a sidecar."""
    return resource("KojiHub", name, **{"conditions": {"Ready": "True"}, "spec": {"sidecar": True}, **more})


def hub_pod(
    name: str = "koji-hub-1", hub: str = "hub", *, ready: bool = True, sidecar: bool = True, **more: Any
) -> Json:
    """A pod of a hub. `more`: metadata, status."""
    labels = {"app.kubernetes.io/name": "koji-hub", "app.kubernetes.io/instance": hub}
    created = f"2026-11-30T12:00:{name[-1:] if name[-1:].isdigit() else 0:0>2}Z"
    metadata = {
        "name": name,
        "namespace": "koji",
        "labels": labels,
        "creationTimestamp": created,
        **more.get("metadata", {}),
    }
    containers = [{"name": "hub"}, *([{"name": "admin"}] if sidecar else [])]
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [{"name": one["name"], "ready": ready, "state": {"running": {}}} for one in containers],
    }
    return {
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers},
        "status": more.get("status", status),
    }


def task_pod(task: int, attempt: int = 1, phase: str = "Running", **labels: str) -> Json:
    """A pod of a task."""
    metadata = {
        "name": f"koji-task-{task}-{attempt}",
        "namespace": "koji",
        "labels": {
            "koji-task": str(task),
            "koji-method": "sleep",
            **{f"koji-{key}": value for key, value in labels.items()},
        },
    }
    waiting = {"name": "task", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    status = {"phase": phase, "containerStatuses": [waiting] if phase == "Pending" else []}
    return {"kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "task"}]}, "status": status}


@dataclass
class World:
    """A folder with the two fakes, their cluster, and what they were asked."""

    folder: Path
    cluster: Json = field(default_factory=lambda: {"namespace": "koji", "objects": [kojihub(), hub_pod()]})

    def __post_init__(self) -> None:
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        for name in ("kubectl", "koji"):
            program = self.bin / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "{HERE}/fake_{name}.py" "$@"\n', "utf-8")
            program.chmod(0o755)
        (self.bin / "kubectl-koji").symlink_to(PLUGIN)
        (self.bin / "kubectl_complete-koji").symlink_to(PLUGIN)
        self.has()

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which the fakes are found first."""
        kept = {key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "NO_COLOR")}
        return {
            **kept,
            "PATH": f"{self.bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "FAKE_FOLDER": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "TERM": "xterm",
        }

    def has(self, *objects: Json, **more: Any) -> None:
        """Make these the cluster's objects. `more`: forbidden, unknown, namespace, user."""
        self.cluster = {**self.cluster, **({"objects": list(objects)} if objects else {}), **more}
        draft = self.folder / "cluster.new"
        draft.write_text(json.dumps(self.cluster), "utf-8")
        draft.replace(self.folder / "cluster.json")

    def tasks(self, states: Mapping[str, Any]) -> None:
        """Tell the hub's tasks: the states that each look finds, one after the other."""
        (self.folder / "tasks.json").write_text(json.dumps(states), "utf-8")

    def run(self, *words: str, stdin: bytes = b"", **more: Any) -> subprocess.CompletedProcess[bytes]:
        """Run the plugin to its end."""
        return subprocess.run(
            ["kubectl-koji", *words], input=stdin, capture_output=True, env=self.environment, timeout=TIMEOUT,
            check=False, **more,
        )  # fmt: skip

    def start(self, *words: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start the plugin with pipes."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([*PROGRAM, *words], env=self.environment, **{**pipes, **more})

    def says(self, *words: str, code: int = 1) -> str:
        """Run what can't work; what is said about it."""
        done = self.run(*words)
        assert done.returncode == code, done
        assert done.stdout == b""
        return done.stderr.decode()

    def called(self, name: str) -> list[Any]:
        """What a fake has written down: the argument lists of kubectl, the records of koji."""
        file = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    def arguments(self) -> list[list[str]]:
        """koji's argument lists."""
        return [record["argv"] for record in self.called("koji") if "argv" in record]

    def recorded(self, key: str) -> Any:
        """Wait until koji has written something down."""
        return until(lambda: next((one[key] for one in self.called("koji") if key in one), None), key)


def until(check: Callable[[], Any], what: str) -> Any:
    """Wait for something; AssertionError if it doesn't come."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"in vain waited for: {what}")


def alive(pid: int) -> bool:
    """Whether a process runs, and isn't merely waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def only_child(pid: int) -> int:
    """The one process that another has started and still has."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(file.read_text("utf-8").rpartition(")")[2].split()[1]) == pid:
                return int(file.parent.name)
    raise AssertionError(f"process {pid} has no child")
