# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A pair of sessions with a hub in memory, and pictures of what that hub holds."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubAddress, HubSession

from tests.devhub.core.memory import MemoryStorage
from tests.devhub.local import ADMIN, URL, LocalHub

if TYPE_CHECKING:
    import koji

ADDRESS = HubAddress(URL, "/nowhere/ca.crt")
# Logging in writes these; everything else is what the modules are about.
NOT_DATA = {"sessions", "events"}


class LocalPair:
    """The anonymous session and the one of `user`; `logins` counts how often the latter was asked for first."""

    def __init__(self, hub: LocalHub, user: str = ADMIN) -> None:
        self.hub = hub
        self.address = ADDRESS
        self.logins = 0
        self._user = user
        self._anonymous = hub.anonymous()
        self._writer: HubSession | None = None

    def reader(self) -> koji.ClientSession:
        """The session that is there."""
        return self._anonymous if self._writer is None else self._writer

    def writer(self) -> koji.ClientSession:
        """The session of the user."""
        if self._writer is None:
            # The file only has to be there: no TLS is spoken.
            self._writer = self.hub.session(self._user, base=HubSession, serverca=__file__)
            self.logins += 1
        return self._writer


def storage(hub: LocalHub) -> MemoryStorage:
    """The tables of a hub in memory."""
    assert isinstance(hub.hub.storage, MemoryStorage)
    return hub.hub.storage


def picture(hub: LocalHub) -> dict[str, list[dict[str, Any]]]:
    """All rows of the hub but those of sessions: equal pictures mean that nothing was written."""
    return {table: copy.deepcopy(rows) for table, rows in storage(hub).rows.items() if table not in NOT_DATA}
