# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A plugin of kojid, as a site has them: task methods that behave badly. It runs in task pods, not in the tests."""

import json
import time
from pathlib import Path
from typing import ClassVar

from koji.tasks import BaseTaskHandler


def attempt() -> int:
    """Which attempt of its task this pod is."""
    return int(json.loads(Path("/run/koji-task/task.json").read_text())["attempt"])


class FaultyFirstTask(BaseTaskHandler):
    """Takes `seconds` in its first attempt and no time in later ones; its result is the attempt."""

    Methods: ClassVar = ["faultyFirst"]

    def handler(self, seconds: float) -> int:
        """See the class."""
        print("the handler is at work", flush=True)
        if attempt() == 1:
            time.sleep(seconds)
        return attempt()


class FaultyHogTask(BaseTaskHandler):
    """Takes memory, up to so many MiB."""

    Methods: ClassVar = ["faultyHog"]

    def handler(self, most: int) -> int:
        """See the class."""
        taken: list[bytes] = []
        while len(taken) < most:
            taken.append(b"x" * (1 << 20))
            if len(taken) % 16 == 0:
                print(f"{len(taken)} MiB taken", flush=True)
        return len(taken)


class FaultyChoiceTask(BaseTaskHandler):
    """Can't be done on host `unfit`."""

    Methods: ClassVar = ["faultyChoice"]

    def checkHost(self, hostdata: dict[str, str]) -> bool:  # noqa: N802 - Koji's name
        """Say whether this host will do."""
        return bool(hostdata["name"] != self.params[0])

    def handler(self, unfit: str) -> str:
        """See the class."""
        return f"not on {unfit}"
