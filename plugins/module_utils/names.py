# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Names that the operator gives to things: objects of a CR, the hub's address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP = "apps.fedoraproject.org"
API_VERSION = f"{GROUP}/v1alpha1"
FINALIZER = f"{GROUP}/finalizer"

# The Service and the Secrets of a KojiHub called "hub", which is what everyone gets who names nothing.
DEFAULT_HUB_HOST = "koji-hub:8443"
DEFAULT_ADMIN_SECRET = "koji-hub-admin"  # noqa: S105  (a Secret's name)
DEFAULT_CA_SECRET = "koji-hub-ca-cert"  # noqa: S105

_HOST_PORT = re.compile(
    r"^(?P<host>\[[0-9A-Fa-f:]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:(?P<port>[0-9]{1,5}))?$"
)
_MAX_PORT = 65535


class AddressError(ValueError):
    """A value that can't be what its field says; the message names the value and what is wanted."""


def fullname(name: str) -> str:
    """What the objects of a CR are called: its name, with the prefix "koji-" unless it begins with "koji"."""
    return name if name.startswith("koji") else f"koji-{name}"


def given(value: object) -> str:
    """A field's text without blanks around it; unset, null and '' are all ''."""
    return "" if value is None else str(value).strip()


def hub_url(address: str, namespace: str) -> str:
    """The URL of a hub's API as the operator reaches it.

    "koji-hub:8443" -> "https://koji-hub.<namespace>.svc:8443/kojihub"; a name with dots, an IP address or a URL with a
    path is kept. '_' is read as '-': one sample has "koji_hub:8443", and no DNS name has an underscore.
    Raises AddressError.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "https", address
    if scheme != "https":
        raise AddressError(f"'{address}': the hub is only ever talked to over https, not '{scheme}'")
    host_port, _, path = rest.partition("/")
    match = _HOST_PORT.match(host_port.replace("_", "-"))
    port = match.group("port") if match else None
    if match is None or (port is not None and not 0 < int(port) <= _MAX_PORT):
        raise AddressError(
            f"'{address}' is no address of a hub; wanted is HOST, HOST:PORT or https://HOST:PORT/kojihub"
        )
    if "?" in path or "#" in path or any(c.isspace() for c in path):
        raise AddressError(f"'{address}': the path of a hub's URL has no '?', '#' or blanks")
    host = match.group("host")
    if "." not in host and not host.startswith("["):
        host = f"{host}.{namespace}.svc"
    path = path.strip("/") or "kojihub"
    return f"https://{host}{':' + port if port else ''}/{path}"


def same_value(aliases: Mapping[str, Any]) -> tuple[str, str]:
    """The one value of fields that mean the same, and a message when they disagree.

    Values that are unset or '' don't count. -> (value, '') or ('', "hub_host is 'a' but koji_hub_url is 'b': ...").
    """
    named = {field: given(value) for field, value in aliases.items() if given(value)}
    if len(set(named.values())) > 1:
        each = " but ".join(f"{field} is '{value}'" for field, value in named.items())
        return "", f"{each}: they mean the same thing, keep one of them"
    return next(iter(named.values()), ""), ""
