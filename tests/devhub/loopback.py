# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""devhub on this machine's loopback, with real Apache and PostgreSQL but no cluster: for its own tests and contract.

`python -m tests.devhub.loopback FOLDER` runs until it is interrupted; FOLDER gets ca.crt and koji-admin.pem."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from .certificates import Authority
from .core import config

CHECKOUT = Path(__file__).resolve().parents[2]
# PostgreSQL won't run as root; Apache must do with an id that nobody has.
DATABASE_ID = 65534
SERVER_ID = 1000660000
PING = "<?xml version='1.0'?><methodCall><methodName>getAPIVersion</methodName><params/></methodCall>"


@dataclass
class Loopback:
    """A running hub: its URL and where its files are."""

    url: str
    folder: Path
    authority: Authority

    @property
    def ca(self) -> Path:
        """The file of the CA's certificate."""
        return self.folder / "tls/ca.crt"

    def pem(self, user: str) -> Path:
        """Return a file with a new certificate and key of a user."""
        file = self.folder / f"{user}.pem"
        file.touch(mode=0o600)
        file.write_text(self.authority.issue(user).pem, encoding="ascii")
        return file


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as(user_id: int) -> dict[str, Any]:
    """Return how to start a process as another user, if we may."""
    return {"user": user_id, "group": user_id, "extra_groups": []} if os.geteuid() == 0 else {}


def _start(argv: list[str], log: Path, user_id: int, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        if os.geteuid() == 0:
            # Apache opens /dev/stderr anew.
            os.fchown(file.fileno(), user_id, user_id)
        return subprocess.Popen(argv, stdout=file, stderr=file, env={**os.environ, **(env or {})}, **_as(user_id))


@contextmanager
def _running(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def postgres(folder: Path) -> Iterator[dict[str, str]]:
    """Run PostgreSQL in a folder, on a socket only; give hub.conf's options for it."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data, log = folder / "data", folder / "postgres.log"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, DATABASE_ID, DATABASE_ID)
    init = [programs / "initdb", "-D", data, "-U", "koji", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run([str(word) for word in init], check=True, stdout=subprocess.DEVNULL, cwd="/", **_as(DATABASE_ID))
    server = [
        str(programs / "postgres"),
        "-D",
        str(data),
        "-c",
        "listen_addresses=",
        "-k",
        str(folder),
        "-c",
        "fsync=off",
    ]
    with _running(_start(server, log, DATABASE_ID)):
        yield {"DBName": "postgres", "DBUser": "koji", "DBHost": str(folder)}


def _wait(url: str, ca: Path, log: Path, seconds: float = 20) -> None:
    """Wait until the hub answers with a result. Raises TimeoutError with the end of its log."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            answer = requests.post(url, data=PING, headers={"Content-Type": "text/xml"}, verify=str(ca), timeout=5)
        except requests.RequestException:
            time.sleep(0.05)
            continue
        if "<int>1</int>" in answer.text:
            return
        time.sleep(0.05)
    raise TimeoutError(f"the hub doesn't answer: {log.read_text(errors='replace')[-2000:]}")


def _owned(folder: Path) -> None:
    """Let the server read what is in a folder."""
    for path in [folder, *folder.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, SERVER_ID, SERVER_ID)


@contextmanager
def loopback(hub_conf: Mapping[str, Any] | None = None, folder: Path | None = None) -> Iterator[Loopback]:
    """Run a hub until the end of the block. hub_conf: options over ones that suit tests."""
    # In /tmp and short: a socket's path has 107 characters at most.
    made = Path(tempfile.mkdtemp(prefix="devhub-", dir="/tmp"))
    made.chmod(0o755)
    try:
        with postgres(made / "db") as database:
            options = {"RunInterval": 1, "SessionRenewalTimeout": 0, "CheckClientIP": False, **(hub_conf or {})}
            with apache(made, {**options, **database, "KojiDir": str(made / "koji")}, folder or made) as hub:
                yield hub
    finally:
        shutil.rmtree(made)


@contextmanager
def apache(made: Path, options: Mapping[str, Any], folder: Path) -> Iterator[Loopback]:
    """Run Apache in a folder."""
    authority, port = Authority(), free_port()
    server = authority.issue("localhost", ["localhost"])
    files = {
        "tls/tls.crt": server.certificate,
        "tls/tls.key": server.key,
        "tls/ca.crt": authority.pair.certificate,
        "conf/hub.conf": config.render(dict(options)),
    }
    for name in ("run", "koji"):
        (made / name).mkdir()
    for name, text in files.items():
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text(text, encoding="utf-8")
    shutil.copytree(CHECKOUT / "tests/devhub", made / "code/tests/devhub", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "tests/__init__.py", made / "code/tests")
    shutil.copy(CHECKOUT / "tests/devhub/kojiapp.py", made / "code")
    for name in ("run", "koji", "tls", "conf", "code"):
        _owned(made / name)
    defines = {
        "RUN": made / "run",
        "TLS": made / "tls",
        "CONF": made / "conf",
        "CODE": made / "code",
        "FILES": made / "koji",
        "PORT": f"127.0.0.1:{port}",
    }
    words = [word for name, value in defines.items() for word in ("-C", f"Define DEVHUB_{name} {value}")]
    env = {
        "DEVHUB_CREATE_SCHEMA": "1",
        "DEVHUB_ADMIN": "koji-admin",
        "DEVHUB_FAULTS": str(made / "run/faults.json"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    argv = ["apache2", "-f", str(made / "code/tests/devhub/apache/httpd.conf"), *words, "-DFOREGROUND"]
    log = made / "apache.log"
    with _running(_start(argv, log, SERVER_ID, env)):
        hub = Loopback(f"https://localhost:{port}/kojihub", folder, authority)
        if folder != made:
            (folder / "tls").mkdir(parents=True, exist_ok=True)
            shutil.copy(made / "tls/ca.crt", folder / "tls/ca.crt")
        _wait(hub.url, hub.ca, log)
        yield hub


def main() -> None:
    """Run a hub in the foreground."""
    # So that Apache and PostgreSQL end with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with loopback(folder=folder) as hub:
        print(f"hub {hub.url}\nca {hub.ca}\nadmin {hub.pem('koji-admin')}", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
