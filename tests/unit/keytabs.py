# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Keytabs as ktutil writes them, for tests that need no KDC."""

from __future__ import annotations

import base64
import struct

AES256 = 18


def _text(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def entry(principal: str, key: bytes = b"k" * 32) -> bytes:
    """The entry of name/instance@REALM, without its length."""
    name, _, realm = principal.rpartition("@")
    parts = name.split("/")
    names = b"".join(_text(part.encode()) for part in (realm, *parts))
    return struct.pack(">H", len(parts)) + names + struct.pack(">IIBH", 1, 0, 1, AES256) + _text(key)


def keytab(*principals: str) -> bytes:
    """A keytab with a key for each; between them are holes, as entries that were removed leave them."""
    hole = struct.pack(">i", -4) + b"gone"
    entries = [struct.pack(">i", len(entry(one))) + entry(one) for one in principals]
    return b"\x05\x02" + hole.join(entries)


def secret(content: bytes, key: str = "krb5.keytab") -> dict[str, str]:
    """The data of a Secret, as the API server has it."""
    return {key: base64.b64encode(content).decode()}
