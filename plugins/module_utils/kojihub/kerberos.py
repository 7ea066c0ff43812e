# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Logins by Kerberos: the service's keytab and settings in the hub's pods, what hub.conf says about principals."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import keytab
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader, References

FOLDER = "/etc/koji-krb5"
VOLUME = "krb5"
KEYTAB = f"{FOLDER}/{keytab.KEYTAB_KEY}"
CONF = f"{FOLDER}/{keytab.CONF_KEY}"
SERVICE = "HTTP/"
_SALT = b"fedoraproject.koji.kerberos"


@dataclass
class KerberosLook:
    """What a pod's server has for tickets; all is empty where there is no Kerberos."""

    on: bool = False
    options: dict[str, str] = field(default_factory=dict)  # of hub.conf
    volumes: list[dict[str, Any]] = field(default_factory=list)
    mounts: list[dict[str, Any]] = field(default_factory=list)
    environment: list[dict[str, Any]] = field(default_factory=list)
    checksum: str = ""
    warnings: list[dict[str, str]] = field(default_factory=list)


def look(spec: Mapping[str, Any], hosts: Sequence[str], namespace: str, reader: Reader) -> KerberosLook:
    """Read what a KojiHub's authentication.krb names. `hosts` are the names that it is called by. Raises Problem."""
    krb = (spec.get("authentication") or {}).get("krb") or {}
    if not krb:
        return KerberosLook()
    try:
        service = read_keytab(krb, "keytab_secret", namespace, reader)
        conf = read_settings(krb, namespace, reader)
        principal = given(krb.get("admin_principal"))
        if given(krb.get("admin_keytab_secret")):
            read_keytab(krb, "admin_keytab_secret", namespace, reader).require(principal)
    except keytab.KeytabError as error:
        raise Problem(error.reason, error.message) from error
    found = in_pod(given(krb["keytab_secret"]), given(krb.get("krb5_configmap")), service.content, conf)
    found.warnings = [*check_hosts(service, hosts), *_https(spec)]
    if krb.get("allowed_realms"):
        found.options["AllowedKrbRealms"] = ", ".join(krb["allowed_realms"])
    if given(krb.get("host_principal_format")):
        found.options["HostPrincipalFormat"] = given(krb["host_principal_format"])
    return found


def read_keytab(krb: Mapping[str, Any], option: str, namespace: str, reader: Reader) -> keytab.Keytab:
    """The keytab that an option of authentication.krb names. Raises KeytabError."""
    name = given(krb.get(option))
    return keytab.read(reader.get("Secret", namespace, name), name, namespace, f"authentication.krb.{option}")


def read_settings(krb: Mapping[str, Any], namespace: str, reader: Reader) -> str:
    """The krb5.conf of authentication.krb, '' for the image's own. Raises KeytabError."""
    name = given(krb.get("krb5_configmap"))
    there = reader.get("ConfigMap", namespace, name) if name else None
    return keytab.settings(there, name, namespace, "authentication.krb.krb5_configmap")


def in_pod(secret: str, configmap: str, content: bytes, conf: str) -> KerberosLook:
    """A Secret's keytab, and perhaps a ConfigMap's settings, in a pod."""
    sources: list[dict[str, Any]] = [{"secret": {"name": secret, "items": [_item(keytab.KEYTAB_KEY)]}}]
    # Beside a root that is read-only: where tickets that were seen are noted.
    environment = [{"name": "KRB5RCACHEDIR", "value": "/tmp"}]  # noqa: S108  (a volume of the pod)
    if configmap:
        sources.append({"configMap": {"name": configmap, "items": [_item(keytab.CONF_KEY)]}})
        environment.append({"name": "KRB5_CONFIG", "value": CONF})
    # It ends up in an annotation, and a key may be made of a password: those are hashed slowly.
    slow = hashlib.scrypt(content + conf.encode(), salt=_SALT, n=2**13, r=8, p=1).hex()
    return KerberosLook(
        on=True,
        volumes=[{"name": VOLUME, "projected": {"sources": sources}}],
        mounts=[{"name": VOLUME, "mountPath": FOLDER, "readOnly": True}],
        environment=environment,
        checksum=slow[:16],
    )


def of_user(found: References) -> KerberosLook:
    """What a user's pod logs in with, of what its resource refers to."""
    if not found.keytab_secret:
        return KerberosLook()
    return in_pod(found.keytab_secret, found.krb5_configmap, base64.b64decode(found.keytab), found.krb5_conf)


def _item(key: str) -> dict[str, str]:
    return {"key": key, "path": key}


def check_hosts(service: keytab.Keytab, hosts: Sequence[str]) -> list[dict[str, str]]:
    """Tell of a keytab that none of the server's names is in. Raises Problem for one without any service."""
    keys = [name.partition("@")[0] for name in service.principals]
    if not any(key.startswith(SERVICE) for key in keys):
        raise Problem(
            "PrincipalNotInKeytab",
            f"{service.where} has no key of a service HTTP/<host name>, which clients ask tickets for, but of "
            f"{service.listed}; add that of {SERVICE}{hosts[0]}",
        )
    if any(f"{SERVICE}{host}" in keys for host in hosts):
        return []
    message = (
        f"{service.where} has keys of {service.listed}, but of none of the server's names ({', '.join(hosts)}): people "
        "log in by Kerberos at other names only; add a key for each name that they use"
    )
    return [{"reason": "KeytabForOtherHost", "message": message}]


def _https(spec: Mapping[str, Any]) -> list[dict[str, str]]:
    if spec.get("https_enabled", True):
        return []
    message = "https_enabled is false, and nobody logs in without TLS: authentication.krb has no effect; enable it"
    return [{"reason": "KerberosWithoutTLS", "message": message}]
