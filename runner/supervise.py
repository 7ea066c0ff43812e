# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The pod's first process: starts the worker, wakes it, and on SIGTERM gives its task back.

Two processes, as in kojid: whatever the worker is busy with, this one answers SIGTERM at once. The signals are blocked
and waited for, so that none is lost, not even while Python still loads.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

import koji

from runner import namespace, outcome
from runner.files import prepare_workdir
from runner.outcome import Outcome, Problem
from runner.session import attach, attach_briefly
from runner.work import OPEN, run_task, taken_away

if TYPE_CHECKING:
    from runner.files import Places, TaskFile
    from runner.options import Options

LOG = logging.getLogger("koji.runner")
STOP = frozenset({signal.SIGTERM, signal.SIGINT})
WAITED_FOR = STOP | {signal.SIGCHLD}
# A waiting parent sleeps in signal.pause(); kojid wakes it when a child ends, here nobody else would.
WAKE_INTERVAL = 2.0
KILL_TIMEOUT = 1.5
USERNS = "userns"  # the security profile whose worker has a user namespace of its own


def block_signals() -> None:
    """Keep SIGTERM pending from the first moment; for a pod's first process even an unhandled one would be lost."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)


class Worker:
    """The process that runs the handler, in a process group of its own."""

    def __init__(self, task: TaskFile, places: Places, options: Options, profile: str) -> None:
        self.status: int | None = None  # as os.waitpid gives it, once it has ended
        # Before the fork: a wake-up that comes early must not kill the worker. C code in handlers sees no EINTR.
        signal.signal(signal.SIGUSR2, lambda *_: None)
        signal.siginterrupt(signal.SIGUSR2, False)
        self._reports, report = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reports)
            _worker_main(task, places, options, profile, report)
        os.close(report)
        with contextlib.suppress(OSError):  # it does the same itself; whoever comes first
            os.setpgid(self.pid, self.pid)

    def wake(self) -> None:
        """Let a parent that waits for its children look at them."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR2)

    def reap(self) -> bool:
        """Collect ended processes (as PID 1: also the handlers' orphans); True if the worker was among them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return self.status is not None
            if pid == 0:
                return self.status is not None
            if pid == self.pid:
                self.status = status

    def kill(self) -> None:
        """End the worker and what it started. At once: the pod's files go with the pod, there is nothing to tidy."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        deadline = time.monotonic() + KILL_TIMEOUT
        while not self.reap() and (left := deadline - time.monotonic()) > 0:
            signal.sigtimedwait({signal.SIGCHLD}, left)

    def outcome(self) -> Outcome | None:
        """What the worker said before it ended, if it did."""
        os.set_blocking(self._reports, False)
        try:
            return Outcome.loads(os.read(self._reports, 65536))
        except BlockingIOError:
            return None


def _worker_main(task: TaskFile, places: Places, options: Options, profile: str, report: int) -> NoReturn:
    """The worker process, which ends here and nowhere else."""
    ended = Outcome(outcome.CRASHED, "the worker ended without a word")
    try:
        os.setpgid(0, 0)
        if profile == USERNS:
            namespace.enter()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WAITED_FOR)
        prepare_workdir(options.values.workdir)
        ended = run_task(attach(task, options.values, places.ca), task.task_id, options, places.kojid)
    except namespace.Forbidden as problem:
        ended = Outcome(outcome.FORBIDDEN, str(problem))
    except Problem as problem:
        ended = Outcome(outcome.CRASHED, str(problem))
    except BaseException as error:
        LOG.exception("The worker failed")
        ended = Outcome(outcome.CRASHED, f"{type(error).__name__}: {error}")
    finally:
        try:
            os.write(report, ended.dumps())
            sys.stdout.flush()
            logging.shutdown()
        finally:
            os._exit(ended.exit_code)


def supervise(task: TaskFile, places: Places, options: Options, profile: str = "") -> Outcome:
    """Run the task in a worker until it ends or SIGTERM comes; returns what the pod says at its end.

    `profile` is the pod's security profile; outside a pod there is none.
    """
    worker = Worker(task, places, options, profile)
    wake_at = time.monotonic() + WAKE_INTERVAL
    while True:
        got = signal.sigtimedwait(WAITED_FOR, max(0.0, wake_at - time.monotonic()))
        if got is not None and got.si_signo in STOP:
            worker.kill()
            return worker.outcome() or give_back(task, places)
        if worker.reap():
            worker.kill()  # what the handler left behind
            return worker.outcome() or _killed(worker.status or 0)
        if time.monotonic() >= wake_at:
            worker.wake()
            wake_at = time.monotonic() + WAKE_INTERVAL


def _killed(status: int) -> Outcome:
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        hint = ": out of memory?" if name == "SIGKILL" else ""
        return Outcome(outcome.CRASHED, f"the task's process was killed by {name}{hint}")
    return Outcome(outcome.CRASHED, f"the task's process exited with {os.WEXITSTATUS(status)} and no report")


def give_back(task: TaskFile, places: Places) -> Outcome:
    """Free the task on the hub, in one request; it may have been cancelled or reported in the meantime."""
    session = attach_briefly(task, places.ca)
    try:
        with session.multicall(strict=True) as calls:
            calls.host.freeTasks([task.task_id])
            info = calls.getTaskInfo(task.task_id, strict=True)
    except Exception as error:  # noqa: BLE001 (whatever it is: the operator finds the pod gone and frees the task)
        return Outcome(outcome.CRASHED, f"stopped, and could not give task {task.task_id} back: {error}")
    found = info.result
    if found["state"] == OPEN:
        return Outcome(outcome.CRASHED, f"stopped; task {task.task_id} is open on host {found['host_id']}")
    if koji.TASK_STATES[found["state"]] in {"FREE", "ASSIGNED"}:
        return Outcome(outcome.FREED, f"stopped; task {task.task_id} was given back")
    return taken_away(found)
