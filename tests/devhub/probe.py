# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Readiness: exit 0 if the hub answers getAPIVersion with a result. A fault comes as HTTP 200, so the body counts."""

import http.client
import ssl
import sys

CALL = b"<?xml version='1.0'?><methodCall><methodName>getAPIVersion</methodName><params/></methodCall>"


def main() -> int:
    """Ask the hub on this machine; print what is wrong."""
    # The certificate is for the Service's names, not for localhost; whom it is for, clients check.
    context = ssl._create_unverified_context()  # noqa: S323
    connection = http.client.HTTPSConnection("localhost", 8443, timeout=5, context=context)
    try:
        connection.request("POST", "/kojihub", CALL, {"Content-Type": "text/xml"})
        answer = connection.getresponse().read()
    except OSError as error:
        print(error)
        return 1
    if b"<fault>" in answer or b"<int>" not in answer:
        print(answer.decode(errors="replace")[:500])
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
