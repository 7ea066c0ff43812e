# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What builders send as the end of a task."""

import koji


def result(value: object) -> str:
    """The XML of a result."""
    return str(koji.xmlrpcplus.dumps((value,), methodresponse=1))


def failure(code: int, text: str) -> str:
    """The XML of a fault."""
    return str(koji.xmlrpcplus.dumps(koji.xmlrpcplus.Fault(code, text)))


class Copy(koji.ClientSession):
    """A client attached to a session that doesn't log it out when it is collected."""

    def __del__(self) -> None:
        """Leave the session alone."""
