# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One KojiHub with claims for the tests of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import _new_namespace
from tests.e2e.kojihub.site import Site, prepare

from .scene import CLAIMS, Scene

PERIOD = "ansible.sdk.operatorframework.io/reconcile-period"

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kube import Kube
    from tests.e2e.operator import Operator


@pytest.fixture(scope="module")
def module_namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for the tests of a file, with a database."""
    for name in _new_namespace(kube, request):
        prepare(kube, name)
        yield name


@pytest.fixture(scope="module")
def scene(operator: Operator, kube: Kube, module_namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A hub that is ready, and looks often at what a Kojira asks of it."""
    site = Site(kube, module_namespace, tmp_path_factory.mktemp("site"))
    hub = site.ready(**CLAIMS)
    kube.patch("KojiHub", "hub", module_namespace, {"metadata": {"annotations": {PERIOD: "15s"}}})
    return Scene(site, hub)
