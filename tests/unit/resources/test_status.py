# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""How a status is written, and what an API server that says no comes to."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeError
from ansible_collections.fedoraproject.koji.plugins.modules.koji_status import bring_in_line

from .cluster import resource


class Api:
    """One KojiUser, and what was written; `refuses` is the HTTP status that a call gets."""

    def __init__(self, **refuses: int) -> None:
        self.refuses = refuses
        self.events: list[dict[str, Any]] = []
        self.written: list[dict[str, Any]] = []
        self.status: dict[str, Any] = {}

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        return {**resource(kind, name), "status": self.status}

    def create(self, kind: str, namespace: str, manifest: dict[str, Any]) -> bool:
        if status := self.refuses.get("create"):
            raise KubeError("no", status)
        self.events.append(manifest)
        return True

    def apply_status(self, kind: str, namespace: str, name: str, manifest: dict[str, Any], manager: str) -> None:
        if status := self.refuses.get("apply_status"):
            raise KubeError("no", status)
        self.written.append(manifest)


def write(api: Api, **more: Any) -> dict[str, Any]:
    params = {
        "kind": "KojiUser",
        "name": "someone",
        "namespace": "koji",
        "ready": False,
        "progressing": False,
        "reason": "MissingSecret",
        "message": "which",
        "warnings": [],
        "conditions": [],
        "fields": {},
        "generation": 1,
        "field_manager": "koji-role",
        **more,
    }
    return bring_in_line(api, params, check_mode=False)  # type: ignore[arg-type]


def test_a_status_that_changes_gets_an_event() -> None:
    api = Api()
    result = write(api)
    assert result["changed"]
    assert result["event"]
    assert [event["message"] for event in api.events] == ["which"]
    assert result["retry_after"] == "20s"


def test_what_stays_wrong_is_tried_ever_more_seldom_and_another_problem_soon() -> None:
    api = Api()
    write(api)
    api.status = api.written[-1]["status"]
    for condition in api.status["conditions"]:
        condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    assert write(api)["retry_after"] == "300s"
    assert write(api, message="what somebody did about it was not enough")["retry_after"] == "20s"


@pytest.mark.parametrize("status", [403, 404])
def test_a_namespace_that_takes_no_events_gets_the_status_all_the_same(status: int) -> None:
    api = Api(create=status)
    result = write(api)
    assert result["changed"]
    assert not result["event"]
    assert len(api.written) == 1


def test_a_resource_that_goes_meanwhile_needs_no_status() -> None:
    api = Api(apply_status=404)
    assert write(api) == {"changed": False, "event": False, "retry_after": ""}
    assert not api.events


@pytest.mark.parametrize("call", ["create", "apply_status"])
def test_other_refusals_are_failures(call: str) -> None:
    with pytest.raises(KubeError):
        write(Api(**{call: 500}))


def test_a_kinds_own_conditions_stand_beside_the_common_ones() -> None:
    api = Api()
    write(api, conditions=[{"type": "DatabaseReady", "status": True, "reason": "SchemaCurrent", "message": "1.35"}])
    conditions = {entry["type"]: entry for entry in api.written[0]["status"]["conditions"]}
    assert set(conditions) == {"Ready", "Progressing", "Degraded", "DatabaseReady"}
    assert (conditions["DatabaseReady"]["status"], conditions["DatabaseReady"]["message"]) == ("True", "1.35")
