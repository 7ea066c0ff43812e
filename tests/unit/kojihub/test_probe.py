# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The probe of a hub's pod: its exit code, and one line that says why."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import subprocess
import sys
import threading
import time
import xmlrpc.client
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.resources.cluster import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBE = Path(__file__).parents[3] / "roles/koji_http/files/probe.py"
WELL = xmlrpc.client.dumps((1,), methodresponse=True)
OFFLINE = xmlrpc.client.dumps(xmlrpc.client.Fault(1014, "database outage"))
BROKEN = xmlrpc.client.dumps(xmlrpc.client.Fault(1, "a <tag>\nand more"))


@contextlib.contextmanager
def answering(body: str, status: int = 200, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server with one answer; -> its URL."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://localhost:{server.server_port}/kojihub"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    for path, call in asked:
        assert path == "/kojihub"
        assert xmlrpc.client.loads(call) == ((), "getAPIVersion")


def probe(*words: str) -> tuple[int, str]:
    """Exit code and what was said, which is one line at most. The interpreter is alone, as in the hub's image."""
    done = subprocess.run(
        [sys.executable, "-I", str(PROBE), *words], capture_output=True, text=True, timeout=20, check=False
    )
    assert not done.stderr
    assert len(done.stdout.splitlines()) == done.returncode
    return done.returncode, done.stdout.strip()


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """TLS with a certificate for another name: a given one need not be for localhost."""
    certificate, key = Authority().issue("koji.example.com")
    (tmp_path / "pem").write_text(certificate + key, "ascii")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    return context


def test_a_hub_that_answers_over_tls_is_well(tls: ssl.SSLContext) -> None:
    with answering(WELL, tls=tls) as url:
        assert probe(url) == (0, "")


def test_a_hub_that_answers_over_plain_http_is_well() -> None:
    with answering(WELL) as url:
        assert probe(url) == (0, "")


def test_a_hub_without_its_database_is_not() -> None:
    with answering(OFFLINE) as url:
        assert probe(url) == (1, "the hub says: database outage")


def test_a_hub_that_is_told_to_be_offline_is_well_when_it_says_so() -> None:
    with answering(OFFLINE) as url:
        assert probe(url, "--offline") == (0, "")
    with answering(BROKEN) as url:
        assert probe(url, "--offline") == (1, "the hub says: a &lt;tag&gt; and more")


def test_a_page_of_another_server_is_no_answer() -> None:
    with answering("<html>hello</html>") as url:
        assert probe(url) == (1, "the answer is not a hub's")
    with answering("", status=503) as url:
        assert probe(url) == (1, "HTTP 503 Service Unavailable")


def test_nobody_there_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        code, said = probe(f"https://localhost:{taken.getsockname()[1]}/kojihub")
    assert code == 1
    assert "refused" in said


def test_a_hub_that_never_answers_is_given_up_before_five_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        result = probe(f"http://127.0.0.1:{silent.getsockname()[1]}/kojihub")
    assert result == (1, "no answer in 4.5 s")
    assert time.monotonic() - start < 15  # with a busy machine's start of Python
