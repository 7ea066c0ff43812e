# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whether the server in this pod answers: `probe.py URL [--offline]` exits 0, or 1 with a line that says why.

A URL that ends with /kojihub is a hub's and is called, any other is a page of the web's and is fetched. A hub without
its database answers 200 with a fault, so do web pages with a configuration that they can't use: the body counts.
With --offline a hub's fault "server is offline", or the web's page about an error, is as good as an answer.
Runs in the server's image: Python's own library only.
"""

import html
import http.client
import re
import signal
import ssl
import sys
import urllib.parse

CALL = b"<?xml version='1.0'?><methodCall><methodName>getAPIVersion</methodName><params/></methodCall>"
SECONDS = 4.5
LONGEST = 65536
HUB = "/kojihub"
OFFLINE = b"<int>1014</int>"
# What Koji's web pages say, with status 200, of a web.conf that they can't use.
UNUSABLE = b"startup_error"


class Unwell(Exception):
    """The server does not answer as it should; the message says how."""


def ended(*_: object) -> None:
    """Give up: whatever the server does, one answer has its time."""
    raise Unwell(f"no answer in {SECONDS} s")


def connect(parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
    """A connection to where a URL leads."""
    host, port = str(parts.hostname), parts.port
    if parts.scheme == "https":
        # The certificate is for the names that clients use, and it is for them to check.
        context = ssl._create_unverified_context()  # noqa: S323
        return http.client.HTTPSConnection(host, port, context=context)
    return http.client.HTTPConnection(host, port)


def ask(url: str, *, offline: bool) -> None:
    """Ask, and look at the answer. Raises Unwell, OSError, http.client.HTTPException."""
    parts = urllib.parse.urlsplit(url)
    hub = parts.path.endswith(HUB)
    connection = connect(parts)
    headers = {"Connection": "close"}
    if hub:
        connection.request("POST", parts.path, CALL, {**headers, "Content-Type": "text/xml"})
    else:
        connection.request("GET", parts.path, headers=headers)
    answer = connection.getresponse()
    body = answer.read(LONGEST)
    if hub:
        if answer.status != http.client.OK:
            raise Unwell(f"HTTP {answer.status} {answer.reason}")
        check(body, offline=offline)
    else:
        check_page(answer.status, body, offline=offline)


def check_page(status: int, body: bytes, *, offline: bool) -> None:
    """Raise Unwell unless this is a page of the web's."""
    if UNUSABLE not in body and (status == http.client.OK or (offline and b"<h4>Error</h4>" in body)):
        return
    text = re.search(rb"<h4>Error</h4>\s*<div>(.*?)</div>", body, re.DOTALL)
    said = html.unescape(re.sub(rb"<[^>]*>", b"", text.group(1)).decode(errors="replace")) if text else ""
    raise Unwell(f"HTTP {status}: {said}" if said.strip() else f"HTTP {status} {http.client.responses.get(status, '')}")


def check(body: bytes, *, offline: bool) -> None:
    """Raise Unwell unless this is a hub's answer."""
    if b"<methodResponse>" not in body:
        raise Unwell("the answer is not a hub's")
    if b"<fault>" not in body:
        return
    if offline and OFFLINE in body:
        return
    text = re.search(rb"<name>faultString</name>\s*<value>(?:<string>)?([^<]*)", body)
    raise Unwell(f"the hub says: {text.group(1).decode(errors='replace') if text else 'a fault'}")


def main(argv: list[str]) -> int:
    """Ask once."""
    signal.signal(signal.SIGALRM, ended)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        ask(argv[0], offline="--offline" in argv)
    except (Unwell, OSError, http.client.HTTPException) as error:
        print(" ".join(str(error or type(error).__name__).split())[:300])
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
