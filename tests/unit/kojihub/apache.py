# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A real Apache with the files that the operator makes, on loopback: devhub's code and Debian's modules where Fedora's
packages have theirs, all of it under one folder, as a user id that nobody has."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.devhub.certificates import Authority
from tests.devhub.loopback import SERVER_ID, free_port, postgres

from .hubs import database, made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.files import FilesLook

CHECKOUT = Path(__file__).parents[3]
PROBE = CHECKOUT / "roles/koji_http/files/probe.py"
MODULES = Path("/usr/lib/apache2/modules")
TOP_FOLDERS = ("etc/koji", "etc/httpd", "usr", "run", "httpdir", "mnt/koji")
# The folders that a pod may write to.
WRITABLE = ("run/httpd", "tmp", "mnt/koji")


@dataclass
class Apache:
    """A running one."""

    root: Path
    https: int
    http: int
    authority: Authority
    process: subprocess.Popen[bytes]
    probed: str  # what the pod's probe asks

    @property
    def url(self) -> str:
        """The hub's API over TLS."""
        return f"https://localhost:{self.https}/kojihub"

    @property
    def ca(self) -> Path:
        """The file of the CA's certificate."""
        return self.root / "etc/koji-hub-tls/ca.crt"

    @property
    def log(self) -> str:
        """What it and the hub said."""
        return (self.root / "log").read_text("utf-8", errors="replace")

    def pem(self, user: str) -> Path:
        """A file with a new certificate and key of a user."""
        file = self.root / f"{user}.pem"
        file.write_text(self.authority.issue(user).pem, "ascii")
        return file

    def probe(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The pod's own probe."""
        argv = ["python3", "-I", str(PROBE), self.probed, *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)

    def stop_gracefully(self) -> None:
        """What serve.sh does when the pod is stopped."""
        self.process.send_signal(signal.SIGWINCH)


def _lay_out(root: Path, found: FilesLook) -> Authority:
    """Write the files where the pod has them, and give them to the server's user, who may write to few."""
    authority = Authority()
    server = authority.issue("koji-hub", ["localhost"])
    tls = {"tls.crt": server.certificate, "tls.key": server.key, "ca.crt": authority.pair.certificate}
    texts = {
        **{f"etc/koji-hub-httpd/{key}": text for key, text in found.config.items()},
        **{f"etc/koji-hub-tls/{key}": text for key, text in tls.items()},
        "etc/koji-hub/hub.conf": found.hub_conf,
        "etc/koji-hub/hub.conf.d/database.conf": found.secret["database.conf"],
        "httpdir/html/index.html": "hello",
    }
    # Paths in the files are the pod's: here they are below the folder.
    moved = {"= /mnt/koji": f"= {root}/mnt/koji"}
    moved |= {f'"{kind}/{top}': f'"{kind}{root}/{top}' for kind in ("", "file:", "shmcb:") for top in TOP_FOLDERS}
    for name, text in texts.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_replaced(text, moved), "utf-8")
    (root / "etc/httpd").mkdir()
    (root / "etc/httpd/modules").mkdir()
    for module in MODULES.glob("mod_*.so"):
        (root / "etc/httpd/modules" / module.name).symlink_to(module)
    (root / "etc/httpd/modules/mod_wsgi_python3.so").symlink_to(MODULES / "mod_wsgi.so")
    code = root / "usr/share/koji-hub"
    shutil.copytree(CHECKOUT / "tests/devhub", code / "tests/devhub", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "tests/__init__.py", code / "tests")
    shutil.copy(CHECKOUT / "tests/devhub/kojiapp.py", code)
    for name in WRITABLE:
        (root / name).mkdir(parents=True, exist_ok=True)
        os.chown(root / name, SERVER_ID, SERVER_ID)
    return authority


@contextmanager
def apache(spec: dict[str, Any] | None = None, site: dict[str, str] | None = None) -> Iterator[Apache]:
    """Run Apache with devhub and a database until the end of the block."""
    # In /tmp and short: a socket's path has 107 characters at most.
    root = Path(tempfile.mkdtemp(prefix="hub-", dir="/tmp"))
    root.chmod(0o755)
    try:
        with postgres(root / "db") as where:
            there = database(host=where["DBHost"], name=where["DBName"], user=where["DBUser"])
            found = made({"host": "localhost", **(spec or {})}, site, there)
            authority = _lay_out(root, found)
            https, http = free_port(), free_port()
            conf = root / "etc/koji-hub-httpd/httpd.conf"
            ports = {"8443": str(https), "8080": str(http)}
            conf.write_text(_replaced(conf.read_text("utf-8"), ports), "utf-8")
            with _running(root, conf) as process:
                running = Apache(root, https, http, authority, process, _replaced(found.probe[-1], ports))
                _wait(running)
                yield running
    finally:
        shutil.rmtree(root)


def _replaced(text: str, words: dict[str, str]) -> str:
    for old, new in words.items():
        text = text.replace(old, new)
    return text


@contextmanager
def _running(root: Path, conf: Path) -> Iterator[subprocess.Popen[bytes]]:
    log = root / "log"
    log.touch()
    os.chown(log, SERVER_ID, SERVER_ID)
    env = {
        "PATH": os.environ["PATH"],
        "DEVHUB_CREATE_SCHEMA": "1",
        "DEVHUB_ADMIN": "koji-admin",
        "DEVHUB_FAULTS": str(root / "run/httpd/faults.json"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    argv = ["apache2", "-f", str(conf), "-DFOREGROUND"]
    as_nobody: dict[str, Any] = {"user": SERVER_ID, "group": SERVER_ID, "extra_groups": [], "env": env, "cwd": "/"}
    checked = subprocess.run([*argv[:-1], "-t"], capture_output=True, text=True, check=False, **as_nobody)
    assert (checked.returncode, checked.stderr.strip()) == (0, "Syntax OK"), checked.stderr
    with log.open("ab") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=file, **as_nobody)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(running: Apache) -> None:
    end = time.monotonic() + 20
    while (done := running.probe()).returncode:
        assert time.monotonic() < end, f"{done.stdout} {running.log[-3000:]}"
        time.sleep(0.1)
