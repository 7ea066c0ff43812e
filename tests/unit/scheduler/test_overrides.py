# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Task pods that differ by method or channel."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils import overrides, pods
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import ClusterError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scheduler.world import STATES, World

if TYPE_CHECKING:
    from collections.abc import Mapping

SPEC: dict[str, Any] = {
    "nodeSelector": {"pool": "koji"},
    "tolerations": [{"key": "koji"}],
    "containers": [
        {"name": "sidecar", "image": "side"},
        {
            "name": "task",
            "image": "base",
            "env": [{"name": "KOJI_TASK_IMAGE", "value": "base"}, {"name": "A", "value": "1"}],
        },
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "mock-cache", "emptyDir": {"sizeLimit": "1Gi"}}],
}


def merged(*given_: Mapping[str, Any], method: str = "build", channel: str = "default") -> dict[str, Any]:
    """SPEC with overrides as a resource has them."""
    spec = copy.deepcopy(SPEC)
    fitting = overrides.fitting([overrides.parse(overrides.from_spec(one)) for one in given_], method, channel)
    if fitting:
        overrides.merge(spec, fitting)
    return spec


def task(spec: Mapping[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = spec["containers"][1]
    return container


@pytest.mark.parametrize(
    ("override", "fits"),
    [
        ({"methods": ["build"]}, True),
        ({"methods": ["newRepo"]}, False),
        ({"channels": ["default", "vm"]}, True),
        ({"channels": ["vm"]}, False),
        ({"methods": ["build"], "channels": ["vm"]}, False),
        ({"methods": ["build", "x"], "channels": ["default"]}, True),
    ],
)
def test_method_and_channel_must_fit(override: dict[str, Any], fits: bool) -> None:
    assert (merged({**override, "image": "other"}) != SPEC) is fits


def test_what_is_not_set_stays() -> None:
    assert merged({"methods": ["build"], "priority_class_name": "", "volume_sizes": {}}) == SPEC


def test_fields_replace_the_builders_and_env_and_tolerations_are_added() -> None:
    spec = merged(
        {
            "methods": ["build"],
            "image": "big",
            "resources": {"requests": {"cpu": "4"}},
            "node_selector": {"disk": "fast"},
            "affinity": {"nodeAffinity": {}},
            "priority_class_name": "high",
            "runtime_class_name": "kata",
            "volume_sizes": {"mock_cache": "9Gi"},
            "tolerations": [{"key": "big"}, {"key": "koji"}],
            "env": [{"name": "A", "value": "2"}, {"name": "B", "value": "3"}],
        }
    )
    assert spec["nodeSelector"] == {"disk": "fast"}
    assert spec["tolerations"] == [{"key": "big"}, {"key": "koji"}]
    assert (spec["affinity"], spec["priorityClassName"], spec["runtimeClassName"]) == (
        {"nodeAffinity": {}},
        "high",
        "kata",
    )
    assert (task(spec)["image"], task(spec)["resources"]) == ("big", {"requests": {"cpu": "4"}})
    assert task(spec)["env"] == [
        {"name": "KOJI_TASK_IMAGE", "value": "big"},
        {"name": "A", "value": "2"},
        {"name": "B", "value": "3"},
    ]
    assert spec["volumes"] == [
        {"name": "tmp", "emptyDir": {}},
        {"name": "mock-cache", "emptyDir": {"sizeLimit": "9Gi"}},
    ]
    assert spec["containers"][0] == SPEC["containers"][0]


def test_later_ones_win_field_by_field() -> None:
    first = {"methods": ["build"], "image": "one", "start_deadline": 10, "volume_sizes": {"tmp": "1Gi", "work": "1Gi"}}
    second = {"channels": ["default"], "image": "two", "volume_sizes": {"tmp": "2Gi"}, "env": [{"name": "B"}]}
    spec = merged({**first, "env": [{"name": "A", "value": "x"}]}, second)
    assert task(spec)["image"] == "two"
    assert [item["name"] for item in task(spec)["env"]] == ["KOJI_TASK_IMAGE", "A", "B"]
    assert spec["volumes"][0]["emptyDir"] == {"sizeLimit": "2Gi"}
    parsed = [overrides.parse(overrides.from_spec(one)) for one in (first, second)]
    fitting = overrides.fitting(parsed, "build", "default")
    assert fitting
    assert fitting.start_deadline == 10


NAMES = st.sampled_from(["a", "b", "c"])
NAMED = st.fixed_dictionaries({"name": NAMES, "value": NAMES})
OVERRIDES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    dict[str, Any](),
    optional={
        "methods": st.lists(NAMES, min_size=1, unique=True),
        "channels": st.lists(NAMES, min_size=1, unique=True),
        "image": NAMES,
        "start_deadline": st.integers(5, 60),
        "node_selector": st.dictionaries(NAMES, NAMES),
        "resources": st.fixed_dictionaries({"limits": st.dictionaries(st.just("cpu"), NAMES)}),
        "tolerations": st.lists(st.builds(dict, key=NAMES), max_size=3),
        "env": st.lists(NAMED, max_size=3, unique_by=lambda item: item["name"]),
        "volume_sizes": st.dictionaries(st.sampled_from(["tmp", "mock_cache"]), st.just("7Gi")),
        "priority_class_name": st.sampled_from(["", "high"]),
    },
)


@given(st.lists(OVERRIDES, max_size=5), NAMES, NAMES)
def test_several_are_as_one_after_the_other(given_: list[dict[str, Any]], method: str, channel: str) -> None:
    at_once = merged(*given_, method=method, channel=channel)
    spec = copy.deepcopy(SPEC)
    for one in given_:
        parsed = overrides.parse(overrides.from_spec(one))
        if parsed.fits(method, channel):
            overrides.merge(spec, parsed)
    assert at_once == spec
    assert SPEC["containers"][1]["image"] == "base", "the template is not changed"
    names = [item["name"] for item in task(at_once)["env"]]
    assert len(names) == len(set(names))
    fit = [one for one in given_ if overrides.parse(overrides.from_spec(one)).fits(method, channel)]
    assert task(at_once)["image"] == ["base", *(one["image"] for one in fit if "image" in one)][-1]
    selectors = [SPEC["nodeSelector"], *(one["node_selector"] for one in fit if "node_selector" in one)]
    assert at_once["nodeSelector"] == selectors[-1]


def test_a_pod_is_made_for_its_channel_and_has_its_own_deadline() -> None:
    world = World(
        overrides=[overrides.from_spec({"channels": ["vm"], "start_deadline": 900, "node_selector": {"kvm": "yes"}})]
    )
    world.admin.addHostToChannel("builder-1", "vm")
    plain = world.admin.makeTask("sleep", [1])
    there = world.admin.makeTask("sleep", [1], channel="vm")
    world.ticks(3)
    by_task = {int(pod["metadata"]["labels"]["koji-task"]): pod for pod in world.cluster.all_pods.values()}
    assert by_task[plain]["spec"]["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    assert by_task[there]["spec"]["nodeSelector"] == {"kubernetes.io/arch": "amd64", "kvm": "yes"}
    seen = {task: pods.view(pod) for task, pod in by_task.items()}
    mine, others = seen[there], seen[plain]
    assert mine
    assert others
    late = mine.created + 500
    assert others.overdue(late, 300)
    assert not mine.overdue(late, 300)
    assert mine.overdue(mine.created + 901, 300)


def test_channels_are_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(overrides=[overrides.from_spec({"channels": ["vm"], "image": "x"})])
    world.tick()
    assert world.builder.hub
    session, calls = world.builder.hub.session, []
    ask = session.listChannels

    def counted() -> Any:
        calls.append(1)
        return ask()

    monkeypatch.setattr(session, "listChannels", counted, raising=False)
    for _ in range(3):
        world.admin.makeTask("sleep", [1])
        world.ticks(2)
    assert len(calls) == 1


def test_a_pod_s_warnings_count_only_after_its_own_deadline() -> None:
    world = World(overrides=[overrides.from_spec({"methods": ["sleep"], "start_deadline": 900})])
    task_id = world.admin.makeTask("sleep", [1])
    world.ticks(3)
    [(name, there)] = world.cluster.all_pods.items()
    world.cluster.warnings[there["metadata"]["uid"]] = ("FailedMount", "no such volume")
    world.tick(500)
    assert name in world.cluster.all_pods
    assert world.admin.getTaskInfo(task_id)["state"] == STATES["OPEN"]
    world.tick(500)
    assert "not started within 900 s: no such volume" in world.builder.state.backoff.message


def test_an_override_whose_pods_are_rejected_backs_off_further_each_time() -> None:
    world = World(overrides=[overrides.from_spec({"methods": ["sleep"], "priority_class_name": "missing"})])
    world.task()
    begun = []
    for _ in range(60):
        world.cluster.refuse["create_pod"] = ClusterError(403, "Forbidden", "no PriorityClass with name missing")
        world.tick()
        begun.append(world.builder.report.counters["taken"])
    assert world.condition()["reason"] == "PodRejected"
    assert world.builder.state.backoff.step >= 3
    assert begun[-1] <= 4
