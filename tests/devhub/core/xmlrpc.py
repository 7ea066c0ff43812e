# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""XML-RPC as Koji speaks it: None and 64-bit integers are allowed."""

import xmlrpc.client
from typing import Any
from xmlrpc.client import Fault

from .faults import BadRequest


class Marshaller(xmlrpc.client.Marshaller):
    """Writes integers beyond 32 bits as i8."""

    dispatch = dict(xmlrpc.client.Marshaller.dispatch)  # noqa: RUF012 - the base class has it so

    def dump_integer(self, value: int, write: Any) -> None:
        """Write an int or i8. Raises OverflowError beyond 64 bits."""
        if not -(2**63) <= value < 2**63:
            raise OverflowError("long int exceeds XML-RPC limits")
        kind = "int" if xmlrpc.client.MININT <= value <= xmlrpc.client.MAXINT else "i8"
        write(f"<value><{kind}>{int(value)}</{kind}></value>\n")

    dispatch[int] = dump_integer  # type: ignore[assignment]


def _body(params: tuple[Any, ...] | Fault) -> str:
    return Marshaller("utf-8", allow_none=True).dumps(params)


def dump_call(params: tuple[Any, ...], method: str) -> str:
    """Write a call: what a task's request is stored as."""
    return f"<?xml version='1.0'?>\n<methodCall>\n<methodName>{method}</methodName>\n{_body(params)}</methodCall>\n"


def dump_response(answer: Any) -> str:
    """Write an answer: a result or a Fault."""
    body = _body(answer if isinstance(answer, Fault) else (answer,))
    return f"<?xml version='1.0'?>\n<methodResponse>\n{body}</methodResponse>\n"


def load(text: str | bytes) -> tuple[tuple[Any, ...], str | None]:
    """Read a call or an answer: (parameters, method name). Raises Fault if it is one."""
    parser, unmarshaller = xmlrpc.client.getparser()
    parser.feed(text)
    parser.close()
    return unmarshaller.close(), unmarshaller.getmethodname()


def load_request(body: bytes) -> tuple[tuple[Any, ...], str]:
    """Read a client's call. Raises BadRequest."""
    if not body:
        raise BadRequest("Invalid request: Empty request")
    try:
        params, method = load(body)
    except Exception as error:
        raise BadRequest(f"Invalid request: {error}") from error
    return params, method or ""
