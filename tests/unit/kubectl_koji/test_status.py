# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""status: five kinds at a glance, by what their conditions say."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from .world import hub_pod, kojihub, resource

if TYPE_CHECKING:
    from types import ModuleType

    from .world import World

READY = {"Ready": "True", "Progressing": "False", "Degraded": "False"}


def whole() -> list[dict[str, object]]:
    """One of each kind, all ready."""
    return [
        resource("KojiUser", "releng", READY, status={"permissions": ["repo", "admin"]}),
        resource("KojiBuilder", "default", READY, status={"running_tasks": 1, "waiting_tasks": 2, "slots": 4}),
        resource("Kojira", "kojira", READY, status={"repos": 7, "last_contact": "2020-01-01T00:00:00Z"}),
        resource("KojiWeb", "web", READY, status={"url": "https://web/koji"}),
        kojihub(conditions=READY, status={"url": "https://hub/kojihub", "hub_version": "1.35.3"}),
    ]


def shown(world: World, code: int) -> list[str]:
    """The lines of status, blanks in a row as one."""
    done = world.run("status")
    assert (done.returncode, done.stderr) == (code, b"")
    return [" ".join(line.split()) for line in done.stdout.decode().splitlines()]


def test_all_kinds_are_shown_in_the_order_of_the_data(world: World) -> None:
    world.has(*whole())
    hub, web, kojira, builder, user = shown(world, 0)
    assert hub == "KojiHub hub Ready Fine koji 1.35.3; https://hub/kojihub"
    assert web == "KojiWeb web Ready Fine https://web/koji"
    assert kojira.startswith("Kojira kojira Ready Fine 7 repos; contact ")
    assert builder == "KojiBuilder default Ready Fine 1 running, 2 waiting, 4 slots"
    assert user == "KojiUser releng Ready Fine repo, admin"
    [call] = world.called("kubectl")
    assert call[0] == "get", "one look at the cluster"


def test_a_kind_without_any_is_shown_too(world: World) -> None:
    world.has(kojihub())
    assert shown(world, 0) == [
        "KojiHub hub Ready Fine",
        *(f"{kind} none" for kind in ("KojiWeb", "Kojira", "KojiBuilder", "KojiUser")),
    ]


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ({}, "No status"),
        ({"Ready": ("False", "Broken", "mend it"), "Progressing": "False"}, "Not ready Broken"),
        ({"Ready": ("False", "Starts", "soon"), "Progressing": ("True", "Starts", "soon")}, "Progressing Starts"),
        ({"Ready": ("Unknown", "Who", "knows")}, "Not ready Who"),
    ],
)
def test_what_is_not_ready_is_told_and_is_exit_code_1(world: World, conditions: dict[str, object], state: str) -> None:
    """Kinds without a role yet have no status."""
    world.has(kojihub(), resource("KojiWeb", "web", conditions))
    lines = shown(world, 1)
    assert lines[1] == f"KojiWeb web {state}"
    notes = [said[2] for said in conditions.values() if isinstance(said, tuple)][:1]
    assert lines[2 : 2 + len(notes)] == [f"Ready: {note}" for note in notes]


def test_a_change_that_nobody_has_looked_at_is_not_ready(world: World) -> None:
    world.has(kojihub(metadata={"generation": 2}))
    assert shown(world, 1)[0] == "KojiHub hub Changed Fine"


def test_what_is_being_deleted_is_not_ready(world: World) -> None:
    world.has(kojihub(metadata={"deletionTimestamp": "2026-11-30T12:00:00Z"}))
    assert shown(world, 1)[0] == "KojiHub hub Deleting Fine"


def test_other_conditions_are_told_when_they_are_bad(world: World) -> None:
    conditions = {
        "Ready": "True",
        "Warning": ("True", "Password", "a password can be read"),
        "Degraded": ("False", "AsExpected", "never told"),
        "DatabaseReady": ("True", "Fine", "never told either"),
        "CertificatesValid": ("False", "Expired", "tls.crt has expired"),
    }
    world.has(kojihub(conditions=conditions, spec={"paused": True}))
    lines = shown(world, 0)
    assert lines[:3] == [
        "KojiHub hub Ready Fine paused",
        "Warning: a password can be read",
        "CertificatesValid: tls.crt has expired",
    ]
    assert "told" not in " ".join(lines)


def test_the_same_words_are_told_once(world: World) -> None:
    bad = ("False", "Gone", "the hub is away")
    world.has(kojihub(conditions={"Ready": bad, "Degraded": ("True", "Gone", "the hub is away"), "Scheduling": bad}))
    assert " ".join(shown(world, 1)).count("the hub is away") == 1


def test_a_long_message_is_broken_into_lines(world: World, plugin: ModuleType) -> None:
    line = plugin.line_of(kojihub(conditions={"Ready": ("False", "Long", "word " * 60)}))
    texts = list(plugin.table([line], coloured=False, width=80))
    assert max(map(len, texts)) <= 80
    assert " ".join(" ".join(texts).split()).count("word") == 60


def test_nothing_at_all_is_told(world: World) -> None:
    world.has(hub_pod())
    said = world.says("status")
    assert "there is nothing of Koji in namespace 'koji'" in said
    assert "kubectl get koji --all-namespaces" in said


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s ago"), (119, "119s ago"), (120, "2m ago"), (7200, "2h ago"), (999999, "11d ago")]
)
def test_ago(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch, seconds: int, text: str) -> None:
    monkeypatch.setattr(time, "time", lambda: 1577836800.5 + seconds)
    assert plugin.ago("2020-01-01T00:00:00Z") == text
    assert plugin.ago("yesterday") == "yesterday"
