# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The program as the pod starts it: a process of its own, a hub behind HTTPS, signals, exit codes, leftovers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.runner.builder import Builder
from tests.unit.runner.server import serving
from tests.unit.runner.test_namespace import as_root, reachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runner.files import TaskFile

CHECKOUT = Path(__file__).resolve().parents[3]
TIMEOUT = 30  # seconds; a run takes half a second
KOJID = """
import os, signal, subprocess, time
from koji.tasks import BaseTaskHandler


class Killed(BaseTaskHandler):
    Methods = ['killed']

    def handler(self, number):
        os.kill(os.getpid(), number)


class Exits(BaseTaskHandler):
    Methods = ['exits']

    def handler(self):
        os._exit(9)


class Stubborn(BaseTaskHandler):
    Methods = ['stubborn']

    def handler(self, mark):
        # Deaf to all that can be caught, with a child in the same group and a file that says it is on its way.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        child = subprocess.Popen(['sleep', '600'])
        with open(mark + '.new', 'w') as out:
            out.write(str(child.pid))
        os.rename(mark + '.new', mark)
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass


class Leaving(BaseTaskHandler):
    Methods = ['leaving']

    def handler(self):
        return subprocess.Popen(['sleep', '600']).pid


class Whoami(BaseTaskHandler):
    Methods = ['whoami']

    def handler(self):
        return [os.getuid(), open('/proc/self/uid_map').read().split()[1], self.options.mockuser]


class Signals(BaseTaskHandler):
    Methods = ['signals']

    def handler(self):
        # Neither blocked nor ignored signals are passed on to what a task starts.
        lines = open('/proc/self/status').read().splitlines()
        return [line.split()[1] for line in lines if line.startswith('SigBlk')]
"""


@dataclass
class Pod:
    """A pod's file system below a folder, and the process in it."""

    root: Path
    profile: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def start(self) -> Pod:
        environ = {name: value for name, value in os.environ.items() if name not in {"KOJI_TASK_IMAGE", "TMPDIR"}}
        if self.profile:
            environ["KOJI_TASK_PROFILE"] = self.profile
            reachable(self.root)
            (self.root / "work").mkdir(exist_ok=True)
            for folder in (self.root, self.root / "work"):  # as emptyDirs are
                folder.chmod(0o777)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runner"],
            cwd=CHECKOUT,
            env={**environ, **self.environ, "KOJI_TASK_ROOT": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=(self.root / "log").open("wb"),
        )
        return self

    def end(self) -> tuple[int, str, str]:
        """Wait; the exit code, the outcome and the message."""
        assert self.process is not None
        code = self.process.wait(TIMEOUT)
        said = json.loads((self.root / "dev/termination-log").read_bytes())
        return code, said["outcome"], said["message"]

    @property
    def log(self) -> str:
        return (self.root / "log").read_text()


@pytest.fixture
def builder() -> Iterator[Builder]:
    made = Builder()
    yield made
    made.hub.injection.clear()  # koji's own sessions log out when they are collected


@pytest.fixture
def url(builder: Builder, tmp_path: Path) -> Iterator[str]:
    """The hub's address."""
    (tmp_path / "hub").mkdir()
    with serving(builder.hub.application, tmp_path / "hub") as address:
        yield address


@pytest.fixture
def pods() -> Iterator[list[Pod]]:
    """All pods of a test; what still runs at its end is killed."""
    found: list[Pod] = []
    yield found
    for pod in found:
        if pod.process is not None:
            pod.process.kill()
            pod.process.wait()


@pytest.fixture(params=["", pytest.param("userns", marks=as_root)], ids=["plain", "userns"])
def profile(request: pytest.FixtureRequest) -> str:
    """For tests of what must be the same for a worker in a user namespace of its own."""
    return str(request.param)


@pytest.fixture
def pod(
    builder: Builder, url: str, tmp_path: Path, pods: list[Pod], request: pytest.FixtureRequest
) -> Callable[..., Pod]:
    """Make the pod of an open task; `changes` go into its task.json."""
    profile = request.getfixturevalue("profile") if "profile" in request.fixturenames else ""

    def make(task: TaskFile, conf: str = "", **changes: Any) -> Pod:
        made = Pod(tmp_path / f"pod-{task.task_id}", profile)
        content = {
            "task_id": task.task_id,
            "attempt": task.attempt,
            "hub_url": url,
            "session": {"session-id": task.session_id, "session-key": task.session_key},
            **changes,
        }
        made.write("run/koji-task/task.json", json.dumps(content))
        made.write("etc/koji-operator/ca/ca.crt", (tmp_path / "hub/ca.crt").read_text())
        made.write("etc/koji-operator/kojid.conf", f"[kojid]\nworkdir = {made.root}/work\n{conf}")
        made.write("usr/sbin/kojid", KOJID)
        (made.root / "dev").mkdir()
        pods.append(made)
        return made

    return make


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Poll until `condition` is true; returns its value."""
    deadline = time.monotonic() + TIMEOUT
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not in {TIMEOUT} s: {what}"
        time.sleep(0.02)
    return value


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def mark_of(pod: Pod) -> int:
    """The child of a stubborn handler, once it is deaf."""
    mark = pod.root / "mark"
    return int(wait_for(lambda: mark.exists() and mark.read_text(), "the handler has started"))


def stubborn(builder: Builder, pod: Callable[..., Pod], tmp_path: Path) -> tuple[TaskFile, Pod]:
    """A pod whose handler has to be killed."""
    task_id = builder.make("sleep")
    builder.admin.cancelTask(task_id)
    task = builder.open("stubborn", str(tmp_path / f"pod-{task_id + 1}" / "mark"))
    return task, pod(task).start()


@pytest.mark.usefixtures("profile")
def test_closed(builder: Builder, pod: Callable[..., Pod]) -> None:
    task = builder.open("sleep", 0)
    made = pod(task).start()
    code, word, message = made.end()
    assert (code, word) == (0, "closed"), made.log
    assert message.startswith("sleep took 0.")
    assert builder.state(task) == "CLOSED"
    assert task.session_key not in made.log
    assert not list((made.root / "work").rglob("*.*"))


@pytest.mark.usefixtures("profile")
def test_failed(builder: Builder, pod: Callable[..., Pod]) -> None:
    task = builder.open("sleep", "x")
    code, word, _ = pod(task).start().end()
    assert (code, word, builder.state(task)) == (1, "failed", "FAILED")


def test_unknown_option_is_only_named(builder: Builder, pod: Callable[..., Pod]) -> None:
    made = pod(builder.open("sleep", 0), conf="maxjbos = 3\n").start()
    assert made.end()[0] == 0
    assert "unknown option 'maxjbos'" in made.log


@pytest.mark.usefixtures("profile")
def test_sigterm_gives_the_task_back_at_once(builder: Builder, pod: Callable[..., Pod], tmp_path: Path) -> None:
    task, made = stubborn(builder, pod, tmp_path)
    child = mark_of(made)
    assert made.process is not None
    begin = time.monotonic()
    made.process.send_signal(signal.SIGTERM)
    assert made.end() == (75, "freed", f"stopped; task {task.task_id} was given back")
    assert time.monotonic() - begin < 5
    assert builder.state(task) == "FREE"
    wait_for(lambda: not alive(child), "the handler's child has gone")


def test_sigterm_before_the_program_is_ready(builder: Builder, pod: Callable[..., Pod]) -> None:
    """Python needs a few hundred ms to load koji; the task must be given back then, too."""
    task = builder.open("sleep", 600)
    made = pod(task).start()
    assert made.process is not None
    blocked = f"{1 << (signal.SIGTERM - 1):x}"
    status = Path(f"/proc/{made.process.pid}/status")

    def waits_for_it() -> bool:
        line = next(line for line in status.read_text().splitlines() if line.startswith("SigBlk"))
        return bool(int(line.split()[1], 16) & int(blocked, 16))

    wait_for(waits_for_it, "SIGTERM is blocked")
    made.process.send_signal(signal.SIGTERM)
    code, word, _ = made.end()
    assert (code, word, builder.state(task)) == (75, "freed", "FREE")


def test_sigterm_after_a_cancel(builder: Builder, pod: Callable[..., Pod], tmp_path: Path) -> None:
    task, made = stubborn(builder, pod, tmp_path)
    mark_of(made)
    builder.admin.cancelTask(task.task_id)
    assert made.process is not None
    made.process.send_signal(signal.SIGTERM)
    code, word, _ = made.end()
    assert (code, word, builder.state(task)) == (0, "canceled", "CANCELED")


def test_sigterm_with_a_hub_that_does_not_answer(builder: Builder, pod: Callable[..., Pod], tmp_path: Path) -> None:
    task, made = stubborn(builder, pod, tmp_path)
    mark_of(made)
    builder.hub.injection.add({"kind": "slow", "seconds": 10})
    assert made.process is not None
    begin = time.monotonic()
    made.process.send_signal(signal.SIGTERM)
    code, word, message = made.end()
    assert time.monotonic() - begin < 5
    assert (code, word) == (70, "crashed")
    assert f"could not give task {task.task_id} back" in message


def test_sigterm_when_the_session_is_revoked(builder: Builder, pod: Callable[..., Pod], tmp_path: Path) -> None:
    """The operator's fence: whoever is revoked changes nothing on the hub."""
    task, made = stubborn(builder, pod, tmp_path)
    mark_of(made)
    builder.session.logoutChild(task.session_id)
    assert made.process is not None
    made.process.send_signal(signal.SIGTERM)
    code, word, _ = made.end()
    assert (code, word, builder.state(task)) == (70, "crashed", "OPEN")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (signal.SIGKILL, "the task's process was killed by SIGKILL: out of memory?"),
        (signal.SIGSEGV, "the task's process was killed by SIGSEGV"),
    ],
)
@pytest.mark.usefixtures("profile")
def test_crash(builder: Builder, pod: Callable[..., Pod], number: int, message: str) -> None:
    task = builder.open("killed", int(number))
    assert pod(task).start().end() == (70, "crashed", message)
    assert builder.state(task) == "OPEN"


@pytest.mark.usefixtures("profile")
def test_exit_without_a_word(builder: Builder, pod: Callable[..., Pod]) -> None:
    task = builder.open("exits")
    assert pod(task).start().end() == (70, "crashed", "the task's process exited with 9 and no report")


@pytest.mark.usefixtures("profile")
def test_what_a_handler_leaves_behind_is_killed(builder: Builder, pod: Callable[..., Pod]) -> None:
    task = builder.open("leaving")
    assert pod(task).start().end()[0] == 0
    wait_for(lambda: not alive(builder.result(task)), "the handler's child has gone")


@pytest.mark.usefixtures("profile")
def test_signals_are_normal_for_handlers(builder: Builder, pod: Callable[..., Pod]) -> None:
    task = builder.open("signals")
    assert pod(task).start().end()[0] == 0
    assert builder.result(task) == ["0000000000000000"]


@as_root
def test_the_handler_is_root_in_a_namespace_of_its_own(builder: Builder, pod: Callable[..., Pod]) -> None:
    task = builder.open("whoami")
    made = pod(task)
    made.profile = "userns"
    assert made.start().end()[0] == 0, made.log
    assert builder.result(task) == [0, "100000", "root"]


@as_root
def test_a_node_that_forbids_the_namespace_is_no_place_for_any_task(
    builder: Builder, pod: Callable[..., Pod], tmp_path: Path
) -> None:
    """The task stays as it is: the operator gives it back, and pauses."""
    task = builder.open("sleep", 0)
    made = pod(task)
    made.profile = "userns"
    # Seen by the program as its first import: a kernel without user namespaces.
    (tmp_path / "sitecustomize.py").write_text("import runner.namespace\nrunner.namespace.CLONE_NEWUSER = 1\n")
    made.environ["PYTHONPATH"] = f"{tmp_path}:{CHECKOUT}"
    code, word, message = made.start().end()
    assert (code, word, builder.state(task)) == (78, "forbidden", "OPEN")
    assert "unshare: Invalid argument: the node's kernel has no user namespaces. Set spec.seccomp_profile" in message


def run_family(
    builder: Builder, pod: Callable[..., Pod], url: str, parent: TaskFile
) -> dict[int, tuple[int, str, str]]:
    """Run a parent and, as the operator would, every task that it makes; returns how each ended."""
    running = {parent.task_id: pod(parent).start()}
    deadline = time.monotonic() + TIMEOUT
    while any(one.process and one.process.poll() is None for one in running.values()):
        assert time.monotonic() < deadline
        for task_id in builder.assigned():
            running[task_id] = pod(builder.take(task_id, url)).start()
        time.sleep(0.1)
    return {task_id: one.end() for task_id, one in running.items()}


@pytest.mark.usefixtures("profile")
def test_parent_wakes_up_when_its_children_end(builder: Builder, pod: Callable[..., Pod], url: str) -> None:
    parent = builder.open("waittest", 2, 1)
    begin = time.monotonic()
    ended = run_family(builder, pod, url, parent)
    assert ended[parent.task_id][:2] == (0, "closed")
    assert sorted(word for _, word, _ in ended.values()) == ["closed", "closed", "closed", "failed"]
    assert time.monotonic() - begin < 25


def test_grandchildren(builder: Builder, pod: Callable[..., Pod], url: str) -> None:
    parent = builder.open("dependantTask", [], [["dependantTask", [[], [["sleep", [0]]]]]])
    ended = run_family(builder, pod, url, parent)
    assert [word for _, word, _ in ended.values()] == ["closed"] * 3


@pytest.mark.usefixtures("profile")
def test_waiting_parent_notices_a_cancel(builder: Builder, pod: Callable[..., Pod]) -> None:
    parent = builder.open("subtask", 0)
    made = pod(parent).start()
    wait_for(lambda: builder.admin.getTaskChildren(parent.task_id), "the child is there")
    builder.admin.cancelTask(parent.task_id)
    begin = time.monotonic()
    code, word, _ = made.end()
    assert (code, word, builder.state(parent)) == (0, "canceled", "CANCELED")
    assert time.monotonic() - begin < 4, "it is woken every 2 s"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task_id": "1; rm -rf /"}, "'task_id' must be a positive number"),
        ({"hub_url": "file:///etc/passwd"}, "'hub_url' must be an http or https address"),
        ({"session": {"session-id": 1, "session-key": "k\r\nX-Evil: 1"}}, "'session-key' must be a session key"),
    ],
)
def test_hostile_task_file(builder: Builder, pod: Callable[..., Pod], changes: dict[str, Any], message: str) -> None:
    task = builder.open("sleep", 0)
    code, word, said = pod(task, **changes).start().end()
    assert (code, word) == (70, "crashed")
    assert message in said
    assert builder.state(task) == "OPEN"


def test_unknown_task(builder: Builder, pod: Callable[..., Pod]) -> None:
    code, word, message = pod(builder.open("sleep", 0), task_id=4711).start().end()
    assert (code, word) == (70, "crashed")
    assert "does not let task 4711 start: " in message


def test_broken_configuration(builder: Builder, pod: Callable[..., Pod]) -> None:
    task = builder.open("sleep", 0)
    code, word, message = pod(task, conf="use_fast_upload = perhaps\n").start().end()
    assert (code, word) == (70, "crashed")
    assert message.endswith("kojid.conf: use_fast_upload must be yes or no")
    assert builder.state(task) == "OPEN"


def test_other_ca(builder: Builder, pod: Callable[..., Pod], tmp_path: Path) -> None:
    from tests.unit.runner.server import write_certificate  # noqa: PLC0415

    made = pod(builder.open("sleep", 0))
    write_certificate(tmp_path)
    made.write("etc/koji-operator/ca/ca.crt", (tmp_path / "ca.crt").read_text())
    code, word, message = made.start().end()
    assert (code, word) == (70, "crashed")
    assert "certificate verify failed" in message


def test_no_termination_log(builder: Builder, pod: Callable[..., Pod]) -> None:
    made = pod(builder.open("sleep", 0))
    (made.root / "dev").rmdir()
    assert made.start().process is not None
    assert made.process is not None
    assert made.process.wait(TIMEOUT) == 0
    assert "dev/termination-log can't be written" in made.log
    assert "closed: sleep took" in made.log


def test_image_without_koji(tmp_path: Path, builder: Builder, pod: Callable[..., Pod]) -> None:
    made = pod(builder.open("sleep", 0))
    (tmp_path / "koji.py").write_text("import no_such_module")
    environ = {**os.environ, "KOJI_TASK_ROOT": str(made.root), "PYTHONPATH": f"{tmp_path}:{CHECKOUT}"}
    done = subprocess.run([sys.executable, "-m", "runner"], cwd=tmp_path, env=environ, capture_output=True, check=False)
    assert done.returncode == 70
    said = json.loads((made.root / "dev/termination-log").read_bytes())
    assert said["message"] == "this image lacks a Python module that Koji needs: No module named 'no_such_module'"


def test_is_quick(builder: Builder, pod: Callable[..., Pod]) -> None:
    """From exec to host.closeTask in half a second of CPU; a pod's start adds to every task's time."""
    import resource  # noqa: PLC0415

    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert pod(builder.open("sleep", 0)).start().end()[0] == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.5, seconds
