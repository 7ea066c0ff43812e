#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_task_pod
short_description: Runs the tasks of a namespace's KojiBuilders in pods
description:
  - Is the C(kojid) of every KojiBuilder of a namespace. It checks in with the hub about once a second, opens the tasks
    that the hub assigns, runs each in a pod of its own, and gives back or fails those whose pods die.
  - One process a namespace does that, which a Lease makes sure of. The hub session and the attempts of each task are
    kept in Secrets, so the next run goes on where this one ends, however it ends.
  - What a builder is, and its pod template, is read from the ConfigMaps that the role C(koji_builder) writes.
  - Counters for Prometheus are kept in a file a namespace, in the folder E(KOJI_OPERATOR_METRICS_DIR); the program
    C(koji-operator-metrics) serves them.
  - The API server is talked to directly, never through the proxy of the operator's runtime, which would make itself the
    owner of every pod.
version_added: 0.1.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
attributes:
  check_mode:
    support: full
    details:
      - Says in RV(actions) what one tick would do, from anonymous reads of the hub. Nothing is written anywhere, not
        even a check-in.
  diff_mode:
    support: N/A
    details:
      - Tasks and pods come and go; there is no state before and after to compare.
  idempotent:
    support: N/A
    details:
      - It runs what there is to run.
options:
  namespace:
    description: The namespace whose KojiBuilders are run.
    type: str
    required: true
  state:
    description:
      - V(scheduled) runs tasks.
      - V(drained) is for the finalizer of the KojiBuilder O(builder), which is being deleted. It does one tick if no
        scheduler is at work; a scheduler at work drains by itself, and then this only reports.
    type: str
    choices: [scheduled, drained]
    default: scheduled
  builder:
    description: The KojiBuilder that O(state=drained) is about.
    type: str
  duration:
    description:
      - For how many seconds to run. V(0) is one tick.
      - When another process has the Lease, it is waited for as long.
    type: float
    default: 300
  turn:
    description:
      - After how many seconds to give way to namespaces that have builders and no scheduler, because the operator has
        fewer workers than that. When many wait, runs are shorter, so that nobody waits for more than 100 s if possible.
      - V(0) never gives way.
    type: float
    default: 0
  kubeconfig:
    description:
      - Path of a kubeconfig that names the API server itself.
      - Default is the environment variable E(KOJI_OPERATOR_KUBECONFIG), then the service account of the pod, and only
        outside a cluster E(KUBECONFIG) or C(~/.kube/config). So in the operator's pod the kubeconfig of the runtime's
        proxy is never used.
    type: path
requirements:
  - koji >= 1.36
  - kubernetes >= 33
  - openshift >= 0.13
"""

EXAMPLES = r"""
- name: Run tasks for five minutes
  fedoraproject.koji.koji_task_pod:
    namespace: koji
    duration: 300
    turn: 30

- name: Show what would be done now
  fedoraproject.koji.koji_task_pod:
    namespace: koji
    duration: 0
  check_mode: true
  register: koji_tick

- name: Let a builder that is being deleted finish its tasks
  fedoraproject.koji.koji_task_pod:
    namespace: koji
    state: drained
    builder: default
  register: koji_drain
  until: koji_drain.done
  retries: 60
  delay: 10
"""

RETURN = r"""
ticks:
  description: How many ticks there were, of all builders.
  type: int
  returned: always
counts:
  description:
    - What was done. A single tick counts its actions; a longer run gives the counters that are in the status of the
      KojiBuilders, summed up.
  type: dict
  returned: always
  sample: {"taken": 7, "closed": 6, "failed": 1, "freed": 0}
actions:
  description: What a single tick did or, in check mode, would do, by builder.
  type: dict
  returned: when O(duration) is V(0), in check mode, and for O(state=drained)
  sample: {"default": [{"action": "take", "task_id": 7, "method": "sleep", "attempt": 1}]}
errors:
  description: What went wrong at last, by builder; it is in the status of the KojiBuilder as well.
  type: dict
  returned: always
  sample: {"default": "HubUnreachable: https://koji-hub.koji.svc:8443/kojihub does not answer in time; ..."}
gave_way_to:
  description: Namespaces that this run ended early for.
  type: list
  elements: str
  returned: always
holder:
  description: Who has the Lease, if this run did not get it.
  type: str
  returned: always
pods_left:
  description: How many pods of the builder still run.
  type: int
  returned: when O(state=drained)
done:
  description: Whether nothing of the builder is left, neither pods nor a session on the hub.
  type: bool
  returned: when O(state=drained)
"""

import contextlib
import logging
import os
import signal
import socket
import tempfile
import traceback
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.lease import identity
    from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.file import folder as metrics_folder
    from ansible_collections.fedoraproject.koji.plugins.module_utils.names import fullname
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.apiserver import ApiServer, connect
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.process import Outcome, Process
    from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.turns import Namespaces, Turns

    IMPORT_ERROR = ""
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether to end early: SIGTERM came, or whoever started us is gone."""
    told = Event()
    parent = os.getppid()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        yield lambda: told.is_set() or os.getppid() != parent
    finally:
        signal.signal(signal.SIGTERM, before)


def schedule(cluster: ApiServer, process: Process, duration: float, turns: Turns | None) -> tuple[Outcome, bool]:
    """Run; -> what came of it, and whether it was a single tick."""
    if duration <= 0:
        cluster.sync()
        return process.once(), True
    cluster.start()
    try:
        with stopping() as stopped, turns.counted() if turns else contextlib.nullcontext(lambda: False) as over:
            outcome = process.run(duration, lambda: stopped() or over())
        if turns and turns.waiting:
            outcome.gave_way_to = turns.waiting
            process.note("WorkersShared", turns.message)
        return outcome, False
    finally:
        cluster.stop()


def drain(cluster: ApiServer, process: Process, builder: str) -> Outcome:
    """One tick of a builder that is being deleted; `done` is what there is in the cluster, whoever drained it."""
    cluster.sync()
    try:
        outcome = process.once(only=builder)
    except ClusterError as error:
        # A namespace that is being deleted takes no new objects, such as the Lease: what is left goes with it.
        outcome = Outcome(errors={builder: error.message})
    cluster.sync()
    outcome.pods_left = sum(pod.alive for pod in cluster.pods(builder))
    session = cluster.get_secret(f"{fullname(builder)}-session")
    outcome.done = outcome.pods_left == 0 and session is None
    return outcome


def results(outcome: Outcome, *, single: bool) -> dict[str, Any]:
    """What the module returns."""
    returned: dict[str, Any] = {
        "ticks": outcome.ticks,
        "counts": dict(outcome.counts),
        "errors": outcome.errors,
        "holder": outcome.holder,
        "gave_way_to": outcome.gave_way_to,
    }
    return {**returned, "actions": outcome.actions} if single else returned


def work(module: AnsibleModule) -> dict[str, Any]:
    """Do what the arguments say; raises ClusterError."""
    params = module.params
    with tempfile.TemporaryDirectory(prefix="koji-task-pod-", dir=module.tmpdir) as folder:
        client = connect(params["kubeconfig"], Path(folder) / "discovery.json")
        cluster = ApiServer(client, params["namespace"])
        process = Process(cluster, params["namespace"], identity(), metrics=metrics_folder(os.environ))
        if module.check_mode:
            cluster.sync()
            outcome = process.once(only=params["builder"] or "", check=True)
            left: dict[str, Any] = {}
            if params["state"] == "drained":
                session = cluster.get_secret(f"{fullname(params['builder'])}-session")
                pods_left = sum(pod.alive for pod in cluster.pods(params["builder"]))
                left = {"pods_left": pods_left, "done": pods_left == 0 and session is None}
            changed = any(outcome.actions.values())
            return {"changed": changed, **results(outcome, single=True), **left}
        try:
            if params["state"] == "drained":
                outcome = drain(cluster, process, params["builder"])
                left = {"pods_left": outcome.pods_left, "done": outcome.done}
                return {"changed": any(outcome.actions.values()), **results(outcome, single=True), **left}
            turns = Turns(Namespaces(client, params["namespace"]), params["turn"]) if params["turn"] > 0 else None
            outcome, single = schedule(cluster, process, params["duration"], turns)
            return {"changed": outcome.ticks > 0, **results(outcome, single=single)}
        finally:
            for problem in process.metrics.problems:
                module.warn(problem)


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "namespace": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["scheduled", "drained"], "default": "scheduled"},
            "builder": {"type": "str"},
            "duration": {"type": "float", "default": 300.0},
            "turn": {"type": "float", "default": 0.0},
            "kubeconfig": {"type": "path"},
        },
        required_if=[("state", "drained", ["builder"])],
        supports_check_mode=True,
    )
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("koji, kubernetes and openshift"), exception=IMPORT_ERROR)
    logging.getLogger().addHandler(logging.NullHandler())  # nothing but the result may go to stdout
    socket.setdefaulttimeout(60)  # the last resort: every wait has a deadline
    try:
        returned = work(module)
    except ClusterError as error:
        module.fail_json(msg=f"{module.params['namespace']}: {error.message}", reason=error.reason)
    module.exit_json(**returned)


if __name__ == "__main__":
    main()
