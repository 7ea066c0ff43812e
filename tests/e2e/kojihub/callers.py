# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A client that calls the hub without a pause, each time on a new connection and without trying again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

import koji

if TYPE_CHECKING:
    from pathlib import Path

    from .site import Site

PAUSE = 0.3  # seconds


class Caller:
    """Logs in with a user's Secret, whose content it has as a pod has it: `lag` seconds late.

    `failures` are what went wrong, `calls` how often nothing did.
    """

    def __init__(self, site: Site, secret: str, folder: Path, lag: float) -> None:
        self._site, self._secret, self._lag = site, secret, lag
        self._ca, self._pem = folder / "caller-ca.crt", folder / "caller.pem"
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.calls = 0
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._read()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(60)

    def _read(self) -> None:
        texts = self._site.kube.secret(self._site.namespace, self._secret)
        self._ca.write_bytes(texts["ca.crt"])
        self._pem.touch(0o600)
        self._pem.write_bytes(texts["client.pem"])

    def _run(self) -> None:
        read = time.monotonic()
        while not self._ends.wait(PAUSE):
            if time.monotonic() - read > self._lag:
                self._read()
                read = time.monotonic()
            try:
                self._call()
                self.calls += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, a request was lost
                self.failures.append(f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {error}")

    def _call(self) -> None:
        url = self._site.get()["status"]["internal_url"]
        options = {"serverca": str(self._ca), "max_retries": 0, "anon_retry": False, "timeout": 30}
        session = koji.ClientSession(url, opts=options)
        session.ssl_login(str(self._pem), None, str(self._ca))
        assert session.getLoggedInUser()
        session.logout()
