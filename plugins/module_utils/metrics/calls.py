# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Times a builder's requests to the hub: sessions are the same, but for a watch on their way out."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HUB_ERRORS, HubAddress, HubError, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import koji
    from ansible_collections.fedoraproject.koji.plugins.module_utils.sessions import HubAccess, Sinfo

# What a request is for; that of a multicall is the first in this order that one of its calls has.
_CALLS = {
    "host.getTasks": "check_in",
    "host.openTask": "open",
    "host.refuseTask": "release",
    "host.failTask": "release",
    "host.freeTasks": "release",
    "host.closeTask": "close",
    "logoutChild": "revoke",
    "exclusiveSession": "session",
    "sslLogin": "session",
    "logout": "session",
}
_ORDER = {name: index for index, name in enumerate(_CALLS)}
_UNSPOKEN = HubAddress("https://hub.invalid/kojihub", "ca")  # only an error's reason is wanted


def purpose(name: str, args: Any) -> str:
    """What a request is for, by its method, or its methods if it is a multicall."""
    names: Iterable[str] = [name]
    if name == "multiCall":
        names = [call["methodName"] for call in args[0]]
    known = sorted((one for one in names if one in _ORDER), key=lambda one: _ORDER[one])
    return _CALLS[known[0]] if known else "read"


@contextmanager
def _timed(report: Callable[[str, float, str], None], call: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    except (HubError, *HUB_ERRORS) as error:
        report(call, time.perf_counter() - began, explain(error, _UNSPOKEN).reason)
        raise
    else:
        report(call, time.perf_counter() - began, "")


class TimedAccess:
    """A HubAccess whose sessions report each request: what for, how long (seconds), and the reason if it failed."""

    def __init__(self, access: HubAccess, report: Callable[[str, float, str], None]) -> None:
        self._access = access
        self._report = report

    def _watched(self, session: koji.ClientSession) -> koji.ClientSession:
        call, report = session._callMethod, self._report

        def timed(name: str, args: Any, kwargs: Any = None, retry: bool = True) -> Any:
            with _timed(report, purpose(name, args)):
                return call(name, args, kwargs, retry)

        session._callMethod = timed
        return session

    def anonymous(self) -> koji.ClientSession:
        """A session that is nobody's."""
        return self._watched(self._access.anonymous())

    def attach(self, sinfo: Sinfo) -> koji.ClientSession:
        """A client of an existing session."""
        return self._watched(self._access.attach(sinfo))

    def login(self) -> koji.ClientSession:
        """A new session; logging in is one request."""
        with _timed(self._report, "session"):
            session = self._access.login()
        return self._watched(session)

    def renew(self, session: koji.ClientSession) -> None:
        """Renew an expired session."""
        self._access.renew(session)

    def close(self) -> None:
        """Let go of files."""
        self._access.close()
