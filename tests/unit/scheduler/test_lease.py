# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Who may schedule a namespace."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.lease import (
    DURATION,
    MARGIN,
    NAME,
    Lease,
    identity,
    is_dead,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError

from tests.devhub.local import Clock
from tests.unit.scheduler.cluster import MemoryCluster


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cluster(clock: Clock) -> MemoryCluster:
    return MemoryCluster(clock)


def lease(cluster: MemoryCluster, clock: Clock, holder: str) -> Lease:
    return Lease(cluster, holder, clock, clock)


def test_only_one_holds_it(cluster: MemoryCluster, clock: Clock) -> None:
    first, second = lease(cluster, clock, "first"), lease(cluster, clock, "second")
    assert first.acquire()
    assert first.held()
    for _ in range(20):
        clock.tick(2)
        assert first.acquire()
        assert not second.acquire()
        assert second.other == "first"
        assert not second.held()


def test_it_is_lost_before_another_can_get_it(cluster: MemoryCluster, clock: Clock) -> None:
    first, second = lease(cluster, clock, "first"), lease(cluster, clock, "second")
    assert first.acquire()
    assert not second.acquire()
    clock.tick(DURATION - MARGIN)
    assert not first.held()
    assert not second.acquire()
    clock.tick(MARGIN + 0.1)
    assert second.acquire()
    assert not first.acquire()


def test_a_late_writer_loses(cluster: MemoryCluster, clock: Clock) -> None:
    first, second = lease(cluster, clock, "first"), lease(cluster, clock, "second")
    assert first.acquire()
    assert not second.acquire()
    clock.tick(DURATION + 1)
    stale = cluster.get_lease(NAME)
    assert stale is not None
    assert second.acquire()
    assert cluster.replace_lease(stale) is None


def test_released_it_is_free_at_once(cluster: MemoryCluster, clock: Clock) -> None:
    first, second = lease(cluster, clock, "first"), lease(cluster, clock, "second")
    assert first.acquire()
    first.release()
    assert not first.held()
    assert second.acquire()


def test_a_renewal_that_fails_does_not_prolong_it(cluster: MemoryCluster, clock: Clock) -> None:
    first = lease(cluster, clock, "first")
    assert first.acquire()

    def down(name: str) -> None:
        raise ClusterError(0, "Unreachable", "down")

    cluster.get_lease = down  # type: ignore[method-assign]
    clock.tick(3)
    with pytest.raises(ClusterError):
        first.acquire()
    assert first.held()
    clock.tick(3)
    assert not first.held()


def test_a_killed_process_of_this_machine_is_followed_at_once(cluster: MemoryCluster, clock: Clock) -> None:
    code = "from ansible_collections.fedoraproject.koji.plugins.module_utils.lease import identity; print(identity())"
    child = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    other = child.stdout.strip()
    assert is_dead(other, identity())
    assert lease(cluster, clock, other).acquire()
    assert lease(cluster, clock, identity()).acquire()


def test_a_process_that_runs_or_is_elsewhere_is_not_dead() -> None:
    mine = identity()
    assert not is_dead(mine, mine)
    host, boot, _namespace, _pid, _start = mine.split("_")
    assert not is_dead(f"{host}_{boot}_1_99999999_1", mine)
    assert not is_dead("somebody", mine)
