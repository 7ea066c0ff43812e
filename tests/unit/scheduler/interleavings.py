# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whatever happens, in whatever order: every task ends exactly once or is still queued, and nothing is left over.

A step is one event, drawn by weight from what is possible now (events.py), and then time: mostly a tick with a kubelet
that does its work, sometimes none, sometimes several. An example has a theme, of which it has four times as much.
"""

from __future__ import annotations

import sys
from collections import Counter

from hypothesis import event as tell
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.unit.scheduler.events import ATTEMPTS, ENDED, EVENTS, HISTORY, SESSION_SECRET, SLOTS, Choose, Life
from tests.unit.scheduler.world import HOST, NAME

REST = 60  # ticks of 20 s: longer than the longest backoff (375 s), and than the wait for a silent holder (210 s)
THEMES = ("attempts", "fence", "kill", "pods", "cluster", "people", "hub", "")
# (ticks, seconds each, whether the kubelet works) after an event
PACES = (
    [(1, 1.0, True)] * 8 + [(0, 0.0, False)] * 3 + [(1, 0.1, False), (1, 1.0, False), (3, 1.0, True), (2, 15.0, True)]
)

TOTALS: Counter[str] = Counter()  # of all examples, for the test that looks whether they are worth their time


class Interleavings(RuleBasedStateMachine):
    """Ticks, kills and takeovers between any two calls, hubs and clusters that fail, pods, users, administrators."""

    life: Life | None = None
    only = ""  # the theme of all examples, if one is wanted

    @initialize(theme=st.sampled_from(THEMES), checks_addresses=st.booleans())
    def start(self, theme: str, checks_addresses: bool) -> None:
        """Begin with a builder that has two pods running and a task waiting."""
        self.theme = self.only or theme
        self.life = Life({"CheckClientIP": checks_addresses})
        for _ in range(SLOTS + 1):
            self.life.tasks.append(self.life.world.task())
        self.life.go_on(3)
        self.check()

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """Something happens, and time passes."""
        life = self.life
        assert life is not None
        possible = [one for one in EVENTS if one.possible(life)]  # the first one is the simplest: work
        names = [
            one.name for one in possible for _ in range(one.weight * (4 if self.theme in one.themes.split() else 1))
        ]
        name = data.draw(st.sampled_from(names), "event")
        happens = next(one.happens for one in possible if one.name == name)
        happens(life, Choose(lambda among, label: data.draw(st.sampled_from(among), label)))
        ticks, seconds, kubelet = data.draw(st.sampled_from(PACES), "then")
        for _ in range(ticks):
            if kubelet:
                life.go_on(1, seconds)
            else:
                life.tick(seconds)
        life.seen.counts["steps"] += 1
        self.check()

    # What holds at all times

    def check(self) -> None:
        """Look, and let every ghost whose task is another's by now try to end it."""
        life = self.life
        assert life is not None
        seen, cluster = life.seen, life.cluster
        for ghost in life.ghosts:
            if cluster.newest[str(ghost.task)] != ghost.uid and life.state(ghost.task) == "OPEN":
                life.ghost_tries(ghost, "closeTask")
        for task in life.tasks:
            state = life.state(task)
            if task in seen.ended:
                assert seen.ended[task] == state, f"task {task} had ended otherwise"
            elif state in ENDED:
                seen.ended[task] = state
        assert not seen.usurped, "a runner reported for a task that another one has"
        assert all(count <= 1 for count in seen.closings.values()), "a task ended twice"
        assert cluster.most_slots <= SLOTS, "more pods than slots, if only for a moment"
        assert not cluster.twins, "a task was taken while an earlier pod of it was there"
        assert all(len(pods) <= ATTEMPTS for pods in seen.crashes.values()), "a task was tried too often"

    def teardown(self) -> None:
        """Let everything come to rest: then all tasks have ended, and deleting the builder leaves nothing."""
        life = self.life
        if life is None or sys.exc_info()[0] is not None:  # it has failed already, or Hypothesis has cut it off
            return
        TOTALS.update(life.seen.counts)
        for what, number in life.seen.counts.items():
            tell(f"{what}: {min(number, 10)}{'+' * (number > 10)}")
        life.peace()
        for _ in range(REST):
            life.tick(20)
            life.behave()
            if self._at_rest(life):
                break
        # A session that is too young to be closed is looked at again after 61 s: the fifth of these ticks.
        for _ in range(5):
            life.tick(20)
            life.behave()
        self.check()
        world = life.world
        states = {task: life.state(task) for task in life.tasks}
        refused = life.refused()
        assert {state for task, state in states.items() if task not in refused} <= ENDED, (states, world.condition())
        assert all(states[task] in ENDED | {"FREE"} for task in refused & states.keys()), states
        assert not any(pod.alive for pod in world.cluster.pods(NAME)), "pods go on"
        assert not world.subsessions(), "subsessions are left over"
        assert set(world.cluster.secrets) == {SESSION_SECRET}, "Secrets are left over"
        assert len(world.cluster.all_pods) <= HISTORY, "too many failed pods are kept"
        world.cluster.resources[NAME]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        for _ in range(5):
            life.tick(20)
            life.behave()
        assert not any(pod.alive for pod in world.cluster.pods(NAME)), "pods survive the builder"
        assert not world.cluster.secrets, "Secrets survive the builder"
        assert not world.admin.getSessionInfo(details=True, user_id=HOST), "sessions survive the builder"

    @staticmethod
    def _at_rest(life: Life) -> bool:
        refused = life.refused()
        if any(life.state(task) not in ENDED for task in life.tasks if task not in refused):
            return False
        return set(life.cluster.secrets) == {SESSION_SECRET} and not any(pod.alive for pod in life.cluster.pods(NAME))
