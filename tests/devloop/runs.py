# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Starts ansible-runner with ansible-operator's arguments, files and environment, and receives its events."""

import asyncio
import contextlib
import json
import logging
import os
import random
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from aiohttp import web

from .variables import extra_variables
from .watches import Json, Target, Watch

log = logging.getLogger(__name__)

MAX_ARTIFACTS_ANNOTATION = "ansible.sdk.operatorframework.io/max-runner-artifacts"
VERBOSITY_ANNOTATION = "ansible.sdk.operatorframework.io/verbosity"


class Run:
    """One ansible-runner; `ident` names it in the log and below `artifacts/`."""

    def __init__(self, ident: str, folder: Path) -> None:
        self.ident = ident
        self.folder = folder
        self.process: asyncio.subprocess.Process | None = None
        self._events: asyncio.Queue[Json | None] = asyncio.Queue()

    async def events(self) -> AsyncIterator[Json]:
        """Yield Ansible's events as they come, until ansible-runner has ended. Stopping early doesn't end the run."""
        while (event := await self._events.get()) is not None:
            yield event

    def stdout(self) -> str:
        """Return what Ansible printed, empty if it didn't get so far."""
        try:
            return (self.folder / "artifacts" / self.ident / "stdout").read_text("utf-8")
        except OSError:
            return ""

    async def receive(self, request: web.Request) -> web.Response:
        event = await request.json()
        # Changes of ansible-runner's own state come the same way; they have no uuid.
        if event.get("uuid"):
            self._events.put_nowait(event)
        return web.Response(status=204)

    def end(self) -> None:
        self._events.put_nowait(None)


class Runs:
    """Starts runs below `folder` and knows those that still go on."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self._alive: dict[asyncio.Task[None], Run] = {}
        # A path of a Unix socket is at most 107 bytes long.
        self._sockets = Path(tempfile.mkdtemp(prefix="devloop-"))

    def start(self, watch: Watch, item: Json, kubeconfig: Path, finalizing: bool) -> Run:
        """Start a run for an object; `kubeconfig` is needed until the run ends. Raises OSError."""
        if shutil.which("ansible-runner", path=self._environ.get("PATH")) is None:
            raise FileNotFoundError("ansible-runner is not on PATH")
        metadata, kind = item["metadata"], watch.kind
        folder = self._folder.joinpath(
            kind.group, kind.version, kind.kind, metadata.get("namespace", ""), metadata["name"]
        )
        run = Run(str(random.getrandbits(63)), folder)
        socket = self._sockets / run.ident
        kubeconfig_env = {"K8S_AUTH_KUBECONFIG": str(kubeconfig), "KUBECONFIG": str(kubeconfig)}
        files = {
            "env/envvars": json.dumps(kubeconfig_env),
            "env/extravars": json.dumps(extra_variables(watch, item, finalizing)),
            "env/settings": json.dumps({"runner_http_url": str(socket), "runner_http_path": "/events/"}),
        }
        write_input(folder, files, watch.target, self._environ)
        command = command_line(watch, item, folder, run.ident, finalizing, self._environ)
        task = asyncio.create_task(self._work(run, socket, command, {**self._environ, **kubeconfig_env}))
        self._alive[task] = run
        task.add_done_callback(self._alive.pop)
        return run

    async def kill(self) -> None:
        """End the runs that still go on: those out of grace, and those whose `requeue_after` came early."""
        tasks = dict(self._alive)
        for run in tasks.values():
            log.warning("Run %s: killed", run.ident)
            if run.process is not None:
                # It leads a process group of its own; Ansible's children end with their terminal.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(run.process.pid, signal.SIGKILL)
        await asyncio.gather(*tasks, return_exceptions=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    async def _work(self, run: Run, socket: Path, command: list[str], environ: Mapping[str, str]) -> None:
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_post("/events/", run.receive)
        receiver = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        try:
            await receiver.setup()
            await web.UnixSite(receiver, str(socket)).start()
            run.process = await asyncio.create_subprocess_exec(
                *command,
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
            output, _ = await run.process.communicate()
            if run.process.returncode:
                log.error(
                    "Run %s: ansible-runner ended with %s\n%s", run.ident, run.process.returncode, output.decode()
                )
        except OSError:
            log.exception("Run %s: can't be started", run.ident)
        finally:
            await receiver.cleanup()
            socket.unlink(missing_ok=True)
            run.end()
        latest = run.folder / "artifacts" / "latest"
        with contextlib.suppress(OSError):
            latest.unlink(missing_ok=True)
            latest.symlink_to(run.folder / "artifacts" / run.ident)


def write_input(folder: Path, files: Mapping[str, str], target: Target, environ: Mapping[str, str]) -> None:
    """Write ansible-runner's input folder: env, inventory and, for a playbook, a copy of it."""
    interpreter = "{{ansible_playbook_python}}"
    if environ.get("VIRTUAL_ENV"):
        interpreter = str(Path(environ["VIRTUAL_ENV"], "bin", "python3"))
    content = {
        **files,
        "inventory/hosts": f"localhost ansible_connection=local ansible_python_interpreter={interpreter}",
    }
    if not target.is_role:
        content["project/playbook.yaml"] = target.path.read_text("utf-8")
    for name in ("env", "project", "inventory"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        (folder / name).write_text(text, "utf-8")


def command_line(
    watch: Watch, item: Json, folder: Path, ident: str, finalizing: bool, environ: Mapping[str, str]
) -> list[str]:
    """Return ansible-runner's command line for a run."""
    annotations = item["metadata"].get("annotations") or {}
    target = watch.target
    if finalizing and watch.finalizer is not None and watch.finalizer.target is not None:
        target = watch.finalizer.target
    artifacts = _integer(annotations.get(MAX_ARTIFACTS_ANNOTATION), watch.max_artifacts)
    verbosity = _integer(annotations.get(VERBOSITY_ANNOTATION), watch.verbosity)
    command = ["ansible-runner", "run", str(folder), "--rotate-artifacts", str(artifacts)]
    if target.is_role:
        command += ["--role", target.path.name, "--roles-path", f"{target.path.parent}/", "--hosts", "localhost"]
    else:
        command += ["-p", str(target.path)]
    command += ["-i", ident]
    if verbosity > 0:
        command.append("-" + "v" * verbosity)
    # ansible-runner doesn't apply this setting of Ansible's to a role that it runs by itself.
    if target.is_role and environ.get("ANSIBLE_GATHERING") == "explicit":
        command.append("--role-skip-facts")
    return command


def _integer(text: str | None, default: int) -> int:
    try:
        return default if text is None else int(text)
    except ValueError:
        log.warning("Not a number in an annotation: %r", text)
        return default
