# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Task pods that differ by method and channel: task `other` is a sleep in channel vm, which two overrides fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import koji

from tests.e2e.kube import condition
from tests.e2e.resources import SOON

from .scene import ONLY, PLACED, POOL, WITHOUT_KOJI, ZONE, container, one_of, sizes

if TYPE_CHECKING:
    from .scene import Scene

MIB = 2**20


def test_a_later_one_wins_field_by_field_and_variables_are_added(scene: Scene) -> None:
    seen = scene.looks["other"]["env"]
    assert (seen["METHOD"], seen["CHANNEL"], seen["SITE"]) == ("yes", "yes", "of the channel")
    assert seen["LIMIT"] == str(200 * MIB), "the builder's own variable, the override's limit"
    assert "NEVER" not in seen
    assert scene.looks["plain"]["env"].keys() & {"METHOD", "CHANNEL"} == set(), "no other task's pod is touched"


def test_resources_and_sizes_are_the_override_s(scene: Scene) -> None:
    pod = scene.pods["other"]
    assert container(pod)["resources"] == {"limits": {"memory": "200Mi"}, "requests": {"memory": "200Mi"}}
    assert scene.looks["other"]["memory"] == str(200 * MIB)
    assert sizes(pod) == {
        "var/tmp/koji": "74Mi",
        "var/lib/mock": "75Mi",
        "var/cache/mock": "76Mi",
        "tmp": "2Mi",  # of the later one
    }


def test_placement_and_classes_are_the_override_s(scene: Scene) -> None:
    spec = scene.pods["other"]["spec"]
    assert spec["nodeName"] == scene.node
    assert spec["nodeSelector"] == {POOL: "fields", ZONE: "a"}
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    wanted = one_of(POOL, "fields")["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms[0]["matchExpressions"][0] == wanted["nodeSelectorTerms"][0]["matchExpressions"][0]
    keys = [toleration["key"] for toleration in spec["tolerations"]]
    assert keys[:2] == [ONLY, "koji.test/more"], "added to the builder's, without which it would not be here"
    assert spec["priority"] == 1002
    assert spec["overhead"] == {"memory": "2Mi"}


def test_an_image_is_the_override_s(scene: Scene) -> None:
    """An image that has no koji: the task fails of that, and its result says so."""
    task = scene.tasks["elsewhere"]
    session = scene.hub.session()
    ended = scene.kube.wait_for(
        lambda: session.getTaskInfo(task)["state"] == koji.TASK_STATES["FAILED"], SOON, "the task has failed"
    )
    assert ended
    assert "No module named 'koji'" in session.getTaskResult(task, raise_fault=False)["faultString"]
    pod = scene.pod("elsewhere")
    assert pod["status"]["containerStatuses"][0]["image"] == WITHOUT_KOJI
    assert {"name": "KOJI_TASK_IMAGE", "value": WITHOUT_KOJI} in container(pod)["env"]


def test_a_channel_that_the_host_has_not_is_warned_of(scene: Scene) -> None:
    told = condition(scene.builder(), "Warning")
    assert (told["status"], told["reason"]) == ("True", "ChannelOfOthers")
    assert "overrides[4].channels names 'createrepo'" in told["message"]


def test_a_deadline_is_the_override_s(scene: Scene) -> None:
    """The last: it makes the builder pause for some seconds. Its own deadline is five minutes."""
    scene.start("astray", method="astray", channel=PLACED)
    found = scene.kube.wait_object(
        "KojiBuilder",
        "placed",
        scene.namespace,
        lambda item: condition(item, "Scheduling").get("reason") == "Unschedulable",
        SOON,
        "a pod did not start in time",
    )
    assert "didn't match Pod's node affinity" in condition(found, "Scheduling")["message"]
    scene.hub.session().cancelTask(scene.tasks["astray"])
    scene.kube.wait_condition("KojiBuilder", "placed", scene.namespace, SOON)
