# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A cluster that doesn't take what the operator makes: its own words are in the status, and it is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .world import JUDGED

if TYPE_CHECKING:
    from .conftest import FullNamespace
    from .world import World


def test_a_full_namespace_is_said_to_be_and_tried_again(world: World, full_namespace: FullNamespace) -> None:
    refused, others = full_namespace.result(3 * JUDGED)
    refused.says("RefusedByCluster", "koji-no-room-builder", "exceeded quota: no-more-configmaps")
    assert others, "the user beside it is ready"
    namespace = refused.item["metadata"]["namespace"]
    # The quota went when it had been refused.
    world.kube.wait_condition("KojiBuilder", "no-room", namespace, JUDGED)
    for kind, name in (("KojiBuilder", "no-room"), ("KojiUser", "has-room")):
        world.drop(kind, name, namespace)
