# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A namespace in memory with a KojiHub that has served, and what its role has made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import version
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira.survey import Survey

from tests.unit.resources.cluster import NAMESPACE, Authority, Objects, resource

if TYPE_CHECKING:
    import pytest

Said = list[dict[str, Any]]
CLAIM = "koji-hub-mnt-pvc"
FIRST = "2026-11-30T10:00:00Z"


class Namespace(Objects):
    """The objects, with labels in lists, and what the hub answers."""

    def __init__(self, hub_version: str = "1.35.3", **hub: Any) -> None:
        super().__init__()
        authority = Authority()
        ca = authority.certificate
        self.add("KojiHub", "hub", spec=hub, status={"hub_version": hub_version})
        self.add("Secret", "koji-hub-ca-cert", {"ca.crt": ca})
        self.add("Secret", "koji-hub-ca-cert-key", {"tls.crt": ca, "tls.key": authority.key})
        certificate, key = authority.issue("koji-admin")
        self.add("Secret", "koji-hub-admin", {"tls.crt": certificate, "tls.key": key, "ca.crt": ca})
        self.claim(CLAIM, "ReadWriteOnce")
        self.said: dict[str, Said] = {}
        self.openshift = False

    def claim(self, name: str, *modes: str) -> None:
        self.add("PersistentVolumeClaim", name, spec={"accessModes": list(modes)})

    def list(self, kind: str, namespace: str, labels: str = "") -> Said:
        wanted = dict(label.split("=", 1) for label in labels.split(",") if label)
        return [
            item
            for item in super().list(kind, namespace)
            if wanted.items() <= (item["metadata"].get("labels") or {}).items()
        ]

    def events(self, namespace: str, uid: str) -> Said:
        assert namespace == NAMESPACE
        return self.said.get(uid, [])

    def serves(self, kind: str) -> bool:
        return self.openshift

    def other(self, name: str, created: str = FIRST, uid: str = "", **spec: Any) -> None:
        """Another Kojira."""
        self.add("Kojira", name, metadata={"creationTimestamp": created, "uid": uid or f"uid-{name}"}, spec=spec)

    def deployment(self, name: str = "kojira", *, ready: bool = True, own: bool = True) -> None:
        labels = {"app.kubernetes.io/name": "kojira", "app.kubernetes.io/instance": name}
        labels["app.kubernetes.io/managed-by"] = "koji-operator"
        owner = {"kind": "Kojira", "name": name, "uid": f"uid-Kojira-{name}" if own else "else"}
        status = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), 1) if ready else {}
        self.add(
            "Deployment",
            name,
            apiVersion="apps/v1",
            metadata={"labels": labels, "generation": 1, "ownerReferences": [owner]},
            spec={},
            status={**status, "observedGeneration": 1},
        )

    def pod(self, name: str = "kojira", **status: Any) -> None:
        labels = {"app.kubernetes.io/name": "kojira", "app.kubernetes.io/instance": name}
        labels["app.kubernetes.io/managed-by"] = "koji-operator"
        self.add("Pod", f"{name}-pod", metadata={"labels": labels, "creationTimestamp": FIRST}, spec={}, status=status)


def kojira(name: str = "kojira", created: str = FIRST, status: dict[str, Any] | None = None, **spec: Any) -> Any:
    """A Kojira as the API server has it."""
    found = resource("Kojira", name, **spec)
    found["metadata"]["creationTimestamp"] = created
    return {**found, "status": status or {}}


def surveyed(there: Namespace, *args: Any, **spec: Any) -> dict[str, Any]:
    """What the role is told."""
    return Survey(kojira(*args, **spec), there).run()


def reason(there: Namespace, *args: Any, **spec: Any) -> str:
    return str(surveyed(there, *args, **spec)["problem"].get("reason", ""))


def warned(found: dict[str, Any]) -> dict[str, str]:
    return {entry["reason"]: entry["message"] for entry in found["warnings"]}


def silent_hub(monkeypatch: pytest.MonkeyPatch, answer: Any = None) -> None:
    """What the hub answers to plain calls."""
    monkeypatch.setattr(version, "call", lambda *args: answer)
