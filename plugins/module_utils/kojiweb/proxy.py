# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whether the hub lets the web pages log in others: option ProxyDNs of a KojiHub beside them, or ProxyPrincipals, which
its role writes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import names as kojihub
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import proxies, rollout
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import API_VERSION, GROUP
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of a KojiHub: another value has it looked at again.
ASKED = f"{GROUP}/proxy-asked-for"


def look(
    web: Mapping[str, Any], hub: Mapping[str, Any], reader: rollout.PodReader
) -> tuple[Problem | None, list[dict[str, Any]]]:
    """-> (why nobody can log in yet, the manifest that has the hub looked at)"""
    names = kojihub.Names(hub)
    option, separator, subject = proxies.PRINCIPALS_OPTION, proxies.PRINCIPALS_SEPARATOR, proxies.principal(web)
    if not subject:
        option, separator = proxies.OPTION, proxies.SEPARATOR
        subject = proxies.of_webs([web], reader, names.namespace)[0]
    config = (reader.get("ConfigMap", names.namespace, names.config) or {}).get("data") or {}
    if subject not in proxies.listed(config.get("hub.conf", ""), option, separator):
        why = (
            f"option {option} of KojiHub '{names.name}' lacks '{subject}' yet, so nobody can log in; the hub "
            "gets it by itself, unless its own configmap sets that option: then add it there"
        )
        return Problem("WaitingForHub", why, progressing=True), _ask(web, hub, subject)
    if not _was_ready(web) and not rollout.look(names, reader).settled:
        why = f"KojiHub '{names.name}' gets new pods, which let people log in here"
        return Problem("WaitingForHub", why, progressing=True), []
    return None, []


def _ask(web: Mapping[str, Any], hub: Mapping[str, Any], subject: str) -> list[dict[str, Any]]:
    value = hashlib.sha256(f"{web['metadata']['uid']} {subject}".encode()).hexdigest()[:16]
    metadata = hub["metadata"]
    if (metadata.get("annotations") or {}).get(ASKED) == value:
        return []
    wanted = {"name": metadata["name"], "namespace": metadata["namespace"], "annotations": {ASKED: value}}
    return [{"apiVersion": API_VERSION, "kind": "KojiHub", "metadata": wanted}]


def _was_ready(web: Mapping[str, Any]) -> bool:
    conditions = (web.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
