# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""When a resource that is being deleted may go, and what is said then."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeError
from ansible_collections.fedoraproject.koji.plugins.modules.koji_finalize import decide

from .cluster import resource

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi

DOWN = {"reason": "HubDown", "message": "the hub is offline"}


class Api:
    """The part of KubeApi that is asked."""

    def __init__(self, *, ends: bool = False, refuses: int = 0) -> None:
        self.ends = ends
        self.refuses = refuses
        self.notes: list[str] = []

    def namespace_ends(self, namespace: str) -> bool:
        return self.ends

    def create(self, kind: str, namespace: str, manifest: dict[str, Any]) -> bool:
        if self.refuses:
            raise KubeError("no", self.refuses)
        self.notes.append(manifest["message"])
        return True


def decided(api: Api, *, age: int = 0, **params: Any) -> dict[str, Any]:
    deleted = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age)
    item = resource("KojiUser", "someone")
    item["metadata"]["deletionTimestamp"] = deleted.strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = {"error": {}, "waiting_for": "", "left_behind": "user 'someone' stays", "timeout": 300, **params}
    return decide(cast("KubeApi", api), {"resource": item, **asked}, check_mode=False)


def test_what_is_done_may_go_without_a_word() -> None:
    api = Api()
    assert decided(api) == {"changed": False, "done": True, "retry_after": ""}
    assert api.notes == []


@pytest.mark.parametrize("params", [{"error": DOWN}, {"waiting_for": "2 task pods"}])
def test_what_may_still_come_right_is_tried_again(params: dict[str, Any]) -> None:
    api = Api()
    assert decided(api, age=299, **params) == {"changed": False, "done": False, "retry_after": "5s"}
    assert api.notes == []


@pytest.mark.parametrize(
    ("api", "params", "why"),
    [
        (Api(), {"error": DOWN, "age": 301}, "the hub is offline (given up after 300 s)"),
        (Api(), {"waiting_for": "2 task pods", "age": 301}, "2 task pods (given up after 300 s)"),
        (Api(), {"error": {"reason": "MissingSecret", "message": "no Secret"}}, "no Secret"),
        (Api(), {"error": {"reason": "ConflictingFields", "message": "a but b"}}, "a but b"),
        (Api(), {"error": {"reason": "HubGone", "message": "gone"}, "waiting_for": "2 task pods"}, "gone"),
        (Api(ends=True), {"error": DOWN}, "the namespace is being deleted"),
    ],
)
def test_what_is_given_up_says_what_it_leaves_behind(api: Api, params: dict[str, Any], why: str) -> None:
    assert decided(api, **params)["done"]
    assert api.notes == [f"user 'someone' stays: {why}"]


def test_a_namespace_that_takes_no_events_holds_nothing_up() -> None:
    assert decided(Api(ends=True, refuses=403), error=DOWN)["done"]


def test_other_trouble_with_the_api_server_is_not_hidden() -> None:
    with pytest.raises(KubeError):
        decided(Api(ends=True, refuses=500), error=DOWN)
