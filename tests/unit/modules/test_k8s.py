# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""koji_k8s sends to the API server what kubernetes.core.k8s does, and answers as it does."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESOURCES = {
    "kind": "APIResourceList",
    "groupVersion": "v1",
    "resources": [
        {
            "name": "configmaps", "singularName": "configmap", "namespaced": True, "kind": "ConfigMap",
            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        }
    ],
}  # fmt: skip
KNOWN: dict[str, Any] = {
    "/version": {"major": "1", "minor": "34"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": RESOURCES,
    "/apis": {"kind": "APIGroupList", "groups": []},
}
NEW = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new", "namespace": "koji"}, "data": {"a": "1"}}
THERE = {**NEW, "metadata": {"name": "there", "namespace": "koji", "annotations": {}}}
REFUSED = {**NEW, "metadata": {"name": "refused", "namespace": "koji"}}
STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no room", "reason": "Forbidden"}


class Server(ThreadingHTTPServer):
    """The little of an API server that has one ConfigMap."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.writes: list[tuple[str, str, Any]] = []


class Answers(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_GET(self) -> None:
        if self.path.endswith("/there"):
            self.say(200, THERE)
        else:
            found = KNOWN.get(self.path.partition("?")[0])
            self.say(200 if found else 404, found or {**STATUS, "reason": "NotFound"})

    def write(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(text) if text else {}
        self.server.writes.append((self.command, self.path, body))
        refused = (body.get("metadata") or {}).get("name") == "refused"
        self.say(*((403, STATUS) if refused else (200, {**THERE, **body})))

    do_POST = do_PATCH = do_DELETE = write  # noqa: N815

    def say(self, code: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def played(server: Server, folder: Path, module: str, task: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """What a task with the module wrote, and what it returned."""
    server.writes.clear()
    address = f"http://127.0.0.1:{server.server_port}"
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": address}}], "users": [{"name": "c", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }  # fmt: skip
    folder.mkdir()
    (folder / "kubeconfig").write_text(json.dumps(config))
    out = folder / "out.json"
    tasks = [
        {"name": "T", module: task, "register": "answer", "ignore_errors": True},
        {"ansible.builtin.copy": {"content": "{{ answer | to_json }}", "dest": str(out), "mode": "0600"}},
    ]
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    (folder / "play.yml").write_text(yaml.safe_dump(play, sort_keys=False))
    scripts = sysconfig.get_path("scripts")
    environ = {"PATH": f"{scripts}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    environ["K8S_AUTH_KUBECONFIG"] = str(folder / "kubeconfig")
    command = [sys.executable, f"{scripts}/ansible-playbook", str(folder / "play.yml")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(out.read_text())
    for name in ("duration", "exception", "invocation", "deprecations", "warnings"):
        answer.pop(name, None)
        answer.get("result", {}).pop(name, None)
    return list(server.writes), answer


@pytest.mark.parametrize(
    "task",
    [
        {"apply": True, "definition": [NEW, {**THERE, "data": {"a": "2"}}]},
        {"apply": True, "definition": [REFUSED]},
        {"state": "absent", "definition": [THERE], "delete_options": {"propagationPolicy": "Background"}},
        {"state": "patched", "merge_type": "merge", "definition": [{**THERE, "data": {"b": None}}]},
    ],
    ids=["applied", "refused", "deleted", "patched"],
)
def test_it_writes_and_answers_as_kubernetes_core_does(server: Server, tmp_path: Path, task: dict[str, Any]) -> None:
    here = played(server, tmp_path / "here", "fedoraproject.koji.koji_k8s", task)
    there = played(server, tmp_path / "there", "kubernetes.core.k8s", task)
    assert here[0], here[1]
    assert here == there
