# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the operator itself takes of a site's krb5.conf: where KDCs are and how names are made into principals.

All else is left out: the file comes from people who may create resources, and Kerberos' library, which runs in the
operator, would load modules and other files that it names.
"""

from __future__ import annotations

import re

_LIBRARY = frozenset(
    {
        "allow_rc4",
        "allow_weak_crypto",
        "canonicalize",
        "clockskew",
        "default_realm",
        "default_tgs_enctypes",
        "default_tkt_enctypes",
        "dns_canonicalize_hostname",
        "dns_lookup_kdc",
        "dns_lookup_realm",
        "dns_uri_lookup",
        "kdc_timesync",
        "noaddresses",
        "permitted_enctypes",
        "qualify_shortname",
        "rdns",
        "realm_try_domains",
        "ticket_lifetime",
        "udp_preference_limit",
    }
)
_REALM = frozenset({"default_domain", "kdc", "master_kdc", "primary_kdc"})
# Words that name modules and files to libkrb5; no host and no realm is called like one.
_NEVER = re.compile(r"module|include|includedir|plugin_base_dir|pkinit\w*")
_SECTION = re.compile(r"\[\s*([a-z_]+)\s*\]\*?")
_BEGIN = re.compile(r"([^\s={}\[\]]+)\s*=\s*\{")
_RELATION = re.compile(r"([^\s={}\[\]]+)\s*=\s*([^{}]*)")


def safe(text: str) -> str:
    """The settings that are taken, as a krb5.conf; '' where there are none."""
    kept: dict[str, list[str]] = {"libdefaults": [], "realms": [], "domain_realm": [], "capaths": []}
    section, inside, depth = "", "", 0
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if not depth and (found := _SECTION.fullmatch(line)):
            section = found[1]
        elif line.startswith("}"):
            if depth == 1 and inside:
                kept[section].append("  }")
            depth, inside = max(depth - 1, 0), inside if depth > 1 else ""
        elif found := _BEGIN.fullmatch(line):
            depth += 1
            if depth == 1 and section in ("realms", "capaths") and not _NEVER.fullmatch(found[1]):
                inside = found[1]
                kept[section].append(f"  {inside} = {{")
        elif (found := _RELATION.fullmatch(line)) and _is_taken(section, found[1], depth, inside):
            kept[section].append(f"{'    ' if depth else '  '}{found[1]} = {found[2].strip()}")
    if inside:
        kept[section].append("  }")
    return "".join(f"[{name}]\n" + "\n".join(lines) + "\n" for name, lines in kept.items() if lines)


def _is_taken(section: str, key: str, depth: int, inside: str) -> bool:
    if depth > 1 or _NEVER.fullmatch(key):
        return False
    return {
        "libdefaults": not depth and key in _LIBRARY,
        "domain_realm": not depth,
        "realms": bool(inside) and key in _REALM,
        "capaths": bool(inside),
    }.get(section, False)
