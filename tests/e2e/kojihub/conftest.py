# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Sites for KojiHubs: `site` for the tests of a file, `own_site` for one test; `hub` is a ready one of the former."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import _new_namespace

from .site import PERIOD, Site, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Kube
    from tests.e2e.operator import Operator


@pytest.fixture
def namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for one test, with a database."""
    for name in _new_namespace(kube, request):
        prepare(kube, name)
        yield name


@pytest.fixture(scope="module")
def module_namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for the tests of a file, with a database."""
    for name in _new_namespace(kube, request):
        prepare(kube, name)
        yield name


@pytest.fixture(scope="module")
def site(operator: Operator, kube: Kube, module_namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site of a file's tests."""
    return Site(kube, module_namespace, tmp_path_factory.mktemp("site"))


@pytest.fixture
def own_site(
    operator: Operator, kube: Kube, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site for one test; meanwhile nobody looks every few seconds at the hub of the file."""
    often = {
        (hub["metadata"]["namespace"], hub["metadata"]["name"]): period
        for hub in kube.find("KojiHub")
        if (period := (hub["metadata"].get("annotations") or {}).get(PERIOD))
    }
    for scope, name in often:
        kube.patch("KojiHub", name, scope, {"metadata": {"annotations": {PERIOD: None}}})
    yield Site(kube, namespace, tmp_path_factory.mktemp("site"))
    for (scope, name), period in often.items():
        kube.patch("KojiHub", name, scope, {"metadata": {"annotations": {PERIOD: period}}})


@pytest.fixture(scope="module")
def hub(site: Site) -> Hub:
    """A KojiHub with default settings in the site of the file, ready."""
    return site.ready()
