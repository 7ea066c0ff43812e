# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Starts and stops the operator for tests: the real binary of $ANSIBLE_OPERATOR, or the development loop."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.devloop.environment import environment

CHECKOUT = Path(__file__).resolve().parents[2]
LOGS = CHECKOUT / "build" / "logs"
# Written into every kubeconfig by ansible-operator, whatever --proxy-port says.
PROXY_PORT = 8888
LEASE = "koji-operator"  # of those that wait for each other
STOP_GRACE = 30  # seconds; more than the runs get


class Operator:
    """An operator that watches all namespaces with `project`/watches.yaml; its log goes to build/logs/<name>.log.

    `grace`: seconds that its runs get when it is to stop. `elected`: the real one waits until its predecessor's Lease
    has run out, as it does in a Deployment."""

    def __init__(
        self,
        project: Path,
        name: str = "operator",
        extra: Mapping[str, str] | None = None,
        grace: int = 10,
        *,
        elected: bool = False,
    ) -> None:
        self.binary = os.environ.get("ANSIBLE_OPERATOR")
        self.project = project
        self.log = LOGS / f"{name}.log"
        self._environ = {**environment(os.environ, project), **(extra or {})}
        self._grace = grace
        self._elected = elected
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    @property
    def real(self) -> bool:
        return self.binary is not None

    @property
    def version(self) -> str:
        """Return what the binary says about itself, or that it is the development loop."""
        if self.binary is None:
            return "tests.devloop"
        return subprocess.check_output([self.binary, "version"], text=True).strip()

    @property
    def pid(self) -> int:
        """Return the id of its process, which outlives this object. AssertionError before it is started."""
        assert self._process is not None
        return self._process.pid

    @property
    def folder(self) -> Path | None:
        """Return its temporary folder, for those who stop it by its id."""
        return self._folder

    @property
    def metrics(self) -> Path:
        """Return the folder of its runs' metrics; AssertionError before it is started."""
        assert self._folder is not None
        return self._folder / "metrics"

    def start(self) -> None:
        """Start it and wait until its proxy answers. AssertionError if it can't."""
        _assert_free(PROXY_PORT)
        self._folder = Path(tempfile.mkdtemp(prefix="koji-operator-"))
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            log.write(f"{self.version}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                self._command(), cwd=self.project, env=self._env(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 90
        while not _listens(PROXY_PORT):
            if self._process.poll() is not None or time.monotonic() > deadline:
                code = self._process.poll()
                self.kill()
                raise AssertionError(f"the operator did not start (exit code {code}):\n{self.tail()}")
            time.sleep(0.1)

    def terminate(self) -> None:
        """Ask it to stop, as the kubelet would."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Return its exit code. subprocess.TimeoutExpired if it doesn't end."""
        assert self._process is not None
        return self._process.wait(self._grace + STOP_GRACE)

    def stop(self) -> None:
        """Stop it; what is left of it after its grace is killed. Does nothing if it isn't running."""
        self.terminate()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait()
        self.kill()

    def kill(self) -> None:
        """End it and its runs at once, as a node that fails would."""
        if self._process is not None:
            for process in [self._process.pid, *_descendants(self._process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            # Runs whose parent has gone are still in the session's group.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._folder is not None:
            # A run's Ansible has a session of its own, and may outlive it.
            for process in _with_environment(f"TMPDIR={self._folder}"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def tail(self, lines: int = 60) -> str:
        """Return the end of its log."""
        try:
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"

    def _command(self) -> list[str]:
        grace = f"--graceful-shutdown-timeout={self._grace}s"
        if self.binary is None:
            runs = f"{self._folder}/runs"
            return [sys.executable, "-m", "tests.devloop", "--watches", "watches.yaml", "--runner-dir", runs, grace]
        # 0: no port; the hub's port 8443 is also the default of the metrics.
        ports = ["--metrics-bind-address=0", "--health-probe-bind-address=0"]
        election = ["--leader-elect", f"--leader-election-id={LEASE}", "--leader-election-namespace=default"]
        settings = ["--watches-file=./watches.yaml", "--inject-owner-ref=true", grace]
        return [self.binary, "run", *settings, *ports, *(election if self._elected else [])]

    def _env(self) -> dict[str, Any]:
        path = f"{CHECKOUT}:{self._environ.get('PYTHONPATH', '')}".rstrip(":")
        metrics = {"KOJI_OPERATOR_METRICS_DIR": str(self.metrics)}
        return {**self._environ, **metrics, "PYTHONPATH": path, "TMPDIR": str(self._folder)}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _assert_free(port: int) -> None:
    assert not _listens(port), f"port {port} is taken: another operator runs in this network namespace; stop it first"


def _descendants(pid: int) -> list[int]:
    """Return the processes below one, as /proc has them."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text("ascii").split()):
                found += [child, *_descendants(child)]
    return found


def _with_environment(entry: str) -> list[int]:
    """Return the processes that were started with NAME=VALUE in their environment."""
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found
