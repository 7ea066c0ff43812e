# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Tells the kubelet whether kojira talks to the hub: probe.py [SECONDS of silence that are too many]."""

from __future__ import annotations

import sys
import time
from pathlib import Path

CONTACT = Path("/run/kojira/contact")


def silence(contact: Path, now: float, limit: float | None) -> str:
    """What is wrong, '' if nothing is. Without a limit any contact since the start will do."""
    try:
        last = contact.stat().st_mtime
    except FileNotFoundError:
        return "kojira has not talked to the hub since it was started"
    if limit is None or now - last <= limit:
        return ""
    return f"kojira has not talked to the hub since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(last))}"


if __name__ == "__main__":
    sys.exit(silence(CONTACT, time.time(), float(sys.argv[1]) if len(sys.argv) > 1 else None) or 0)
