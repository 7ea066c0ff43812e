# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the objects of a KojiWeb are called, and where it is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.server_names import ServerNames

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/koji"


class Names(ServerNames):
    """Those of one KojiWeb."""

    app = "koji-web"

    def __init__(self, resource: Mapping[str, Any]) -> None:
        super().__init__(resource)
        self.session_secret = f"{self.fullname}-session"

    @property
    def url(self) -> str:
        """The web pages for people."""
        return f"{self.public_origin}{PATH}"
