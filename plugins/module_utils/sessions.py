# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A host's exclusive session that outlives the process: kept in a Secret, resumed, forced only from the dead."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils import kerberos
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import (
    HubAddress,
    HubError,
    connect,
    login,
    private_file,
    unnumbered,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

READY_TIMEOUT = 180.0  # seconds; the hub's default: a host silent for longer counts as not ready
OBSERVE = 30.0  # seconds that a silent holder is watched before it is forced away: clocks differ
BEFORE = 3  # earlier sessions of ours that are remembered
CALLNUM_MARGIN = 100  # a predecessor that still writes is below it: 1008 from hubs that look at the numbers (1.36 on)


@dataclass(frozen=True)
class Sinfo:
    """A session as it is kept: the hub's id and key, whose it is and where.

    `before` has the ids of those that it replaces: ours as well, and perhaps still exclusive on the hub.
    """

    id: int
    key: str
    user: str = ""
    hub_url: str = ""
    before: tuple[int, ...] = ()

    def dump(self) -> str:
        """As JSON, for the Secret."""
        return json.dumps({name: value for name, value in asdict(self).items() if value})

    def koji(self) -> dict[str, Any]:
        """As koji.ClientSession wants it."""
        return {"session-id": self.id, "session-key": self.key, "header-auth": True}


def load(text: str | None) -> Sinfo | None:
    """Read what `Sinfo.dump` wrote; None if there is nothing usable."""
    try:
        raw = json.loads(text or "")
        return Sinfo(
            id=int(raw["id"]),
            key=str(raw["key"]),
            user=str(raw.get("user", "")),
            hub_url=str(raw.get("hub_url", "")),
            before=tuple(int(one) for one in raw.get("before", ())),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


class HubAccess(Protocol):
    """Ways to a hub for one host user."""

    def anonymous(self) -> koji.ClientSession:
        """A session that is nobody's."""

    def attach(self, sinfo: Sinfo) -> koji.ClientSession:
        """A client of an existing session; nothing is sent yet."""

    def login(self) -> koji.ClientSession:
        """A new session of the host's user. Raises HubError."""

    def renew(self, session: koji.ClientSession) -> None:
        """Renew an expired session: the hub keeps its id and changes its key."""

    def close(self) -> None:
        """Let go of files; sessions stay on the hub."""


class _Access:
    """What both ways of HubAccess have in common. `ca` is PEM, `names` is what messages call it and the certificate."""

    def __init__(self, url: str, ca: str, names: tuple[str, str], options: dict[str, Any]) -> None:
        self._files = ExitStack()
        ca_name, certificate_name = names
        self.address = HubAddress(
            url,
            self._files.enter_context(private_file(ca)),
            ca_name=ca_name or "the CA",
            certificate_name=certificate_name or "the client certificate",
        )
        self._options = options

    def anonymous(self) -> koji.ClientSession:
        """A session that is nobody's."""
        return connect(self.address, **self._options)

    def attach(self, sinfo: Sinfo) -> koji.ClientSession:
        """A client of an existing session; nothing is sent yet."""
        return connect(self.address, sinfo.koji(), **self._options)

    def close(self) -> None:
        """Close the private files."""
        self._files.close()


class CertificateAccess(_Access):
    """HubAccess with a client certificate. `ca` and `pem` (certificate and key) are PEM texts, `names` is what messages
    call the two.
    """

    def __init__(self, url: str, ca: str, pem: str, names: tuple[str, str] = ("", ""), **options: Any) -> None:
        super().__init__(url, ca, names, options)
        self._pem = self._files.enter_context(private_file(pem))

    def login(self) -> koji.ClientSession:
        """A new session of the certificate's user."""
        return login(self.address, self._pem, **self._options)

    def renew(self, session: koji.ClientSession) -> None:
        """Renew an expired session by logging in on it again."""
        session.logged_in = False
        session.ssl_login(cert=self._pem, serverca=self.address.ca_file, renew=True)


class KeytabAccess(_Access):
    """HubAccess by Kerberos. `ca` is PEM, `ca_name` what messages call it."""

    def __init__(self, url: str, ca: str, who: kerberos.Principal, ca_name: str = "", **options: Any) -> None:
        super().__init__(url, ca, (ca_name, who.keytab_name), options)
        self._who = who

    def login(self) -> koji.ClientSession:
        """A new session of the principal's user."""
        return kerberos.login(self.address, self._who, **self._options)

    def renew(self, session: koji.ClientSession) -> None:
        """Renew an expired session by logging in on it again."""
        kerberos.renew(self.address, self._who, session, **self._options)


def go_on(session: koji.ClientSession) -> dict[str, Any]:
    """Set the number of the next call past everything the hub has seen of this session; give what it says of it."""
    with unnumbered(session):
        info: dict[str, Any] | None = session.getSessionInfo()
    if info is None:
        raise koji.AuthError("the hub does not know this session")
    session.callnum = (info.get("callnum") or 0) + CALLNUM_MARGIN
    return info


class Held(HubError):
    """Somebody else has the user's exclusive session."""

    def __init__(self, user: str, last: float | None) -> None:
        when = "it has not checked in yet"
        if last is not None:
            when = f"it last checked in at {datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M:%S} UTC"
        super().__init__(
            "SessionHeld",
            f"another kojid or operator holds the exclusive session of host {user} ({when}); stop it, or give this "
            f"builder another user; it is taken over only when that host has been silent for {READY_TIMEOUT:.0f} s",
        )


@dataclass
class _Seen:
    last: float | None
    since: float


class MasterSession:
    """Finds, makes and keeps one host's exclusive session.

    `save` writes the Sinfo to the Secret; it is called before the session becomes exclusive, so that a crash in
    between can't leave a lock whose key nobody has. `clock` gives seconds since the epoch.
    """

    def __init__(self, user: str, hub_url: str, save: Callable[[Sinfo], None], clock: Callable[[], float]) -> None:
        self.user = user
        self.hub_url = hub_url
        self._save = save
        self._clock = clock
        self._seen: _Seen | None = None

    def resume(self, access: HubAccess, stored: Sinfo) -> koji.ClientSession | None:
        """The stored session, exclusive; None if it is gone for good. Raises Held."""
        session = access.attach(stored)
        try:
            try:
                info = go_on(session)
            except koji.AuthExpired:
                with unnumbered(session):  # an expired session does not tell its number
                    access.renew(session)
                self._save(replace(stored, key=str(session.sinfo["session-key"])))
                info = go_on(session)
        except koji.AuthLockError:
            info = {}  # ours is alive, but another one is exclusive
        except (koji.SequenceError, koji.RetryError):
            raise
        except koji.AuthError:
            return None
        if not info.get("exclusive"):
            self._lock(access, session, stored.before if self._here(stored) else ())
            go_on(session)
        return session

    def start(self, access: HubAccess, gone: Sinfo | None = None) -> koji.ClientSession:
        """A new exclusive session; `gone` is the stored one, which the hub does not accept. Raises Held, HubError."""
        session = access.login()
        before = () if gone is None or not self._here(gone) else (gone.id, *gone.before)[:BEFORE]
        sinfo = Sinfo(
            int(session.sinfo["session-id"]), str(session.sinfo["session-key"]), self.user, self.hub_url, before
        )
        self._save(sinfo)
        self._lock(access, session, before)
        return session

    def _here(self, stored: Sinfo) -> bool:
        """Whether a session was this user's on this hub: elsewhere its id means nothing."""
        return (stored.user, stored.hub_url) == (self.user, self.hub_url)

    def _lock(self, access: HubAccess, session: koji.ClientSession, before: Sequence[int]) -> None:
        # While somebody else has the lock, the hub does not tell the number of this session's last call.
        with unnumbered(session):
            try:
                session.exclusiveSession()
            except koji.AuthLockError:
                if not self._replace(session, before):
                    self._force(access, session)
        self._seen = None

    @staticmethod
    def _replace(session: koji.ClientSession, before: Sequence[int]) -> bool:
        """Close our own earlier sessions: the key is lost, or they are bound to an address that we had. Nobody else
        can hold them. Whether that made the lock ours.
        """
        for one in before:
            try:
                session.logout(one)
            except koji.AuthError:
                raise
            except koji.GenericError:
                continue  # the hub has deleted it
        try:
            if before:
                session.exclusiveSession()
        except koji.AuthLockError:
            return False
        return bool(before)

    def _force(self, access: HubAccess, session: koji.ClientSession) -> None:
        """Force only from the dead: that closes every subsession of the holder, and its tasks can't report."""
        host = access.anonymous().getHost(self.user)
        last = host.get("update_ts") if host else None
        now = self._clock()
        if self._seen is None or self._seen.last != last:
            self._seen = _Seen(last, now)
        silent = last is None or now - last > READY_TIMEOUT
        watched = now - self._seen.since
        # A holder that never checked in may have logged in a moment ago.
        if not silent or watched < (READY_TIMEOUT if last is None else OBSERVE):
            raise Held(self.user, last)
        session.exclusiveSession(force=True)
