# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Logging in by keytab, with Kerberos' real library and without a KDC; tests/e2e/kerberos has one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils import kerberos, kerberos_login
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubAddress, HubError
from ansible_collections.fedoraproject.koji.plugins.module_utils.kerberos import Principal, login

from tests.unit.keytabs import keytab
from tests.unit.module_utils.tls import Authority

if TYPE_CHECKING:
    from pathlib import Path

NAME = "koji@KOJI.TEST"
CONF = """\
[libdefaults]
  default_realm = KOJI.TEST
  dns_lookup_kdc = false
[realms]
  KOJI.TEST = {
    kdc = 127.0.0.1:1
  }
"""
URL = "https://koji-hub.koji.svc:8443/kojihub"


@pytest.fixture
def address(tmp_path: Path) -> HubAddress:
    return HubAddress(URL, str(Authority(tmp_path, "ca").file))


def failure(address: HubAddress, who: Principal) -> HubError:
    with pytest.raises(HubError) as raised:
        login(address, who)
    return raised.value


def test_a_kdc_that_cannot_be_reached_is_named(address: HubAddress) -> None:
    said = failure(address, Principal(NAME, keytab(NAME), CONF))
    assert said.reason == "KdcUnreachable"
    assert "KOJI.TEST" in said.message


def test_a_keytab_without_the_principal_is_named(address: HubAddress) -> None:
    said = failure(address, Principal("x@KOJI.TEST", keytab(NAME), CONF, "the keytab of Secret 's'"))
    assert (said.reason, said.message) == (
        "PrincipalNotInKeytab",
        "the keytab of Secret 's' has no key of x@KOJI.TEST; add it",
    )


def test_a_realm_without_a_kdc_is_named(address: HubAddress) -> None:
    assert failure(address, Principal("x@A.TEST", keytab("x@A.TEST"), CONF)).reason == "KdcUnreachable"


def test_a_ca_that_is_none_is_told_of_before_all_else(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_text("no CA", "utf-8")
    assert failure(HubAddress(URL, str(file)), Principal(NAME, keytab(NAME), CONF)).reason == "CaInvalid"


def test_keys_go_through_a_pipe_alone(address: HubAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def run(command: list[str], **options: Any) -> Any:
        seen.append((command, {name: value for name, value in options.items() if name != "input"}))
        return subprocess.CompletedProcess(command, 0, '{"session-id": 1, "session-key": "k"}', "")

    monkeypatch.setattr(subprocess, "run", run)
    session = login(address, Principal(NAME, keytab(NAME), CONF))
    assert (session.sinfo["session-id"], session.logged_in) == (1, True)
    assert "kkkk" not in str(seen)
    assert "a2tr" not in str(seen), "in base64"
    assert "kkkk" not in repr(Principal(NAME, keytab(NAME)))


def test_a_login_that_takes_too_long_is_ended(address: HubAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kerberos, "PATIENCE", 0.01)
    assert failure(address, Principal(NAME, keytab(NAME), CONF)).reason == "KdcUnreachable"


def test_one_that_breaks_off_is_told_of(address: HubAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert failure(address, Principal(NAME, keytab(NAME), CONF)).reason == "KerberosFailed"


def test_a_library_that_is_missing_is_named(address: HubAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)
    with pytest.raises(HubError, match="install gssapi") as raised:
        kerberos_login._ticket(address, {"principal": NAME})
    assert raised.value.reason == "KerberosMissing"
