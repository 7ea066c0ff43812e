# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The hub over HTTP: XML-RPC and uploads at /kojihub, faults for tests at /devhub/faults."""

import io
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from xmlrpc.client import Fault

from .core.faults import BadRequest, ServerOffline
from .core.hub import Hub
from .core.storage import StorageDown
from .core.xmlrpc import dump_response, load_request
from .injection import Injection, Rule

LOG = logging.getLogger("koji.devhub")
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
FAULTS_PATH = "/devhub/faults"


class Dropped(Exception):
    """The connection is to break without an answer."""


class Replaced(Exception):
    """A web server in front answers instead of the hub: status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status, self.text = status, text


class Application:
    """A WSGI application for one hub. Without `injection` there is no way to ask for faults."""

    def __init__(self, hub: Hub, injection: Injection | None = None) -> None:
        self.hub = hub
        self.injection = injection

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        if path.rstrip("/") == FAULTS_PATH and self.injection is not None:
            return self._faults(environ, start_response, self.injection)
        if environ["REQUEST_METHOD"] != "POST":
            text = "Method Not Allowed\nThis is an XML-RPC server. Only POST requests are accepted.\n"
            return self._send(start_response, "405 Method Not Allowed", "text/plain", text.encode(), ("Allow", "POST"))
        try:
            answer = self.answer(environ)
        except BadRequest as error:
            return self._send(start_response, "400 Bad Request", "text/plain", f"{error}\n".encode())
        except Replaced as page:
            return self._send(start_response, f"{page.status} Injected", "text/html", page.text.encode())
        except Dropped:
            # Less than was promised, and then the end of the connection.
            self._start(start_response, "200 OK", "text/xml", 1 << 20, ("Connection", "close"))
            return [b"<"]
        return self._send(start_response, "200 OK", "text/xml", answer.encode())

    def answer(self, environ: Mapping[str, Any]) -> str:
        """Return the XML of the answer to a POST. Raises BadRequest, Replaced, Dropped."""
        upload = environ.get("CONTENT_TYPE") == "application/octet-stream"
        body = None if upload else self._read(environ)
        rules = self._struck(environ, body)
        early = self._apply(rule for rule in rules if rule.when == "before")
        if early is not None:
            return early
        answer = self.hub.answer(environ, body)
        late = self._apply(rule for rule in rules if rule.when == "after")
        return answer if late is None else late

    def _read(self, environ: Mapping[str, Any]) -> bytes:
        stream = environ["wsgi.input"]
        length = environ.get("CONTENT_LENGTH")
        body: bytes = stream.read(int(length)) if length else stream.read()
        longest = self.hub.config["MaxRequestLength"]
        if longest and len(body) > longest:
            raise BadRequest("Invalid request: Request too long")
        return body

    def _struck(self, environ: Mapping[str, Any], body: bytes | None) -> list[Rule]:
        """Return the faults that strike this request."""
        if self.injection is None or not self.injection.rules():
            return []
        methods = ["rawUpload"]
        if body is not None:
            params, method = load_request(body)
            calls = params[0] if method in {"multiCall", "system.multicall"} and params else []
            methods = [method, *(str(call.get("methodName")) for call in calls if isinstance(call, dict))]
        return self.injection.take(methods, self._user(environ))

    def _user(self, environ: Mapping[str, Any]) -> str | None:
        """Return the name of the user whose session or certificate a request carries."""
        name = environ.get("SSL_CLIENT_S_DN_CN")
        session_id = environ.get("HTTP_KOJI_SESSION_ID")
        if session_id is None:
            return name
        try:
            context = self.hub.context(environ)
        except StorageDown:
            return name
        try:
            session = context.one("sessions", id=int(session_id))
            user = context.one("users", id=session["user_id"]) if session else None
            return user["name"] if user else name
        finally:
            context.tx.close()

    def _apply(self, rules: Iterable[Rule]) -> str | None:
        """Do what the rules say; return the answer if they give one. Raises Replaced, Dropped."""
        for rule in rules:
            LOG.warning("injected: %s %s", rule.kind, rule.method)
            if rule.kind == "slow" and self.injection is not None:
                self.injection.sleep(rule.seconds)
            elif rule.kind == "down":
                return dump_response(Fault(ServerOffline.code, "database outage"))
            elif rule.kind == "error":
                return dump_response(Fault(rule.code, rule.message))
            elif rule.kind == "http":
                raise Replaced(rule.code, rule.message)
            elif rule.kind == "drop":
                raise Dropped
        return None

    def _faults(self, environ: dict[str, Any], start_response: StartResponse, injection: Injection) -> Iterable[bytes]:
        """GET lists the rules, POST adds one or a list of them, DELETE clears them; all answer the list."""
        try:
            match environ["REQUEST_METHOD"]:
                case "POST":
                    given = json.loads(self._read(environ))
                    injection.add(*(given if isinstance(given, list) else [given]))
                case "DELETE":
                    injection.clear()
        except (ValueError, TypeError) as error:
            return self._send(start_response, "400 Bad Request", "text/plain", f"{error}\n".encode())
        answer = json.dumps(injection.rules()).encode()
        return self._send(start_response, "200 OK", "application/json", answer)

    def _send(
        self, start_response: StartResponse, status: str, kind: str, body: bytes, *headers: tuple[str, str]
    ) -> Iterable[bytes]:
        self._start(start_response, status, kind, len(body), *headers)
        return [body]

    def _start(
        self, start_response: StartResponse, status: str, kind: str, length: int, *headers: tuple[str, str]
    ) -> None:
        first = [("Koji-Version", self.hub.version), ("Content-Length", str(length)), ("Content-Type", kind)]
        start_response(status, [*first, *headers])


def environ_of(
    method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, *, address: str = "127.0.0.1"
) -> dict[str, Any]:
    """Build what a web server hands to a WSGI application."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REMOTE_ADDR": address,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
    return environ
