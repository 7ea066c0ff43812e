# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Entry point of the pod."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import NoReturn

# Never imported in a pod: koji would load both for logins, and a subsession needs none (50 ms of CPU).
NO_LOGIN = ("requests_gssapi", "requests_kerberos")


def run(root: str) -> NoReturn:
    """Run the task below `root`, leave the termination message and exit."""
    # Only what the standard library needs so far: a broken image must still be able to say so.
    from runner import outcome  # noqa: PLC0415
    from runner.files import Places, read_task_file  # noqa: PLC0415

    places = Places.below(root)
    try:
        task = read_task_file(places.task)
        for name in NO_LOGIN:
            sys.modules.setdefault(name, None)  # type: ignore[arg-type]
        import koji  # noqa: PLC0415

        from runner.options import Options  # noqa: PLC0415
        from runner.supervise import supervise  # noqa: PLC0415

        koji.add_stderr_logger("koji")
        options = Options(places.config, task.hub_url)
        _set_log_level(options.values.log_level)
        ended = supervise(task, places, options, os.environ.get("KOJI_TASK_PROFILE", ""))
    except outcome.Problem as problem:
        ended = outcome.Outcome(outcome.CRASHED, str(problem))
    except ImportError as error:
        ended = outcome.Outcome(outcome.CRASHED, f"this image lacks a Python module that Koji needs: {error}")
    except Exception as error:
        logging.getLogger("koji.runner").exception("The runner failed")
        ended = outcome.Outcome(outcome.CRASHED, f"{type(error).__name__}: {error}")
    if not outcome.write_termination_message(ended, places.termination_log):
        print(f"{places.termination_log} can't be written", file=sys.stderr)
    print(f"{ended.outcome}: {ended.message}", file=sys.stderr, flush=True)
    logging.shutdown()
    os._exit(ended.exit_code)  # nothing is left to do, and tearing Python down takes time


def _set_log_level(name: str | None) -> None:
    level = logging.getLevelName(name) if name else logging.INFO
    logging.getLogger("koji").setLevel(level if isinstance(level, int) else logging.INFO)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})
    run(os.environ.get("KOJI_TASK_ROOT", "/"))
