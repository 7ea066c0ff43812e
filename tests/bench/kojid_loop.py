# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A builder's daemon as it is without the operator: the library's TaskManager, polled every `sleeptime` seconds.

Runs in a pod of the builder image; the environment says HUB_URL, CA, PEM and WORKDIR. kojid is not in the PyPI package,
so the loop around the library's TaskManager is written here, with kojid's defaults (sleeptime 15, maxjobs 10).
"""

import logging
import os
import signal
import sys
import time
from types import SimpleNamespace
from typing import NoReturn

import koji
import koji.daemon
import koji.tasks

SLEEPTIME = 15  # seconds
MAXJOBS = 10


def stop(*_: object) -> NoReturn:
    """End on SIGTERM."""
    sys.exit(0)


def main() -> None:
    """Serve until SIGTERM."""
    workdir = os.environ["WORKDIR"]
    os.makedirs(workdir, exist_ok=True)  # noqa: PTH103
    options = SimpleNamespace(
        maxjobs=MAXJOBS, sleeptime=SLEEPTIME, workdir=workdir, mockdir=workdir, minspace=0, topdir="/mnt/koji",
        topurl=None, plugin=[],
    )  # fmt: skip
    session = koji.ClientSession(os.environ["HUB_URL"], {"serverca": os.environ["CA"]})
    session.ssl_login(os.environ["PEM"], None, os.environ["CA"])
    session.exclusiveSession(force=True)
    # It takes no tasks while the machine's load is above 4 a core; in a pod that is the whole node's, others' included.
    os.getloadavg = lambda: (0.0, 0.0, 0.0)
    manager = koji.daemon.TaskManager(options, session)
    manager.findHandlers(vars(koji.tasks))
    signal.signal(signal.SIGTERM, stop)
    while True:
        manager.updateTasks()
        # As kojid: after a task was taken look again at once, else sleep.
        if not manager.getNextTask():
            time.sleep(SLEEPTIME)


if __name__ == "__main__":
    koji.add_stderr_logger("koji")
    logging.getLogger("koji").setLevel(logging.INFO)
    main()
