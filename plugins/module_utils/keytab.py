# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Keytabs in Secrets and Kerberos settings in ConfigMaps: read and checked before anybody logs in with them."""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.krb5_conf import safe
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEYTAB_KEY, CONF_KEY = "krb5.keytab", "krb5.conf"
_VERSION = b"\x05\x02"  # what MIT and Heimdal have written for decades
SHOWN = 5  # principals that a message names


class KeytabError(ValueError):
    """Why it can't be used: reason is CamelCase, the message says what, where and what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Keytab:
    """The keytab of a Secret. `where` is what messages call it."""

    content: bytes = field(repr=False)
    principals: tuple[str, ...]
    where: str

    @classmethod
    def parse(cls, content: bytes, where: str) -> Keytab:
        """Of its bytes. Raises ValueError."""
        try:
            return cls(content, tuple(dict.fromkeys(_principals(content))), where)
        except struct.error as error:
            raise ValueError("it ends too early") from error

    @property
    def text(self) -> str:
        """In base64, as modules take it."""
        return base64.b64encode(self.content).decode()

    @property
    def listed(self) -> str:
        """Its principals, for a message."""
        rest = len(self.principals) - SHOWN
        return ", ".join(self.principals[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")

    def require(self, principal: str) -> None:
        """Raise KeytabError if it lacks the principal's key."""
        if principal not in self.principals:
            raise KeytabError(
                "PrincipalNotInKeytab",
                f"{self.where} has no key of {principal}, but of {self.listed or 'nobody'}; add it, or mend principal",
            )


def read(secret: Mapping[str, Any] | None, name: str, namespace: str, option: str) -> Keytab:
    """The keytab of the Secret that `option` names. Raises KeytabError."""
    where = f"Secret '{name}' in namespace '{namespace}', which {option} names,"
    if secret is None:
        raise KeytabError(
            "MissingSecret",
            f"{where} does not exist; create it with the keytab as key '{KEYTAB_KEY}', or mend {option}",
        )
    value = (secret.get("data") or {}).get(KEYTAB_KEY)
    if not value:
        raise KeytabError("MissingSecretKey", f"{where} has no key '{KEYTAB_KEY}'; add it, with the keytab as it is")
    try:
        found = Keytab.parse(base64.b64decode(value), f"the keytab of Secret '{name}'")
    except (binascii.Error, ValueError) as error:
        why = f"{where} has no keytab as key '{KEYTAB_KEY}': {error}; write the file's bytes there, as ktutil "
        raise KeytabError("InvalidKeytab", why + "or kadmin's ktadd made it") from error
    if not found.principals:
        raise KeytabError("InvalidKeytab", f"{where} has a keytab without any key as '{KEYTAB_KEY}'; export it anew")
    return found


def settings(configmap: Mapping[str, Any] | None, name: str, namespace: str, option: str) -> str:
    """The krb5.conf of the ConfigMap that `option` names, '' where none is named. Raises KeytabError."""
    if not name:
        return ""
    where = f"ConfigMap '{name}' in namespace '{namespace}', which {option} names,"
    if configmap is None:
        raise KeytabError(
            "MissingConfigMap", f"{where} does not exist; create it with the file as key '{CONF_KEY}', or mend {option}"
        )
    text = given((configmap.get("data") or {}).get(CONF_KEY))
    if not text:
        raise KeytabError("MissingConfigMapKey", f"{where} has no key '{CONF_KEY}'; add it, with Kerberos' settings")
    if not safe(text):
        raise KeytabError(
            "InvalidConfigMap",
            f"{where} has nothing that is used in key '{CONF_KEY}'; it must have a section [libdefaults] or [realms]",
        )
    return text


def _principals(content: bytes) -> Iterator[str]:
    """The principals of a keytab, one an entry. Raises ValueError, struct.error."""
    if not content.startswith(_VERSION):
        raise ValueError("it does not begin as one does")
    at = len(_VERSION)
    while at + 4 <= len(content):
        (size,) = struct.unpack_from(">i", content, at)
        at += 4
        if size == 0:
            return
        if size > 0:  # else a hole of that many bytes, where an entry was
            if at + size > len(content):
                raise ValueError("it ends too early")
            yield _principal(content[at : at + size])
        at += abs(size)


def _principal(entry: bytes) -> str:
    """name/instance@REALM of an entry."""
    (count,) = struct.unpack_from(">H", entry)
    at, parts = 2, []
    for _ in range(count + 1):  # the realm comes first
        (length,) = struct.unpack_from(">H", entry, at)
        part = entry[at + 2 : at + 2 + length]
        if len(part) < length:
            raise ValueError("it ends too early")
        parts.append(part.decode("utf-8"))
        at += 2 + length
    return f"{'/'.join(parts[1:])}@{parts[0]}"
