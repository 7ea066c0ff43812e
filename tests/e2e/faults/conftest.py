# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One hub for all fault tests, a builder for each file, and what sees to it that each fault test is a whole one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import _new_namespace
from tests.e2e.hub import Hub, deploy_hub

from .ledger import Ledger
from .world import CLAIM, HUB_CONF, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kube import Kube
    from tests.e2e.operator import Operator

SITE = "site"
SLOTS = 4
# Runners wait a minute between attempts to reach a hub that is down, as kojid does; no test waits for that.
KOJID_CONF = "[kojid]\nretry_interval = 1\noffline_retry_interval = 1\n"


@pytest.fixture(scope="package")
def package_namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """The namespace of all fault tests that need none of their own."""
    yield from _new_namespace(kube, request)


@pytest.fixture(scope="package")
def hub(kube: Kube, operator: Operator, package_namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """A hub whose database outlives PostgreSQL's pod."""
    return database_hub(kube, package_namespace, tmp_path_factory, HUB_CONF)


def database_hub(
    kube: Kube, namespace: str, tmp_path_factory: pytest.TempPathFactory, hub_conf: dict[str, Any] | None = None
) -> Hub:
    """Deploy a hub with a PVC for its database."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": CLAIM, "namespace": namespace}
    kube.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": claim})
    return deploy_hub(kube, namespace, tmp_path_factory.mktemp("hub"), hub_conf, database_claim=CLAIM)


def site_config(namespace: str) -> dict[str, Any]:
    """The site's ConfigMap for all builders."""
    metadata = {"name": SITE, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"kojid.conf": KOJID_CONF}}


@pytest.fixture(scope="package")
def ledger(kube: Kube, hub: Hub) -> Iterator[Ledger]:
    """The hub's database, writing down what becomes of tasks."""
    made = Ledger(kube, hub.namespace)
    made.install()
    yield made
    made.close()


@pytest.fixture(scope="module")
def module_world(
    kube: Kube,
    hub: Hub,
    ledger: Ledger,
    operator: Operator,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[World]:
    """A builder for the file, called after it, with four slots; a file's SPEC has more of its spec."""
    name = request.module.__name__.rpartition(".test_")[2].replace("_", "-")
    spec = {"replicas": SLOTS, "configmap": SITE, **getattr(request.module, "SPEC", {})}
    kube.apply(site_config(hub.namespace))
    made = World(kube, hub, ledger, operator, name, tmp_path_factory.mktemp(name), spec)
    made.apply()
    made.ready()
    yield made
    made.clean()
    kube.delete("KojiBuilder", name, hub.namespace)


@pytest.fixture
def world(module_world: World) -> Iterator[World]:
    """The file's builder, taking tasks, with nothing to do."""
    module_world.ready()
    module_world.scheduling()
    yield module_world
    module_world.clean()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """A fault test has a mark, and ends with the invariant."""
    assert pyfuncitem.get_closest_marker("fault"), "a test here needs @pytest.mark.fault(id of docs/faults.md)"
    world = pyfuncitem.funcargs.get("world")
    assert isinstance(world, World), "a fault test needs the fixture `world`"
    world.settled_since = False
    yield
    assert world.settled_since, "a fault test ends with world.settled(...)"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A fault test that was skipped, or failed as expected, has failed."""
    report: Any = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: a fault test may not be skipped: {report.longrepr}"
    return report  # type: ignore[no-any-return]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """The same for a file of fault tests that skips itself."""
    report: Any = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid}: fault tests may not be skipped: {report.longrepr}"
    return report  # type: ignore[no-any-return]
