# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A hub that is deleted together with everything else keeps nobody waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.resources import READY, SOON, builder, user

if TYPE_CHECKING:
    from .site import Site


def test_all_resources_deleted_at_once_are_gone_soon_and_what_is_kept_stays(own_site: Site) -> None:
    kube, namespace = own_site.kube, own_site.namespace
    own_site.ready()
    kube.apply([user("someone", namespace), builder("default", namespace)])
    for kind, name in (("KojiUser", "someone"), ("KojiBuilder", "default")):
        kube.wait_condition(kind, name, namespace, READY)
    kube.kubectl("delete", "kojihub,kojiuser,kojibuilder", "--all", "-n", namespace, "--wait=false")
    for kind, name in (("KojiHub", "hub"), ("KojiUser", "someone"), ("KojiBuilder", "default")):
        # Far less than finalize_timeout, although the admin's Secret makes the hub look alive.
        kube.wait_gone(kind, name, namespace, SOON)
    for name in ("koji-hub-admin", "koji-hub-ca-cert", "koji-hub-ca-cert-key"):
        assert kube.get("Secret", name, namespace) is not None, name
    kube.wait_gone("Deployment", "koji-hub", namespace, SOON)
