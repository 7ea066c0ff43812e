# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Hosts and channels."""

import xmlrpc.client

import koji
import pytest

from tests.devhub.local import LocalHub


def test_add_host_makes_user_and_subscription(hub: LocalHub) -> None:
    admin = hub.admin()
    admin.addHost("b", ["x86_64", "i686"])
    host = admin.getHost("b")
    assert (host["arches"], host["capacity"], host["enabled"], host["ready"]) == ("x86_64 i686", 2.0, True, False)
    assert admin.getUser("b")["usertype"] == koji.USERTYPES["HOST"]
    assert [channel["name"] for channel in admin.listChannels("b")] == ["default"]
    with pytest.raises(koji.GenericError, match="already exists"):
        admin.addHost("b", ["x86_64"])


def test_a_normal_user_is_converted_by_force_only(hub: LocalHub) -> None:
    admin = hub.admin()
    user_id = admin.createUser("b")
    with pytest.raises(koji.GenericError) as error:
        admin.addHost("b", ["x86_64"])
    assert error.value.faultCode == 1000
    admin.addHost("b", ["x86_64"], force=True)
    assert admin.getHost("b")["user_id"] == user_id


def test_arches_as_a_string_go_letter_by_letter(hub: LocalHub) -> None:
    admin = hub.admin()
    admin.addHost("b", "arm")
    assert admin.getHost("b")["arches"] == "a r m"


def test_edit_host(hub: LocalHub) -> None:
    admin = hub.admin()
    admin.addHost("b", ["x86_64"])
    assert admin.editHost("b", arches="x86_64 i686", capacity=6, description="d") is True
    assert admin.editHost("b", capacity=6.0) is False
    for wrong in ({"arches": ["x86_64"]}, {"description": None}):
        with pytest.raises(koji.ParameterError):
            admin.editHost("b", **wrong)
    with pytest.raises(xmlrpc.client.Fault) as refused:
        admin.editHost("b", capacity=1)
    assert refused.value.faultCode == 1
    assert admin.getHost("b")["capacity"] == 6.0


def test_a_host_as_it_was(hub: LocalHub) -> None:
    admin = hub.admin()
    admin.addHost("b", ["x86_64"])
    before = admin.getLastEvent()["id"]
    admin.editHost("b", comment="new")
    assert admin.getHost("b", event=before)["comment"] is None
    assert admin.getHost("b")["comment"] == "new"


def test_enable_and_disable_may_repeat(hub: LocalHub) -> None:
    admin = hub.admin()
    admin.addHost("b", ["x86_64"])
    for call, enabled in ((admin.disableHost, False), (admin.enableHost, True)):
        for _ in range(2):
            call("b")
        assert admin.getHost("b")["enabled"] is enabled


def test_channels_are_not_idempotent(hub: LocalHub) -> None:
    admin = hub.admin()
    admin.addHost("b", ["x86_64"])
    admin.addHostToChannel("b", "createrepo")
    with pytest.raises(koji.GenericError, match="already subscribed"):
        admin.addHostToChannel("b", "createrepo")
    admin.removeHostFromChannel("b", "createrepo")
    with pytest.raises(koji.GenericError, match="not subscribed"):
        admin.removeHostFromChannel("b", "createrepo")
    with pytest.raises(koji.GenericError, match="channel does not exist: none"):
        admin.addHostToChannel("b", "none")
    with pytest.raises(koji.GenericError, match="host does not exist: none"):
        admin.addHostToChannel("none", "default")
    admin.addHostToChannel("b", "own", create=True)
    admin.disableChannel("own")
    admin.addHost("c", ["x86_64"])
    with pytest.raises(koji.GenericError, match="disabled"):
        admin.addHostToChannel("c", "own")


def test_listing(hub: LocalHub) -> None:
    admin = hub.admin()
    for name, arches in (("a", ["ppc64le"]), ("b", ["x86_64", "ppc"])):
        admin.addHost(name, arches)
    admin.disableHost("a")
    admin.addHostToChannel("b", "vm")

    def names(**options: object) -> list[str]:
        return [host["name"] for host in admin.listHosts(**options)]

    assert names() == ["a", "b"]
    assert names(arches=["ppc"]) == ["b"]
    assert names(enabled=False) == ["a"]
    assert names(channelID="vm") == ["b"]
    assert names(ready=True) == []
    assert names(userID="a") == ["a"]


def test_last_update_is_that_of_a_session(hub: LocalHub) -> None:
    admin = hub.admin()
    host_id = admin.addHost("b", ["x86_64"])
    assert admin.getLastHostUpdate(host_id) is None
    hub.host("b")
    assert admin.getLastHostUpdate(host_id, ts=True) == admin.getHost("b")["update_ts"]
