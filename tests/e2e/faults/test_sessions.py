# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The builder's session on the hub, its Secret and its certificate get lost, replaced or taken away."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.devhub.certificates import Authority
from tests.devhub.deploy import client_secret

from .conftest import SITE
from .world import READY, SOON

if TYPE_CHECKING:
    from .world import World

ONCE = ["FREE", "ASSIGNED", "OPEN", "CLOSED"]
TWICE = ["FREE", "ASSIGNED", "OPEN", *ONCE]
GIVEN = "given-cert"  # a Secret


def secret_name(world: World, what: str) -> str:
    return f"koji-{world.name}-{what}"


def stored(world: World) -> int:
    """The session in the builder's Secret."""
    return int(json.loads(world.kube.secret(world.namespace, secret_name(world, "session"))["session.json"])["id"])


@pytest.mark.fault("session-expired")
def test_the_session_expires(world: World) -> None:
    master = world.master()
    # Long enough to be at work still when the session expires, also on a busy machine.
    running = world.task(15)
    world.running(running)
    world.ledger.execute(
        "UPDATE sessions SET start_time = start_time - 100000, renew_time = NULL WHERE id = %s", master
    )
    later = world.task(1)
    world.ended(later)
    world.ended(running)
    assert world.master() == master == stored(world)
    world.settled(closed=[running, later])
    assert world.ledger.history(running) == TWICE


@pytest.mark.fault("session-closed")
def test_the_session_is_closed_by_an_admin(world: World) -> None:
    master = world.master()
    running = world.task(3)
    world.running(running)
    world.session.logout(master)
    world.ended(running)
    world.settled(closed=[running])
    assert world.ledger.history(running) == TWICE
    assert world.master() == stored(world) != master
    assert len(world.ledger.masters(world.name)) == 1


@pytest.mark.fault("session-forced")
def test_a_person_forces_the_session_away(world: World) -> None:
    running = world.task(3)
    world.running(running)
    person = world.host_session()
    person.exclusiveSession(force=True)
    said = world.scheduling("False", "SessionHeld")
    assert world.name in said["message"]
    assert world.master() == person.sinfo["session-id"]  # it is not taken back from somebody alive
    person.logout()
    world.scheduling()
    world.ended(running)
    world.settled(closed=[running])
    assert len(world.ledger.masters(world.name)) == 1


@pytest.mark.fault("session-half-made")
def test_the_scheduler_is_killed_between_login_and_lock(world: World) -> None:
    with world.no_scheduler():
        world.session.logout(world.master())
        world.dies_at("session-written", 0)
        assert [exclusive for _session, exclusive in world.ledger.masters(world.name)] == [False]
        half = stored(world)
    task = world.task(1)
    world.ended(task)
    assert world.ledger.masters(world.name) == [(half, True)]
    world.settled(closed=[task])


@pytest.mark.fault("session-secret-deleted")
def test_the_sessions_secret_is_deleted(world: World) -> None:
    master = world.master()
    task = world.task(2)
    world.running(task)
    world.kube.delete("Secret", secret_name(world, "session"), world.namespace)
    world.kube.wait_for(
        lambda: world.kube.get("Secret", secret_name(world, "session"), world.namespace), SOON, "it is written again"
    )
    assert stored(world) == master
    killed = world.kill_scheduler()
    world.held(not_by=killed)
    world.ended(task)
    world.settled(closed=[task])
    assert world.master() == master
    assert world.ledger.history(task) == ONCE


@pytest.mark.fault("certificate-replaced")
def test_the_certificate_is_replaced(world: World) -> None:
    """A site's own, which the operator uses as it is: first by one that the hub rejects, then by a new one."""
    name, channel = "certified", "createrepo"
    own = replace(world, name=name, spec={"configmap": SITE, "client_cert_secret": GIVEN, "channels": [channel]})
    world.kube.apply(world.hub.deployed.user_secret(GIVEN, name))
    own.apply()
    own.ready()
    own.scheduling()
    master = own.master()
    task = own.task(3, channel=channel)
    own.running(task)
    foreign = client_secret(GIVEN, world.namespace, Authority("somebody else's CA"), name)
    world.kube.patch("Secret", GIVEN, world.namespace, {"data": foreign["data"]})
    own.ended(task)
    assert own.master() == master
    world.session.logout(master)
    said = own.scheduling("False", "CertificateRejected")
    assert GIVEN in said["message"]
    renewed = world.hub.deployed.user_secret(GIVEN, name)
    world.kube.patch("Secret", GIVEN, world.namespace, {"data": renewed["data"]})
    own.scheduling()
    later = own.task(1, channel=channel)
    own.ended(later)
    assert own.master() != master
    world.kube.delete("KojiBuilder", name, world.namespace, timeout=READY)
    world.settled(closed=[task, later])
    assert world.ledger.history(task) == ONCE


@pytest.mark.fault("user-disabled")
def test_the_hosts_user_is_disabled_and_enabled(world: World) -> None:
    running = world.task(3)
    world.running(running)
    world.session.disableUser(world.name)
    said = world.scheduling("False", "AccessDenied")
    assert "enabled user" in said["message"]
    world.session.enableUser(world.name)
    world.scheduling()
    world.ended(running)
    world.settled(closed=[running])
    assert len(world.ledger.masters(world.name)) == 1


@pytest.mark.fault("check-client-ip")
def test_the_hub_binds_sessions_to_an_address(world: World) -> None:
    world.hub_conf(CheckClientIP=True)
    task = world.task(1)
    said = world.scheduling("False", "CheckClientIP")
    assert "CheckClientIP = False" in said["message"]
    world.event("CheckClientIP")
    world.hub_conf()
    world.ended(task)
    world.settled(closed=[task])
