# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a builder logs in with: the Secrets that its settings name."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubError
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.connection import hub_access
from ansible_collections.fedoraproject.koji.plugins.module_utils.sessions import CertificateAccess, KeytabAccess

from tests.unit import keytabs

from .world import World

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import Settings

NAME = "compile/pods@KOJI.TEST"


def secret(**data: str) -> dict[str, Any]:
    return {"data": {key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in data.items()}}


@pytest.fixture
def world() -> World:
    """A namespace with a CA, a certificate and a keytab."""
    made = World()
    made.cluster.secrets |= {
        "ca": secret(ca_crt="ca"),
        "client": secret(client_pem="pem"),
        "keys": {"data": keytabs.secret(keytabs.keytab(NAME))},
    }
    return made


def settings(world: World, **more: str) -> Settings:
    return replace(world.settings, **{"ca_secret": "ca", "client_secret": "client", **more})  # type: ignore[arg-type]


def refused(world: World, **more: str) -> HubError:
    with pytest.raises(HubError) as raised:
        hub_access(settings(world, **more), world.cluster)
    return raised.value


def test_without_a_keytab_it_is_the_certificate(world: World) -> None:
    assert isinstance(hub_access(settings(world), world.cluster), CertificateAccess)
    assert refused(world, client_secret="absent").reason == "SecretMissing"
    assert refused(world, ca_secret="client").reason == "SecretIncomplete"


def test_with_a_keytab_no_certificate_is_needed(world: World) -> None:
    access = hub_access(settings(world, client_secret="", keytab_secret="keys", principal=NAME), world.cluster)
    assert isinstance(access, KeytabAccess)
    access.close()


def test_a_keytab_that_is_no_good_is_named(world: World) -> None:
    assert refused(world, keytab_secret="absent", principal=NAME).reason == "MissingSecret"
    assert refused(world, keytab_secret="client", principal=NAME).reason == "MissingSecretKey"
    said = refused(world, keytab_secret="keys", principal="x@KOJI.TEST")
    assert said.reason == "PrincipalNotInKeytab"
    assert "Secret 'keys'" in said.message
