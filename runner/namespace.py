# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A user namespace for the worker: root in it, so that mock can mount and chroot, and nobody on the node.

The process that enters it can't write its own maps: whoever writes them needs CAP_SETUID and CAP_SETGID outside. So a
helper is forked first, waits until this process has left, and writes them from there.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from runner.outcome import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000  # <linux/sched.h>
MS_REC, MS_SLAVE = 0x4000, 0x80000  # <linux/mount.h>
PR_SET_DUMPABLE = 4  # <linux/prctl.h>

FIRST_ID, IDS = 100000, 65536  # of the node, as newuidmap's first range is by default
ADVICE = (
    "Set spec.seccomp_profile to a profile of the nodes that allows unshare, mount, umount2, clone and chroot, "
    "or spec.security_profile to sysadmin; docs/security.md says more"
)
HINTS = {
    errno.ENOSPC: "the node's sysctl user.max_user_namespaces is 0, or that many are in use",
    errno.EINVAL: "the node's kernel has no user namespaces",
    errno.EACCES: "the node's AppArmor or SELinux policy forbids it",
    errno.EPERM: "a seccomp profile (RuntimeDefault is one) or a sysctl of the node forbids it",
}


class Forbidden(Problem):
    """The pod or its node does not let the worker have what its security profile needs; no task can run here."""


def enter() -> None:
    """Move this process, which has one thread, to a user and a mount namespace of its own, as root there.

    Raises Forbidden, with what to change; the process is of no use then.
    """
    if os.geteuid() != 0:
        message = "security profile userns needs pods that start as uid 0"
        raise Forbidden(f"{message}, this one has uid {os.geteuid()}. Remove runAsUser from spec.security_context")
    libc = ctypes.CDLL(None, use_errno=True)
    maps = _map("uid"), _map("gid")
    told, tell = os.pipe()
    target, helper = os.getpid(), os.fork()
    if helper == 0:
        os.close(tell)
        _write_maps(target, maps, told)
    os.close(told)
    try:
        _call("unshare", libc.unshare, CLONE_NEWUSER | CLONE_NEWNS)
        os.write(tell, b"1")
    finally:
        os.close(tell)
        status = os.waitstatus_to_exitcode(os.waitpid(helper, 0)[1])
    if status:
        raise _forbidden("writing uid_map and gid_map", max(status, 0))
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    # Another uid, so the kernel has closed /proc/self to us; subprocess and others look there.
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    _try_out(libc)


def _try_out(libc: ctypes.CDLL) -> None:
    """What mock will call: a profile may let a process unshare and then do nothing with it. None changes anything."""
    _call("mount", libc.mount, None, b"/", None, ctypes.c_ulong(MS_REC | MS_SLAVE), None)
    _call("umount2", libc.umount2, b"/no/such/mount", 0, expected=errno.ENOENT)
    _call("chroot", libc.chroot, b"/")


def _call(name: str, function: Callable[..., int], *arguments: object, expected: int = 0) -> None:
    if function(*arguments) != 0 and ctypes.get_errno() != expected:
        raise _forbidden(name, ctypes.get_errno())


def _forbidden(what: str, number: int) -> Forbidden:
    why = f": {HINTS[number]}" if number in HINTS else ""
    return Forbidden(f"security profile userns can't be had here: {what}: {os.strerror(number)}{why}. {ADVICE}")


def _map(kind: str) -> str:
    """One line of uid_map or gid_map: the ids that the pod itself has decide which ones its worker can get."""
    return chosen_map(Path(f"/proc/self/{kind}_map").read_text(encoding="ascii").splitlines())


def chosen_map(extents: Iterable[str]) -> str:
    """The map for a process whose own map has these lines, "first here, first outside, count".

    On the node's own ids: far above all that it uses. In a pod with `hostUsers: false` those don't exist: the pod's
    ids but for its root.
    """
    ranges = [tuple(map(int, line.split())) for line in extents]
    if any(first <= FIRST_ID and first + count >= FIRST_ID + IDS for first, _, count in ranges):
        return f"0 {FIRST_ID} {IDS}\n"
    count = next((count for first, _, count in ranges if first == 0), 0)
    return f"0 1 {count - 1}\n"


def _write_maps(target: int, maps: tuple[str, str], told: int) -> NoReturn:
    """The helper: ends with 0, or with the number of the error."""
    status = 0
    try:
        if os.read(told, 1):  # nothing: the other one could not leave, and knows why
            for kind, text in zip(("uid", "gid"), maps, strict=True):
                Path(f"/proc/{target}/{kind}_map").write_text(text, encoding="ascii")
    except OSError as error:
        status = error.errno or errno.EIO
    finally:
        os._exit(status)
