# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A namespace in memory with a hub, and what the role of a KojiWeb reads and writes there."""

from __future__ import annotations

import configparser
from typing import Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names as HubNames
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.survey import OPENSHIFT
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb import files
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb.names import Names
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb.survey import Survey

from tests.unit.kojihub.namespace import START, HubRole, Namespace
from tests.unit.resources.cluster import NAMESPACE, resource

HUB_URL = "https://koji-hub.koji.svc:8443/kojihub"
SERVES = {"hub_version": "1.35.3"}


def names(**spec: Any) -> Names:
    """Names of the KojiWeb `web`."""
    return Names(resource("KojiWeb", "web", **spec))


def made(spec: dict[str, Any] | None = None, site: dict[str, str] | None = None, theme: str = "") -> files.FilesLook:
    """The files of a KojiWeb with this spec."""
    spec = {**({"configmap": "koji-web"} if site else {}), **(spec or {})}
    sources = files.Sources(HUB_URL, "https://koji.example.com/kojifiles", site or {}, "PEM\n", "s3cr3t%", theme)
    return files.look(spec, names(**spec), sources)


def read(*texts: str) -> dict[str, str]:
    """Section [web] as koji-web reads it: option names in lower case, '%' means another option."""
    parser = configparser.ConfigParser()
    for text in texts:
        parser.read_string(text)
    assert parser.sections() == ["web"]
    return dict(parser.items("web"))


def reasons(found: Any) -> list[str]:
    """What is warned of."""
    warnings = found["warnings"] if isinstance(found, dict) else found.warnings
    return [warning["reason"] for warning in warnings]


class Cluster(Namespace):
    """A namespace with a KojiHub that serves, as its role has left it."""

    openshift = False

    def __init__(self) -> None:
        super().__init__()
        role = HubRole(self)
        role.run()
        self.there["KojiHub", "hub"] = {**role.resource, "status": dict(SERVES)}
        self.let_in("CN=kojiweb")
        self.deployed(HubNames(role.resource).deployment)

    def add(self, kind: str, name: str, data: dict[str, str] | None = None, **more: Any) -> None:
        """Put an object there."""
        metadata = {"name": name, "namespace": NAMESPACE, "uid": name, **more.pop("metadata", {})}
        self.there[kind, name] = {"kind": kind, "metadata": metadata, "data": data, **more}

    def let_in(self, *subjects: str) -> None:
        """Have the hub's configuration name these proxies."""
        self.add("ConfigMap", "koji-hub-config", {"hub.conf": f"[hub]\nProxyDNs = {' | '.join(subjects)}\n"})

    def deployed(self, name: str, owner: str = "", available: int = 1) -> None:
        """A Deployment with one pod."""
        counts = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": available, "observedGeneration": 1}
        metadata = {"generation": 1, "ownerReferences": [{"kind": "KojiWeb", "name": "web", "uid": owner}]}
        self.add("Deployment", name, spec={"replicas": 1}, status=counts, metadata=metadata)

    def events(self, namespace: str, uid: str) -> list[dict[str, Any]]:
        return []

    def serves(self, kind: str) -> bool:
        return kind != OPENSHIFT or self.openshift


class WebRole:
    """The role koji_web, as far as Secrets go."""

    def __init__(self, cluster: Cluster, **spec: Any) -> None:
        self.cluster = cluster
        self.resource = resource("KojiWeb", "web", **spec)
        self.cluster.there["KojiWeb", "web"] = self.resource

    @property
    def uid(self) -> str:
        return str(self.resource["metadata"]["uid"])

    def look(self) -> dict[str, Any]:
        return Survey(self.resource, self.cluster).run()

    def run(self) -> dict[str, Any]:
        """Look, write what comes first, and look again."""
        found = self.look()
        labels = Names(self.resource).labels
        for order in found["make"]:
            self.cluster.write(order, labels, START)
            if not order["kept"]:
                owner = {"kind": "KojiWeb", "name": "web", "uid": self.uid}
                self.cluster.there["Secret", order["secret"]]["metadata"]["ownerReferences"] = [owner]
        return self.look() if found["make"] else found
