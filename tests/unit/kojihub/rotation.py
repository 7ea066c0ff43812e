# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A hub with users whose CA is rotated: roles run, pods are replaced and time passes in any order.

Whoever has a Secret's content keeps it for a while after it was replaced, as a pod does with a mounted Secret: for as
long as a step of a rotation lasts at least.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.authority import DEFAULT_OVERLAP
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.certificates import CHECKSUM
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem, Resolver

from tests.unit.resources.cluster import resource

from .namespace import HubRole, Namespace, accepts, issued

CA, KEY, SERVER, ADMIN = "koji-hub-ca-cert", "koji-hub-ca-cert-key", "koji-hub-service-cert", "koji-hub-admin"
REPLICAS = 2


@dataclass(frozen=True)
class Pod:
    """What one Apache read when it started."""

    server: str
    trusted: str
    checksum: str


@dataclass
class Client:
    """Somebody with a user's certificate: all that it has read, with the time of each."""

    name: str
    seen: list[tuple[datetime.datetime, dict[str, str]]] = field(default_factory=list)

    def in_use(self, now: datetime.datetime) -> list[dict[str, str]]:
        """What it may still be using: the newest, and what was replaced a moment ago."""
        ends = [began for began, _ in self.seen[1:]] + [datetime.datetime.max.replace(tzinfo=datetime.UTC)]
        return [texts for (_, texts), end in zip(self.seen, ends, strict=True) if now - end < DEFAULT_OVERLAP]


class World:
    """The namespace, its hub, its users and who talks to whom."""

    def __init__(self, users: int = 2) -> None:
        self.there = Namespace()
        self.hub = HubRole(self.there)
        self.users: list[dict[str, Any]] = []
        self.clients: dict[str, Client] = {}
        self.pods: list[Pod] = []
        self.there.there["KojiHub", "hub"] = {**self.hub.resource, "status": {"hub_version": "1.36.1"}}
        self.run_hub()
        self.settle()
        for _ in range(users):
            self.add_user()

    # What happens

    def run_hub(self) -> None:
        """The role koji_hub, which ends with the Deployment."""
        found = self.hub.run()
        assert found.problem is None, found.problem
        if found.valid:
            self._deploy(found.checksum)
        self._observe(ADMIN)

    def add_user(self) -> None:
        number = len(self.users)
        # Every other one has a copy of the CA in a Secret of its own.
        spec = {"authentication": {"ssl": {"ca_secret_name": f"copy-{number}"}}} if number % 2 else {}
        self.users.append(resource("KojiUser", f"user{number}", **spec))
        self.run_user(number)

    def run_user(self, number: int) -> None:
        """The role koji_user, as far as certificates go."""
        user = self.users[number % len(self.users)]
        resolver = Resolver(user, self.there)
        try:
            resolver.resolve()
        except Problem as problem:
            # Somebody has deleted a Secret, and the hub's role hasn't run since.
            if not problem.progressing and problem.reason != "MissingSecret":
                raise
            return
        found = resolver.found
        certificate, key = found.client_certificate, found.client_key
        if found.client_make:
            certificate, key = issued(found.client_wanted, self.hub.now)
        ours = {"app.kubernetes.io/managed-by": "koji-operator"}
        owner = [{"kind": "KojiUser", "name": user["metadata"]["name"], "uid": user["metadata"]["uid"]}]
        data = {"tls.crt": certificate, "tls.key": key, "ca.crt": found.ca + "\n"}
        self.there.secret(found.client_secret, data, "kubernetes.io/tls", labels=ours, ownerReferences=owner)
        if found.ca_ours:
            self.there.secret(found.ca_secret, {"ca.crt": found.ca + "\n"}, labels=ours, ownerReferences=owner)
        self._observe(found.client_secret)

    def replace_pod(self) -> None:
        """One step of a rollout: the first pod that isn't of the newest kind starts anew."""
        deployment = self.there.there.get(("Deployment", "koji-hub"))
        if deployment is None:
            return
        wanted = deployment["spec"]["template"]["metadata"]["annotations"][CHECKSUM]
        fresh = Pod(self.there.texts(SERVER).get("tls.crt", ""), self.there.texts(CA).get("ca.crt", ""), wanted)
        if not fresh.server or not fresh.trusted:
            return  # a pod can't mount what is not there
        old = [pod for pod in self.pods if pod.checksum != wanted]
        if len(self.pods) == REPLICAS and not old:
            return
        self.pods = [pod for pod in self.pods if not old or pod is not old[0]]
        self.pods.append(fresh)
        self._count()

    def pass_time(self, minutes: int) -> None:
        self.hub.now += datetime.timedelta(minutes=minutes)

    def delete(self, secret: str) -> None:
        self.there.delete("Secret", secret)

    def ask(self, token: str) -> None:
        self.hub.annotate(rotate_ca=token)

    def settle(self) -> None:
        for _ in range(REPLICAS):
            self.replace_pod()

    def everything(self) -> None:
        """A while in which all does its work."""
        self.run_hub()
        self.run_users()
        self.settle()
        self.pass_time(11)

    def everything_but_users(self) -> None:
        self.run_hub()
        self.settle()
        self.pass_time(11)

    def everything_but_pods(self) -> None:
        self.run_hub()
        self.run_users()
        self.pass_time(11)

    def run_users(self) -> None:
        for number in range(len(self.users)):
            self.run_user(number)

    # What must hold at any moment

    def check(self) -> None:
        """Everyone who uses what is or was just in a Secret can talk to each pod."""
        for client in self.clients.values():
            for texts in client.in_use(self.hub.now):
                for pod in self.pods:
                    assert accepts(texts["ca.crt"], pod.server, self.hub.now), f"{client.name} refuses the server"
                    assert accepts(pod.trusted, texts["tls.crt"], self.hub.now), f"the server refuses {client.name}"

    def _observe(self, secret: str) -> None:
        texts = self.there.texts(secret)
        client = self.clients.setdefault(secret, Client(secret))
        if texts and (not client.seen or client.seen[-1][1] != texts):
            client.seen.append((self.hub.now, texts))

    def _deploy(self, checksum: str) -> None:
        there = self.there.there.setdefault(
            ("Deployment", "koji-hub"), {"metadata": {"generation": 0}, "spec": {"replicas": REPLICAS}}
        )
        annotations = (there["spec"].get("template") or {"metadata": {"annotations": {}}})["metadata"]["annotations"]
        if annotations.get(CHECKSUM) == checksum:
            return
        there["spec"]["template"] = {"metadata": {"annotations": {CHECKSUM: checksum}}}
        there["metadata"]["generation"] += 1
        self._count(seen=False)

    def _count(self, *, seen: bool = True) -> None:
        there = self.there.there["Deployment", "koji-hub"]
        wanted = there["spec"]["template"]["metadata"]["annotations"][CHECKSUM]
        generation = there["metadata"]["generation"]
        there["status"] = {
            "observedGeneration": generation if seen else generation - 1,
            "replicas": len(self.pods),
            "updatedReplicas": len([pod for pod in self.pods if pod.checksum == wanted]),
            "availableReplicas": len(self.pods),
        }
