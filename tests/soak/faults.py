# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The faults of a soak. Each is caused for real; one that finds nothing to break does nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubernetes.client import CoreV1Api, V1DeleteOptions, V1Eviction, V1ObjectMeta
from kubernetes.client.exceptions import ApiException

from tests.e2e.faults.invariant import LEASE
from tests.e2e.operator import LOGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.e2e.faults.ledger import Ledger
    from tests.e2e.kube import Json, Kube
    from tests.e2e.operator import Operator
    from tests.soak.work import Work


def runners(pod_uid: str) -> list[int]:
    """Process ids of a pod's runner on this machine; none if the pod's node is another one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            uid_there = (folder / "cgroup").read_text("utf-8").replace("_", "-")
            if pod_uid in uid_there and b"runner" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def scheduling_process(kube: Kube, namespace: str) -> int | None:
    """The id of the process that has the namespace's Lease."""
    lease = kube.get("Lease", LEASE, namespace)
    holder = str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")
    return int(holder.split("_")[3]) if holder else None


class Faults:
    """Breaks things in a namespace. `random` decides what; `counts` says how often what was broken."""

    # How often each comes up, beside the others. What stops everything for a while is rarer.
    WEIGHTS: ClassVar[dict[str, int]] = {
        "kill_scheduler": 4, "delete_pod": 4, "force_delete_pod": 4, "evict_pod": 3, "kill_runner": 3,
        "delete_task_secret": 3, "delete_session_secret": 1, "stop_hub": 2, "stop_database": 2,
        "cancel": 5, "free": 4, "restart_operator": 2, "kill_operator": 1, "two_at_once": 2,
    }  # fmt: skip

    def __init__(
        self, kube: Kube, namespace: str, operator: Operator, *, ledger: Ledger, work: Work, random: Random
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.sessions_until = float("inf")  # monotonic; session Secrets are not deleted any more
        self._kube = kube
        self._core = CoreV1Api(kube.client)
        self._namespace = namespace
        self._operator = operator
        self._ledger = ledger
        self._work = work
        self._random = random
        self._starts = 0

    def strike(self) -> str:
        """Cause a fault; return its name."""
        [name] = self._random.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))
        struck = getattr(self, f"_{name}")()
        name = name if struck else f"{name} (nothing there)"
        self.counts[name] += 1
        return name

    def _two_at_once(self) -> bool:
        others = [name for name in self.WEIGHTS if name != "two_at_once"]
        struck = [getattr(self, f"_{name}")() for name in self._random.sample(others, 2)]
        return all(struck)

    # Pods

    def _pod(self, phases: tuple[str, ...] = ("Pending", "Running")) -> Json | None:
        pods = [
            pod
            for pod in self._kube.find("Pod", self._namespace, "koji-task")
            if pod["status"].get("phase") in phases and not pod["metadata"].get("deletionTimestamp")
        ]
        return self._random.choice(sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))) if pods else None

    def _on_pod(self, act: Callable[[str], object], phases: tuple[str, ...] = ("Pending", "Running")) -> bool:
        pod = self._pod(phases)
        if pod is None:
            return False
        try:
            act(pod["metadata"]["name"])
        except ApiException as error:
            if error.status != 404:
                raise
            return False
        return True

    def _delete_pod(self) -> bool:
        return self._on_pod(lambda name: self._core.delete_namespaced_pod(name, self._namespace))

    def _force_delete_pod(self) -> bool:
        now = V1DeleteOptions(grace_period_seconds=0)
        return self._on_pod(lambda name: self._core.delete_namespaced_pod(name, self._namespace, body=now))

    def _evict_pod(self) -> bool:
        def evict(name: str) -> None:
            eviction = V1Eviction(metadata=V1ObjectMeta(name=name, namespace=self._namespace))
            self._core.create_namespaced_pod_eviction(name, self._namespace, eviction)

        return self._on_pod(evict)

    def _kill_runner(self) -> bool:
        pod = self._pod(("Running",))
        pids = runners(pod["metadata"]["uid"]) if pod else []
        ended = [killed(pid) for pid in pids]
        return any(ended)

    # Secrets

    def _delete_task_secret(self) -> bool:
        return self._on_pod(lambda name: self._core.delete_namespaced_secret(name, self._namespace))

    def _delete_session_secret(self) -> bool:
        # Killed before it has written it again, a scheduler can't tell itself from another one: SessionHeld for 210 s.
        if time.monotonic() > self.sessions_until:
            return False
        names = sorted(str(item["metadata"]["name"]) for item in self._kube.find("KojiBuilder", self._namespace))
        self._kube.delete("Secret", f"koji-{self._random.choice(names)}-session", self._namespace)
        return True

    # The hub

    def _stop_hub(self) -> bool:
        return self._stop("app=koji-hub", grace=0)

    def _stop_database(self) -> bool:
        return self._stop("app=postgresql", grace=5)

    def _stop(self, labels: str, grace: int) -> bool:
        pods = self._kube.find("Pod", self._namespace, labels)
        for pod in pods:
            with contextlib.suppress(ApiException):
                self._core.delete_namespaced_pod(
                    pod["metadata"]["name"], self._namespace, body=V1DeleteOptions(grace_period_seconds=grace)
                )
        return bool(pods)

    # The operator

    def _kill_scheduler(self) -> bool:
        pid = scheduling_process(self._kube, self._namespace)
        return pid is not None and killed(pid)

    def _restart_operator(self) -> bool:
        self._operator.stop()
        self.start_operator()
        return True

    def _kill_operator(self) -> bool:
        self._operator.kill()
        self.start_operator()
        return True

    def start_operator(self) -> None:
        """Start it, with a log of its own."""
        self._starts += 1
        self._operator.log = LOGS / f"soak-operator-{self._starts}.log"
        self._operator.start()

    # People

    def _task(self) -> int | None:
        mine = [task for task in self._ledger.unended() if task in self._work.meant]
        return self._random.choice(mine) if mine else None

    def _cancel(self) -> bool:
        task = self._task()
        if task is not None:
            self._work.cancel(task)
        return task is not None

    def _free(self) -> bool:
        task = self._task()
        if task is None or self._ledger.state(task) == "FREE":
            return False
        self._work.free(task)
        return True


def killed(pid: int) -> bool:
    """End a process at once; False if it has ended already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
