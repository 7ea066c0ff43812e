# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the web pages sign people's logins with: made once and kept, so that logins outlive pods and the KojiWeb."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import ini
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.order import order
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret

KEY = "secret"
# Below this somebody could guess it, and log in as anyone.
SHORTEST = 16
ROLE = "session"


@dataclass
class SessionLook:
    """The text, '' until it is there, and what to write into the Secret."""

    text: str = field(default="", repr=False)
    make: list[dict[str, Any]] = field(default_factory=list, repr=False)


def look(secret: Secret, labels: Mapping[str, str]) -> SessionLook:
    """Read it, or decide to make it. A Secret that the site gives is used as it is. Raises Problem."""
    text = "" if KEY in secret.unreadable else secret.text(KEY)
    fits = len(text) >= SHORTEST and ini.one_line(text) == text
    if fits:
        return SessionLook(text)
    if secret.there and not secret.has_labels(labels):
        raise Problem(
            "InvalidSecret",
            f"{secret}: key '{KEY}' has to be a line of at least {SHORTEST} characters, which the web pages sign "
            "logins with; mend it, or delete the Secret to have one made",
        )
    new = {KEY: secrets.token_urlsafe(48)}
    return SessionLook(make=[order(secret, ROLE, new)])
