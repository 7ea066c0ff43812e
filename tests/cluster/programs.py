# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Kubernetes and CoreDNS, built once from their Go modules (`binaries/`), pinned by its go.sum."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from .locks import locked
from .paths import SOURCES, ClusterError, cache_root
from .progress import say, step

MODULE = SOURCES / "binaries"
KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet")


def source_hash(module: Path = MODULE) -> str:
    """Hash of what decides the binaries: go.mod, go.sum and every Go file, each with its path."""
    digest = hashlib.sha256()
    files = [module / "go.mod", module / "go.sum", *module.rglob("*.go")]
    for file in sorted(files):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(module)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def folder() -> Path:
    """Where the binaries of this checkout lie, or will."""
    return cache_root() / f"kubernetes-{source_hash()}"


def kubernetes_version(go_mod: str) -> str:
    """The pinned version of Kubernetes, such as v1.34.4."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v[\d.]+)$", go_mod, re.MULTILINE)
    if not found:
        raise ClusterError(f"{MODULE}/go.mod: no line 'k8s.io/kubernetes vX.Y.Z'")
    return found.group(1)


def linker_flags(version: str) -> str:
    """Stamps the version as Kubernetes' own build does: without it the API server doesn't know what it is."""
    major, minor = version.removeprefix("v").split(".")[:2]
    values = {
        "gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean", "gitCommit": "unknown",
    }  # fmt: skip
    stamps = [f"-X k8s.io/component-base/version.{key}={value}" for key, value in values.items()]
    return " ".join(["-s", "-w", *stamps])


def ensure() -> Path:
    """The folder with all programs; builds them when this checkout's aren't there yet (5 minutes on two cores)."""
    target = folder()
    if target.exists():
        return target
    with locked(target.with_suffix(".lock"), "it builds Kubernetes"):
        if not target.exists():
            build(target)
    return target


def build(target: Path) -> None:
    """Build into a folder beside the target, then move it there whole."""
    if not shutil.which("go"):
        raise ClusterError("building Kubernetes needs Go 1.24 or later in PATH (it is built once and then kept)")
    version = kubernetes_version((MODULE / "go.mod").read_text())
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        with step(f"building Kubernetes {version} and CoreDNS (5 minutes the first time)"), Heartbeat():
            for program in ("coredns", "kubernetes"):
                command = ["go", "build", "-trimpath", "-ldflags", linker_flags(version), "-o", f"{draft}/{program}"]
                done = subprocess.run(
                    [*command, f"./{program}"],
                    cwd=MODULE,
                    env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode:
                    raise ClusterError(f"go build ./{program} in {MODULE}: {done.stderr.strip()[-3000:]}")
        for program in KUBERNETES:
            (draft / program).symlink_to("kubernetes")
        draft.chmod(0o755)
        with suppress(OSError):  # it may be there already, from another machine's cache
            draft.rename(target)
        if not target.exists():
            raise ClusterError(f"{target}: can't be created")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


class Heartbeat:
    """Says every half minute that a long step still goes on."""

    def __init__(self, period: float = 30) -> None:
        self.period = period
        self.over = threading.Event()

    def __enter__(self) -> None:
        self.begin = time.monotonic()
        self.thread = threading.Thread(target=self._beat, daemon=True)
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _beat(self) -> None:
        while not self.over.wait(self.period):
            say(f"  ... {time.monotonic() - self.begin:.0f} s")
