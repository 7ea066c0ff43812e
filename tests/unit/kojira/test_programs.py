# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The programs in the pod: the real kojira on a hub behind Apache, and the probe of how long the hub was silent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING

import koji
import pytest
import requests

from tests.devhub.loopback import Loopback, loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILES = Path(__file__).parents[3] / "roles/kojira/files"
PATIENCE = 30  # seconds


@pytest.fixture(scope="module")
def hub(debian_servers: None) -> Iterator[Loopback]:
    with loopback() as running:
        admin = session(running, "koji-admin")
        admin.createUser("kojira")
        admin.grantPermission("kojira", "repo")
        yield running


def session(hub: Loopback, user: str) -> koji.ClientSession:
    made = koji.ClientSession(hub.url, {"serverca": str(hub.ca), "max_retries": 1, "retry_interval": 0})
    made.ssl_login(str(hub.pem(user)), None, str(hub.ca))
    return made


def until(check: Callable[[], object], what: Callable[[], str] | str) -> None:
    end = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < end, what if isinstance(what, str) else what()
        time.sleep(0.05)


class Pod:
    """A folder in place of the pod's paths, and the programs in it."""

    def __init__(self, folder: Path, hub: Loopback, *options: str) -> None:
        self.contact, self.log = folder / "run/contact", folder / "log"
        for name in ("run", "client", "mnt"):
            (folder / name).mkdir()
        certificate, _, key = hub.pem("kojira").read_text("ascii").partition("-----BEGIN PRIVATE")
        (folder / "client/tls.crt").write_text(certificate)
        (folder / "client/tls.key").write_text(f"-----BEGIN PRIVATE{key}")
        for name in ("start.py", "probe.py"):
            text = (FILES / name).read_text("utf-8")
            text = text.replace("/run/kojira", str(folder / "run")).replace(
                "/etc/kojira-client", str(folder / "client")
            )
            (folder / name).write_text(text, "utf-8")
        lines = [
            "[kojira]",
            f"server = {hub.url}",
            f"topdir = {folder / 'mnt'}",
            f"cert = {folder / 'run/client.pem'}",
            f"serverca = {hub.ca}",
            "logfile = /dev/null",
            "sleeptime = 1",
            "retry_interval = 1",
        ]
        (folder / "kojira.conf").write_text("\n".join(lines), "utf-8")
        self._folder, self._options = folder, options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [sys.executable, "start.py", "--config", "kojira.conf", "--fg", "--verbose", *self._options]
        path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                words, cwd=self._folder, env={**os.environ, "PATH": path}, stdout=log, stderr=log
            )

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def probe(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "probe.py", *words], cwd=self._folder, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr.strip()

    def says(self, text: str) -> None:
        """Wait until a text is in the log. AssertionError with what is there instead."""
        until(lambda: text in self.log.read_text("utf-8"), lambda: f"no '{text}' in:\n{self.log.read_text('utf-8')}")


@pytest.fixture
def pod(tmp_path: Path, hub: Loopback) -> Iterator[Pod]:
    made = Pod(tmp_path, hub, "--force-lock")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end(signal.SIGKILL)


def test_it_notes_each_answer_and_asks_for_repos(pod: Pod, hub: Loopback) -> None:
    admin = session(hub, "koji-admin")
    admin.createTag("f42-build", extra={"repo.auto": True})
    assert pod.probe() == (1, "kojira has not talked to the hub since it was started")
    pod.start()
    until(pod.contact.exists, "it talks to the hub")
    assert pod.probe() == (0, "")
    until(lambda: admin.listTasks({"method": "newRepo"}), "a repo is asked for")
    first = pod.contact.stat().st_mtime
    until(lambda: pod.contact.stat().st_mtime > first, "it goes on talking")
    assert pod.probe("5") == (0, "")


def test_it_gives_its_lock_back_between_two_rounds(pod: Pod, hub: Loopback) -> None:
    pod.start()
    pod.says("Entering main loop")
    time.sleep(0.3)
    assert pod.end() == 0
    sessions = session(hub, "koji-admin").getSessionInfo(True, "kojira") or []
    assert not any(entry["exclusive"] for entry in sessions)


def test_after_a_crash_the_lock_is_taken_from_the_dead(pod: Pod, hub: Loopback) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM):
        pod.start()
        pod.says("Entering main loop")
        pod.end(number)
        pod.log.write_text("", "utf-8")


def test_it_waits_for_a_hub_that_is_away(pod: Pod, hub: Loopback) -> None:
    conf = pod._folder / "kojira.conf"
    conf.write_text(conf.read_text("utf-8").replace(hub.url, "https://localhost:1/kojihub"), "utf-8")
    pod.start()
    pod.says("kojira waits for https://localhost:1/kojihub: ")
    assert not pod.contact.exists()
    assert pod.end() == 0


def test_a_hub_that_is_out_of_order_is_no_contact(pod: Pod, hub: Loopback) -> None:
    pod.start()
    pod.says("Entering main loop")
    faults = hub.url.replace("/kojihub", "/devhub/faults")
    requests.post(faults, json={"kind": "down", "user": "kojira"}, verify=str(hub.ca), timeout=10).raise_for_status()
    try:
        until(lambda: pod.probe("2")[0] == 1, "the silence is noticed")
        code, said = pod.probe("2")
        assert (code, said[:38]) == (1, "kojira has not talked to the hub since")
    finally:
        requests.delete(faults, verify=str(hub.ca), timeout=10)


def test_an_image_without_kojira_is_told(pod: Pod) -> None:
    words = [sys.executable, "start.py"]
    text = (pod._folder / "start.py").read_text("utf-8")
    (pod._folder / "start.py").write_text(text.replace('PLACES = "', 'PLACES = "/nowhere'), "utf-8")
    done = subprocess.run(
        words, cwd=pod._folder, env={**os.environ, "PATH": "/nowhere"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no program kojira" in done.stderr
