# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Asks the running hub for its version and the like, without the second that importing koji costs."""

from __future__ import annotations

import http.client
import ssl
import time
import xmlrpc.client
from typing import Any
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError

TIMEOUT = 5  # seconds
PAUSE = 0.25  # seconds between two calls


def ask(url: str, ca: str, patience: float = 0) -> str:
    """The version that the hub at `url` reports, '' if it does not answer within `patience` s; `ca` is PEM text."""
    until = time.monotonic() + patience
    while not isinstance(version := call(url, ca, "getKojiVersion"), str):
        if time.monotonic() >= until:
            return ""
        time.sleep(PAUSE)
    return version


def call(url: str, ca: str, method: str, *params: Any) -> Any:
    """What the hub answers to a call that needs no login; None if it does not."""
    parts, body = urlsplit(url), xmlrpc.client.dumps(params, method, allow_none=True)
    host, port = parts.hostname or "", parts.port
    try:
        connection = (
            http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=_context(ca))
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        )
        connection.request("POST", parts.path, body, {"Content-Type": "text/xml"})
        answer = connection.getresponse().read()
        connection.close()
        [result], _ = xmlrpc.client.loads(answer)
    except (OSError, ValueError, http.client.HTTPException, xmlrpc.client.Error, ExpatError):
        return None
    return result


def _context(ca: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca)
    # A site's certificate may be for the public name alone, and this asks for nothing that is secret.
    context.check_hostname = False
    return context
