# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The worker's part: runs the task's handler and reports to the hub, by koji's own TaskManager."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING, Any
from xmlrpc.client import Fault

import koji
import koji.daemon
import koji.tasks
import requests

from runner import mock, outcome
from runner.handlers import register
from runner.options import set_limits
from runner.outcome import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from runner.options import Options
    from runner.session import TaskSession

LOG = logging.getLogger("koji.runner")
OPEN = koji.TASK_STATES["OPEN"]
# What the hub says about a task -> what this run was.
OUTCOME_OF_STATE = {
    "CLOSED": outcome.CLOSED,
    "FAILED": outcome.FAILED,
    "CANCELED": outcome.CANCELED,
    "FREE": outcome.FREED,
    "ASSIGNED": outcome.FREED,
}
OUTCOME_OF_REPORT = {
    "host.closeTask": outcome.CLOSED,
    "host.failTask": outcome.FAILED,
    "host.freeTasks": outcome.FREED,
}


class Refusal(SystemExit):
    """This host may not run the task. TaskManager.runTask lets a SystemExit pass."""


class LostAnswer(SystemExit):
    """The hub did what a handler asked, and went away before it said so. kojid fails the task; here it is run again."""


class Work:
    """One open task, with the two things that TaskManager.runTask wants of a handler: `id` and `run()`."""

    def __init__(self, task_id: int, manager: koji.daemon.TaskManager, options: Options, kojid: Path) -> None:
        self.id = task_id
        self.error: BaseException | None = None
        self._manager = manager
        self._options = options
        self._kojid = kojid
        self._info: dict[str, Any] = {}

    def load(self) -> Outcome | None:
        """Read the task and find its handler; an outcome says that it isn't open here any more."""
        session = self._manager.session
        self._info = session.getTaskInfo(self.id, request=True, strict=True)
        if not self.is_open(self._info):
            return taken_away(self._info)
        register(self._manager, self._info["method"], self._options, self._kojid)
        self._options.warn_of_unknown()
        mock.prepare(self._options.values)
        set_limits(self._options.values)
        return None

    def is_open(self, info: dict[str, Any]) -> bool:
        """Whether the task is open on this host, in what getTaskInfo said."""
        return (info["state"], info["host_id"]) == (OPEN, self._manager.host_id)

    @property
    def method(self) -> str:
        """The task's method."""
        return str(self._info["method"])

    def run(self) -> Any:
        """Run the handler; runTask reports what it returns or raises."""
        try:
            return self._handler().run()
        except koji.tasks.RefuseTask as refusal:
            raise Refusal(str(refusal)) from refusal
        except koji.RetryError as error:
            raise LostAnswer(str(error)) from error
        except BaseException as error:
            self.error = error
            raise

    def _handler(self) -> koji.tasks.BaseTaskHandler:
        handler_class = self._manager.handlers.get(self.method)
        if handler_class is None:
            image = os.environ.get("KOJI_TASK_IMAGE")
            where = f"image {image}" if image else "this builder's image"
            raise koji.GenericError(f"no handler for method '{self.method}' in {where}")
        session = self._manager.session
        handler = handler_class(self.id, self.method, self._info["request"], session, self._options.values)
        handler.taskinfo = self._info
        handler.setManager(self._manager)
        self._check_host(handler)
        # kojid sets the weight once the task is open; the hub counts load with it.
        with contextlib.suppress(koji.RetryError):  # done, but the answer was lost: no reason to fail the task
            session.host.setTaskWeight(self.id, handler.weight())
        return handler

    def _check_host(self, handler: koji.tasks.BaseTaskHandler) -> None:
        if not hasattr(handler, "checkHost"):
            return
        try:
            fits = handler.checkHost(self._manager.session.host.getHost())
            reason = "failed host check"
        except Exception as error:  # noqa: BLE001 (kojid takes any error for a no)
            fits, reason = False, f"failed host check: {error}"
        if not fits:
            raise Refusal(reason)


def taken_away(info: dict[str, Any]) -> Outcome:
    """The outcome when a task is not ours to run any more."""
    state = koji.TASK_STATES[info["state"]]
    word = OUTCOME_OF_STATE.get(state, outcome.FREED)  # OPEN, but on another host: freed and taken since
    return Outcome(word, f"task {info['id']} is {state} on the hub and not this host's any more")


def run_task(session: TaskSession, task_id: int, options: Options, kojid: Path) -> Outcome:
    """Run the task, close or fail it, and say how it went; Problem if it could not even start."""
    try:
        manager = koji.daemon.TaskManager(options.values, session)
        work = Work(task_id, manager, options, kojid)
        return work.load() or _run(manager, work)
    except (koji.GenericError, Fault, requests.RequestException) as error:
        # Its subclasses say more: locked, expired, out of step.
        word = outcome.DENIED if type(error) is koji.AuthError else outcome.CRASHED
        return Outcome(word, f"{options.values.server} does not let task {task_id} start: {error}")


def _run(manager: koji.daemon.TaskManager, work: Work) -> Outcome:
    started = time.monotonic()
    session = manager.session
    try:
        manager.runTask(work)
    except Refusal as refusal:
        return Outcome(outcome.REFUSED, str(refusal))
    except LostAnswer as lost:
        return Outcome(outcome.CRASHED, f"the hub was lost while it answered {work.method}: {lost}")
    except (SystemExit, KeyboardInterrupt, koji.tasks.ServerExit) as stop:
        return Outcome(outcome.CRASHED, f"the handler of {work.method} stopped with {stop!r}")
    except Exception as error:  # noqa: BLE001 (a report that failed; the hub knows what became of the task)
        return _after_a_failed_report(session, work, error)
    word = OUTCOME_OF_REPORT[session.report or "host.failTask"]
    seconds = time.monotonic() - started
    if word == outcome.CLOSED:
        return Outcome(word, f"{work.method} took {seconds:.1f} s")
    return Outcome(word, _last_line(work.error) if work.error else f"the result of {work.method} can't be sent")


def _after_a_failed_report(session: TaskSession, work: Work, error: Exception) -> Outcome:
    """Ask the hub: cancelled, given to another host, or reported after all by a call whose answer was lost."""
    LOG.warning("Reporting task %s failed: %r", work.id, error)
    try:
        info = session.getTaskInfo(work.id, strict=True)
    except Exception as again:  # noqa: BLE001 (whatever it is, nothing more can be done here)
        return Outcome(outcome.CRASHED, f"the hub does not accept this task's session any more: {_last_line(again)}")
    if work.is_open(info):
        return Outcome(outcome.CRASHED, f"the hub did not accept the end of task {work.id}: {_last_line(error)}")
    return taken_away(info)


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    text = lines[-1] if lines else ""
    return text if isinstance(error, koji.GenericError) and text else f"{type(error).__name__}: {text}"
