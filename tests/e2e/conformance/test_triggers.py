# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What makes the runtime run a role, and what doesn't."""

import itertools

import pytest

from .conftest import RUN, Trial

PERIOD = "ansible.sdk.operatorframework.io/reconcile-period"
LABEL = "conformance.koji-operator.test/periodic"


def _gaps(runs: list[dict[str, float]]) -> list[float]:
    return [later["time"] - earlier["time"] for earlier, later in itertools.pairwise(runs)]


@pytest.fixture(scope="module", autouse=True)
def begun(trial_of_module: Trial) -> None:
    """What is run again and again while the first tests here go on."""
    trial_of_module.begin("Plain", "period", {})
    trial_of_module.begin("Probe", "annotation", {}, annotations={PERIOD: "2s"})


def test_generation(trial: Trial) -> None:
    """A change of the spec triggers a run; labels, annotations and status don't."""
    trial.make("Probe", "generation", {"text": "first"})
    trial.wait("generation", 1, RUN, "end")
    trial.patch("Probe", "generation", {"metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}}})
    trial.patch("Probe", "generation", {"status": {"seen": True}}, status=True)
    trial.assert_quiet("generation", 3)
    trial.patch("Probe", "generation", {"spec": {"text": "second"}})
    runs = trial.wait("generation", 2, RUN)
    assert [run["text"] for run in runs] == ["first", "second"]


def test_dependents(trial: Trial) -> None:
    """A dependent that was POSTed is brought back; one of a blacklisted kind, or server-side applied, isn't."""
    kube, namespace = trial.kube, trial.namespace
    trial.make("Probe", "dependents", {"dependents": True, "elsewhere": namespace})
    trial.wait("dependents", 1, RUN, "end")
    trial.assert_quiet("dependents", 2)
    kube.delete("Secret", "dependents-blacklisted", namespace)
    kube.delete("ConfigMap", "dependents-applied", namespace)
    trial.assert_quiet("dependents", 4)

    kube.delete("ConfigMap", "dependents-posted", namespace)
    kube.wait_for(lambda: kube.get("ConfigMap", "dependents-posted", namespace), RUN, "the ConfigMap is there again")
    trial.wait("dependents", 2, RUN, "end")
    kube.patch("ConfigMap", "dependents-posted", namespace, {"data": {"value": "changed"}})
    kube.wait_object(
        "ConfigMap", "dependents-posted", namespace, lambda item: item["data"] == {"value": "kept"}, RUN, "changed back"
    )


def test_period_of_the_watch(trial: Trial) -> None:
    """reconcilePeriod counts from the end of a run to the start of the next."""
    trial.take("period")
    runs = trial.wait("period", 3, 2 * RUN)
    assert min(_gaps(runs)) >= 3, _gaps(runs)


def test_period_of_the_annotation(trial: Trial) -> None:
    """The annotation beats the watch's period (here: none, that is ten hours)."""
    trial.take("annotation")
    runs = trial.wait("annotation", 3, 2 * RUN)
    assert min(_gaps(runs)) >= 2, _gaps(runs)


def test_config_maps(trial: Trial) -> None:
    """Only a ConfigMap with the label runs the periodic playbook, again and again, until it is gone."""
    kube, namespace = trial.kube, trial.namespace
    for name, labels in (("scheduled", {LABEL: "true"}), ("unscheduled", {})):
        item = {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "b"},
        }  # fmt: skip
        kube.create(item, namespace)
    runs = trial.wait("scheduled", 4, 3 * RUN)
    assert min(_gaps(runs)) >= 1, _gaps(runs)
    assert runs[0]["data"] == {"a": "b"}
    assert runs[0]["spec"] == {}
    assert not trial.seen("unscheduled")
    kube.delete("ConfigMap", "scheduled", namespace)
    kube.wait_gone("ConfigMap", "scheduled", namespace, RUN)
    before = len(trial.seen("scheduled"))
    trial.assert_quiet("unscheduled", 4)
    assert len(trial.seen("scheduled")) <= before + 1


def test_workers(trial: Trial) -> None:
    """MAX_CONCURRENT_RECONCILES_<KIND>_<GROUP> (here 1) limits the runs of a kind that go on at the same time."""
    for name in ("worker-a", "worker-b"):
        trial.make("Plain", name, {"seconds": 2})
    spans = sorted(
        (begin["time"], end["time"])
        for name in ("worker-a", "worker-b")
        for begin, end in zip(trial.wait(name, 1, RUN), trial.wait(name, 1, RUN, "end"), strict=False)
    )
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans)), spans
