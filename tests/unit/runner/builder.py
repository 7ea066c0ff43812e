# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A builder on a devhub in this process, which opens tasks for the runner as the operator does."""

from __future__ import annotations

from typing import Any

import koji

from runner.files import TaskFile
from runner.session import TaskSession
from tests.devhub.local import LocalHub, local_session

HOST = "builder"


class Builder:
    """An exclusive session of host `builder`, beside an admin's."""

    def __init__(self) -> None:
        self.hub = LocalHub()
        self.admin = self.hub.admin()
        self.session = self.hub.host(HOST, capacity=100.0)

    def make(self, method: str, *args: Any, **opts: Any) -> int:
        """A free task; returns its id."""
        return int(self.admin.makeTask(method, koji.encode_args(*args), **opts))

    def open(self, method: str, *args: Any, url: str = "https://koji-hub.test:8443/kojihub") -> TaskFile:
        """A task that is open on this host, with a subsession for it."""
        task_id = self.make(method, *args)
        self.admin.assignTask(task_id, HOST, True)
        return self.take(task_id, url)

    def take(self, task_id: int, url: str) -> TaskFile:
        """Open an assigned task and make a subsession for it."""
        assert self.session.host.openTask(task_id) is not None
        sinfo = self.session.callMethod("subsession")
        return TaskFile(task_id, 1, url, sinfo["session-id"], sinfo["session-key"])

    def assigned(self) -> list[int]:
        """Check in and return the tasks that the hub has assigned."""
        self.session.host.updateHost(0.0, True, data={"methods": [], "maxjobs": 50})
        return [int(task["id"]) for task in self.session.host.getTasks()]

    def attach(self, task: TaskFile) -> TaskSession:
        """The runner's own kind of session, talking to the hub inside this process."""
        session: TaskSession = local_session(self.hub, sinfo=task.sinfo, base=TaskSession)
        return session

    def state(self, task: TaskFile) -> str:
        """The task's state on the hub, such as CLOSED."""
        return str(koji.TASK_STATES[self.admin.getTaskInfo(task.task_id)["state"]])

    def result(self, task: TaskFile) -> Any:
        """What getTaskResult says; it raises what the task failed with."""
        return self.admin.getTaskResult(task.task_id)
