# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A Debian root folder by debootstrap, from the package sources that this machine itself uses."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from .paths import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "tzdata")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Not needed in a container: a third of the root.
EXCLUDED = ("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*", "./usr/share/info/*", "./var/cache/apt/*",
            "./var/lib/apt/lists/*", "./var/log/*", "./dev/*")  # fmt: skip


def one_line_sources(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """(address, suite, components) of each binary entry of the form `deb [options] address suite component...`."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words or words[0] != "deb":
            continue
        words = words[1:]
        if words and words[0].startswith("["):
            while words and not words[0].endswith("]"):
                words.pop(0)
            words = words[1:]
        if len(words) >= 3:
            yield words[0], words[1], words[2:]


def deb822_sources(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """(address, suite, components) of each binary entry in the format of .sources files."""
    for stanza in "\n".join(line for line in text.splitlines() if not line.startswith("#")).split("\n\n"):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[key] = f"{fields.get(key, '')} {line.strip()}"
            else:
                key, _, value = line.partition(":")
                key = key.lower()
                fields[key] = value.strip()
        if fields.get("enabled", "yes") == "no" or "deb" not in fields.get("types", "").split():
            continue
        for address in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield address, suite, fields.get("components", "").split()


def host_sources(files: Iterable[Path], suite: str = SUITE) -> list[tuple[str, str, list[str]]]:
    """This machine's entries for the suite, its updates and its security fixes."""
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    found = []
    for file in files:
        read = deb822_sources if file.suffix == ".sources" else one_line_sources
        found += [entry for entry in read(file.read_text()) if entry[1] in wanted and "main" in entry[2]]
    if not any(entry[1] == suite for entry in found):
        raise ClusterError(f"/etc/apt: no package source for Debian's {suite} here; the images are made from it")
    return found


def source_files(etc_apt: Path) -> list[Path]:
    """The files that apt reads."""
    folder = etc_apt / "sources.list.d"
    files = [etc_apt / "sources.list", *sorted(folder.glob("*.list")), *sorted(folder.glob("*.sources"))]
    return [file for file in files if file.exists()]


def make_root(folder: Path, etc_apt: Path) -> None:
    """Debootstrap into a folder, with this machine's package sources and apt's connection settings inside."""
    sources = host_sources(source_files(etc_apt))
    mirror = next(address for address, suite, _ in sources if suite == SUITE)
    command = ["debootstrap", "--variant=minbase", f"--keyring={KEYRING}", f"--include={','.join(PACKAGES)}"]
    done = subprocess.run([*command, SUITE, folder, mirror], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"debootstrap: {(done.stdout + done.stderr).strip()[-2000:]}")
    lines = [f"deb [signed-by={KEYRING}] {address} {suite} main\n" for address, suite, _ in sources]
    (folder / "etc/apt/sources.list").write_text("".join(lines))
    settings = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True).stdout
    kept = [line for line in settings.splitlines() if line.startswith(("Acquire::http", "Acquire::Retries"))]
    (folder / "etc/apt/apt.conf.d/90-as-the-host").write_text("".join(f"{line}\n" for line in kept))
    # A package's service must not be started in a chroot.
    (folder / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (folder / "usr/sbin/policy-rc.d").chmod(0o755)


def archive(folder: Path, tar: Path) -> None:
    """Write the root as a tar file, without what a container doesn't need."""
    excluded = [f"--exclude={pattern}" for pattern in EXCLUDED]
    command = ["tar", "--create", f"--file={tar}", f"--directory={folder}", "--numeric-owner", *excluded, "."]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"tar of {folder}: {done.stderr.strip()}")
