# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Hubs that can't be reached, are down, aren't one, can't be trusted, or don't trust us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.resources import SOON

from . import cases
from .world import JUDGED, clear_faults, inject

if TYPE_CHECKING:
    from .world import World

# getAPIVersion still answers: else the hub's pod isn't ready, leaves its Service, and can't be reached at all.
ALL_BUT_THE_PROBES = ("[!g]*", "g[!e]*", "get[!A]*", "getA[!P]*")


@pytest.fixture(scope="module", autouse=True)
def bad(world: World) -> None:
    for method in ALL_BUT_THE_PROBES:
        inject(world.other, kind="down", method=method)
    world.hub.session().createUser("not-admin")
    world.apply(cases.hubs(world))


DOWN = {"KojiUser": "hub-down", "KojiBuilder": "hub-down-builder"}


@pytest.mark.parametrize("kind", DOWN)
def test_a_hub_that_is_down_is_said_to_be(world: World, kind: str) -> None:
    judged = world.judged(kind, DOWN[kind])
    judged.says("HubDown", world.other.url, "offline", "look at the hub and its database")


def test_no_certificate_is_made_for_a_host_that_is_not_there(world: World) -> None:
    world.judged("KojiBuilder", "hub-down-builder")
    assert world.kube.get("Secret", "koji-hub-down-builder-client-cert", world.namespace) is None


def test_a_resource_of_a_hub_that_is_down_can_be_deleted(world: World) -> None:
    kube, own = world.kube, world.namespace
    world.judged("KojiUser", "hub-down")
    kube.delete("KojiUser", "hub-down", own, timeout=SOON)
    left = [event["message"] for event in kube.events(own, "hub-down") if event["reason"] == "LeftBehind"]
    assert len(left) == 1
    assert "Hub user 'hub-down' stays enabled" in left[0]
    assert "given up after 1 s" in left[0]


@pytest.fixture(scope="module")
def up_again(world: World) -> None:
    """The hub that was down is up; its builder's next run is some 20 s away, and other tests go on meanwhile."""
    world.judged("KojiBuilder", "hub-down-builder")
    clear_faults(world.other)


@pytest.mark.parametrize(
    ("kind", "name", "reason", "parts"),
    [
        ("KojiUser", "nobody-there", "HubUnreachable", (cases.NOWHERE, "refused", "check host, port")),
        ("KojiBuilder", "no-such-name", "HubUnreachable", ("https://no-such-name.invalid:8443", "check host, port")),
        ("KojiBuilder", "wrong-path", "NotAHub", ("/wrong", "check the path")),
        ("KojiUser", "plain-http", "InvalidHubAddress", ("'http://koji-hub:8443'", "https")),
        ("KojiUser", "foreign-ca", "CaMismatch", ("Secret 'foreign-ca'", "give the CA that signed it")),
        ("KojiBuilder", "foreign-ca-builder", "CaMismatch", ("Secret 'foreign-ca'", "give the CA that signed it")),
        ("KojiUser", "foreign-admin", "CertificateRejected", ("Secret 'other-admin'", "signed by the CA")),
        ("KojiUser", "not-admins", "NotAllowed", ("permission admin",)),
    ],
)
def test_what_is_wrong_with_the_hub_is_said(
    world: World, up_again: None, kind: str, name: str, reason: str, parts: tuple[str, ...]
) -> None:
    world.refused(kind, name).says(reason, *parts)


def test_once_the_hub_is_up_the_resource_is_ready_by_itself(world: World, up_again: None) -> None:
    world.kube.wait_condition("KojiBuilder", "hub-down-builder", world.namespace, JUDGED)
    assert world.other.anonymous().getHost("hub-down-builder")["enabled"]
    world.drop("KojiBuilder", "hub-down-builder", world.namespace)
