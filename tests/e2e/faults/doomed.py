# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A scheduling process that kills itself at one step: `python -m tests.e2e.faults.doomed NAMESPACE STEP ID`.

It is koji_task_pod's own scheduler on the real API server and hub; only the step's call is wrapped. ID is what the step
is about: a task's id, or for `revoked` a subsession's.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.lease import Lease, identity
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.apiserver import ApiServer, connect
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.connection import Connection
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import Hub
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.process import Process
from ansible_collections.fedoraproject.koji.plugins.modules.koji_task_pod import stopping

if TYPE_CHECKING:
    from collections.abc import Callable

DURATION = 120.0  # seconds; the step comes long before
SURVIVED = 3  # exit code


@dataclass(frozen=True)
class Step:
    """A call after which (or before which) the process dies, if `about` says that it is the one."""

    owner: type
    call: str
    about: Callable[[int, tuple[Any, ...], Any], bool]  # id, arguments, result
    before: bool = False


def _label(wanted: int, args: tuple[Any, ...], _result: Any) -> bool:
    return bool(args[0]["metadata"]["labels"].get("koji-task") == str(wanted))


def _name(wanted: int, args: tuple[Any, ...], _result: Any) -> bool:
    return str(args[0]).startswith(f"koji-task-{wanted}-")


def _released(wanted: int, args: tuple[Any, ...], _result: Any) -> bool:
    return wanted in args[0] or wanted in args[1]


STEPS = {
    # Taking a task
    "leased": Step(Lease, "acquire", lambda _wanted, _args, result: bool(result)),
    "assigned": Step(Hub, "check_in", lambda wanted, _args, there: wanted in {task.id for task in there.assigned}),
    "opened": Step(Hub, "open", lambda wanted, args, _result: wanted in args[0]),
    "secret-made": Step(ApiServer, "create_secret", _label),
    "pod-made": Step(ApiServer, "create_pod", _label),
    "secret-given": Step(ApiServer, "give_secret", _name),
    # Giving one back
    "revoked": Step(Hub, "revoke", lambda wanted, args, _result: wanted in args[0]),
    "written": Step(Hub, "release", _released, before=True),
    "freed": Step(Hub, "release", _released),
    "recorded": Step(ApiServer, "annotate_pod", _name),
    # One that lives on, until SIGTERM
    "never": Step(Hub, "check_in", lambda *_: False),
    # Making a session
    "session-written": Step(Connection, "_save_session", lambda *_: True),
}


def doom(step: Step, wanted: int) -> None:
    """Wrap the step's call."""
    real = getattr(step.owner, step.call)

    @functools.wraps(real)
    def fatal(self: Any, *args: Any, **options: Any) -> Any:
        if step.before and step.about(wanted, args, None):
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(self, *args, **options)
        if not step.before and step.about(wanted, args, result):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(step.owner, step.call, fatal)


def main() -> int:
    """Run until the step."""
    namespace, step, wanted = sys.argv[1], STEPS[sys.argv[2]], int(sys.argv[3])
    doom(step, wanted)
    with tempfile.TemporaryDirectory(prefix="doomed-") as folder:
        cluster = ApiServer(connect(os.environ["KUBECONFIG"], Path(folder) / "discovery.json"), namespace)
        cluster.start()
        with stopping() as stopped:
            Process(cluster, namespace, identity()).run(DURATION, stopped)
    return SURVIVED


if __name__ == "__main__":
    sys.exit(main())
