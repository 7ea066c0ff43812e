# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a builder's ConfigMap `<fullname>-builder` says to the scheduler; the role koji_builder writes it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import overrides
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import GROUP, fullname

if TYPE_CHECKING:
    from collections.abc import Mapping

BUILDER_LABEL = f"{GROUP}/builder"  # value: the CR's name; on the ConfigMap, task pods and task Secrets
KIND = "KojiBuilder"


class SettingsError(ValueError):
    """A ConfigMap that can't be used; the message names it and the key."""


@dataclass(frozen=True)
class History:
    """How many failed pods are kept for people to look at, and for how long (seconds)."""

    count: int = 3
    max_age: float = 3600.0


@dataclass(frozen=True)
class Settings:
    """One builder, as the role wrote it down. Times are in seconds."""

    name: str
    namespace: str
    owner_uid: str
    hub_url: str
    user: str
    ca_secret: str
    client_secret: str
    slots: int
    paused: bool
    task_attempts: int
    start_deadline: float
    drain_timeout: float
    volume_methods: frozenset[str]
    shared_pvc: str
    history: History
    pod: Mapping[str, Any] = field(repr=False)
    security_profile: str = "userns"
    config_map: tuple[str, str] = ("", "")  # name and uid of what this was read from
    version: str = ""
    host_archs: tuple[str, ...] = ()
    overrides: tuple[overrides.Override, ...] = ()
    shared_beside: Mapping[str, str] = field(default_factory=dict)  # labels of pods that shared_pvc is on one node with
    principal: str = ""
    keytab_secret: str = ""  # what it logs in with instead of the certificate of client_secret
    krb5_conf: str = ""

    @property
    def fullname(self) -> str:
        """The prefix of the builder's objects."""
        return fullname(self.name)

    @property
    def by_channel(self) -> bool:
        """Whether pods depend on their task's channel."""
        return any(override.channels is not None for override in self.overrides)

    @property
    def session_secret(self) -> str:
        """The Secret with the master session and the attempts per task."""
        return f"{self.fullname}-session"


def parse(config_map: Mapping[str, Any]) -> Settings:
    """Read a builder's ConfigMap. Raises SettingsError."""
    meta = config_map["metadata"]
    where = f"ConfigMap {meta['namespace']}/{meta['name']}"
    data = config_map.get("data") or {}
    raw, pod = (_load(data, key, where) for key in ("builder.json", "pod.json"))
    owner = next((o for o in meta.get("ownerReferences", []) if o.get("kind") == KIND), None)
    if owner is None:
        raise SettingsError(f"{where} has no owner of kind {KIND}: task pods need one; it is the role's to set")
    containers = (pod.get("spec") or {}).get("containers") or []
    if not any(isinstance(c, dict) and c.get("name") == "task" for c in containers):
        raise SettingsError(f"{where}, pod.json: no container is called task")
    history = raw.get("failed_pod_history") or {}
    try:
        return Settings(
            name=owner["name"],
            namespace=meta["namespace"],
            owner_uid=owner["uid"],
            hub_url=raw["hub_url"],
            user=raw["user"],
            ca_secret=raw["ca_secret"],
            client_secret=raw["client_secret"],
            slots=int(raw["slots"]),
            paused=bool(raw.get("paused", False)),
            task_attempts=max(1, int(raw.get("task_attempts", 3))),
            start_deadline=float(raw.get("start_deadline", 300)),
            drain_timeout=float(raw.get("drain_timeout", 3600)),
            volume_methods=frozenset(raw.get("volume_methods") or ()),
            shared_pvc=raw.get("shared_pvc") or "",
            history=History(int(history.get("count", 3)), float(history.get("max_age", 3600))),
            pod=pod,
            config_map=(meta["name"], meta.get("uid", "")),
            security_profile=raw.get("security_profile") or "userns",
            version=f"{meta.get('uid', '')}/{meta.get('resourceVersion', '')}",
            host_archs=tuple(raw.get("host_archs") or ()),
            overrides=tuple(overrides.parse(one) for one in raw.get("overrides") or ()),
            shared_beside=dict(raw.get("shared_beside") or {}),
            principal=raw.get("principal") or "",
            keytab_secret=raw.get("keytab_secret") or "",
            krb5_conf=raw.get("krb5_conf") or "",
        )
    except KeyError as error:
        raise SettingsError(f"{where}, builder.json: key {error} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"{where}, builder.json: {error}") from error


def _load(data: Mapping[str, str], key: str, where: str) -> dict[str, Any]:
    try:
        loaded = json.loads(data[key])
    except KeyError as error:
        raise SettingsError(f"{where}: key {key} is missing") from error
    except ValueError as error:
        raise SettingsError(f"{where}, {key}: not JSON ({error})") from error
    if not isinstance(loaded, dict):
        raise SettingsError(f"{where}, {key}: not a JSON object")
    return loaded
