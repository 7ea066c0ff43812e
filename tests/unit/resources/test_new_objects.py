# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Absent objects are created as an apply would; what is there or refused, and all after it, is left to the apply."""

from __future__ import annotations

from typing import Any, cast

from ansible_collections.fedoraproject.koji.plugins.module_utils.difference import differs
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError
from ansible_collections.fedoraproject.koji.plugins.modules.koji_new_objects import create


class Server:
    """The part of KubeApi that is asked."""

    def __init__(self, *names: str, refused: str = "") -> None:
        self.there = {name: manifest(name) for name in names}
        self.refused = refused

    def create(self, kind: str, namespace: str, item: dict[str, Any], *, dry_run: bool) -> bool:
        if item["metadata"]["name"] == self.refused:
            raise KubeError("exceeded quota", 403)
        if item["metadata"]["name"] in self.there:
            return False
        if not dry_run:
            self.there[item["metadata"]["name"]] = item
        return True


def manifest(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "koji"},
        "data": {"a": "b"},
    }


WANTED = [manifest("one"), manifest("two"), manifest("three")]


def created(server: Server, *, check_mode: bool = False) -> dict[str, Any]:
    return create(cast("KubeApi", server), WANTED, check_mode=check_mode)


def test_what_was_created_is_as_if_it_had_been_applied() -> None:
    server = Server()
    assert created(server) == {"changed": True, "rest": []}
    assert [differs(one, server.there[one["metadata"]["name"]]).where for one in WANTED] == ["", "", ""]


def test_what_is_there_and_all_after_it_is_left_to_the_apply() -> None:
    server = Server("two")
    assert created(server) == {"changed": True, "rest": WANTED[1:]}
    assert set(server.there) == {"one", "two"}


def test_what_is_refused_and_all_after_it_is_left_to_the_apply() -> None:
    server = Server(refused="one")
    assert created(server) == {"changed": False, "rest": WANTED}
    assert not server.there


def test_check_mode_creates_nothing() -> None:
    server = Server()
    assert created(server, check_mode=True) == {"changed": True, "rest": []}
    assert not server.there
