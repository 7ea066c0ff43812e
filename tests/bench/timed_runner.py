# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Stands in for `ansible-runner` on the operator's PATH: runs the real one and notes what the run took.

Standard library only, run with -I -S: it adds 10 ms. What it needs is in the environment: KOJI_BENCH_RUNNER, the real
program, and KOJI_BENCH_RUNS, a file that gets a line of JSON for each run.
"""

import json
import os
import sys
import time
from pathlib import Path

TASK_STARTS = b'"event": "playbook_on_task_start"'


def tasks_started(folder: Path) -> int:
    """Tasks of a run, skipped and included ones too, from ansible-runner's artifacts."""
    events = (folder / "job_events").glob("*.json")
    return sum(TASK_STARTS in event.read_bytes() for event in events)


def main(arguments: list[str]) -> int:
    """Run it; its exit code."""
    begin = time.time()
    process = os.posix_spawn(os.environ["KOJI_BENCH_RUNNER"], ["ansible-runner", *arguments], os.environ)
    _, status, usage = os.wait4(process, 0)
    end = time.time()
    folder = next(argument for argument in arguments[1:] if argument.startswith("/"))
    ident = arguments[arguments.index("-i") + 1]
    code = os.waitstatus_to_exitcode(status)
    line = {
        "folder": folder,
        "begin": begin,
        "end": end,
        "cpu": usage.ru_utime + usage.ru_stime,  # of all processes of the run
        "rss": usage.ru_maxrss / 1024,  # MiB, of its biggest process
        "tasks": tasks_started(Path(folder) / "artifacts" / ident),
        "exit_code": code,
    }
    with open(os.environ["KOJI_BENCH_RUNS"], "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write(json.dumps(line) + "\n")
    return code if code >= 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
