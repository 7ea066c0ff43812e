# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""koji_kept_object: what is absent is created, what is there is left or brought in line, no value is shown."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeError
from ansible_collections.fedoraproject.koji.plugins.modules import koji_kept_object

from .run import run_module

LABELS = {"app.kubernetes.io/managed-by": "koji-operator"}


class Server:
    """The part of KubeApi that is asked, with one object."""

    def __init__(self) -> None:
        self.there: dict[str, Any] | None = None
        self.version = 0
        self.refuses: KubeError | None = None

    def __call__(self) -> Server:
        return self

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.there)

    def create(self, kind: str, namespace: str, manifest: dict[str, Any], *, dry_run: bool) -> bool:
        if not dry_run:
            self.there = copy.deepcopy(manifest)
        return True

    def apply(
        self, kind: str, namespace: str, manifest: dict[str, Any], manager: str, *, dry_run: bool
    ) -> dict[str, Any]:
        if self.refuses:
            raise self.refuses
        old = self.there or {"metadata": {}}
        merged = {**old, **copy.deepcopy(manifest)}
        merged["metadata"] = {**old["metadata"], **manifest["metadata"], "managedFields": [{"manager": manager}]}
        if not dry_run:
            self.version += 1
            self.there = {**merged, "metadata": {**merged["metadata"], "resourceVersion": str(self.version)}}
        return merged


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(koji_kept_object, "KubeApi", server)
    return server


def secret(**data: str) -> dict[str, Any]:
    metadata = {"name": "ca", "namespace": "koji", "labels": LABELS}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def run(check: bool = False, **options: Any) -> dict[str, Any]:
    return run_module(koji_kept_object, options, check=check)


@pytest.mark.parametrize("update", [False, True])
def test_what_is_absent_is_created_and_check_mode_says_so(server: Server, update: bool) -> None:
    told = run(check=True, definition=secret(key="c2VjcmV0"), update=update)
    assert server.there is None
    done = run(definition=secret(key="c2VjcmV0"), update=update)
    assert server.there is not None
    assert told["changed"]
    assert done["changed"]
    assert told["diff"] == done["diff"]
    assert done["diff"]["before"] == {}
    assert done["diff"]["after"]["data.key"] == "a value"
    assert not run(definition=secret(key="c2VjcmV0"), update=update)["changed"]


def test_what_is_there_is_left_alone_unless_an_update_is_wished(server: Server) -> None:
    run(definition=secret(key="b2xk"))
    assert not run(definition=secret(key="bmV3"))["changed"]
    assert server.there is not None
    assert server.there["data"] == {"key": "b2xk"}


def test_a_diff_names_what_is_different_and_shows_no_value(server: Server) -> None:
    run(definition=secret(key="b2xk", same="c2FtZQ=="), update=True)
    told = run(check=True, definition=secret(key="bmV3", same="c2FtZQ==", more="bW9yZQ=="), update=True)
    assert server.version == 1
    done = run(definition=secret(key="bmV3", same="c2FtZQ==", more="bW9yZQ=="), update=True)
    assert told["diff"] == done["diff"]
    assert done["diff"]["before"] == {"data.key": "a value"}
    assert done["diff"]["after"] == {"data.key": "another value", "data.more": "a value"}
    assert all(value not in json.dumps(done["diff"]) for value in ("b2xk", "bmV3", "bW9yZQ"))


def test_a_label_that_is_missing_is_put_back(server: Server) -> None:
    run(definition=secret(key="b2xk"), update=True)
    assert server.there is not None
    server.there["metadata"]["labels"] = {}
    done = run(definition=secret(key="b2xk"), update=True)
    assert done["diff"]["after"] == {"metadata.labels.app.kubernetes.io/managed-by": "a value"}


def test_a_refusal_fails_or_is_reported(server: Server) -> None:
    server.refuses = KubeError("PATCH .../secrets/ca: it is immutable", 422)
    assert "Secret ca: PATCH" in run(definition=secret(), update=True)["msg"]
    told = run(definition=secret(), update=True, report_errors=True)
    assert not told["failed"]
    assert "is immutable" in told["error"]["message"]
    server.refuses = KubeError("no answer")
    assert run(definition=secret(), update=True, report_errors=True)["failed"]


@pytest.mark.parametrize("status", [404, 409])
def test_what_somebody_has_changed_meanwhile_is_not_written_and_no_failure(server: Server, status: int) -> None:
    server.refuses = KubeError("PATCH .../secrets/ca: the object has been modified", status)
    assert run(definition=secret(), update=True)["failed"], "nobody has looked at a certain state of it"
    looked_at = secret()
    looked_at["metadata"] = {**looked_at["metadata"], "resourceVersion": "7"}
    told = run(definition=looked_at, update=True)
    assert not told["failed"]
    assert not told["changed"]
    assert told["conflict"]


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"kind": "Pod", "metadata": {"name": "x", "namespace": "y"}},
        {"kind": "Secret", "metadata": {"name": "x"}},
        {"kind": "Secret", "metadata": {"namespace": "x"}},
    ],
)
def test_a_bad_definition_is_refused(server: Server, definition: dict[str, Any]) -> None:
    assert "metadata.name and metadata.namespace" in run(definition=definition)["msg"]
