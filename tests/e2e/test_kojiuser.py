# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A KojiUser: the hub user is as the resource says, and can log in with the certificate in its Secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import koji
import pytest

from .resources import READY, SOON, user

if TYPE_CHECKING:
    from pathlib import Path

    from .hub import Hub
    from .kube import Json, Kube

pytestmark = pytest.mark.usefixtures("operator")


def ready(kube: Kube, wanted: Json) -> Json:
    kube.apply(wanted)
    metadata = wanted["metadata"]
    return kube.wait_condition(wanted["kind"], metadata["name"], metadata["namespace"], READY)


def test_a_user_gets_its_permissions_and_a_certificate_to_log_in_with(kube: Kube, hub: Hub, tmp_path: Path) -> None:
    ssl = {"ssl": {"client_secret_name": "kojira-cert", "ca_secret_name": "ca-cert"}}
    made = ready(kube, user("kojira", hub.namespace, permissions=["repo"], authentication=ssl))

    account = hub.session().getUser("kojira")
    assert hub.session().getUserPerms("kojira") == ["repo"]
    status = made["status"]
    assert status["user_id"] == account["id"]
    assert status["permissions"] == ["repo"]
    assert status["hub_url"] == hub.url
    assert status["client_cert_secret"] == "kojira-cert"
    assert status["certificate_expires"]
    assert status["user"] == "kojira"
    assert status["observedGeneration"] == made["metadata"]["generation"]

    secret = kube.secret(hub.namespace, "kojira-cert")
    assert set(secret) == {"tls.crt", "tls.key", "ca.crt", "client.pem"}
    assert kube.secret(hub.namespace, "ca-cert")["ca.crt"].strip() == hub.ca.read_bytes().strip()
    pem = tmp_path / "kojira.pem"
    pem.write_bytes(secret["client.pem"])
    assert hub.session(pem).getLoggedInUser()["name"] == "kojira"

    table = kube.kubectl("get", "kojiuser", "kojira", "-n", hub.namespace)
    assert "READY" in table.splitlines()[0]
    assert "True" in table.splitlines()[1]


def test_permissions_are_exactly_those_of_the_resource(kube: Kube, hub: Hub) -> None:
    ready(kube, user("exact", hub.namespace, permissions=["repo", "host"]))
    assert sorted(hub.session().getUserPerms("exact")) == ["host", "repo"]
    ready(kube, user("exact", hub.namespace, permissions=["admin"]))
    assert hub.session().getUserPerms("exact") == ["admin"]


def test_the_key_is_kept_when_the_resource_changes(kube: Kube, hub: Hub) -> None:
    ready(kube, user("keeps-key", hub.namespace))
    before = kube.secret(hub.namespace, "koji-keeps-key-client-cert")
    ready(kube, user("keeps-key", hub.namespace, permissions=["repo"]))
    assert kube.secret(hub.namespace, "koji-keeps-key-client-cert") == before


def test_a_given_certificate_is_used_as_it_is(kube: Kube, hub: Hub) -> None:
    ready(kube, user("donor", hub.namespace))
    data = kube.get("Secret", "koji-donor-client-cert", hub.namespace)
    assert data is not None
    given = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "given"}, "data": data["data"]}
    kube.apply(given, hub.namespace)
    ssl = {"ssl": {"client_secret_name": "given"}}
    kube.apply(user("someone", hub.namespace, authentication=ssl))
    failed = kube.wait_condition("KojiUser", "someone", hub.namespace, READY, status="False")
    assert "'donor'" in str(failed["status"]["conditions"])
    kube.delete("KojiUser", "donor", hub.namespace, timeout=SOON)
    ready(kube, user("donor", hub.namespace, authentication=ssl))
    after = kube.get("Secret", "given", hub.namespace)
    assert after is not None
    assert after["data"] == given["data"]


def test_a_deleted_user_is_disabled_and_comes_back_with_its_resource(kube: Kube, hub: Hub, tmp_path: Path) -> None:
    wanted = user("comes-back", hub.namespace, permissions=["repo"])
    ready(kube, wanted)
    pem = tmp_path / "user.pem"
    pem.write_bytes(kube.secret(hub.namespace, "koji-comes-back-client-cert")["client.pem"])
    kube.delete("KojiUser", "comes-back", hub.namespace, timeout=SOON)
    assert hub.session().getUser("comes-back")["status"] == koji.USER_STATUS["BLOCKED"]
    with pytest.raises(koji.AuthError):
        hub.session(pem)

    ready(kube, wanted)
    assert hub.session().getUser("comes-back")["status"] == koji.USER_STATUS["NORMAL"]


def test_a_user_that_is_no_longer_enabled_cannot_log_in(kube: Kube, hub: Hub) -> None:
    ready(kube, user("off", hub.namespace))
    ready(kube, user("off", hub.namespace, enabled=False))
    assert hub.session().getUser("off")["status"] == koji.USER_STATUS["BLOCKED"]


def test_a_secret_that_someone_deletes_is_made_again(kube: Kube, hub: Hub) -> None:
    ready(kube, user("loses-secret", hub.namespace))
    kube.delete("Secret", "koji-loses-secret-client-cert", hub.namespace)
    kube.wait_for(
        lambda: kube.get("Secret", "koji-loses-secret-client-cert", hub.namespace), SOON, "the Secret is back"
    )
