# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""koji_hub_certificates makes a hub's CA and what it signs in one task, and nothing more the next time."""

from __future__ import annotations

import base64
from typing import Any, cast

from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError
from ansible_collections.fedoraproject.koji.plugins.modules.koji_hub_certificates import bring_in_line

from tests.unit.resources.cluster import resource

from .namespace import Namespace

SECRETS = ("koji-hub-ca-cert-key", "koji-hub-ca-cert", "koji-hub-service-cert", "koji-hub-admin")


class Server(Namespace):
    """The part of KubeApi that is asked; `taken` is a Secret that somebody writes while it is looked at."""

    taken = ""

    def create(self, kind: str, namespace: str, item: dict[str, Any], *, dry_run: bool = False) -> bool:
        if (kind, item["metadata"]["name"]) in self.there:
            return False
        if not dry_run:
            self._put(item)
        return True

    def apply(
        self, kind: str, namespace: str, item: dict[str, Any], manager: str, *, dry_run: bool = False
    ) -> dict[str, Any]:
        if item["metadata"]["name"] == self.taken:
            raise KubeError("the object has been modified", 409)
        if not dry_run:
            self._put(item)
        return item

    def _put(self, item: dict[str, Any]) -> None:
        texts = {key: base64.b64decode(value).decode() for key, value in item["data"].items()}
        metadata = {key: value for key, value in item["metadata"].items() if key in {"labels", "annotations"}}
        self.writes += 1
        self.secret(item["metadata"]["name"], texts, item["type"], **metadata)


def made(server: Server, *, check_mode: bool = False, **spec: Any) -> dict[str, Any]:
    return bring_in_line(cast("KubeApi", server), resource("KojiHub", "hub", **spec), check_mode=check_mode)


def test_a_new_hub_gets_all_of_them_at_once() -> None:
    server = Server()
    result = made(server)
    assert (result["changed"], result["conflicts"]) == (True, [])
    assert server.writes == len(SECRETS)
    [ca] = certificates.read_all(server.texts("koji-hub-ca-cert")["ca.crt"])
    for name in SECRETS[2:]:
        texts = server.texts(name)
        assert certificates.read(texts["tls.crt"], texts["tls.key"]).issued_by(ca)
        assert "PRIVATE KEY" not in str(result)


def test_the_next_run_writes_nothing() -> None:
    server = Server()
    made(server)
    assert made(server) == {"changed": False, "conflicts": [], "diff": []}
    assert server.writes == len(SECRETS)


def test_what_somebody_changes_meanwhile_is_not_written() -> None:
    server = Server()
    made(server)
    server.taken = "koji-hub-admin"
    assert made(server, admin_username="other")["conflicts"] == ["koji-hub-admin", "koji-hub-admin"]
    assert server.writes == len(SECRETS)


def test_check_mode_writes_nothing() -> None:
    server = Server()
    assert made(server, check_mode=True)["changed"]
    assert server.writes == 0
