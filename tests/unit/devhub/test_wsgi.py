# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What comes over HTTP that isn't a call's result."""

import xmlrpc.client
from typing import Any

import koji
import pytest

from tests.devhub.local import LocalHub
from tests.devhub.wsgi import Application, environ_of


def ask(application: Application, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[str, bytes]:
    """Status and body of an answer."""
    seen: list[str] = []

    def start(status: str, _: list[tuple[str, str]]) -> Any:
        seen.append(status)

    answer = b"".join(application(environ_of(method, path, "", headers, body), start))
    return seen[0], answer


def test_get_is_not_allowed(hub: LocalHub) -> None:
    assert ask(hub.application, "GET", "/kojihub")[0] == "405 Method Not Allowed"


@pytest.mark.parametrize("body", [b"", b"<no", b"{}"])
def test_rubbish_is_400(hub: LocalHub, body: bytes) -> None:
    assert ask(hub.application, "POST", "/kojihub", body)[0] == "400 Bad Request"


def test_without_injection_nobody_can_ask_for_faults(hub: LocalHub) -> None:
    application = Application(hub.hub)
    assert ask(application, "GET", "/devhub/faults")[0] == "405 Method Not Allowed"


def test_database_down_is_200_with_fault_1014(hub: LocalHub) -> None:
    admin = hub.admin()
    hub.hub.storage.down = True  # type: ignore[attr-defined]
    status, body = ask(hub.application, "POST", "/kojihub", koji.xmlrpcplus.dumps((), "getAPIVersion").encode())
    assert status == "200 OK"
    with pytest.raises(xmlrpc.client.Fault) as fault:
        koji.xmlrpcplus.loads(body)
    assert fault.value.faultCode == 1014
    with pytest.raises(koji.ServerOffline):
        admin.getAPIVersion()
    hub.hub.storage.down = False  # type: ignore[attr-defined]
    assert admin.getAPIVersion() == 1


def test_uncaught_errors_are_fault_1(hub: LocalHub) -> None:
    with pytest.raises(xmlrpc.client.Fault) as fault:
        hub.anonymous().fault()
    assert fault.value.faultCode == 1
    assert not isinstance(fault.value, koji.GenericError)


@pytest.mark.parametrize(
    "call", [("getUser", 1, 2, 3, 4, 5), ("addHost",), ("getUser", {"nope": 1, "__starstar": True})]
)
def test_wrong_arguments_are_1019(hub: LocalHub, call: tuple[Any, ...]) -> None:
    with pytest.raises(koji.ParameterError):
        hub.admin().callMethod(*call)


def test_a_failed_call_in_a_multicall_undoes_only_itself(hub: LocalHub) -> None:
    admin = hub.admin()
    with admin.multicall() as multi:
        first = multi.addHost("a", ["x86_64"])
        wrong = multi.editHost("a", capacity=0)
        again = multi.editHost("a", capacity=7)
    assert (first.result, again.result) == (1, True)
    with pytest.raises(xmlrpc.client.Fault) as error:
        _ = wrong.result
    assert error.value.faultCode == 1
    assert admin.getHost("a")["capacity"] == 7.0


def test_large_numbers_and_none_pass(hub: LocalHub) -> None:
    assert hub.anonymous().echo(None, 2**40, -(2**63), "é", [1.5, True]) == [None, 2**40, -(2**63), "é", [1.5, True]]


def test_the_api_describes_itself(hub: LocalHub) -> None:
    session = hub.anonymous()
    api = {call["name"]: call for call in session._listapi()}
    assert api["addHost"]["args"] == ["hostname", "arches", ["krb_principal", None], ["force", False]]
    assert set(session.system.listMethods()) == set(api)
    assert session.system.methodHelp("editHost").startswith("editHost(hostInfo, **kw)")
    assert session.count("listChannels") == 8
    assert (
        session.countAndFilterResults("listChannels", filterOpts={"order": "-name", "limit": 1})[1][0]["name"] == "vm"
    )
    # The web's front page asks so for a user who owns none.
    assert session.countAndFilterResults("listPackages", filterOpts={"order": "package_name"}) == [0, []]
