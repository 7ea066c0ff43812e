# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the tests act with: a builder that checks in as kojid would, tasks in a channel of this run, borrowed users."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import koji
import koji.xmlrpcplus

from .callers import Caller, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .callers import Session
    from .hubs import Hub
    from .record import Recorder

ARCH = "x86_64"


class Tasks:
    """Makes tasks, in this run's channel unless told otherwise, and cancels what is left of them."""

    def __init__(self, hub: Hub, admin: Caller, channel: str) -> None:
        self.hub = hub
        self.admin = admin
        self.channel = channel
        self.made: list[int] = []

    def make(self, method: str = "sleep", arguments: tuple[Any, ...] = (0,), **options: Any) -> int:
        """A task, unrecorded: for tests whose subject is what comes after."""
        options = {"channel": self.channel, "arch": ARCH, **options}
        task: int = self.admin.quiet.makeTask(method, koji.encode_args(*arguments), **options)
        self.made.append(task)
        return task

    def state(self, task: int) -> str:
        """The state's name: FREE, OPEN, CLOSED, CANCELED, ASSIGNED or FAILED."""
        return str(koji.TASK_STATES[self.admin.quiet.getTaskInfo(task)["state"]])

    def cancel_all(self) -> None:
        """Leave nothing that a builder could pick up."""
        for task in self.made:
            self.admin.quiet.cancelTaskFull(task, strict=False)


class Builder(Caller):
    """A host on its exclusive session."""

    def __init__(self, who: str, session: Session, recorder: Recorder | None, hub: Hub, tasks: Tasks) -> None:
        super().__init__(who, session, recorder)
        self.hub = hub
        self.tasks = tasks

    @property
    def quiet(self) -> Builder:
        """The same session, unrecorded."""
        return Builder(self.who, self.session, None, self.hub, self.tasks)

    def check_in(self, ready: bool = True, maxjobs: int = 10) -> None:
        """One check-in, unrecorded."""
        self.quiet.host.updateHost(0.0, ready, data={"methods": ["sleep"], "maxjobs": maxjobs})

    def poll(self) -> list[dict[str, Any]]:
        """One poll for assigned tasks, unrecorded; it drives the hub's scheduler."""
        if self.hub.settings["RunInterval"] > 2:
            self.tasks.admin.quiet.scheduler.doRun(True)
        answer: list[dict[str, Any]] = self.quiet.host.getTasks()
        return answer

    def gets(self, task: int, maxjobs: int = 10) -> dict[str, Any]:
        """Poll until the task is assigned here, and give what getTasks tells of it; that one answer is recorded."""

        def wanted() -> dict[str, Any] | None:
            self.check_in(maxjobs=maxjobs)
            return next((entry for entry in self.poll() if entry["id"] == task), None)

        entry: dict[str, Any] = until(wanted, 20, f"task {task} assigned to {self.who}")
        if self.recorder:
            self.recorder.answered(self.who, "host.getTasks [the task]", entry)
        return entry

    def never_gets(self, task: int, maxjobs: int = 10) -> None:
        """Poll through at least one run of the scheduler: the task stays free."""
        # A run happens at most every RunInterval; up to 2 s it is waited for, else it is forced.
        interval = self.hub.settings["RunInterval"]
        end = time.monotonic() + (interval if interval <= 2 else 0) + 0.4
        while time.monotonic() < end:
            self.check_in(maxjobs=maxjobs)
            ids = [entry["id"] for entry in self.poll()]
            assert task not in ids, f"task {task} was assigned to {self.who}"
            time.sleep(0.1)
        assert self.tasks.state(task) == "FREE"
        if self.recorder:
            self.recorder.answered(self.who, "host.getTasks [task not among them]", None)

    def open_one(self, method: str = "sleep", arguments: tuple[Any, ...] = (0,), **options: Any) -> int:
        """A task that is open here, unrecorded."""
        task = self.tasks.make(method, arguments, **options)
        assert self.quiet.host.openTask(task)["id"] == task
        return task

    def own_tasks(self) -> list[int]:
        """The ids of the tasks open here, unrecorded."""
        return sorted(entry["id"] for entry in self.quiet.host.getHostTasks())


def response(value: Any) -> str:
    """A task's result as closeTask wants it: an XML-RPC response."""
    return str(koji.xmlrpcplus.dumps((value,), methodresponse=1, allow_none=1))


def failure(code: int, message: str) -> str:
    """A task's failure as failTask wants it: an XML-RPC fault."""
    return str(koji.xmlrpcplus.dumps(koji.xmlrpcplus.Fault(code, message)))


@contextmanager
def named_as_certificate(hub: Hub, user: str) -> Iterator[None]:
    """While inside, the host's certificate logs in as `user`.

    The suite has two certificates but needs more users. A certificate means the user of its name, users can be
    renamed, and a session stays with its user: so the name is lent for the time of a login.
    """
    owner, aside = hub.address.host_name, hub.name("aside")
    hub.admin.editUser(owner, name=aside)
    try:
        hub.admin.editUser(user, name=owner)
        try:
            yield
        finally:
            hub.admin.editUser(owner, name=user)
    finally:
        hub.admin.editUser(aside, name=owner)
