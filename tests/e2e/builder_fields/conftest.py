# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One hub and all builders for the fields of KojiBuilder: a few pods show them, and are looked at by many tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import _new_namespace
from tests.e2e.hub import Hub, deploy_hub
from tests.e2e.resources import READY, SOON

from . import scene as scenes
from .scene import ONLY, OTHER, PLACED, POOL, SPREAD, USERNS, ZONE, Scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kube import Json, Kube
    from tests.e2e.operator import Operator

UNTOLERATED = "node(s) had untolerated taint"
UNMATCHED = "node(s) didn't match Pod's node affinity/selector"


@pytest.fixture(scope="package")
def module_namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """The namespace of all tests here."""
    yield from _new_namespace(kube, request)


@pytest.fixture(scope="package")
def hub(kube: Kube, module_namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """The hub of all builders here."""
    return deploy_hub(kube, module_namespace, tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="package")
def node(kube: Kube, hub: Hub) -> Iterator[str]:
    """A node that only pods with a toleration come to; labels that it gets are taken away at the end."""
    name = str(kube.find("Node")[0]["metadata"]["name"])
    taint = {"key": ONLY, "effect": "NoSchedule"}
    kube.patch("Node", name, None, {"spec": {"taints": [*_taints(kube, name), taint]}})
    try:
        yield name
    finally:
        _untaint(kube, name)
        kube.patch("Node", name, None, {"metadata": {"labels": {POOL: None, ZONE: None}}})


def _taints(kube: Kube, node: str) -> list[Json]:
    """A node's taints that aren't ours."""
    found = kube.get("Node", node)
    assert found is not None
    return [taint for taint in found["spec"].get("taints") or [] if taint["key"] != ONLY]


def _untaint(kube: Kube, node: str) -> None:
    kube.patch("Node", node, None, {"spec": {"taints": _taints(kube, node)}})


@pytest.fixture(scope="package")
def scene(operator: Operator, kube: Kube, hub: Hub, node: str) -> Iterator[Scene]:
    """All builders; the tasks of `placed` run once the node has its labels. What was seen is remembered."""
    suffix = hub.namespace.rpartition("-")[2]
    made = Scene(kube, hub, node, suffix)
    shared = scenes.classes(suffix)
    kube.apply([*shared, *scenes.files(hub.namespace)])
    try:
        kube.apply([scenes.placed(hub.namespace, suffix), *scenes.others(hub.namespace)])
        for name in ("placed", "spread", "own-users"):
            kube.wait_condition("KojiBuilder", name, hub.namespace, READY)
        made.unverified = _judged(kube, hub.namespace)
        _play(made)
        yield made
    finally:
        for item in shared:
            kube.delete(item["kind"], item["metadata"]["name"], api_version=item["apiVersion"])


def _judged(kube: Kube, namespace: str) -> Json:
    """The builder that may not log in, once that is said; it goes, so that its retries don't keep the machine busy."""
    found = kube.wait_condition("KojiBuilder", "unverified", namespace, READY, status="False")
    kube.patch("KojiBuilder", "unverified", namespace, {"metadata": {"finalizers": None}})
    kube.delete("KojiBuilder", "unverified", namespace)
    return found


def _play(made: Scene) -> None:
    made.start("plain", channel=PLACED)
    made.start("spread", channel=SPREAD)
    # The node's taint is tolerated by the one and not by the other; its labels aren't there yet.
    made.stuck("plain", UNMATCHED)
    made.stuck("spread", UNTOLERATED)
    made.kube.patch("Node", made.node, None, {"metadata": {"labels": {POOL: "fields", ZONE: "a"}}})
    made.start("other", channel=OTHER)
    made.start("x86_64", channel=PLACED, arch="x86_64")
    made.start("aarch64", channel=PLACED, arch="aarch64")
    made.start("elsewhere", method="elsewhere", channel=PLACED)
    for name in ("plain", "other", "x86_64"):
        made.running(name)
    # From here on pods without a toleration may come as well.
    _untaint(made.kube, made.node)
    made.start("spread later", channel=SPREAD)
    made.start("own-users", channel=USERNS)
    made.pods["own-users"] = made.kube.wait_for(lambda: made.pod("own-users"), SOON, "there is a pod of own-users")
