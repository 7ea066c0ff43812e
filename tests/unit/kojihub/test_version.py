# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The version of a running hub, or nothing: a hub that does not answer is no reason to fail."""

from __future__ import annotations

import socket
import threading
import xmlrpc.client
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.version import ask

from tests.unit.resources.cluster import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = xmlrpc.client.dumps(("1.35.3",), methodresponse=True).encode()
FAULT = xmlrpc.client.dumps(xmlrpc.client.Fault(1014, "database outage")).encode()
NUMBER = xmlrpc.client.dumps((1,), methodresponse=True).encode()


class Hub(HTTPServer):
    """Answers every call alike."""

    answer = GOOD
    asked = b""


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        self.server.asked = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_hub_says_its_version(hub: Hub) -> None:
    assert ask(f"http://127.0.0.1:{hub.server_port}/kojihub", "") == "1.35.3"
    assert b"getKojiVersion" in hub.asked


@pytest.mark.parametrize("answer", [FAULT, NUMBER, b"<html>", b""])
def test_what_is_no_version_is_none(hub: Hub, answer: bytes) -> None:
    hub.answer = answer
    assert ask(f"http://127.0.0.1:{hub.server_port}/kojihub", "") == ""


def test_a_hub_that_does_not_answer_has_no_version(hub: Hub) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert ask(f"http://127.0.0.1:{unused.getsockname()[1]}/kojihub", "") == ""
    assert ask(f"https://127.0.0.1:{hub.server_port}/kojihub", Authority().certificate) == ""
    assert ask(f"https://127.0.0.1:{hub.server_port}/kojihub", "no PEM") == ""


def test_a_hub_that_its_service_does_not_know_yet_is_waited_for() -> None:
    server = Hub(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.server_bind()
    url = f"http://127.0.0.1:{server.server_port}/kojihub"
    assert ask(url, "", 0.1) == ""

    def come() -> None:
        server.server_activate()
        server.serve_forever(0.01)

    thread = threading.Timer(0.5, come)
    thread.start()
    try:
        assert ask(url, "", 30) == "1.35.3"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
