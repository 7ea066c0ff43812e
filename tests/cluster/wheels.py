# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Python packages of the images, as wheels for Debian's Python, pinned by hash in a requirements file."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .locks import locked
from .paths import ClusterError, cache_root
from .progress import step

# koji's own dependencies but for requests-gssapi: task pods have no Kerberos, and it needs a compiler.
PROJECTS = (
    "certifi",
    "charset-normalizer",
    "defusedxml",
    "idna",
    "koji",
    "python-dateutil",
    "requests",
    "six",
    "urllib3",
)
PYTHON = "3.11"  # Debian 12's, in the image
PURE = ("--platform=any", "--implementation=py")
# What has compiled parts too.
COMPILED = ("--platform=manylinux2014_x86_64", "--platform=manylinux_2_28_x86_64", "--implementation=cp")


def locked_requirements(text: str, projects: tuple[str, ...] = PROJECTS) -> str:
    """The entries of these projects, or of all, in a requirements file with hashes, without comments."""
    text = re.sub(r"[ \t]*(^|[ \t])#.*", "", text, flags=re.MULTILINE)
    entries = {}
    for entry in re.split(r"(?<!\\)\n", text):
        name = re.match(r"([A-Za-z0-9._-]+)==", entry)
        if name:
            entries[re.sub(r"[-_.]+", "-", name.group(1)).lower()] = entry.rstrip(" \\\n")
    if lacking := [project for project in projects if project not in entries]:
        raise ClusterError(f"requirements.txt doesn't lock {', '.join(lacking)}")
    return "".join(f"{entries[project]}\n" for project in projects or entries)


def pip() -> list[str]:
    """A command that is pip: this Python's, or the machine's."""
    for command in ([sys.executable, "-m", "pip"], ["python3", "-m", "pip"], ["pip3"], ["pip"]):
        if shutil.which(command[0]):
            answer = subprocess.run([*command, "--version"], capture_output=True, check=False)
            if answer.returncode == 0:
                return command
    raise ClusterError("no pip here; install Debian's python3-pip")


def ensure(requirements: Path, projects: tuple[str, ...] = PROJECTS, kinds: tuple[str, ...] = PURE) -> Path:
    """A folder with the wheels; downloads them when the locked versions aren't in the cache."""
    text = locked_requirements(requirements.read_text(), projects)
    target = cache_root() / f"wheels-{hashlib.sha256((PYTHON + text).encode()).hexdigest()[:16]}"
    if target.exists():
        return target
    with locked(target.with_suffix(".lock"), "it downloads Python packages"):
        if target.exists():
            return target
        draft = Path(tempfile.mkdtemp(prefix=".wheels-", dir=target.parent))
        try:
            with (
                step("downloading Python packages for an image"),
                tempfile.NamedTemporaryFile("w", suffix=".txt") as file,
            ):
                file.write(text)
                file.flush()
                command = [*pip(), "download", "--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:",
                           f"--python-version={PYTHON}", *kinds, f"--dest={draft}",
                           f"--requirement={file.name}"]  # fmt: skip
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ClusterError(f"pip download: {done.stderr.strip()[-2000:]}")
            draft.chmod(0o755)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return target
