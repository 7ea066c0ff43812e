# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the namespace's Kojira asks of hub.conf: since Koji 1.35 the hub makes the newRepo tasks, by its own limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira import active, options
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem, Resolver

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader


def wanted(names: Names, reader: Reader) -> dict[str, str]:
    """Options of [hub] that the Kojira that works for this hub asks for; older hubs ignore them."""
    first = active.oldest(reader.list("Kojira", names.namespace))
    if first is None:
        return {}
    kojira = {**first, "kind": "Kojira"}
    resolver = Resolver(kojira, reader)
    try:
        resolver.find_hub()
    except Problem:
        return {}  # the Kojira's own status says it
    if resolver.hub is None or resolver.hub["metadata"]["uid"] != names.uid:
        return {}
    return options.hub_options(kojira.get("spec") or {})
