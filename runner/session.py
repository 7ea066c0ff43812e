# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The task's session: a subsession of the builder's, made by the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import koji

if TYPE_CHECKING:
    from pathlib import Path
    from types import SimpleNamespace

    from runner.files import TaskFile

# The calls of TaskManager.runTask that end a task.
REPORTS = frozenset({"host.closeTask", "host.failTask", "host.freeTasks"})

# The hub wants call numbers that grow and lets them jump: whoever speaks after the worker starts here.
AFTER_THE_WORKER = 2**30


class TaskSession(koji.ClientSession):
    """A client attached to the subsession; it neither logs in nor out, and remembers how the task was reported."""

    def __init__(
        self,
        baseurl: str,
        opts: dict[str, Any] | None = None,
        sinfo: dict[str, Any] | None = None,
        auth_method: dict[str, Any] | None = None,
    ) -> None:
        self.report: str | None = None  # the last call that ended the task
        super().__init__(baseurl, opts, sinfo, auth_method)

    def __del__(self) -> None:
        """ClientSession logs out here, which would end the session for every process that shares it."""

    def logout(self, session_id: int | None = None) -> None:
        """The session is the operator's to close."""

    def _renew_session(self) -> None:
        # A renewal needs a login, and the pod has no key.
        raise koji.AuthError("the task's session has expired: set SessionRenewalTimeout = 0 in hub.conf")

    def _callMethod(self, name: str, args: Any, kwargs: Any = None, retry: bool = True) -> Any:  # noqa: N802
        result = self._wait_out(name, args, kwargs, retry)
        if name in REPORTS:
            self.report = name
        return result

    def _wait_out(self, name: str, args: Any, kwargs: Any, retry: bool) -> Any:
        while True:
            try:
                return super()._callMethod(name, args, kwargs, retry)
            except koji.ServerOffline:
                # koji 1.36 waits for a hub that says so, but raises this once the hub is then out of reach altogether.
                if not (retry and self.opts.get("offline_retry")):
                    raise
                # The same call again: if its answer was lost, the hub has to recognise it.
                self.callnum -= 1


def attach(task: TaskFile, options: SimpleNamespace, ca: Path) -> TaskSession:
    """The worker's client: patient, as kojid's options say."""
    opts = koji.grab_session_options(options)
    opts["serverca"] = str(ca) if ca.exists() else None  # without it: the authorities that the image trusts
    return TaskSession(task.hub_url, opts, sinfo=task.sinfo)


def attach_briefly(task: TaskFile, ca: Path) -> TaskSession:
    """A client for the few seconds between SIGTERM and SIGKILL, when the worker is dead."""
    opts = {"serverca": str(ca) if ca.exists() else None, "timeout": 3, "max_retries": 0}
    session = TaskSession(task.hub_url, opts, sinfo=task.sinfo)
    session.callnum = AFTER_THE_WORKER
    return session
