# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One world for all tests of bad input; a reconcile costs seconds, so what is bad in a file is applied all at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import _new_namespace
from tests.e2e.hub import Hub, deploy_hub
from tests.e2e.kube import Kube
from tests.e2e.resources import builder, user

from . import cases
from .world import GOOD, JUDGED, World, clear_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.operator import Operator


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
    with ThreadPoolExecutor(len(namespaces)) as pool:
        first, second = pool.map(lambda name: deploy_hub(Kube(), name, tmp_path_factory.mktemp("hub")), namespaces)
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


@pytest.fixture(autouse=True)
def _the_others_go_on(world: World) -> Iterator[None]:
    """After each test the good resources are ready still, and the good builder has checked in since it began."""
    began = world.last_check_in()
    yield
    world.good_go_on(began)
