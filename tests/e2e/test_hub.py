# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The hub that the other tests use: the real library and the real command log in to it."""

from collections.abc import Callable

from .hub import Hub


def test_library(hub: Hub) -> None:
    session = hub.session()
    assert session.getLoggedInUser()["name"] == "koji-admin"
    assert "admin" in session.getPerms()
    session.logout()
    assert hub.anonymous().getUser("koji-admin")["name"] == "koji-admin"


def test_command(hub: Hub, koji_cli: Callable[..., str]) -> None:
    assert "koji-admin" in koji_cli("moshimoshi")
    assert "no-such-command" in hub.cli("no-such-command", check=False)
