# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the objects of a Kojira are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import MANAGED_BY, OPERATOR
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import fullname

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
# What every kojira of the operator's has, whichever Kojira it belongs to.
EVERY = {NAME: "kojira", MANAGED_BY: OPERATOR}


class Names:
    """Names and labels of one Kojira."""

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self.name: str = resource["metadata"]["name"]
        self.namespace: str = resource["metadata"]["namespace"]
        self.fullname = fullname(self.name)
        self.deployment = self.fullname
        self.config = f"{self.fullname}-files"

    @property
    def labels(self) -> dict[str, str]:
        """Labels of all that the operator makes for this Kojira."""
        return {**EVERY, INSTANCE: self.name}

    @property
    def selector(self) -> dict[str, str]:
        """Labels that the pod is selected by; they never change."""
        return {NAME: EVERY[NAME], INSTANCE: self.name}

    @property
    def objects(self) -> list[dict[str, str]]:
        """What the role writes under a name that somebody else might have taken."""
        return [{"kind": "Deployment", "name": self.deployment}, {"kind": "ConfigMap", "name": self.config}]

    def as_dict(self) -> dict[str, Any]:
        """For templates."""
        return {**vars(self), "labels": self.labels, "selector": self.selector}
