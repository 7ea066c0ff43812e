# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Names that mean something else already, that mean nothing, or that two resources want."""

from __future__ import annotations

from typing import TYPE_CHECKING

import koji
import pytest

from tests.e2e.resources import builder

from . import cases
from .world import JUDGED, config_map, copied_secret

if TYPE_CHECKING:
    from .world import World


@pytest.fixture(scope="module", autouse=True)
def bad(world: World) -> None:
    world.hub.session().createUser("existing-user")
    world.apply(cases.names(world))


def test_a_builder_cannot_take_over_a_normal_user(world: World) -> None:
    world.refused("KojiBuilder", "existing-user").says(
        "UserExists", "existing-user is a normal user", "choose another name"
    )
    found = world.hub.session().getUser("existing-user")
    assert found["usertype"] == koji.USERTYPES["NORMAL"]
    assert world.hub.anonymous().getHost("existing-user") is None
    made = world.kube.get("Secret", "koji-existing-user-client-cert", world.namespace)
    assert made is None, "a certificate to log in with as somebody else"


def test_an_unknown_permission_is_named_and_the_others_are_granted(world: World) -> None:
    world.refused("KojiUser", "some-permissions").says(
        "UnknownPermission", "'no-such-permission'", "correct the name, or create it"
    )
    assert sorted(world.hub.session().getUserPerms("some-permissions")) == ["host", "repo"]


def test_an_unknown_channel_is_named_and_the_rest_is_in_line(world: World) -> None:
    world.refused("KojiBuilder", "some-channels").says(
        "UnknownChannel", "'no-such-channel'", "correct the name, or create it"
    )
    session = world.hub.session()
    assert [channel["name"] for channel in session.listChannels("some-channels")] == ["createrepo"]
    host = session.getHost("some-channels")
    assert host["description"] == "in line"
    assert host["capacity"] == 6


@pytest.mark.parametrize(
    ("kind", "name", "parts"),
    [
        ("KojiUser", "two-hubs", ("hub_host is 'koji-hub:8443'", "host_name is 'another:8443'")),
        ("KojiBuilder", "two-users", ("koji_hub_user is 'one'", "hub_username is 'two'")),
        ("KojiUser", "two-cas", ("cacert_secret is 'one'", "authentication.ssl.ca_secret_name is 'two'")),
    ],
)
def test_aliases_that_disagree_are_both_named(world: World, kind: str, name: str, parts: tuple[str, ...]) -> None:
    world.refused(kind, name).says("ConflictingFields", *parts, "keep one of them")


def test_the_admin_does_not_lose_its_own_rights(world: World) -> None:
    world.refused("KojiUser", "koji-admin").says("OwnAccount", "koji-admin", "lose admin")
    assert world.hub.session().getUserPerms("koji-admin") == ["admin"]


def test_an_object_that_is_somebodys_own_is_left_alone(world: World) -> None:
    world.refused("KojiBuilder", "taken").says(
        "NameTaken", "ConfigMap 'koji-taken-builder'", "nobody that the operator knows", "rename or delete"
    )
    there = world.kube.get("ConfigMap", "koji-taken-builder", world.namespace)
    assert there is not None
    assert there["data"] == {"note": "somebody's own"}
    assert not there["metadata"].get("ownerReferences")
    assert not there["metadata"].get("labels")
    assert world.hub.anonymous().getHost("taken") is None


def test_of_two_builders_with_the_same_objects_one_is_told_of_the_other(world: World) -> None:
    def loser() -> str | None:
        for name in ("twin", "koji-twin"):
            found = world.kube.get("KojiBuilder", name, world.namespace)
            conditions = ((found or {}).get("status") or {}).get("conditions") or []
            if any(c["type"] == "Ready" and c["reason"] == "NameTaken" for c in conditions):
                return name
        return None

    name = world.kube.wait_for(loser, JUDGED, "one of the two has a name that is taken")
    winner = "twin" if name == "koji-twin" else "koji-twin"
    world.refused("KojiBuilder", name).says("NameTaken", "'koji-twin-builder'", f"belongs to KojiBuilder {winner}")
    world.kube.wait_condition("KojiBuilder", winner, world.namespace, JUDGED)
    world.drop("KojiBuilder", winner, world.namespace)


def test_the_object_of_the_periodic_playbook_must_have_its_label(world: World, namespace: str) -> None:
    world.apply(
        [
            config_map("koji-schedule", namespace, note="somebody's own"),
            *(
                copied_secret(world.kube, name, name, world.namespace, namespace)
                for name in ("koji-hub-admin", "koji-hub-ca-cert", "koji-hub-ca-cert-key")
            ),
            builder("unheard", namespace, hub_host=world.hub.url),
        ]
    )
    world.refused("KojiBuilder", "unheard", namespace).says(
        "NameTaken", "ConfigMap 'koji-schedule'", "apps.fedoraproject.org/schedule"
    )
    there = world.kube.get("ConfigMap", "koji-schedule", namespace)
    assert there is not None
    assert there["data"] == {"note": "somebody's own"}
    assert not there["metadata"].get("labels")
