# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Secrets that are missing, incomplete or wrong: the message says which Secret, which key, what to do."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.e2e.resources import READY, SOON

from . import cases
from .world import GOOD, copied_secret

if TYPE_CHECKING:
    from .conftest import FullNamespace
    from .world import World


@pytest.fixture(scope="module", autouse=True)
def bad(world: World, full_namespace: FullNamespace) -> None:
    """What this file is about; the next file's resources wait for their second run meanwhile."""
    world.apply(cases.references(world))


@pytest.mark.parametrize(
    ("kind", "name", "reason", "parts"),
    [
        ("KojiUser", "no-admin", "MissingSecret", ("'no-such-secret'", "tls.crt and tls.key", "admin_secret")),
        ("KojiUser", "half-admin", "MissingSecretKey", ("'half-admin'", "'tls.key'", "add")),
        ("KojiUser", "binary-admin", "InvalidSecret", ("'binary'", "'tls.crt'", "PEM")),
        ("KojiBuilder", "no-ca", "MissingSecret", ("'no-such-ca'", "ca.crt", "create it")),
        ("KojiBuilder", "empty-ca", "MissingSecretKey", ("'empty-ca'", "'ca.crt'", "add")),
        ("KojiUser", "garbage", "InvalidCertificate", ("'garbage'", "no PEM certificate")),
        ("KojiBuilder", "someone-elses", "CertificateForAnotherUser", ("'koji-hub-admin'", "'koji-admin'")),
        ("KojiUser", "one-secret", "ConflictingFields", ("'both'", "ca_secret_name", "client_secret_name")),
    ],
)
def test_what_is_missing_is_named(world: World, kind: str, name: str, reason: str, parts: tuple[str, ...]) -> None:
    judged = world.refused(kind, name)
    judged.says(reason, *parts)
    if reason.startswith("Missing"):
        assert f"'{world.namespace}'" in judged.message

    def told() -> list[str]:
        events = world.kube.events(world.namespace, name)
        return [
            event["message"] for event in events if (event["involvedObject"]["kind"], event["reason"]) == (kind, reason)
        ]

    # The event is written after the status.
    assert world.kube.wait_for(told, SOON, "there is an event") == [judged.message]


def test_no_hub_user_is_made_before_everything_is_there(world: World) -> None:
    session = world.hub.anonymous()
    assert session.getUser("half-admin") is None
    assert session.getUser("garbage") is None
    assert session.getHost("empty-ca") is None


def test_a_resource_is_ready_once_the_secret_is_there(world: World) -> None:
    world.judged("KojiUser", "late").says("MissingSecret", "'late-admin'")
    world.apply([copied_secret(world.kube, "koji-hub-admin", "late-admin", world.namespace, world.namespace)])
    world.kube.wait_condition("KojiUser", "late", world.namespace, READY)


def test_without_its_admin_secret_a_resource_can_go(world: World) -> None:
    kube, own = world.kube, world.namespace
    kube.wait_condition("KojiUser", "late", own, READY)
    kube.delete("Secret", "late-admin", own)
    kube.delete("KojiUser", "late", own, timeout=SOON)
    left = [event["message"] for event in kube.events(own, "late") if event["reason"] == "LeftBehind"]
    assert len(left) == 1
    assert "Hub user 'late' stays enabled" in left[0]
    assert "'late-admin' does not exist" in left[0]


def test_a_certificate_that_somebody_spoils_is_made_again_with_its_key(world: World) -> None:
    kube, own, name = world.kube, world.namespace, f"koji-{GOOD['KojiUser']}-client-cert"
    key = kube.secret(own, name)["tls.key"]

    def spoil(*keys: str) -> dict[str, bytes]:
        kube.patch("Secret", name, own, {"data": dict.fromkeys(keys, base64.b64encode(b"spoiled").decode())})
        kube.wait_for(lambda: b"spoiled" not in b"".join(kube.secret(own, name).values()), READY, "it is mended")
        return kube.secret(own, name)

    mended = spoil("tls.crt")
    assert mended["tls.key"] == key
    assert mended["client.pem"] == mended["tls.crt"] + key
    assert spoil("tls.crt", "tls.key", "client.pem")["tls.key"] != key
