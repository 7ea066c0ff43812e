# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The demo's operator, which goes on when the demo has been shown; one at a time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

from tests.cluster.paths import STATE_ROOT
from tests.cluster.processes import ProcessRecord
from tests.e2e.operator import CHECKOUT, STOP_GRACE, Operator

RECORD = STATE_ROOT / "demo-operator.json"
FOLDER = STATE_ROOT / "demo-operator.folder"


def start() -> Operator:
    """Start the operator unless it runs already; it outlives this process."""
    operator = Operator(CHECKOUT, "demo-operator", {"MAX_CONCURRENT_RECONCILES_CONFIGMAP_": "4"})
    record = ProcessRecord.read(RECORD)
    if record is not None and record.alive():
        return operator
    operator.start()
    started = ProcessRecord.of(operator.pid)
    assert started is not None, f"the operator has ended at once; see {operator.log}"
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    started.write(RECORD)
    FOLDER.write_text(str(operator.folder))
    return operator


def stop() -> None:
    """End the operator, with time to finish what it does."""
    record = ProcessRecord.read(RECORD)
    if record is not None and record.alive():
        os.kill(record.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE
        while record.alive() and time.monotonic() < deadline:
            time.sleep(0.1)
        # Its runs are in its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(record.pid, signal.SIGKILL)
    if FOLDER.exists():
        shutil.rmtree(Path(FOLDER.read_text()), ignore_errors=True)
    RECORD.unlink(missing_ok=True)
    FOLDER.unlink(missing_ok=True)
