# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""`python -m tests.bench [--name CLUSTER] [--only PART...]`: brings the cluster up, measures, prints, writes."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.cluster import Cluster
from tests.cluster.progress import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.runs import TimedRuns
    from tests.bench.setting import Kojid
    from tests.e2e.faults.ledger import Ledger
    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube
    from tests.e2e.operator import Operator

CHECKOUT = Path(__file__).resolve().parents[2]
OUTPUT = CHECKOUT / "build" / "bench.json"
PARTS = ("latency", "burst", "recovery", "load", "many", "reconcile", "hub", "kojira")
OF_KOJIHUBS = {"hub", "kojira"}  # all others are on a hub of plain manifests
CYCLE = 15.0  # seconds: kojid's sleeptime, and so the time of one of its tasks with the pause before it
KOJIDS = 3  # side by side, each with its share of the tasks: one alone would take ten minutes


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--name", default="bench", help="the test cluster; one that is made here is removed again")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--tasks", type=int, default=40, help="tasks of each kind, one after another")
    parser.add_argument("--burst", type=int, default=60, help="tasks at once")
    parser.add_argument("--slots", type=int, default=10)
    parser.add_argument("--load", type=int, default=300, help="tasks at once on 50 slots")
    parser.add_argument("--faults", type=int, default=10, help="pods killed, and tasks cancelled")
    parser.add_argument("--hubs", type=int, default=3, help="KojiHubs from apply to ready")
    parser.add_argument("--reconciles", type=int, default=5, help="steady runs of each kind")
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
        return cluster("exec", "--", sys.executable, "-m", "tests.bench", *sys.argv[1:], "--inside")
    finally:
        if not existed:
            cluster("down")


class Bench:
    """One run of the benchmark, inside the cluster's network."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        # Imported here: outside the cluster none of it is needed.
        from tests.bench.figures import Figures  # noqa: PLC0415
        from tests.bench.runs import TimedRuns  # noqa: PLC0415
        from tests.e2e.kube import Kube  # noqa: PLC0415

        self.options = options
        self.folder = folder
        self.figures = Figures()
        self.failed = False
        self.kube: Kube = Kube()
        self.runs: TimedRuns = TimedRuns(folder / "runs")

    def run(self) -> int:
        """Measure all parts; exit code 1 if something that must hold doesn't."""
        from tests.bench import setting  # noqa: PLC0415

        begin = time.monotonic()
        setting.install_crds(self.kube)
        with setting.operator(self.runs) as running:
            say(f"operator: {running.version}; log {running.log}")
            if set(self.options.only) - OF_KOJIHUBS:
                self._on_a_plain_hub(running)
            self._part("hub", self._hub)
            self._part("kojira", self._kojira)
        self.figures.write(OUTPUT)
        print(self.figures.table())
        say(f"{OUTPUT.relative_to(CHECKOUT)} written, {time.monotonic() - begin:.0f} s in all")
        return 0 if not self.failed and all(verdict.holds for verdict in self.figures.verdicts()) else 1

    def _on_a_plain_hub(self, running: Operator) -> None:
        """The parts about tasks: their hub is deployed by plain manifests."""
        from tests.bench import setting  # noqa: PLC0415
        from tests.e2e.faults.ledger import Ledger  # noqa: PLC0415
        from tests.e2e.hub import deploy_hub  # noqa: PLC0415

        with setting.namespace(self.kube, f"bench-{secrets.token_hex(2)}") as namespace:
            say(f"namespace {namespace}")
            hub = deploy_hub(self.kube, namespace, self.folder)
            setting.make_channel(hub.session(), setting.CHANNEL)
            parts = set(self.options.only) - OF_KOJIHUBS
            if parts != {"reconcile"}:
                setting.start_builder(self.kube, namespace, self.options.slots)
            if {"latency", "burst"} & parts:
                kojids = setting.start_kojids(self.kube, hub, self.options.slots, KOJIDS)
                self._warm_up(hub, kojids)
                self._part("latency", lambda: self._latency(hub, kojids, namespace))
                self._part("burst", lambda: self._burst(hub, kojids[0], namespace))
                for kojid in kojids:
                    self.kube.delete("Pod", kojid.name, namespace)
            if {"recovery", "load", "many"} & parts:
                self._warm_up(hub, [])
                with contextlib.closing(Ledger(self.kube, namespace)) as ledger:
                    ledger.install()
                    self._part("recovery", lambda: self._recovery(hub, ledger, running))
                    self._part("load", lambda: self._load(hub, ledger, namespace))
                    self._part("many", lambda: self._many(hub, namespace))
                    for task in ledger.unended():  # of a part that failed: its builder would wait for it
                        hub.session().cancelTask(task)
            if parts != {"reconcile"}:
                self.kube.delete("KojiBuilder", setting.BUILDER, namespace, timeout=120)
            self._part("reconcile", lambda: self._reconcile(namespace))

    def _part(self, name: str, work: Callable[[], None]) -> None:
        if name not in self.options.only:
            return
        begin = time.monotonic()
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the other parts' figures are still worth having
            self.failed = True
            say(f"{name} FAILED: {type(error).__name__}: {error}")
        self.figures.write(OUTPUT)  # a later part may take its time, or be cut off
        say(f"{name}: {time.monotonic() - begin:.0f} s")

    def _warm_up(self, hub: Hub, kojids: list[Kojid]) -> None:
        """One task for everyone: images are unpacked, caches filled, sessions made."""
        from tests.bench import setting, tasks  # noqa: PLC0415

        admin = hub.session()
        channels = [setting.CHANNEL, *(kojid.channel for kojid in kojids)]
        tasks.wait_closed(admin, [tasks.create(admin, channel)[0] for channel in channels])

    def _latency(self, hub: Hub, kojids: list[Kojid], namespace: str) -> None:
        """Single tasks and bare pods at random moments, interleaved over the time that kojid's tasks take."""
        from tests.bench import pods, setting, tasks  # noqa: PLC0415

        count = self.options.tasks
        shares = [len(range(number, count, len(kojids))) for number in range(len(kojids))]
        pace = CYCLE * max(shares) / count  # seconds between two tasks of ours, on average
        with ThreadPoolExecutor(len(kojids) + 2) as pool:
            theirs = [
                pool.submit(tasks.one_after_another, hub, kojid.channel, share, CYCLE)
                for kojid, share in zip(kojids, shares, strict=True)
            ]
            ours = pool.submit(tasks.one_after_another, hub, setting.CHANNEL, count, max(2 * (pace - 1.5), 1.0))
            floor = pool.submit(pods.bare_pods, self.kube, namespace, count, max(2 * (pace - 2.0), 1.0))
            timed = {"operator": ours.result(), "kojid": [one for part in theirs for one in part.result()]}
            self.figures.add("pod.floor", "s", floor.result())
        for who, found in timed.items():
            self.figures.add(f"task_open.{who}", "s", [one.opened for one in found])
            self.figures.add(f"task_closed.{who}", "s", [one.closed for one in found])

    def _burst(self, hub: Hub, kojid: Kojid, namespace: str) -> None:
        """Many tasks at once, for one after the other: they would compete for the machine."""
        from tests.bench import pods, setting, tasks  # noqa: PLC0415

        selector = f"apps.fedoraproject.org/builder={setting.BUILDER}"
        with pods.counted(self.kube, namespace, selector) as alive:
            self.figures.add("burst.operator", "s", tasks.at_once(hub, setting.CHANNEL, self.options.burst))
        self.figures.add("burst.pods_alive", "pods", [alive.most])
        self.figures.add("burst.kojid", "s", tasks.at_once(hub, kojid.channel, self.options.burst))

    def _recovery(self, hub: Hub, ledger: Ledger, running: Operator) -> None:
        """How long until things go on after what goes wrong."""
        from tests.bench import setting  # noqa: PLC0415
        from tests.bench.recovery import Recovery  # noqa: PLC0415

        count = self.options.faults
        measured = Recovery(self.kube, hub.session(), ledger, hub.namespace, setting.CHANNEL)
        self.figures.add("recovery.pod_killed", "s", measured.freed_after_death(count))
        self.figures.add("recovery.cancelled", "s", measured.gone_after_cancel(count))
        self.figures.add("recovery.scheduler_killed", "s", measured.taken_after_scheduler(max(1, count // 3)))
        self.figures.add("recovery.operator_killed", "s", measured.taken_after_operator(running, max(1, count // 5)))

    def _load(self, hub: Hub, ledger: Ledger, namespace: str) -> None:
        """The scheduling process with nothing to do, then with hundreds of tasks on 50 slots."""
        from tests.bench import load  # noqa: PLC0415

        load.measure(self.kube, hub, ledger, namespace, self.options.load, self.figures)

    def _many(self, hub: Hub, namespace: str) -> None:
        """Single tasks of one builder, alone in its namespace and then beside 19 others."""
        from tests.bench import setting, tasks  # noqa: PLC0415

        count = max(10, self.options.tasks // 2)
        for who in ("alone", "of_20"):
            if who == "of_20":
                setting.make_channel(hub.session(), setting.OTHERS)
                setting.start_neighbours(self.kube, namespace, 19)
            found = tasks.one_after_another(hub, setting.CHANNEL, count, 1.0)
            self.figures.add(f"task_open.{who}", "s", [one.opened for one in found])
            self.figures.add(f"task_closed.{who}", "s", [one.closed for one in found])
        setting.remove_neighbours(self.kube, namespace)

    def _reconcile(self, namespace: str) -> None:
        from tests.bench import setting  # noqa: PLC0415

        for item in setting.steady_resources(namespace):
            self._steady(item)

    def _steady(self, item: Json) -> None:
        """Runs of a resource that have nothing to do."""
        from tests.bench import reconcile  # noqa: PLC0415

        name = os.environ.get("KOJI_TEST_CLUSTER")
        audit = Cluster(name).audit_log if name else None
        if audit is None:
            say("this cluster's audit log isn't at hand: writes are not counted")
        steady = reconcile.measure(self.kube, self.runs, item, self.options.reconciles, audit)
        steady.add_to(self.figures, item["kind"])
        for line in steady.written:
            say(f"{item['kind']}: wrote in the steady state: {line}")

    def _hub(self) -> None:
        """A KojiHub from apply to ready, and the same pods from plain manifests; put right; restarted; at rest."""
        from tests.bench import kojihub  # noqa: PLC0415

        started, plain = [], []
        for _ in range(self.options.hubs):
            with kojihub.site(self.kube, self.folder) as where:
                started.append(kojihub.start(where))
                items, password = kojihub.plain(where), kojihub.password(where)
            with kojihub.site(self.kube, self.folder, password) as where:
                plain.append(kojihub.start_plain(where, items))
        self.figures.add("hub.ready.operator", "s", [one.ready for one in started])
        for stage in kojihub.STAGES:
            self.figures.add(f"hub.ready.{stage}", "s", [one.each()[stage] for one in started])
        self.figures.add("hub.ready.plain", "s", plain)
        with kojihub.site(self.kube, self.folder) as where:
            kojihub.start(where)
            fixed = [kojihub.corrections(where) for _ in range(self.options.hubs)]
            for what in fixed[0]:
                self.figures.add(f"hub.correction.{what}", "s", [one[what] for one in fixed])
        with kojihub.site(self.kube, self.folder) as where:
            spec = kojihub.shared(2)
            kojihub.start(where, **spec)
            asked = kojihub.restart(where, spec)
            for problem in asked.lost[:10]:
                say(f"lost in a rolling restart: {problem}")
            self.figures.add("hub.restart.requests", "requests", [asked.sent])
            self.figures.add("hub.restart.lost", "requests", [len(asked.lost)])
        with kojihub.site(self.kube, self.folder) as where:
            self._steady(kojihub.steady(where.namespace))

    def _kojira(self) -> None:
        """A Kojira beside a KojiHub, from apply to ready; at rest."""
        from tests.bench import kojihub  # noqa: PLC0415
        from tests.e2e.kojira.scene import CLAIMS, kojira  # noqa: PLC0415

        with kojihub.site(self.kube, self.folder) as where:
            kojihub.start(where, **CLAIMS)
            item, ready = kojira(where.namespace), []
            for _ in range(self.options.hubs):
                begin = time.monotonic()
                self.kube.apply(item)
                self.kube.wait_condition("Kojira", "kojira", where.namespace, kojihub.TIMEOUT)
                ready.append(time.monotonic() - begin)
                self.kube.delete("Kojira", "kojira", where.namespace, timeout=kojihub.TIMEOUT)
            self.figures.add("kojira.ready", "s", ready)
            self._steady(item)


def main() -> int:
    """Exit code 0 if all that must hold holds."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
    if not options.inside:
        return outside(options)
    with tempfile.TemporaryDirectory(prefix="koji-bench-") as folder:
        return Bench(options, Path(folder)).run()


if __name__ == "__main__":
    sys.exit(main())
