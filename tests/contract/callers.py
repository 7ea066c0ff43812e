# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The real koji client, and plain HTTP beside it, with every answer recorded."""

from __future__ import annotations

import time
import xmlrpc.client
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import koji
import koji.xmlrpcplus
import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from requests.adapters import BaseAdapter

    from .record import Recorder

OPTIONS = {"max_retries": 2, "retry_interval": 1, "anon_retry": False, "timeout": 30, "auth_timeout": 30}


class LibrarySession(koji.ClientSession):
    """The library's client, which here must not log out when it is collected."""

    def __del__(self) -> None:
        """Leave the session as it is: the fixtures log out."""


class Session(LibrarySession):
    """One that goes on after a renewal: the library's own begins to count at 0 again, which the hub refuses."""

    def _renew_session(self) -> None:
        number: int = self.callnum  # type: ignore[has-type]
        super()._renew_session()
        self.callnum = number

    def logout(self, session_id: int | None = None) -> None:
        """Close this session, or another one: the library's own does nothing, silently, once this one has expired."""
        if session_id is None:
            super().logout()
        else:
            self._callMethod("logout", (session_id,))


def client(url: str, ca: Path, sinfo: dict[str, Any] | None = None) -> Session:
    """A client without login, or attached to a session."""
    return Session(url, {**OPTIONS, "serverca": str(ca)}, sinfo=sinfo)


class Caller:
    """Makes calls as one user, written as on a koji session: ``caller.host.getTasks()``.

    Every answer goes to the recorder; ``caller.quiet`` makes the same calls unrecorded.
    """

    def __init__(self, who: str, session: Session, recorder: Recorder | None) -> None:
        self.who = who
        self.session = session
        self.recorder = recorder

    @property
    def quiet(self) -> Caller:
        """The same session, unrecorded."""
        return type(self)(self.who, self.session, None)

    @property
    def sinfo(self) -> dict[str, Any]:
        """Id and key of the session."""
        info: dict[str, Any] = self.session.sinfo
        return info

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Method(self, name)

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """One call by its full name."""
        return self.noted(name, lambda: self.session._callMethod(name, args, kwargs))

    def noted(self, name: str, action: Callable[[], Any]) -> Any:
        """Do `action` and record its end under `name`."""
        try:
            answer = action()
        except Exception as error:
            if self.recorder:
                self.recorder.refused(self.who, name, error)
            raise
        if self.recorder:
            self.recorder.answered(self.who, name, answer)
        return answer

    def attached(self, who: str, url: str, ca: Path, sinfo: dict[str, Any] | None = None) -> Caller:
        """Another client attached to this session, or to another session by its id and key."""
        return Caller(who, client(url, ca, sinfo or dict(self.sinfo)), self.recorder)


class _Method:
    """A method name in the making."""

    def __init__(self, caller: Caller, name: str) -> None:
        self.caller = caller
        self.name = name

    def __getattr__(self, name: str) -> _Method:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Method(self.caller, f"{self.name}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.caller.call(self.name, *args, **kwargs)


@contextmanager
def fault(code: int) -> Iterator[None]:
    """The call inside is refused with this fault code, and the library raises the class that belongs to it."""
    with pytest.raises((koji.GenericError, xmlrpc.client.Fault)) as caught:
        yield
    assert caught.value.faultCode == code, f"expected fault {code}, got {caught.value.faultCode}: {caught.value}"


def until(action: Callable[[], Any], seconds: float, what: str) -> Any:
    """Repeat `action` until it gives something true; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not (answer := action()):
        assert time.monotonic() < end, f"{what} not within {seconds:.0f} s"
        time.sleep(0.05)
    return answer


class Raw:
    """XML-RPC over plain HTTP: headers as the test wants them, answers as they come."""

    def __init__(self, url: str, ca: Path, recorder: Recorder, adapter: BaseAdapter | None = None) -> None:
        self.url = url
        self.ca = str(ca)
        self.recorder = recorder
        self.connection = requests.Session()
        if adapter:
            self.connection.mount("https://", adapter)

    def post(self, method: str, *args: Any, path: str = "", **headers: str) -> requests.Response:
        """POST one call; ``Koji_Session_Id="1"`` becomes the header ``Koji-Session-Id: 1``."""
        body = koji.xmlrpcplus.dumps(args, method, allow_none=1).encode()
        return self.post_body(body, path, **headers)

    def post_body(self, body: bytes, path: str = "", **headers: str) -> requests.Response:
        """POST any body."""
        named = {"Content-Type": "text/xml", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.connection.post(self.url + path, data=body, headers=named, verify=self.ca, timeout=30)

    def call(self, who: str, method: str, *args: Any, **headers: str) -> Any:
        """One recorded call with exactly these headers; faults raise the library's classes."""
        response = self.post(method, *args, **headers)
        response.raise_for_status()
        try:
            (answer,), _ = koji.xmlrpcplus.loads(response.content)
        except xmlrpc.client.Fault as raised:
            error = koji.convertFault(raised)
            self.recorder.refused(who, method, error)
            raise error from None
        self.recorder.answered(who, method, answer)
        return answer

    def note(self, who: str, what: str, answer: Any) -> None:
        """Record something that is not a call's answer: a status, a header."""
        self.recorder.answered(who, what, answer)


def session_headers(sinfo: dict[str, Any], callnum: int | None = None) -> dict[str, str]:
    """The headers that make a request part of a session."""
    headers = {"Koji_Session_Id": str(sinfo["session-id"]), "Koji_Session_Key": sinfo["session-key"]}
    if callnum is not None:
        headers["Koji_Session_Callnum"] = str(callnum)
    return headers
