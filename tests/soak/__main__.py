# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""`python -m tests.soak [--seed N]`: brings a cluster up, soaks, writes build/soak.json; 1 if something is wrong."""

from __future__ import annotations

import argparse
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.cluster.cluster import Cluster
from tests.cluster.progress import say
from tests.soak import tally

if TYPE_CHECKING:
    from tests.e2e.faults.ledger import Ledger
    from tests.e2e.kube import Kube
    from tests.soak.faults import Faults
    from tests.soak.work import Work

CHECKOUT = Path(__file__).resolve().parents[2]
OUTPUT = CHECKOUT / "build" / "soak.json"
BUILDERS = ("soak-a", "soak-b")
SLOTS = 8  # of each builder
QUEUED = 3 * SLOTS  # tasks that wait, at most: so that faults meet all of them at work
SETTLE = 180.0  # seconds at the end without new tasks and faults
HELD = 210.0  # seconds that a builder may have to wait for its session when its Secret is gone
PAUSES = (3.0, 11.0)  # seconds between two faults
ENDED = 4  # tasks that end between two faults: a slow machine would do nothing but recover
LAST_WORDS = 10  # lines of the log of a pod that is left
REPORT = 15.0  # seconds between lines about how it goes


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--name", default="soak", help="the test cluster; one that is made here is removed again")
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=600.0, help="for all, with the time to settle at the end")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of tasks and faults")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def outside(options: argparse.Namespace) -> int:
    """Bring the cluster up and start again in its network."""

    def cluster(command: str, *rest: str) -> int:
        line = [sys.executable, "-m", "tests.cluster", command, "--name", options.name, *rest]
        return subprocess.run(line, cwd=CHECKOUT, check=False).returncode

    existed = Cluster(options.name).places.state.exists()
    try:
        if cluster("up") or cluster("images"):
            return 2
        again = [*sys.argv[1:], "--inside", "--seed", str(options.seed)]
        return cluster("exec", "--", sys.executable, "-m", "tests.soak", *again)
    finally:
        if not existed:
            cluster("down")


class Soak:
    """One soak in a namespace with everything in it."""

    def __init__(self, options: argparse.Namespace, kube: Kube, namespace: str) -> None:
        self.options = options
        self.kube = kube
        self.namespace = namespace
        self.began = time.monotonic()
        self._said = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the first task."""
        return time.monotonic() - self.began

    def run(self, work: Work, ledger: Ledger, faults: Faults, random: Random) -> tally.Tally:
        """Make tasks and faults, then let everything settle."""
        self.began = time.monotonic()
        until = self.options.seconds - SETTLE
        faults.sessions_until = self.began + until - HELD
        strike, ended = random.uniform(*PAUSES), 0
        # Faults go on until the last tasks are about to end.
        while self.elapsed < until:
            unended = len(ledger.unended())
            if len(work.meant) >= self.options.tasks and unended <= SLOTS:
                break
            self._make(work, QUEUED - unended)
            if self.elapsed >= strike and len(work.meant) - unended >= ended + ENDED:
                strike, ended = self.elapsed + random.uniform(*PAUSES), len(work.meant) - unended
                self._strike(faults)
            self._say(work, ledger, faults)
            time.sleep(0.5)
        say(f"soak: {self.elapsed:.0f} s: no more faults; {dict(faults.counts)}")
        if len(work.meant) < self.options.tasks:
            say(f"soak: {len(work.meant)} tasks of {self.options.tasks}: this machine was too slow for more")
        left = self._settle(ledger)
        histories = ledger.histories()
        found = tally.lost(histories, work.meant, work.canceled)
        lost = {task: f"{history}: {self._result(work, task)}" for task, history in found.items()}
        wrong = {"lost": lost, "ended twice": tally.ended_twice(histories), "left over": dict(enumerate(left))}
        for what, cases in wrong.items():
            for key, text in cases.items():
                say(f"soak: {what}: {key}: {text}")
        self._say_what_runs()
        return tally.Tally(
            tasks=len(work.meant),
            attempts=tally.attempts(histories),
            lost=len(wrong["lost"]),
            double_closed=len(wrong["ended twice"]),
            left_over=len(left),
            seconds=round(self.elapsed, 1),
        )

    def _make(self, work: Work, count: int) -> None:
        """Keep the queue filled; a hub that is down gets its tasks later."""
        for _ in range(min(count, self.options.tasks - len(work.meant))):
            try:
                work.make()
            except Exception:  # noqa: BLE001 - whatever koji makes of a hub that is not there
                return

    def _strike(self, faults: Faults) -> None:
        try:
            say(f"soak: {self.elapsed:.0f} s: {faults.strike()}")
        except Exception as error:  # noqa: BLE001 - the hub may be down for a person, too
            say(f"soak: {self.elapsed:.0f} s: a fault could not be caused: {type(error).__name__}: {error}"[:200])

    def _say(self, work: Work, ledger: Ledger, faults: Faults) -> None:
        if self.elapsed - self._said < REPORT:
            return
        self._said = self.elapsed
        states = Counter(ledger.states().values())
        say(f"soak: {self.elapsed:.0f} s: {len(work.meant)} tasks made, {dict(states)}, {faults.counts.total()} faults")

    def _settle(self, ledger: Ledger) -> list[str]:
        """Wait until everything has come to rest; return what has not."""
        from tests.e2e.faults.invariant import _left_over  # noqa: PLC0415

        deadline = self.options.seconds
        while True:
            left = _left_over(self.kube, ledger, self.namespace)
            unended = ledger.unended()
            if (not left and not unended) or self.elapsed > deadline:
                return left
            if self.elapsed - self._said > REPORT:
                self._said = self.elapsed
                say(f"soak: {self.elapsed:.0f} s: {len(unended)} tasks have not ended; {left[:3]}")
            time.sleep(1)

    def _say_what_runs(self) -> None:
        """The last words of pods that should have ended: they go with the namespace."""
        for pod in self.kube.find("Pod", self.namespace, "koji-task"):
            if pod["status"].get("phase") == "Running":
                name = pod["metadata"]["name"]
                for line in self.kube.logs(self.namespace, name).splitlines()[-LAST_WORDS:]:
                    say(f"soak: {name}: {line}")

    @staticmethod
    def _result(work: Work, task: int) -> str:
        try:
            return str(work.session.getTaskResult(task))
        except Exception as error:  # noqa: BLE001 - a failed task's result is raised
            return f"{type(error).__name__}: {error}"


def inside(options: argparse.Namespace, folder: Path) -> int:
    """Everything, in the cluster's network; the exit code."""
    from tests.bench import setting  # noqa: PLC0415
    from tests.e2e.faults.ledger import Ledger  # noqa: PLC0415
    from tests.e2e.hub import deploy_hub  # noqa: PLC0415
    from tests.e2e.kube import Kube  # noqa: PLC0415
    from tests.e2e.operator import Operator  # noqa: PLC0415
    from tests.e2e.resources import builder  # noqa: PLC0415
    from tests.soak.faults import Faults  # noqa: PLC0415
    from tests.soak.work import Work  # noqa: PLC0415

    random = Random(options.seed)  # noqa: S311 - to be had again
    kube = Kube()
    setting.install_crds(kube)
    operator = Operator(CHECKOUT, "soak-operator", {"MAX_CONCURRENT_RECONCILES_CONFIGMAP_": "4"})
    operator.start()
    try:
        with setting.namespace(kube, f"soak-{secrets.token_hex(2)}") as namespace:
            say(f"soak: seed {options.seed}; namespace {namespace}; logs build/logs/soak-operator*.log")
            claim = {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": "postgresql", "namespace": namespace},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            }  # fmt: skip
            kube.apply(claim)
            hub = deploy_hub(kube, namespace, folder, database_claim="postgresql")
            ledger = Ledger(kube, namespace)
            ledger.install()
            # Crashes are caused at random here, and no task deserves to fail for them.
            spec = {"replicas": SLOTS, "task_attempts": 20, "start_deadline": 60}
            kube.apply([builder(name, namespace, **spec) for name in BUILDERS])
            for name in BUILDERS:
                kube.wait_condition("KojiBuilder", name, namespace, setting.START)
            work = Work(hub.session(), random)
            faults = Faults(kube, namespace, operator, ledger=ledger, work=work, random=random)
            found = Soak(options, kube, namespace).run(work, ledger, faults, random)
            ledger.close()
            found.write(OUTPUT)
            say(f"soak: {found}; seed {options.seed}; {OUTPUT.relative_to(CHECKOUT)} written")
            return 0 if found.holds else 1
    finally:
        operator.stop()


def main() -> int:
    """Exit code 0 if no task was lost or ended twice, and nothing is left over."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
    if not options.inside:
        return outside(options)
    with tempfile.TemporaryDirectory(prefix="koji-soak-") as folder:
        return inside(options, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
