# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the runtime makes of a run's end: requeue_after, failures, finalizers, its own end."""

import itertools

import pytest

from tests.e2e.kube import Json

from .conftest import API_VERSION, RUN, Trial

FINALIZER = "conformance.koji-operator.test/finalizer"


def _gaps(runs: list[Json]) -> list[float]:
    return [later["time"] - earlier["time"] for earlier, later in itertools.pairwise(runs)]


@pytest.fixture(scope="module", autouse=True)
def begun(trial_of_module: Trial) -> None:
    """What is run again and again while the first tests here go on."""
    trial_of_module.flag("failing.fail").touch()
    trial_of_module.begin("Probe", "failing", {})
    trial_of_module.begin("Probe", "requeue", {"requeue": "4s"})


def test_ignored_failure_is_none(trial: Trial) -> None:
    """After a failure with ignore_errors the run ends well, and no other follows."""
    trial.make("Probe", "ignored", {"ignored": True})
    trial.wait("ignored", 1, RUN, "end")
    trial.assert_quiet("ignored", 4)


def test_rescued_failure_counts(trial: Trial) -> None:
    """A failure that the role rescued is still one for the runtime: it runs again and again."""
    trial.make("Probe", "rescued", {"rescued": True})
    trial.wait("rescued", 3, 3 * RUN)


def test_finalizer(trial: Trial) -> None:
    """The finalizer is there before the first run; deleting runs its role with its vars, then the object goes."""
    trial.make("Probe", "finalized", {})
    trial.wait("finalized", 1, RUN)
    item = trial.get("Probe", "finalized")
    assert item is not None
    assert item["metadata"]["finalizers"] == [FINALIZER]
    trial.gone("Probe", "finalized", RUN)
    (end,) = trial.seen("finalized", "finalize")
    assert end["finalizing"] in {True, "True", "true"}
    assert len(trial.seen("finalized")) == 1


def test_finalizer_that_asks_for_more_time(trial: Trial) -> None:
    """A finalizer run that ends with requeue_after keeps the finalizer and is called again."""
    hold = trial.flag("held.hold")
    hold.touch()
    trial.make("Probe", "held", {})
    trial.wait("held", 1, RUN, "end")
    trial.kube.delete("Probe", "held", trial.namespace, API_VERSION)
    runs = trial.wait("held", 4, 4 * RUN, "finalize")
    assert min(_gaps(runs)) >= 1, _gaps(runs)
    item = trial.get("Probe", "held")
    assert item is not None
    assert item["metadata"]["finalizers"] == [FINALIZER]
    hold.unlink()
    trial.kube.wait_gone("Probe", "held", trial.namespace, RUN, API_VERSION)


def test_finalizer_that_fails(trial: Trial) -> None:
    """A failed finalizer run keeps the finalizer, too, and is tried again."""
    flag = trial.flag("stuck.fail")
    trial.make("Probe", "stuck", {})
    trial.wait("stuck", 1, RUN, "end")
    flag.touch()
    trial.kube.delete("Probe", "stuck", trial.namespace, API_VERSION)
    trial.wait("stuck", 2, RUN, "finalize")
    assert trial.get("Probe", "stuck") is not None
    flag.unlink()
    trial.kube.wait_gone("Probe", "stuck", trial.namespace, RUN, API_VERSION)


def test_failures(trial: Trial) -> None:
    """Failures are tried again with a delay that doubles from 5 ms; a success forgets them."""
    flag = trial.flag("failing.fail")
    trial.take("failing")
    gaps = _gaps(trial.wait("failing", 12, 5 * RUN))
    # After the nth failure: 5 ms x 2^(n-1); 2.56 s after the 10th, 5.12 s after the 11th.
    assert gaps[9] >= 2.56, gaps
    assert gaps[10] >= 5.12, gaps

    flag.unlink()
    count = len(trial.wait("failing", 1, 3 * RUN, "end"))
    assert count == 1
    trial.assert_quiet("failing", 2)
    flag.touch()
    before = len(trial.seen("failing"))
    trial.patch("Probe", "failing", {"spec": {"text": "again"}})
    fresh = _gaps(trial.wait("failing", before + 3, 3 * RUN)[before:])
    # Not forgotten, the next delay would be 10.24 s.
    assert min(fresh) < min(gaps) + 10, (fresh, gaps)


def test_requeue_after(trial: Trial) -> None:
    """The period that a task called requeue_after returns counts, and nothing else does."""
    trial.take("requeue")
    runs = trial.wait("requeue", 3, 3 * RUN)
    assert min(_gaps(runs)) >= 4, _gaps(runs)


def test_requeue_after_returns_at_once(trial: Trial) -> None:
    """The next run is counted from that very task, whatever the play still does: so it must be the last one."""
    trial.make("Probe", "early", {"requeue": "1s", "linger": 300})
    trial.wait("early", 2, 3 * RUN)
    assert not trial.seen("early", "end")


def test_shutdown(trial: Trial) -> None:
    """SIGTERM lets a run that goes on finish, within the grace. Last here: it ends this file's operator."""
    trial.make("Plain", "interrupted", {"seconds": 4})
    trial.wait("interrupted", 1, RUN)
    trial.operator.terminate()
    assert trial.operator.wait() == 0
    assert len(trial.seen("interrupted", "end")) == 1
    trial.operator.kill()
    trial.operator.start()  # its finalizers are needed to clean up
