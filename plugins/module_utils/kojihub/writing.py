# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Writes Secrets with certificates as they are ordered, and makes the certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kept import is_conflict, keep
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.order import manifest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError
from ansible_collections.fedoraproject.koji.plugins.module_utils.making import make

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Writer:
    """Writes past the runtime's proxy, so that kept Secrets have no owner; `result` is that of a module."""

    def __init__(
        self, api: KubeApi, owner: Mapping[str, Any], labels: Mapping[str, str], *, check_mode: bool = False
    ) -> None:
        self._api = api
        self._owner = owner
        self._labels = labels
        self._check_mode = check_mode
        self.result: dict[str, Any] = {"changed": False, "conflicts": [], "diff": []}

    def write(self, orders: Iterable[Mapping[str, Any]]) -> None:
        """One after the other. Raises KubeError, MakingError."""
        for ordered in orders:
            made = make(ordered["issue"]) if ordered["issue"] else None
            definition = manifest(ordered, self._owner, self._labels, made)
            try:
                kept = keep(self._api, definition, update=ordered["update"], check_mode=self._check_mode)
            except KubeError as error:
                if is_conflict(definition, error):
                    self.result["conflicts"].append(ordered["secret"])
                    continue
                raise KubeError(f"Secret {ordered['secret']}: {error}", error.status) from error
            self.result["changed"] = self.result["changed"] or kept["changed"]
            self.result["diff"] += [kept["diff"]] if "diff" in kept else []
