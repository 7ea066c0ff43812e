# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whether the hub in this pod answers: `probe.py URL [--offline]` exits 0, or 1 with a line that says why.

A hub without its database answers 200 with a fault, so the body counts. With --offline a fault "server is offline" is
as good as an answer: the hub has been told to give it. Runs in the hub's image: Python's own library only.
"""

import http.client
import re
import signal
import ssl
import sys
import urllib.parse

CALL = b"<?xml version='1.0'?><methodCall><methodName>getAPIVersion</methodName><params/></methodCall>"
SECONDS = 4.5
LONGEST = 65536
OFFLINE = b"<int>1014</int>"


class Unwell(Exception):
    """The hub does not answer as it should; the message says how."""


def ended(*_: object) -> None:
    """Give up: whatever the hub does, one answer has its time."""
    raise Unwell(f"no answer in {SECONDS} s")


def ask(url: str) -> bytes:
    """Return the body of the answer. Raises Unwell, OSError, http.client.HTTPException."""
    parts = urllib.parse.urlsplit(url)
    host, port = str(parts.hostname), parts.port
    if parts.scheme == "https":
        # The certificate is for the names that clients use, and it is for them to check.
        context = ssl._create_unverified_context()  # noqa: S323
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, context=context)
    else:
        connection = http.client.HTTPConnection(host, port)
    connection.request("POST", parts.path, CALL, {"Content-Type": "text/xml", "Connection": "close"})
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        raise Unwell(f"HTTP {answer.status} {answer.reason}")
    return answer.read(LONGEST)


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
        check(ask(argv[0]), offline="--offline" in argv)
    except (Unwell, OSError, http.client.HTTPException) as error:
        print(" ".join(str(error or type(error).__name__).split())[:300])
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
