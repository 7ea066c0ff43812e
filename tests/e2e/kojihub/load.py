# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Raw requests to a hub, all the time: each on a connection of its own, and none is tried again.

koji's own client tries thirty times, and so hides what a restart loses.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types import TracebackType

    from tests.e2e.hub import Hub

TIMEOUT = 30  # seconds
PAUSE = 0.02  # seconds, between a worker's requests
CALL = "<?xml version='1.0'?><methodCall><methodName>{}</methodName><params>{}</params></methodCall>"


@dataclass
class Answer:
    """What came back."""

    body: str
    certificate: str  # SHA-256 of the server's, in hexadecimal digits


def call(hub: Hub, method: str = "getAPIVersion", params: str = "", timeout: float = TIMEOUT) -> Answer:
    """Make one call on a connection of its own. OSError, ValueError if it is lost."""
    url = urlsplit(hub.url)
    assert url.hostname
    context = ssl.create_default_context(cafile=str(hub.ca))
    body = CALL.format(method, params)
    head = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.hostname}\r\nConnection: close\r\nContent-Type: text/xml\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with (
        socket.create_connection((url.hostname, url.port or 443), timeout) as plain,
        context.wrap_socket(plain, server_hostname=url.hostname) as secure,
    ):
        certificate = hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest()
        secure.sendall((head + body).encode())
        text = b"".join(iter(lambda: secure.recv(65536), b"")).decode()
    if not text.startswith("HTTP/1.1 200") or "</methodResponse>" not in text or "<fault>" in text:
        raise ValueError(f"answered {text[:300]!r}")
    return Answer(text, certificate)


@dataclass
class Load:
    """Requests as long as the `with` lasts; every one is counted, and those that were lost are told."""

    hub: Hub
    workers: int = 4
    sent: int = 0
    lost: list[str] = field(default_factory=list)
    certificates: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(self.workers)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            began = time.time()
            why, certificate = "", ""
            try:
                certificate = call(self.hub).certificate
            except (OSError, ValueError) as error:
                why = f"{began:.2f} +{time.time() - began:.2f} s: {error!r}"
            with self._lock:
                self.sent += 1
                if why:
                    self.lost.append(why)
                else:
                    self.certificates.add(certificate)
            self._stop.wait(PAUSE)
