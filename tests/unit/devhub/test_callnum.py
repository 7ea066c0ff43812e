# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Call numbers: what is stored, what is refused."""

import koji
import pytest
import requests

from tests.devhub.local import LocalHub, Transport, local_session
from tests.devhub.wsgi import Application

from .answers import Copy


def at(hub: LocalHub, session: koji.ClientSession, callnum: int) -> koji.ClientSession:
    """Another client of the same session, at a call number."""
    client: koji.ClientSession = local_session(hub, sinfo=session.sinfo, base=Copy)
    client.callnum = callnum
    return client


def stored(hub: LocalHub, session: koji.ClientSession) -> int | None:
    """The session's call number, read without sending one."""
    transport = Transport(Application(hub.hub))
    body = koji.xmlrpcplus.dumps((), "getSessionInfo")
    headers = {"Koji-Session-Id": str(session.sinfo["session-id"]), "Koji-Session-Key": session.sinfo["session-key"]}
    request = requests.Request("POST", "https://koji-hub.test/kojihub", data=body, headers=headers)
    (info,), _ = koji.xmlrpcplus.loads(transport.send(request.prepare()).content)
    number: int | None = info["callnum"]
    return number


def test_only_calls_that_write_store_the_number(hub: LocalHub) -> None:
    admin = hub.admin()
    assert stored(hub, admin) is None
    at(hub, admin, 5).getAPIVersion()
    assert stored(hub, admin) is None
    at(hub, admin, 6).createUser("a")
    assert stored(hub, admin) == 6
    with pytest.raises(koji.GenericError):
        at(hub, admin, 9).createUser("a")
    assert stored(hub, admin) == 6


def test_lower_is_1008_equal_1009_gaps_are_fine(hub: LocalHub) -> None:
    admin = hub.admin()
    at(hub, admin, 6).createUser("a")
    with pytest.raises(koji.SequenceError):
        at(hub, admin, 5).getAPIVersion()
    with pytest.raises(koji.RetryError):
        at(hub, admin, 6).createUser("b")
    assert at(hub, admin, 600).createUser("b")


def test_some_calls_may_repeat(hub: LocalHub) -> None:
    master = hub.host("b")
    for _ in range(2):
        at(hub, master, 50).host.updateHost(0, True)
    with pytest.raises(koji.RetryError):
        at(hub, master, 50).host.getTasks()


def test_a_multicall_counts_as_a_write(hub: LocalHub) -> None:
    admin = hub.admin()
    client = at(hub, admin, 7)
    with client.multicall() as multi:
        multi.getAPIVersion()
    assert stored(hub, admin) == 7


def test_an_older_hub_never_sees_the_numbers(hub: LocalHub) -> None:
    hub.hub.version = "1.34.3"
    admin = hub.admin()
    for number, user in ((6, "a"), (6, "b"), (5, "c")):
        at(hub, admin, number).createUser(user)
    assert stored(hub, admin) is None
