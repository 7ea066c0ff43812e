# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One kojira a namespace, whatever happens: a second Kojira, a crash, a hub that is away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.kube import condition
from tests.e2e.resources import SOON

from .scene import CLAIMS, Scene, exclusive, kojira

if TYPE_CHECKING:
    from tests.e2e.kube import Json

TAKEOVER = 30  # seconds
# The probe's, of rounds of a second: 3 * (1 + 1) + 30, and twice that, and then a period or two.
SILENT, BEGUN_ANEW = 36, 72 + 60


@pytest.fixture(scope="module")
def ready(scene: Scene) -> Scene:
    scene.ready("first")
    return scene


def restarts(pod: Json) -> int:
    return int(pod["status"]["containerStatuses"][0]["restartCount"])


def test_a_second_one_waits_and_names_the_first(ready: Scene) -> None:
    said = ready.refused("AnotherKojiraActive", "second")
    assert "Kojira 'first'" in said
    assert ready.kube.get("Deployment", "koji-second", ready.namespace) is None
    assert ready.hub.session().getUser("second") is None
    assert condition(ready.get("first"), "Ready")["status"] == "True"
    _header, row = ready.kube.kubectl("get", "kojira", "second", "-n", ready.namespace).splitlines()
    assert row.split()[:3] == ["second", "False", "AnotherKojiraActive"]


def test_it_takes_over_within_half_a_minute_of_the_firsts_end(ready: Scene) -> None:
    user = "first"
    ready.kube.delete("Kojira", "first", ready.namespace, timeout=SOON)
    assert ready.pods("first") == []
    since = time.monotonic()
    ready.kube.wait_for(
        lambda: ready.kube.get("Deployment", "koji-second", ready.namespace), TAKEOVER, "the second begins"
    )
    print(f"took over after {time.monotonic() - since:.1f} s")
    ready.wait(name="second")
    assert exclusive(ready.hub, "second")
    assert ready.hub.session().getUser(user)["status"] == 1
    assert ready.asks_for_a_repo("after-takeover")["method"] == "newRepo"


def test_of_two_of_the_same_moment_one_works(ready: Scene) -> None:
    ready.delete("second")
    names = ["kojira-a", "kojira-b"]
    ready.kube.apply([kojira(ready.namespace, name) for name in names])
    items = [ready.get(name)["metadata"] for name in names]
    oldest = min(items, key=lambda item: (item["creationTimestamp"], item["uid"]))["name"]
    [other] = [name for name in names if name != oldest]
    ready.wait(name=oldest)
    waits = ready.wait("False", "AnotherKojiraActive", other, SOON)
    assert oldest in condition(waits, "Ready")["message"]
    assert ready.pods(other) == []
    ready.delete(other)
    ready.delete(oldest)
    ready.ready("first")


def test_after_a_crash_the_lock_is_taken_over(ready: Scene) -> None:
    """Killed, kojira has given nothing back: its session is exclusive for ever."""
    name = ready.pod("first")["metadata"]["name"]
    ready.kube.kubectl("delete", "pod", name, "-n", ready.namespace, "--force", "--grace-period=0")
    ready.kube.wait_for(
        lambda: [pod for pod in ready.pods("first") if pod["metadata"]["name"] != name], SOON, "another pod"
    )
    ready.told(lambda item: _works(ready), "it works", "first")
    ready.wait(name="first")
    assert restarts(ready.pod("first")) == 0, "it needed no second try"
    assert ready.asks_for_a_repo("after-crash")["method"] == "newRepo"


def _works(scene: Scene) -> bool:
    status = scene.deployment("first").get("status") or {}
    return bool(status.get("availableReplicas"))


def test_a_hub_that_is_away_is_noticed_and_found_again(ready: Scene) -> None:
    pod = ready.pod("first")
    before = ready.get("first")["status"]["last_contact"]
    ready.site.apply(**CLAIMS, replicas=0)
    ready.site.message("ScaledToZero")
    ready.kube.wait_for(lambda: not _works(ready), SILENT + SOON, "it is not ready", lambda: ready.pods("first"))
    ready.kube.wait_for(
        lambda: restarts(ready.pod("first")) > restarts(pod), BEGUN_ANEW + SOON, "it is begun anew", ready.pods
    )
    item = ready.wait("False", name="first", seconds=400)
    assert item["status"]["last_contact"] >= before
    events = ready.kube.events(ready.namespace, pod["metadata"]["name"])
    assert any("kojira has not talked to the hub since" in event["message"] for event in events)
    # While the hub is away it waits for it; it is not begun anew again and again.
    assert restarts(ready.pod("first")) - restarts(pod) == 1

    ready.site.ready(**CLAIMS)
    ready.wait(name="first", seconds=400)
    assert ready.pod("first")["metadata"]["name"] == pod["metadata"]["name"]
    assert exclusive(ready.hub, "first")
    assert ready.get("first")["status"]["last_contact"] > before
