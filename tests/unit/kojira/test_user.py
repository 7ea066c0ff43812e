# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whose business the hub user is."""

from __future__ import annotations

from typing import Any

import pytest

from .namespace import Namespace, silent_hub, surveyed

IN_LINE = {"user_id": 7, "permissions": ["repo"]}


def with_user(there: Namespace, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    there.add("KojiUser", "kojira", spec=spec, status=status or {})
    return surveyed(there)


def test_a_kojiuser_of_that_name_says_what_it_may_do(there: Namespace) -> None:
    found = with_user(there, IN_LINE, permissions=["repo"])
    assert found["problem"] == {}
    assert not found["make_user"]


@pytest.mark.parametrize(
    ("spec", "status", "reason", "progressing"),
    [
        ({"permissions": ["repo"]}, {}, "WaitingForUser", True),
        ({"permissions": ["repo"]}, {"user_id": 7, "permissions": []}, "WaitingForUser", True),
        ({"permissions": ["tag"]}, IN_LINE, "MissingPermission", False),
        ({}, IN_LINE, "MissingPermission", False),
        ({"permissions": ["repo"], "enabled": False}, IN_LINE, "UserDisabled", False),
        ({"permissions": ["repo", "admin"]}, IN_LINE, "UserIsAdmin", False),
        ({"permissions": ["repo"]}, {"user_id": 7, "permissions": ["repo", "admin"]}, "UserIsAdmin", False),
    ],
)
def test_one_as_whom_kojira_can_not_work_is_told(
    there: Namespace, spec: dict[str, Any], status: dict[str, Any], reason: str, progressing: bool
) -> None:
    problem = with_user(there, status, **spec)["problem"]
    assert (problem["reason"], problem["progressing"]) == (reason, progressing)


def test_one_that_goes_or_is_another_does_not_count(there: Namespace) -> None:
    there.add("KojiUser", "other", spec={"permissions": ["admin"]})
    there.add("KojiUser", "kojira", metadata={"deletionTimestamp": "2026-11-30T10:00:00Z"}, spec={})
    assert surveyed(there)["make_user"]


def test_an_admin_is_refused_before_anything_is_changed(there: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    silent_hub(monkeypatch, ["repo", "admin"])
    found = surveyed(there, koji_hub_user="boss")
    assert found["problem"]["reason"] == "UserIsAdmin"
    assert found["templates"] == []
    silent_hub(monkeypatch, ["repo"])
    assert surveyed(there)["problem"] == {}


@pytest.mark.parametrize("field", ["koji_hub_user", "hub_username"])
def test_the_user_may_have_another_name(there: Namespace, field: str) -> None:
    assert surveyed(there, **{field: "repo-maker"})["references"]["user"] == "repo-maker"


def test_two_names_are_a_contradiction(there: Namespace) -> None:
    problem = surveyed(there, koji_hub_user="a", hub_username="b")["problem"]
    assert problem["reason"] == "ConflictingFields"
