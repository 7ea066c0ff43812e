# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whatever happens to the scheduler's processes, what Prometheus sees of a counter never goes down."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics import catalog
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.file import read
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.keeper import Keeper
from hypothesis import stateful
from hypothesis import strategies as st

BUILDERS = st.sampled_from(["a", "b"])
COUNTERS = [metric for metric in catalog.METRICS.values() if metric.kind == "counter"]
HISTOGRAMS = [metric for metric in catalog.METRICS.values() if metric.kind == "histogram"]


class Restarts(stateful.RuleBasedStateMachine):
    """Two processes that take turns at the Lease, each killed or ended at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="koji-metrics-"))
        self.now = 1e9
        self.keepers: list[Keeper | None] = [None, None]
        self.served: dict[Any, float] = {}  # what a scrape saw last
        self.counted: dict[Any, float] = {}  # since the last write, it may be lost

    def _keeper(self, index: int) -> Keeper:
        keeper = self.keepers[index]
        if keeper is None:
            keeper = Keeper("ns", self.folder, clock=lambda: self.now, monotonic=lambda: self.now)
            keeper.begin()
            self.keepers[index] = keeper
        for name in "ab":
            keeper.ledger.page(name).seen = self.now
        return keeper

    @stateful.rule(
        index=st.integers(0, 1), builder=BUILDERS, metric=st.sampled_from(COUNTERS), label=st.text(max_size=3)
    )
    def count(self, index: int, builder: str, metric: catalog.Metric, label: str) -> None:
        self._keeper(index).ledger.page(builder).count(metric, *(label for _ in metric.labels))

    @stateful.rule(
        index=st.integers(0, 1),
        builder=BUILDERS,
        metric=st.sampled_from(HISTOGRAMS),
        seconds=st.floats(-1, 1e5),
        label=st.sampled_from(["x", "y"]),
    )
    def observe(self, index: int, builder: str, metric: catalog.Metric, seconds: float, label: str) -> None:
        self._keeper(index).ledger.page(builder).observe(metric, seconds, *(label for _ in metric.labels))

    @stateful.rule(index=st.integers(0, 1), seconds=st.floats(0, 30))
    def keep(self, index: int, seconds: float) -> None:
        keeper = self._keeper(index)
        self.now += seconds
        keeper.keep()

    @stateful.rule(index=st.integers(0, 1))
    def end(self, index: int) -> None:
        self._keeper(index).end()
        self.keepers[index] = None

    @stateful.rule(index=st.integers(0, 1))
    def kill(self, index: int) -> None:
        self.keepers[index] = None

    @stateful.rule(seconds=st.floats(0, 1e5))
    def no_operator_for(self, seconds: float) -> None:
        self.keepers = [None, None]
        self.now += seconds

    @stateful.invariant()
    def no_counter_goes_down(self) -> None:
        path = self.folder / "ns.json"
        if not path.exists():
            return
        seen: dict[Any, float] = {}
        for builder, page in read(path).pages.items():
            for name, values in page.counters.items():
                seen |= {(builder, name, labels): value for labels, value in values.items()}
            for name, histograms in page.histograms.items():
                for labels, histogram in histograms.items():
                    seen |= {(builder, name, labels, index): n for index, n in enumerate(histogram.counts)}
                    seen[builder, name, labels, "sum"] = histogram.sum
        down = {key: (value, seen.get(key)) for key, value in self.served.items() if seen.get(key, -1.0) < value}
        assert not down
        self.served = seen

    @stateful.invariant()
    def nothing_was_said(self) -> None:
        assert not [keeper.problems for keeper in self.keepers if keeper is not None and keeper.problems]

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


TestRestarts = hypothesis.settings(deadline=None, max_examples=60, stateful_step_count=30)(Restarts).TestCase
