# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The worker against a devhub in this process: what the hub and the pod say about every way a task can end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import koji
import pytest

from runner.options import Options
from runner.outcome import Outcome, Problem
from runner.work import run_task
from tests.unit.runner.builder import Builder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runner.files import TaskFile

    Run = Callable[[TaskFile], Outcome]

# Handlers in an image's kojid that end in every way.
KOJID = """
import koji
from koji.tasks import BaseTaskHandler, RefuseTask, ServerRestart


class Base(BaseTaskHandler):
    _taskWeight = 2.5


def method(name):
    def register(function):
        return type(name, (Base,), {'Methods': [name], 'handler': function})
    return register


@method('echo')
def echo(self, *args, **opts):
    return [list(args), opts]

@method('build')
def build(self):
    raise koji.BuildError('no such package')

@method('options')
def options(self):
    return [self.options.topurl, self.options.topurls, self.options.vendor, self.workdir]

@method('unsendable')
def unsendable(self):
    return object()

@method('refusing')
def refusing(self):
    raise RefuseTask('no access to repos dir')

@method('leaving')
def leaving(self):
    raise SystemExit(3)

@method('restarting')
def restarting(self):
    raise ServerRestart

@method('uploading')
def uploading(self):
    import os
    with open(os.path.join(self.workdir, 'out.txt'), 'w') as out:
        out.write('some output')
    self.uploadFile(os.path.join(self.workdir, 'out.txt'))

@method('logging')
def logging(self):
    from koji.daemon import log_output
    log = self.workdir + '/build.log'
    return log_output(self.session, '/bin/echo', ['echo', 'hello'], log, self.getUploadDir())


class Checked(Base):
    Methods = ['checked']

    def checkHost(self, hostdata):
        if self.params[0] == 'error':
            raise ValueError('no arches')
        return hostdata['name'] == self.params[0]

    def handler(self, name):
        return 'ran'
"""


@pytest.fixture
def builder() -> Iterator[Builder]:
    made = Builder()
    yield made
    made.hub.injection.clear()  # koji's own sessions log out when they are collected


@pytest.fixture
def options(tmp_path: Path) -> Iterator[Options]:
    before = koji.BASEDIR, koji.pathinfo.topdir
    (tmp_path / "kojid").write_text(KOJID)
    (tmp_path / "kojid.conf").write_text(f"[kojid]\nworkdir = {tmp_path}/work\ntopurl = http://files/\nvendor = Us\n")
    yield Options(tmp_path / "kojid.conf", "https://koji-hub.test:8443/kojihub")
    koji.BASEDIR, koji.pathinfo.topdir = before


@pytest.fixture
def run(builder: Builder, options: Options, tmp_path: Path) -> Run:
    """Run an open task in this process."""

    def run(task: TaskFile) -> Outcome:
        return run_task(builder.attach(task), task.task_id, options, tmp_path / "kojid")

    return run


@pytest.mark.parametrize(
    ("method", "args", "result"),
    [
        ("sleep", [0], None),
        ("fork", [0, 1], None),
        ("dependantTask", [[], []], None),
        ("echo", [1, "two", {"__starstar": True, "three": 3}], [[1, "two"], {"three": 3}]),
    ],
)
def test_closed_with_its_result(builder: Builder, run: Run, method: str, args: list[Any], result: Any) -> None:
    task = builder.open(method, *args)
    ended = run(task)
    assert ended.outcome == "closed"
    assert ended.message.startswith(f"{method} took ")
    assert builder.state(task) == "CLOSED"
    assert builder.result(task) == result


@pytest.mark.parametrize(
    ("method", "args", "fault", "said", "message"),
    [
        ("sleep", ["x"], 1, "Traceback", "TypeError: 'str' object cannot be interpreted as an integer"),
        ("sleep", [], 1019, "", "missing"),
        ("default", [], 1000, "Invalid method: default", "Invalid method: default"),
        ("build", [], 1005, "no such package", "no such package"),
        ("unsendable", [], 1, "Traceback", "the result of unsendable can't be sent"),
        (
            "nosuch",
            [],
            1000,
            "no handler for method 'nosuch' in image fedora/builder:1",
            "no handler for method 'nosuch'",
        ),
        ("shutdown", [], 1000, "no handler for method 'shutdown'", "no handler for method 'shutdown'"),
    ],
)
def test_failed_with_the_right_fault(
    builder: Builder, run: Run, monkeypatch: pytest.MonkeyPatch, method: str, args: list[Any], fault: int, said: str,
    message: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("KOJI_TASK_IMAGE", "fedora/builder:1")
    task = builder.open(method, *args)
    ended = run(task)
    assert ended.outcome == "failed"
    assert message in ended.message
    assert builder.state(task) == "FAILED"
    with pytest.raises((koji.GenericError, koji.xmlrpcplus.Fault)) as caught:
        builder.result(task)
    assert caught.value.faultCode == fault
    assert said in str(caught.value)


def test_unknown_method_without_the_images_name(builder: Builder, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KOJI_TASK_IMAGE", raising=False)
    assert run(builder.open("nosuch")).message == "no handler for method 'nosuch' in this builder's image"


def test_handlers_see_kojids_options(builder: Builder, run: Run, tmp_path: Path) -> None:
    task = builder.open("options")
    assert run(task).outcome == "closed"
    workdir = f"{tmp_path}/work/tasks/{task.task_id % 10000}/{task.task_id}"
    assert builder.result(task) == ["http://files/", ["http://files/"], "Us", workdir]


def test_weight_is_the_handlers(builder: Builder, run: Run) -> None:
    task = builder.open("echo")
    run(task)
    assert builder.admin.getTaskInfo(task.task_id)["weight"] == 2.5


@pytest.mark.parametrize("name", ["other", "error"])
def test_host_check_refuses(builder: Builder, run: Run, name: str) -> None:
    task = builder.open("checked", name)
    ended = run(task)
    assert ended.outcome == "refused"
    assert ended.message == ("failed host check" if name == "other" else "failed host check: no arches")
    assert ended.exit_code == 77
    assert builder.state(task) == "OPEN", "refusing it on the hub is the operator's part"


def test_host_check_agrees(builder: Builder, run: Run) -> None:
    task = builder.open("checked", "builder")
    assert run(task).outcome == "closed"
    assert builder.result(task) == "ran"


def test_refusal_by_the_handler(builder: Builder, run: Run) -> None:
    task = builder.open("refusing")
    assert run(task) == Outcome("refused", "no access to repos dir")
    assert builder.state(task) == "OPEN"


def test_handler_that_exits(builder: Builder, run: Run) -> None:
    task = builder.open("leaving")
    assert run(task) == Outcome("crashed", "the handler of leaving stopped with SystemExit(3)")
    assert builder.state(task) == "OPEN"


def test_server_restart_frees(builder: Builder, run: Run) -> None:
    task = builder.open("restarting")
    assert run(task).outcome == "freed"
    assert builder.state(task) == "FREE"


def test_upload(builder: Builder, run: Run) -> None:
    task = builder.open("uploading")
    assert run(task).outcome == "closed"
    assert builder.admin.downloadTaskOutput(task.task_id, "out.txt") == b"some output"


def test_log_output_is_uploaded(builder: Builder, run: Run) -> None:
    task = builder.open("logging")
    assert run(task).outcome == "closed"
    assert builder.admin.downloadTaskOutput(task.task_id, "build.log") == b"$ echo hello\nhello\n"


def test_cancelled_before_it_starts(builder: Builder, run: Run) -> None:
    task = builder.open("sleep", 0)
    builder.admin.cancelTask(task.task_id)
    assert run(task) == Outcome("canceled", f"task {task.task_id} is CANCELED on the hub and not this host's any more")


def test_free_before_it_starts(builder: Builder, run: Run) -> None:
    task = builder.open("sleep", 0)
    builder.session.host.freeTasks([task.task_id])
    ended = run(task)
    assert ended.outcome == "freed"
    assert builder.state(task) == "FREE"


def test_open_on_another_host(builder: Builder, run: Run) -> None:
    task = builder.open("sleep", 0)
    builder.session.host.freeTasks([task.task_id])
    other = builder.hub.host("other")
    builder.admin.assignTask(task.task_id, "other", True)
    other.host.openTask(task.task_id)
    assert run(task).outcome == "freed"
    assert builder.state(task) == "OPEN", "nobody touches the other host's task"


def test_session_that_is_locked_out_is_not_denied(builder: Builder, run: Run) -> None:
    task = builder.open("sleep", 0)
    holder = builder.hub.session("builder")
    holder.exclusiveSession(force=True)
    ended = run(task)
    assert ended.outcome == "crashed", ended.message


def test_cancelled_while_it_runs(builder: Builder, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    task = builder.open("sleep", 0)
    monkeypatch.setattr(koji.tasks.time, "sleep", lambda _: builder.admin.cancelTask(task.task_id))
    assert run(task).outcome == "canceled"
    assert builder.state(task) == "CANCELED"


def test_revoked_while_it_runs(builder: Builder, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    task = builder.open("sleep", 0)
    monkeypatch.setattr(koji.tasks.time, "sleep", lambda _: builder.session.logoutChild(task.session_id))
    ended = run(task)
    assert ended.outcome == "crashed"
    assert ended.message.startswith("the hub does not accept this task's session any more: ")
    assert builder.state(task) == "OPEN", "a revoked worker can't report"


def test_answer_to_close_task_is_lost(builder: Builder, run: Run) -> None:
    task = builder.open("sleep", 0)
    builder.hub.injection.add({"kind": "drop", "method": "host.closeTask", "when": "after", "times": 2})
    assert run(task).outcome == "closed"
    assert builder.state(task) == "CLOSED"


def test_answer_to_the_first_write_is_lost(builder: Builder, run: Run) -> None:
    task = builder.open("sleep", 0)
    builder.hub.injection.add({"kind": "drop", "method": "host.setTaskWeight", "when": "after", "times": 1})
    assert run(task).outcome == "closed"
    assert builder.state(task) == "CLOSED"


def test_answer_to_a_handler_is_lost(builder: Builder, run: Run) -> None:
    task = builder.open("waittest", 1, 1)
    builder.hub.injection.add({"kind": "drop", "method": "host.subtask", "when": "after", "times": 1})
    ended = run(task)
    assert (ended.outcome, ended.exit_code) == ("crashed", 70)
    assert "the hub was lost while it answered waittest" in ended.message
    assert builder.state(task) == "OPEN"


def test_hub_refuses_the_result(builder: Builder, run: Run) -> None:
    task = builder.open("sleep", 0)
    builder.hub.injection.add({"kind": "error", "method": "host.closeTask", "times": 1, "message": "disk full"})
    assert run(task) == Outcome("failed", "the result of sleep can't be sent")
    assert builder.state(task) == "FAILED"


def test_hub_accepts_no_report(builder: Builder, run: Run) -> None:
    task = builder.open("sleep", 0)
    builder.hub.injection.add({"kind": "error", "method": "host.*Task", "times": 2, "message": "disk full"})
    assert run(task) == Outcome("crashed", f"the hub did not accept the end of task {task.task_id}: disk full")
    assert builder.state(task) == "OPEN"


def test_wrong_session(builder: Builder, run: Run) -> None:
    task = builder.open("sleep", 0)
    builder.session.logoutChild(task.session_id)
    ended = run(task)
    assert (ended.outcome, ended.exit_code) == ("denied", 76)
    assert f"does not let task {task.task_id} start" in ended.message
    assert task.session_key not in ended.message


def test_session_never_ends_by_itself(builder: Builder, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    task = builder.open("sleep", 0)
    session = builder.attach(task)
    session.logout()
    del session
    with caplog.at_level(logging.DEBUG):
        assert run(task).outcome == "closed"
    assert task.session_key not in caplog.text


def test_expired_session_is_not_renewed(builder: Builder) -> None:
    session = builder.attach(builder.open("sleep", 0))
    builder.hub.injection.add({"kind": "error", "code": koji.AuthExpired.faultCode, "method": "echo", "times": 1})
    with pytest.raises(koji.AuthError, match="SessionRenewalTimeout = 0"):
        session.echo("x")


def test_broken_image_leaves_the_task_open(builder: Builder, run: Run, tmp_path: Path) -> None:
    (tmp_path / "kojid").write_text("import no_such_module")
    task = builder.open("build")
    with pytest.raises(Problem, match="kojid of this image can't be loaded"):
        run(task)
    assert builder.state(task) == "OPEN"
