# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whom a hub lets log in others: the KojiWebs of its namespace, by the subjects of their certificates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates, ini
from ansible_collections.fedoraproject.koji.plugins.module_utils.claims import hub_user
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secrets
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import fullname, given

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader
    from cryptography import x509

OPTION = "ProxyDNs"
SEPARATOR = "|"
# The same for those that log in by Kerberos.
PRINCIPALS_OPTION = "ProxyPrincipals"
PRINCIPALS_SEPARATOR = ","

# OpenSSL's short names; what has none is its number.
_SHORT = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
    "1.2.840.113549.1.9.1": "emailAddress",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
_SPECIAL = re.compile(r'[,+"\\<>;]|^[# ]| $')


def proxy_dn(user: str) -> str:
    """The subject of a user's certificate that we make: it has a common name only."""
    return f"CN={_escaped(user)}"


def subject(certificate: x509.Certificate) -> str:
    """The subject as mod_ssl prints it: RFC 2253 by OpenSSL."""
    parts = []
    for several in reversed(list(certificate.subject.rdns)):
        pairs = [f"{_SHORT.get(one.oid.dotted_string, one.oid.dotted_string)}={_escaped(one.value)}" for one in several]
        parts.append("+".join(reversed(pairs)))
    return ",".join(parts)


def _escaped(value: str | bytes) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    marked = _SPECIAL.sub(lambda found: f"\\{found.group()}", text)
    # OpenSSL writes what is not ASCII byte by byte.
    return "".join(
        char if " " <= char <= "~" else "".join(f"\\{byte:02X}" for byte in char.encode()) for char in marked
    )


def of_webs(webs: Iterable[Mapping[str, Any]], reader: Reader, namespace: str) -> list[str]:
    """The subjects, each once, of the certificates of these KojiWebs: of those that are there, else as we make them."""
    secrets = Secrets(reader, namespace)
    return list(dict.fromkeys(_of_web(web, secrets) for web in webs if not principal(web)))


def principals_of_webs(webs: Iterable[Mapping[str, Any]]) -> list[str]:
    """The principals, each once, of those of these KojiWebs that log in by Kerberos."""
    found = dict.fromkeys(principal(web) for web in webs)
    # One with a comma in it would be two.
    return [name for name in found if name and PRINCIPALS_SEPARATOR not in name]


def principal(web: Mapping[str, Any]) -> str:
    """As whom a KojiWeb logs in by Kerberos, '' for one that has a certificate."""
    krb = ((web.get("spec") or {}).get("authentication") or {}).get("krb") or {}
    return given(krb.get("principal")) if given(krb.get("keytab_secret")) else ""


def _of_web(web: Mapping[str, Any], secrets: Secrets) -> str:
    user = hub_user(web)[0]
    secret = secrets.get(client_secret(web))
    found = certificates.readable(secret.text("tls.crt") or secret.text("client.pem"))
    # A certificate for somebody else is no good to the web pages either.
    if found and found[0].common_name == user:
        name = subject(found[0].parsed)
        if SEPARATOR not in name:
            return name
    return proxy_dn(user)


def client_secret(web: Mapping[str, Any]) -> str:
    """The Secret with a KojiWeb's certificate for the hub."""
    spec = web.get("spec") or {}
    ssl = (spec.get("authentication") or {}).get("ssl") or {}
    named = given(spec.get("client_cert_secret")) or given(ssl.get("client_cert_secret"))
    return named or f"{fullname(web['metadata']['name'])}-client-cert"


def listed(hub_conf: str, option: str = OPTION, separator: str = SEPARATOR) -> list[str]:
    """Who is named in a hub.conf."""
    try:
        options = ini.parse(hub_conf).get("hub", {})
    except ini.IniError:
        return []
    values = [value for name, value in options.items() if name.lower() == option.lower()]
    return [name.strip() for value in values for name in value.split(separator)]
