# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A builder's way to its hub: Secrets, the master session, and what is kept from run to run."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils import kerberos, keytab, sessions
from ansible_collections.fedoraproject.koji.plugins.module_utils.builders import BUILDER_LABEL, KIND, Settings
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubAddress, HubError, explain
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.calls import TimedAccess
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.ledger import Ledger
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import API_VERSION
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler import state as kept
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.board import Board
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import Cluster
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.hub import Hub

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor as Pool


# The next tick is the better retry: it knows what has happened meanwhile.
OPTIONS: dict[str, Any] = {"timeout": (5, 20), "max_retries": 0}

MakeAccess = Callable[[Settings, Cluster], sessions.HubAccess]


@dataclass(frozen=True)
class Surroundings:
    """What a builder works with. `may_write` raises hub.Stop unless the Lease is ours."""

    cluster: Cluster
    make_access: MakeAccess
    may_write: Callable[[], None]
    pool: Pool
    clock: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random
    ledger: Ledger = field(default_factory=Ledger)
    board: Board = field(default_factory=Board)


def hub_access(settings: Settings, cluster: Cluster) -> sessions.HubAccess:
    """Access by the Secrets that the ConfigMap names: ca.crt, and krb5.keytab, client.pem or tls.crt with tls.key."""
    ca = _secret_texts(cluster, settings.ca_secret)
    if "ca.crt" not in ca:
        raise HubError("SecretIncomplete", f"Secret {settings.ca_secret} has no key ca.crt: it must hold the hub's CA")
    if settings.keytab_secret:
        return _keytab_access(settings, cluster, ca["ca.crt"])
    client = _secret_texts(cluster, settings.client_secret)
    pem = client.get("client.pem") or "\n".join(client.get(key, "") for key in ("tls.crt", "tls.key")).strip()
    if not pem:
        raise HubError(
            "SecretIncomplete", f"Secret {settings.client_secret} has no key client.pem, nor tls.crt and tls.key"
        )
    names = (f"Secret '{settings.ca_secret}'", f"Secret '{settings.client_secret}'")
    return sessions.CertificateAccess(settings.hub_url, ca["ca.crt"], pem, names, **OPTIONS)


def _keytab_access(settings: Settings, cluster: Cluster, ca: str) -> sessions.HubAccess:
    name = settings.keytab_secret
    try:
        read = keytab.read(cluster.get_secret(name), name, settings.namespace, "authentication.krb.keytab_secret")
        read.require(settings.principal)
    except keytab.KeytabError as error:
        raise HubError(error.reason, error.message) from error
    who = kerberos.Principal.of(settings.principal, read, settings.krb5_conf)
    return sessions.KeytabAccess(settings.hub_url, ca, who, f"Secret '{settings.ca_secret}'", **OPTIONS)


def _secret_texts(cluster: Cluster, name: str) -> dict[str, str]:
    secret = cluster.get_secret(name)
    if secret is None:
        raise HubError("SecretMissing", f"Secret {name} does not exist")
    # What isn't text is no PEM either; where it is, the hub's client says so.
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in (secret.get("data") or {}).items()}


def _login(settings: Settings) -> tuple[str, ...]:
    """All that another session is needed for when it changes."""
    return (
        settings.hub_url,
        settings.user,
        settings.ca_secret,
        settings.client_secret,
        settings.principal,
        settings.keytab_secret,
        settings.krb5_conf,
    )


class Connection:
    """The session of one builder and its Secret, which also holds the scheduler's State.

    `timed` hears of each request to the hub: what for, seconds, and the reason if it failed.
    """

    def __init__(self, settings: Settings, around: Surroundings, timed: Callable[[str, float, str], None]) -> None:
        self.settings = settings
        self.around = around
        self._timed = timed
        self.state = kept.State()
        self.hub: Hub | None = None
        self.sinfo: sessions.Sinfo | None = None
        self._access: sessions.HubAccess | None = None
        self._master = self._new_master()
        self._loaded = False  # the Secret of an earlier run has been read

    def configure(self, settings: Settings) -> None:
        """Go on with new settings; another hub, user or Secret needs another session."""
        old, self.settings = self.settings, settings
        if _login(old) != _login(settings):
            self.disconnect()
            self._master = self._new_master()

    def _new_master(self) -> sessions.MasterSession:
        return sessions.MasterSession(self.settings.user, self.settings.hub_url, self._save_session, self.around.clock)

    def load(self) -> None:
        """Read the Secret of an earlier run."""
        secret = self.around.cluster.get_secret(self.settings.session_secret) or {}
        texts = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
        self.sinfo = sessions.load(texts.get("session.json"))
        self.state = kept.load(texts.get("state.json"))

    def save(self) -> None:
        """Write session and state to the Secret."""
        data = {"state.json": self.state.dump(self.around.clock())}
        if self.sinfo is not None:
            data["session.json"] = self.sinfo.dump()
        owner = {"apiVersion": API_VERSION, "kind": KIND, "name": self.settings.name, "uid": self.settings.owner_uid}
        self.around.cluster.apply_secret(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "Opaque",
                "metadata": {
                    "name": self.settings.session_secret,
                    "namespace": self.settings.namespace,
                    "labels": {BUILDER_LABEL: self.settings.name},
                    "ownerReferences": [owner],
                },
                "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
            }
        )
        self.state.dirty = False

    def _save_session(self, sinfo: sessions.Sinfo) -> None:
        self.around.may_write()
        self.sinfo = sinfo
        self.save()

    def keep(self) -> None:
        """Write the Secret again if somebody deleted or changed it: without its key nobody can resume the session."""
        cluster, name = self.around.cluster, self.settings.session_secret
        # The cache may be older than what we have just written.
        if self.sinfo is None or self._is_in(cluster.session_secret(name)) or self._is_in(cluster.get_secret(name)):
            return
        self.around.may_write()
        self.save()

    def _is_in(self, secret: Mapping[str, Any] | None) -> bool:
        """Whether a Secret has the session that we have."""
        assert self.sinfo is not None  # noqa: S101 (for mypy)
        there = ((secret or {}).get("data") or {}).get("session.json", "")
        return bool(there == base64.b64encode(self.sinfo.dump().encode()).decode())

    def access(self) -> sessions.HubAccess:
        """Ways to the hub. Raises HubError."""
        if self._access is None:
            self._access = TimedAccess(self.around.make_access(self.settings, self.around.cluster), self._timed)
        return self._access

    def connect(self, *, leaving: bool) -> bool:
        """Resume or make the session; False if there is none and none is to be made."""
        if not self._loaded:
            self.load()
            self._loaded = True
        access = self.access()
        self.around.may_write()
        if self.sinfo is not None and self.sinfo.user not in ("", self.settings.user):
            self._quit(access, self.sinfo)
        session = self._master.resume(access, self.sinfo) if self.sinfo is not None else None
        if session is None:
            if leaving:
                return False  # a builder that is being deleted is never logged in for again
            self.around.may_write()
            session = self._master.start(access, self.sinfo)
        self.hub = Hub(session, self.around.may_write)
        self.hub.identify()
        return True

    def _quit(self, access: sessions.HubAccess, old: sessions.Sinfo) -> None:
        """Give up the host that this builder was: its tasks go back to the hub, its session ends."""
        session = access.attach(old)
        try:
            sessions.go_on(session)
            hub = Hub(session, self.around.may_write)
            hub.revoke(list(hub.children()))
            hub.release([task["id"] for task in session.host.getHostTasks()], {}, {})
            hub.logout()
        except koji.AuthError:
            pass  # it is gone already, with all that it had
        self.sinfo = None
        self.save()

    def disconnect(self) -> None:
        """Forget the client; the session stays on the hub."""
        self.hub = None
        if self._access is not None:
            self._access.close()
            self._access = None

    def forget(self) -> None:
        """Delete the Secret: nothing is left to go on with."""
        self.around.cluster.delete_secret(self.settings.session_secret)
        self.disconnect()
        self.sinfo = None

    def explained(self, error: BaseException) -> HubError:
        """What went wrong with the hub, for people."""
        try:
            return explain(error, HubAddress(self.settings.hub_url, f"of Secret {self.settings.ca_secret}"))
        except HubError as invalid:
            return invalid
