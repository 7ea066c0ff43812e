# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The files of a builder's ConfigMap: builder.json for the scheduler, kojid.conf for the task pods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import overrides
from ansible_collections.fedoraproject.koji.plugins.module_utils.ini import merged
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given

if TYPE_CHECKING:
    from collections.abc import Mapping

# The hub adds a task's weight up to 6 (koji.tasks); with this, slots are used up before capacity is.
CAPACITY_PER_SLOT = 6
MIN_CAPACITY = 2  # koji-facts.md: the hub wants more than 1
MIN_MAXJOBS = 1  # koji-facts.md: maxjobs 0 counts as unset
SCHEDULER_FIELDS = (
    "task_attempts",
    "start_deadline",
    "drain_timeout",
    "volume_methods",
    "failed_pod_history",
    "host_archs",
    "security_profile",
)
# kojid's own 60 and 120 s are for a machine that runs for months: a pod would sleep through a hub's restart. Together
# with max_retries it is as patient as kojid: two hours.
RETRIES = {"retry_interval": 10, "max_retries": 720, "offline_retry_interval": 20}


def slots(spec: Mapping[str, Any]) -> int:
    """Tasks that may run at a time: replicas x max_jobs."""
    return int(spec.get("replicas", 1)) * int(spec.get("max_jobs", 1))


def capacity(spec: Mapping[str, Any]) -> float:
    """The host's capacity on the hub."""
    return float(spec.get("capacity") or max(MIN_CAPACITY, CAPACITY_PER_SLOT * slots(spec)))


def builder_json(spec: Mapping[str, Any], references: Mapping[str, Any]) -> str:
    """What the scheduler wants to know of a builder; see builders.parse."""
    return json.dumps(
        {
            **{field: spec[field] for field in SCHEDULER_FIELDS if field in spec},
            "overrides": [overrides.from_spec(override) for override in spec.get("overrides") or []],
            "hub_url": references["hub_url"],
            "user": references["user"],
            "ca_secret": references["ca_secret"],
            "client_secret": references["client_secret"],
            "slots": slots(spec),
            "paused": bool(spec.get("paused", False)) or not spec.get("enabled", True),
            "shared_pvc": given(spec.get("shared_pvc")) or None,
            "shared_beside": references.get("shared_beside") or {},
            **_kerberos(references),
        },
        indent=2,
        sort_keys=True,
    )


def _kerberos(references: Mapping[str, Any]) -> dict[str, Any]:
    """How it logs in, where not by certificate."""
    if not references.get("keytab_secret"):
        return {}
    return {field: references[field] for field in ("principal", "keytab_secret", "krb5_conf")}


def kojid_conf(spec: Mapping[str, Any], references: Mapping[str, Any]) -> str:
    """kojid.conf of the task pods: the CR's options, the site's own over them. Raises IniError."""
    hub = references["hub_url"]
    ours = {
        "server": hub,
        "topurl": given(spec.get("topurl")) or f"{hub.removesuffix('/kojihub')}/kojifiles",
        "maxjobs": max(slots(spec), MIN_MAXJOBS),
        "workdir": "/var/tmp/koji",  # noqa: S108  (a volume of the pod)
        "vendor": spec.get("vendor", "Koji"),
        "packager": spec.get("packager", "Koji"),
        "distribution": spec.get("distribution", "Koji"),
        "allowed_scms": spec.get("allowed_scms"),
        **RETRIES,
    }
    return merged({"kojid": ours}, references["settings"].get("kojid.conf", ""))
