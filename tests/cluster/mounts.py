# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What is mounted where, as /proc/self/mountinfo tells."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .paths import ClusterError


def mount_points(mountinfo: str) -> list[Path]:
    """Mount points in a mountinfo text, in the order they were mounted."""
    return [Path(unescape(line.split()[4])) for line in mountinfo.splitlines()]


def unescape(field: str) -> str:
    """A mountinfo field as a path: space, tab, newline and backslash are written as octal numbers there."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


def below(folder: Path, mountinfo: str) -> list[Path]:
    """Mount points at or below a folder, the last mounted first."""
    return [point for point in reversed(mount_points(mountinfo)) if point == folder or folder in point.parents]


def unmount_below(folder: Path) -> None:
    """Unmount all that is mounted at or below a folder."""
    for point in below(folder, Path("/proc/self/mountinfo").read_text()):
        done = subprocess.run(["umount", point], capture_output=True, text=True, check=False)
        if done.returncode:
            # Detaching is the last resort: the mount goes when its last user does.
            done = subprocess.run(["umount", "--lazy", point], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"{point}: can't be unmounted: {done.stderr.strip()}")
