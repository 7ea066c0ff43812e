# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A cluster that doesn't take what the operator makes: its own words are in the status, and it is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.resources import SOON, builder, user

from .world import JUDGED, copied_secret

if TYPE_CHECKING:
    from tests.e2e.kube import Kube

    from .world import World


def test_a_full_namespace_is_said_to_be_and_tried_again(kube: Kube, world: World, namespace: str) -> None:
    metadata = {"name": "no-more-configmaps", "namespace": namespace}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"configmaps": "1"}}}
    kube.create(quota)
    kube.wait_object(
        "ResourceQuota", "no-more-configmaps", namespace,
        lambda item: (item.get("status") or {}).get("used", {}).get("configmaps") == "1", SOON, "it is in force",
    )  # fmt: skip
    here = {"hub_host": world.hub.url}
    world.apply(
        [
            *(
                copied_secret(kube, name, name, world.namespace, namespace)
                for name in ("koji-hub-admin", "koji-hub-ca-cert", "koji-hub-ca-cert-key")
            ),
            builder("no-room", namespace, **here),
            user("has-room", namespace, **here),
        ]
    )
    judged = world.judged("KojiBuilder", "no-room", namespace)
    judged.says("RefusedByCluster", "koji-no-room-builder", "exceeded quota: no-more-configmaps")
    kube.wait_condition("KojiUser", "has-room", namespace, JUDGED)

    kube.delete("ResourceQuota", "no-more-configmaps", namespace)
    kube.wait_condition("KojiBuilder", "no-room", namespace, JUDGED)
    for kind, name in (("KojiBuilder", "no-room"), ("KojiUser", "has-room")):
        world.drop(kind, name, namespace)
