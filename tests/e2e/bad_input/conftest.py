# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One world for all tests of bad input; a reconcile costs seconds, so what is bad in a file is applied all at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.e2e.conftest import _new_namespace
from tests.e2e.hub import Hub, deploy_hub
from tests.e2e.kube import Json, Kube
from tests.e2e.resources import SOON, builder, user

from . import cases
from .world import GOOD, JUDGED, Judged, World, clear_faults, meanwhile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.e2e.operator import Operator

# What was said of the builder that had no room, and the user beside it, ready.
FullNamespace: TypeAlias = "Future[tuple[Judged, Json]]"
# The first builder's session before there was a second one, and the second one.
Shared: TypeAlias = "Future[tuple[bytes, Json]]"


@pytest.fixture(scope="package")
def module_namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """The namespace of nearly all tests here."""
    yield from _new_namespace(kube, request)


@pytest.fixture(scope="package")
def other_namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """A second one."""
    yield from _new_namespace(kube, request)


@pytest.fixture(scope="package")
def world(
    operator: Operator,
    kube: Kube,
    module_namespace: str,
    other_namespace: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """Two hubs, and two good resources that are ready."""
    namespaces = (module_namespace, other_namespace)
    # Not in the threads: two at once may trip over the folder that all are in.
    folders = {name: tmp_path_factory.mktemp("hub") for name in namespaces}
    with ThreadPoolExecutor(len(namespaces)) as pool:
        first, second = pool.map(lambda name: deploy_hub(Kube(), name, folders[name]), namespaces)
    made = World(kube, first, second)
    made.apply(
        [
            user("good", made.namespace, permissions=["repo"]),
            builder("good-builder", made.namespace),
            *cases.everyones(made),
        ]
    )
    for kind, name in GOOD.items():
        kube.wait_condition(kind, name, made.namespace, JUDGED)
    yield made
    clear_faults(made.other)
    made.drop_all()


@pytest.fixture(scope="package")
def hub(world: World) -> Hub:
    """The hub of the good and the bad resources."""
    return world.hub


@pytest.fixture(scope="package")
def third_namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """One that is full."""
    yield from _new_namespace(kube, request)


@pytest.fixture(scope="package")
def full_namespace(world: World, third_namespace: str) -> FullNamespace:
    """A builder that finds no room, and is tried again without the quota: begun before test_refused.py asks."""

    def tell(world: World) -> tuple[Judged, Json]:
        kube, namespace = world.kube, third_namespace
        world.apply([cases.quota(namespace)])
        kube.wait_object(
            "ResourceQuota", "no-more-configmaps", namespace,
            lambda item: (item.get("status") or {}).get("used", {}).get("configmaps") == "1", SOON, "it is in force",
        )  # fmt: skip
        world.apply(cases.full_namespace(world, namespace))
        refused = world.judged("KojiBuilder", "no-room", namespace)
        others = kube.wait_condition("KojiUser", "has-room", namespace, JUDGED)
        kube.delete("ResourceQuota", "no-more-configmaps", namespace)
        return refused, others

    return meanwhile(world, tell)


@pytest.fixture(scope="package")
def shared(world: World) -> Shared:
    """Two builders of one name, the second applied when the first has its session; begun before test_sessions.py."""

    def tell(world: World) -> tuple[bytes, Json]:
        world.apply([builder("shared", world.namespace, channels=["createrepo"])])
        world.kube.wait_condition("KojiBuilder", "shared", world.namespace, JUDGED)
        before = world.kube.secret(world.namespace, "koji-shared-session")["session.json"]
        spec = {"hub_host": world.hub.url, "admin_secret": "first-admin", "cacert_secret": "first-ca-cert"}
        world.apply([builder("shared", world.other.namespace, channels=["createrepo"], **spec)])
        return before, world.judged("KojiBuilder", "shared", world.other.namespace).item

    return meanwhile(world, tell)


@pytest.fixture(autouse=True)
def _the_others_go_on(world: World) -> Iterator[None]:
    """After each test the good resources are ready still, and the good builder has checked in since it began.

    For a test of less than some seconds the last check-in that was seen will do: the next test's end looks again.
    """
    yield
    world.good_go_on()


@pytest.fixture(scope="module", autouse=True)
def _the_others_went_on(world: World) -> Iterator[None]:
    """After each file the good builder checks in once more."""
    yield
    world.seen = time.monotonic(), world.last_check_in()
    world.good_go_on(0)
