# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""watches.yaml: defaults, search for roles, refusals."""

from pathlib import Path

import pytest

from tests.cluster.paths import CHECKOUT
from tests.devloop.selector import matches
from tests.devloop.watches import Defaults, Kind, Watch, WatchesError, load, parse_duration

DEFAULTS = Defaults(reconcile_period=100.0, workers=3, verbosity=2)


def _load(root: Path, text: str, **environ: str) -> list[Watch]:
    (root / "roles" / "thing" / "tasks").mkdir(parents=True, exist_ok=True)
    (root / "play.yml").touch()
    (root / "watches.yaml").write_text(text, "utf-8")
    return load(root / "watches.yaml", root, environ, DEFAULTS)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("1h30m", 5400), ("0", 0), ("0s", 0), ("250ms", 0.25), ("1.5m", 90), ("-2s", -2), (".5s", 0.5)],
)
def test_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "15", "s", "1d", "1h 5m", "five", "--1s"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


def test_defaults(tmp_path: Path) -> None:
    (watch,) = _load(tmp_path, "[{group: a.b, version: v1, kind: Thing, role: thing, manageStatus: false}]")
    assert watch.kind == Kind("a.b", "v1", "Thing")
    assert watch.target.path == tmp_path / "roles" / "thing"
    assert watch.target.is_role
    assert watch.reconcile_period == 100
    assert (watch.workers, watch.verbosity, watch.max_artifacts) == (3, 2, 20)
    assert watch.snake_case
    assert not watch.mark_unsafe
    assert watch.watch_dependents
    assert watch.finalizer is None


def test_everything_set(tmp_path: Path) -> None:
    (watch,) = _load(
        tmp_path,
        """
- version: v1
  kind: ConfigMap
  playbook: play.yml
  vars: {where: "${PLACE}", unknown: "${NOWHERE}"}
  manageStatus: false
  reconcilePeriod: 1s
  watchDependentResources: false
  snakeCaseParameters: false
  markUnsafe: true
  maxRunnerArtifacts: 5
  blacklist: [{group: apps, version: v1, kind: Deployment}]
  selector: {matchLabels: {a: b}}
  finalizer: {name: x/y, vars: {gone: true}}
""",
        PLACE="here",
        MAX_CONCURRENT_RECONCILES_CONFIGMAP_="7",
    )
    assert not watch.target.is_role
    assert watch.vars == {"where": "here", "unknown": "${NOWHERE}"}
    assert watch.reconcile_period == 1
    assert (watch.workers, watch.max_artifacts) == (7, 5)
    assert watch.blacklist == {Kind("apps", "v1", "Deployment")}
    assert watch.mark_unsafe
    assert not watch.snake_case
    assert not watch.watch_dependents
    assert watch.finalizer is not None
    assert watch.finalizer.target is None
    assert watch.finalizer.vars == {"gone": True}


def test_a_period_of_zero_is_none(tmp_path: Path) -> None:
    text = "[{version: v1, kind: Pod, role: thing, manageStatus: false, reconcilePeriod: 0s}]"
    assert _load(tmp_path, text)[0].reconcile_period == 100


def test_role_of_a_collection(tmp_path: Path) -> None:
    role = tmp_path / "ansible_collections" / "a" / "b" / "roles" / "c"
    role.mkdir(parents=True)
    text = "[{version: v1, kind: Pod, role: a.b.c, manageStatus: false}]"
    assert _load(tmp_path, text, ANSIBLE_COLLECTIONS_PATH=str(tmp_path))[0].target.path == role


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{version: v1, kind: Pod, role: thing}", "manageStatus: false"),
        ("{version: v1, kind: Pod, manageStatus: false}", "role or a playbook"),
        ("{version: v1, kind: Pod, role: none, manageStatus: false}", "role none was not found"),
        ("{version: v1, kind: Pod, playbook: none.yml, manageStatus: false}", "none.yml was not found"),
        ("{kind: Pod, role: thing, manageStatus: false}", "version and kind"),
        ("{version: v1, kind: Pod, role: thing, manageStatus: false, reconcileperiod: 1s}", "unknown fields"),
        ("{version: v1, kind: Pod, role: thing, manageStatus: false, reconcilePeriod: soon}", "not a duration"),
        ("{version: v1, kind: Pod, role: thing, manageStatus: false, finalizer: {vars: {a: b}}}", "needs a name"),
        ("{version: v1, kind: Pod, role: thing, manageStatus: false, finalizer: {name: a}}", "a playbook or vars"),
    ],
)
def test_refused(tmp_path: Path, entry: str, message: str) -> None:
    with pytest.raises(WatchesError, match=message):
        _load(tmp_path, f"[{entry}]")


def test_twice(tmp_path: Path) -> None:
    entry = "{version: v1, kind: Pod, role: thing, manageStatus: false}"
    with pytest.raises(WatchesError, match="watched twice"):
        _load(tmp_path, f"[{entry}, {entry}]")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchLabels": {"c": "1"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "c", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selector(selector: dict[str, object], expected: bool) -> None:
    assert matches(selector, {"a": "1", "b": "2"}) is expected


def test_the_operators_kinds_are_run_by_playbooks() -> None:
    # At the end of a role's run ansible-runner gives env/envvars back, over those of the next run.
    for watch in load(CHECKOUT / "watches.yaml", CHECKOUT, {}, DEFAULTS):
        assert not watch.target.is_role, watch.kind
        assert watch.finalizer is None or watch.finalizer.target is None, watch.kind
