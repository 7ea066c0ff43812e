# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How kojid's handlers call mock in a pod whose worker is root, in its own namespace or on the node.

On a builder, kojid drops to `mockuser` and /usr/bin/mock, a setuid program, makes it root again. A pod allows no setuid
programs: the worker stays root. mock itself refuses to be called by root; it wants to know the user that the builds
run as, and takes it from USERHELPER_UID, as its own setuid starter would set it.
"""

from __future__ import annotations

import grp
import logging
import os
import pwd
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import SimpleNamespace

LOG = logging.getLogger("koji.runner")
# Behind a starter that needs setuid (Fedora: /usr/bin/mock is usermode's consolehelper), or without one.
PROGRAMS = ("/usr/libexec/mock/mock", "/usr/bin/mock")
GROUP = "mock"  # mock refuses users that aren't in it
WRAPPER = """#!/bin/sh
# mock refuses root, but for a user who is named like this.
USERHELPER_UID={uid}
export USERHELPER_UID
exec {program} "$@"
"""


def prepare(options: SimpleNamespace, programs: Sequence[str] = PROGRAMS) -> None:
    """As root: have kojid's handlers call mock, by a wrapper in the workdir, for the user `mockuser`.

    kojid.conf's `mockuser` is who builds; `mockpath`, if it is set there, is called as it is. Nothing is done where
    the image has no mock, or no such user: then kojid says what it misses.
    """
    if os.geteuid() != 0:
        return
    builder = _builder(options.mockuser)
    options.mockuser = "root"  # kojid's handlers drop to it before they call mock
    program = next((path for path in programs if os.access(path, os.X_OK)), None)
    if program is None or builder is None or options.mockpath != "/usr/bin/mock":
        return
    wrapper = Path(options.workdir) / "operator" / "mock"
    wrapper.parent.mkdir(exist_ok=True)
    wrapper.write_text(WRAPPER.format(uid=builder, program=shlex.quote(program)), encoding="ascii")
    wrapper.chmod(0o755)
    options.mockpath = str(wrapper)


def _builder(name: str) -> int | None:
    """The uid that mock builds as: `mockuser`'s, or that of another member of mock's group."""
    names = [name]
    try:
        names += grp.getgrnam(GROUP).gr_mem
    except KeyError:
        LOG.debug("There is no group %s", GROUP)
    for one in names:
        try:
            uid = pwd.getpwnam(one).pw_uid
        except KeyError:
            LOG.debug("There is no user %s", one)
            continue
        if uid != 0:
            return uid
    return None
