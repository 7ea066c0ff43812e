# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Filters that turn a KojiBuilder's spec into what the hub and the scheduler want."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.fedoraproject.koji.plugins.module_utils import builder_files, egress
from ansible_collections.fedoraproject.koji.plugins.module_utils.ini import IniError
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import fullname

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def kojid_conf(spec: Mapping[str, Any], references: Mapping[str, Any]) -> str:
    """kojid.conf of the task pods."""
    try:
        return builder_files.kojid_conf(spec, references)
    except IniError as error:
        raise AnsibleFilterError(f"kojid.conf: {error}") from error


def network_policy(spec: Mapping[str, Any], references: Mapping[str, Any], pods: Mapping[str, str]) -> dict[str, Any]:
    """The spec of the NetworkPolicy of a builder's pods, which have these labels."""
    return egress.policy(pods, references["hub_egress"], (spec.get("network_policy") or {}).get("egress"))


def host_problem(host: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Why a builder gets no tasks although its resource does not say so: people disabled its host on the hub."""
    if host.get("enabled", True) or not spec.get("enabled", True):
        return {}
    message = (
        f"host {host['name']} is disabled on the hub: koji enable-host {host['name']}, or set spec.enabled to true"
    )
    return {"reason": "HostDisabled", "message": message, "progressing": False}


def scheduling_problem(conditions: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Why a builder isn't ready, from the condition that the scheduler writes; {} if it takes tasks."""
    if not conditions:
        message = (
            "the scheduler has not checked in for this host yet; its namespace waits for its turn if the operator has "
            "fewer workers (MAX_CONCURRENT_RECONCILES_CONFIGMAP_) than there are namespaces with builders"
        )
        return {"reason": "WaitingForScheduler", "message": message, "progressing": True}
    condition = conditions[0]
    if condition["status"] == "True":
        return {}
    return {"reason": condition["reason"], "message": condition["message"], "progressing": False}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name -> filter."""
        return {
            "builder_capacity": builder_files.capacity,
            "builder_json": builder_files.builder_json,
            "builder_slots": builder_files.slots,
            "fullname": fullname,
            "host_problem": host_problem,
            "kojid_conf": kojid_conf,
            "network_policy": network_policy,
            "scheduling_problem": scheduling_problem,
        }
