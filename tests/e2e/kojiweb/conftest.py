# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""`site`: a hub of plain manifests that lets the web pages log in others, one a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.hub import deploy_hub

from .site import WebSite

if TYPE_CHECKING:
    from tests.e2e.kube import Kube
    from tests.e2e.operator import Operator


@pytest.fixture(scope="module")
def site(operator: Operator, kube: Kube, module_namespace: str, tmp_path_factory: pytest.TempPathFactory) -> WebSite:
    """No KojiWeb yet."""
    hub = deploy_hub(kube, module_namespace, tmp_path_factory.mktemp("hub"), {"ProxyDNs": "CN=kojiweb"})
    return WebSite(kube, hub, tmp_path_factory.mktemp("people"))
