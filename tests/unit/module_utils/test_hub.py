# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What goes wrong with a hub, each over a real connection, is told apart and said so that one can act on it."""

from __future__ import annotations

import gc
import os
import socket
import ssl
import stat
import threading
import time
import xmlrpc.client
from pathlib import Path
from typing import Any

import koji
import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import (
    OPTIONS,
    HubAddress,
    HubError,
    HubSession,
    Sessions,
    connect,
    explain,
    explained,
    login,
    private_file,
)
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.devhub.local import ADMIN, LocalHub, intercept, local_session
from tests.unit.module_utils.pair import storage
from tests.unit.module_utils.tls import Answer, Authority, server

QUICK: dict[str, Any] = {"max_retries": 1, "retry_interval": 0, "timeout": (2, 2), "auth_timeout": (2, 2)}


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "ca")


@pytest.fixture(scope="module")
def other_ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other"), "other-ca")


@pytest.fixture(scope="module")
def certificate(ca: Authority) -> Path:
    return ca.issue("koji-hub")


def address_of(port: int, ca: Authority, host: str = "127.0.0.1") -> HubAddress:
    return HubAddress(f"https://{host}:{port}/kojihub", str(ca.file), ca_name="Secret my-ca")


def failure(address: HubAddress, **options: Any) -> HubError:
    """What an anonymous call comes to."""
    with pytest.raises(HubError) as raised, explained(address):
        connect(address, **{**QUICK, **options}).getAPIVersion()
    return raised.value


def fault(code: int) -> bytes:
    return xmlrpc.client.dumps(xmlrpc.client.Fault(code, "because.")).encode()


def test_nobody_listens(ca: Authority) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = failure(address_of(unused.getsockname()[1], ca))
    assert error.reason == "HubUnreachable"
    assert "Connection refused" in error.message
    assert str(unused) not in error.message


def test_no_such_host(ca: Authority) -> None:
    error = failure(address_of(1, ca, "no-hub.invalid"))
    assert error.reason == "HubUnreachable"
    assert "https://no-hub.invalid:1/kojihub" in error.message


def test_no_answer_in_time(ca: Authority, certificate: Path) -> None:
    with server(certificate, Answer(delay=threading.Event())) as port:
        error = failure(address_of(port, ca), timeout=(2, 0.2), max_retries=0)
    assert error.reason == "HubUnreachable"
    assert "in time" in error.message


@pytest.mark.parametrize(
    ("answer", "reason", "says"),
    [
        (Answer(404), "NotAHub", "/kojihub"),
        (Answer(405), "NotAHub", "HTTP 405"),
        (Answer(200, b"<html><p>Welcome<br></html>", "text/html"), "NotAHub", "not XML-RPC"),
        (Answer(200, b"", "text/html"), "NotAHub", "not XML-RPC"),
        (Answer(200, b"<?xml version='1.0'?><feed/>"), "NotAHub", "not XML-RPC"),
        (Answer(500), "HubDown", "HTTP 500"),
        (Answer(503), "HubDown", "HTTP 503"),
        (Answer(403), "CertificateRejected", "HTTP 403"),
        (Answer(200, fault(1014)), "HubDown", "because; look"),
        (Answer(200, fault(1006)), "SessionHeld", "exclusive"),
        (Answer(200, fault(1007)), "SessionExpired", "expired"),
        (Answer(200, fault(1008)), "SessionOutOfStep", "because"),
        (Answer(200, fault(1009)), "SessionOutOfStep", "because"),
        (Answer(200, fault(1002)), "AccessDenied", "because"),
        (Answer(200, fault(1004)), "NotAllowed", "admin"),
        (Answer(200, fault(1000)), "HubRefused", "because"),
        (Answer(200, fault(1)), "HubFailed", "log"),
        (Answer(200, fault(4711)), "HubFailed", "because"),
    ],
)
def test_answers(ca: Authority, certificate: Path, answer: Answer, reason: str, says: str) -> None:
    with server(certificate, answer) as port:
        address = address_of(port, ca)
        error = failure(address)
        assert (error.reason, says in error.message, address.url in error.message) == (reason, True, True)
        # The same when it is the login that fails: koji would make an AuthError of everything.
        with pytest.raises(HubError) as raised:
            login(address, str(certificate), **QUICK)
    assert raised.value.reason == reason


def test_the_ca_is_another(other_ca: Authority, certificate: Path) -> None:
    with server(certificate, Answer()) as port:
        address = address_of(port, other_ca)
        error = failure(address)
        assert error.reason == "CaMismatch"
        assert "Secret my-ca" in error.message
        with pytest.raises(HubError) as raised:
            login(address, str(certificate), **QUICK)
    assert raised.value.reason == "CaMismatch"


def test_the_certificate_is_for_another_host(ca: Authority) -> None:
    elsewhere = ca.issue("elsewhere", hosts=(x509.DNSName("elsewhere.test"),))
    with server(elsewhere, Answer()) as port:
        error = failure(address_of(port, ca, "localhost"))
    assert error.reason == "CaMismatch"
    assert "localhost" in error.message


def test_the_hub_s_certificate_has_expired(ca: Authority) -> None:
    with server(ca.issue("late", days=-1), Answer()) as port:
        error = failure(address_of(port, ca))
    assert error.reason == "CaMismatch"
    assert "expired" in error.message


def test_the_port_does_not_speak_tls(ca: Authority) -> None:
    with server(None, Answer()) as port:
        error = failure(address_of(port, ca))
    assert error.reason == "NotAHub"
    assert "TLS" in error.message


@pytest.mark.parametrize("tls", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("days", [5, -1])
def test_the_hub_rejects_the_client_certificate(
    ca: Authority, other_ca: Authority, certificate: Path, tls: ssl.TLSVersion, days: int
) -> None:
    """In TLS 1.3 the alert comes after the handshake, at any later moment."""
    client = (other_ca if days > 0 else ca).issue("client", days=days)
    with server(certificate, Answer(), client_ca=ca.file, tls=tls) as port, pytest.raises(HubError) as raised:
        login(address_of(port, ca), str(client), **QUICK)
    assert raised.value.reason == "CertificateRejected"
    assert ("unknown ca" if days > 0 else "expired") in raised.value.message


@pytest.mark.parametrize(
    "content", [None, "", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_files_that_can_t_be_used(ca: Authority, certificate: Path, tmp_path: Path, content: str | None) -> None:
    """They are named before anything is sent: the address is not even there."""
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_text(content)
    address = HubAddress("https://127.0.0.1:1/kojihub", str(ca.file), certificate_name="Secret my-cert")
    with pytest.raises(HubError, match="Secret my-cert") as raised:
        login(address, str(bad))
    assert raised.value.reason == "CertificateInvalid"
    with pytest.raises(HubError, match=r"bad\.pem") as raised:
        login(HubAddress("https://127.0.0.1:1/kojihub", str(bad)), str(certificate))
    assert raised.value.reason == "CaInvalid"


def test_a_certificate_without_its_key(ca: Authority, certificate: Path, tmp_path: Path) -> None:
    pem = certificate.read_text()
    alone = tmp_path / "alone.pem"
    alone.write_text(pem[: pem.index("-----BEGIN PRIVATE KEY")])
    with pytest.raises(HubError, match="key") as raised:
        login(address_of(1, ca), str(alone))
    assert raised.value.reason == "CertificateInvalid"


def test_an_encrypted_key_asks_nobody(ca: Authority, certificate: Path, tmp_path: Path) -> None:
    pem = certificate.read_bytes()
    key = serialization.load_pem_private_key(pem[pem.index(b"-----BEGIN PRIVATE KEY") :], None)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")
    )
    locked = tmp_path / "locked.pem"
    locked.write_bytes(pem[: pem.index(b"-----BEGIN PRIVATE KEY")] + secret)
    with pytest.raises(HubError, match="encrypted"):
        login(address_of(1, ca), str(locked))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "koji-hub:8443",
        "http://koji-hub/kojihub",
        "https:///kojihub",
        "https://a..b/kojihub",
        f"https://{'a' * 64}/kojihub",
        "https://hub:99999/kojihub",
        "https://hub:x/kojihub",
        "https://hub/koji hub",
        "https://hub/kojihub\n",
        "https://user:secret@hub/kojihub",
        "https://hub/kojihub?x=1",
    ],
)
def test_what_is_no_hub_s_url(url: str) -> None:
    with pytest.raises(HubError) as raised:
        HubAddress(url, "ca.crt")
    assert raised.value.reason == "InvalidHubUrl"


def test_there_is_no_way_around_the_ca() -> None:
    with pytest.raises(HubError) as raised:
        HubAddress("https://hub/kojihub", "")
    assert raised.value.reason == "CaInvalid"
    with pytest.raises(HubError) as raised:
        HubSession("https://hub/kojihub", opts={"no_ssl_verify": True}).ssl_login(__file__)
    assert raised.value.reason == "CaInvalid"


def test_a_hub_is_given_up_soon(ca: Authority) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        began = time.monotonic()
        with pytest.raises(HubError), explained(address_of(1, ca)):
            connect(address_of(unused.getsockname()[1], ca)).getAPIVersion()
    assert time.monotonic() - began < 5
    assert OPTIONS["max_retries"] * OPTIONS["retry_interval"] < 10


def test_what_is_no_hub_s_error_is_not_explained(ca: Authority) -> None:
    with pytest.raises(ZeroDivisionError), explained(address_of(1, ca)):
        _ = 1 / 0


def test_a_hub_error_stays_what_it_is(ca: Authority) -> None:
    error = HubError("Reason", "message")
    assert explain(error, address_of(1, ca)) is error


def test_a_raw_fault_is_known_by_its_code(ca: Authority) -> None:
    """A multicall's results hold faults that koji has not converted."""
    assert explain(xmlrpc.client.Fault(1014, "x"), address_of(1, ca)).reason == "HubDown"


def test_a_session_that_is_collected_is_still_there() -> None:
    hub = LocalHub()
    session = local_session(hub, ADMIN, base=HubSession, serverca=__file__)
    session.ssl_login()
    sinfo = dict(session.sinfo)
    del session
    gc.collect()
    attached = local_session(hub, base=HubSession, sinfo=sinfo)
    assert attached.getLoggedInUser()["name"] == ADMIN
    del attached
    gc.collect()
    assert local_session(hub, base=HubSession, sinfo=sinfo).getLoggedInUser()["name"] == ADMIN


def test_an_expired_session_is_not_renewed_in_secret() -> None:
    hub = LocalHub()
    session = local_session(hub, ADMIN, base=HubSession, serverca=__file__)
    session.ssl_login()
    key = session.sinfo["session-key"]
    hub.injection.add({"kind": "error", "code": 1007, "message": "expired", "times": 1})
    with pytest.raises(koji.AuthExpired):
        session.getLoggedInUser()
    assert session.sinfo["session-key"] == key


def test_connect_attaches_where_the_session_is(ca: Authority) -> None:
    hub = LocalHub()
    owner = hub.admin()  # koji's own session logs out when it is collected
    sinfo = owner.sinfo
    with intercept(hub) as url:
        session = connect(HubAddress(url, str(ca.file)), {k: sinfo[k] for k in ("session-id", "session-key")}, 5)
        assert session.callnum == 5
        assert session.getLoggedInUser()["name"] == ADMIN
        assert session.callnum == 6


def test_sessions_log_in_when_asked_and_log_out_at_the_end(ca: Authority) -> None:
    hub = LocalHub()
    pem = ca.issue(ADMIN)
    with intercept(hub) as url:
        with Sessions(HubAddress(url, str(ca.file)), str(pem)) as pair:
            assert pair.reader().getLoggedInUser() is None
            assert storage(hub).rows["sessions"] == []
            assert pair.writer().getLoggedInUser()["name"] == ADMIN
            assert pair.writer() is pair.writer()
            assert pair.reader() is pair.writer()
        [row] = storage(hub).rows["sessions"]
        assert row["closed"]


def test_logging_out_of_a_hub_that_is_gone_is_no_error(ca: Authority) -> None:
    hub = LocalHub()
    pem = ca.issue(ADMIN)
    with intercept(hub) as url, Sessions(HubAddress(url, str(ca.file)), str(pem)) as pair:
        pair.writer()
        storage(hub).down = True


def test_private_file() -> None:
    with private_file("sécret\n") as path:
        assert Path(path).read_text(encoding="utf-8") == "sécret\n"
        assert Path(path).read_text(encoding="utf-8") == "sécret\n", "it can be read more than once"
        mode = stat.S_IMODE(Path(path).stat().st_mode)
        assert mode == 0o600
        assert not os.get_inheritable(int(Path(path).name))
    assert not Path(path).exists()


def test_a_private_file_serves_as_certificate_and_ca(ca: Authority, certificate: Path) -> None:
    answer = Answer(200, fault(1002))
    with (
        private_file(ca.text) as ca_file,
        private_file(certificate.read_text()) as pem_file,
        server(certificate, answer, client_ca=ca.file) as port,
        pytest.raises(HubError) as raised,
    ):
        login(HubAddress(f"https://127.0.0.1:{port}/kojihub", ca_file), pem_file, **QUICK)
    assert raised.value.reason == "AccessDenied", "TLS went well on both sides"
