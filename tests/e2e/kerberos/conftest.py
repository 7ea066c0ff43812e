# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One realm and one KojiHub in it for all tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import _new_namespace
from tests.e2e.kojihub.site import Site, prepare
from tests.e2e.kojira.scene import CLAIMS
from tests.e2e.kojiweb.site import DEFAULTS as WEB
from tests.e2e.resources import resource

from .kdc import REALM, SETTINGS, Kdc, deploy, principal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Kube
    from tests.e2e.operator import Operator

ADMIN = principal("koji/admin")


def krb(name: str, secret: str = "", **more: str) -> dict[str, Any]:
    """authentication of all but the hub; with the name of a Secret, by keytab."""
    keytab = {"keytab_secret": secret, "krb5_configmap": SETTINGS} if secret else {}
    return {"krb": {"principal": principal(name), **keytab, **more}}


@dataclass(frozen=True)
class Realm:
    """A KDC, and a hub that takes its tickets; the operator logs in there by keytab."""

    kdc: Kdc
    site: Site
    hub: Hub

    @property
    def kube(self) -> Kube:
        return self.site.kube

    @property
    def namespace(self) -> str:
        return self.site.namespace

    def logins(self, user: str) -> set[str]:
        """How this user's sessions were logged in: 2 is by certificate, 3 by Kerberos."""
        sql = f"SELECT DISTINCT authtype FROM sessions JOIN users ON user_id = users.id WHERE name = '{user}'"  # noqa: S608
        return set(self.site.psql(sql).split())


@pytest.fixture(scope="module")
def module_namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for the tests of a file, with a database."""
    for name in _new_namespace(kube, request):
        prepare(kube, name)
        yield name


def hub_spec(**krb: Any) -> dict[str, Any]:
    """The hub's spec: Kojira needs its claims."""
    asked = {
        "keytab_secret": "hub-keytab",
        "krb5_configmap": SETTINGS,
        "allowed_realms": [REALM],
        "host_principal_format": principal("compile/%s"),
        "admin_principal": ADMIN,
        "admin_keytab_secret": "admin-keytab",
    }
    return {**CLAIMS, "authentication": {"krb": {**asked, **krb}}}


@pytest.fixture(scope="module")
def realm(operator: Operator, kube: Kube, module_namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Realm:
    """The realm, and the hub, ready."""
    kdc = deploy(kube, module_namespace)
    service, web = (f"HTTP/koji-{name}.{module_namespace}.svc" for name in ("hub", "web"))
    kdc.add(service, ADMIN, "kojiweb", web)
    kdc.secret("hub-keytab", service)
    kdc.secret("admin-keytab", ADMIN)
    kdc.secret("web-keytab", "kojiweb", web)
    # The hub is told of its web pages from the start, so it needs no other pods later.
    spec = {**WEB, "authentication": krb("kojiweb", "web-keytab")}
    kube.apply(resource("KojiWeb", "web", module_namespace, **spec))
    site = Site(kube, module_namespace, tmp_path_factory.mktemp("realm"))
    return Realm(kdc, site, site.ready(**hub_spec()))
