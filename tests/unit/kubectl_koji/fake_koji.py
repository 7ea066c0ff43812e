# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The command koji of the fake sidecar: writes down how it was called, and does what its first words say."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

FOLDER = Path(os.environ["FAKE_FOLDER"])


def record(**what: object) -> None:
    """Add a line to the file that the tests read."""
    with (FOLDER / "koji.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(what) + "\n")


def stop(number: int, frame: FrameType | None) -> None:
    """Say which signal it was, and end as a shell would."""
    record(signal=signal.Signals(number).name)
    print(f"koji: {signal.Signals(number).name}", file=sys.stderr, flush=True)
    sys.exit(128 + number)


def sleep(how: str) -> None:
    """Wait for a signal, or for ever."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    for number in numbers:
        signal.signal(number, signal.SIG_IGN if how == "deaf" else stop)
    print("sleeping", flush=True)
    record(pid=os.getpid())
    while True:
        time.sleep(60)


def flood() -> None:
    """Print for ever: in a pod nobody notices that nobody reads."""
    record(pid=os.getpid())
    while True:
        with contextlib.suppress(BrokenPipeError):
            os.write(1, b"line\n")
        time.sleep(0.01)


def task_info(number: str) -> None:
    """The task as tasks.json has it; each look takes the next state."""
    file = FOLDER / "tasks.json"
    tasks = json.loads(file.read_text("utf-8"))
    states = tasks.get(number)
    if states == "down":
        print("koji: hub is away", file=sys.stderr)
        sys.exit(1)
    print(json.dumps(None if states is None else {"method": "sleep", "state": states[0]}))
    if states and len(states) > 1:
        tasks[number] = states[1:]
        file.write_text(json.dumps(tasks), "utf-8")


def main(words: list[str]) -> int:  # noqa: C901 - a list of what it can
    """Run one command. -> exit code"""
    record(argv=words, tty=[os.isatty(stream) for stream in (0, 1, 2)])
    begin = next((number for number, word in enumerate(words) if word not in ("--noauth", "--quiet")), 0)
    match words[begin:]:
        case ["exit", code]:
            print("out", flush=True)
            print("err", file=sys.stderr, flush=True)
            return int(code)
        case ["cat"]:
            sys.stdout.buffer.write(sys.stdin.buffer.read())
        case ["ask"]:
            print(f"got {input('really? ')}")
        case ["say", code, text]:
            sys.stderr.write(text)
            return int(code)
        case ["flood"]:
            flood()
        case ["sleep", *how]:
            sleep("".join(how))
        case ["watch-task", *_]:
            if (FOLDER / "watch.json").exists():
                sleep("")
        case ["call", *_, number]:
            task_info(number)
        case ["help", "all"]:
            print("Available commands:\n\nmiscellaneous commands:\n        list-hosts                Print hosts: all")
            print(
                "        list-tags                 Print tags\n        call                      Call the hub\n\n(end)"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
