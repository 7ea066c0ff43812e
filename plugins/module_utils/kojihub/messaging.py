# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The hub's messages: the plugin koji-fedoramessaging, and the configuration of the library that it publishes with."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import toml
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret, Secrets
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader

PLUGIN = "koji-fedoramessaging"
FOLDER = "/etc/fedora-messaging"
SITE_KEY = "fedora-messaging.toml"
DEFAULT_CERTIFICATES = "koji-fedora-messaging-cert"
URL_KEY = "url"
_CA, _CERTIFICATE, _KEY = "ca_cert.pem", "client_cert.pem", "client_key.pem"
# The library's names for them in its section [tls].
_TLS = {"ca_cert": _CA, "certfile": _CERTIFICATE, "keyfile": _KEY}
_URL = re.compile(r"amqps?://\S+")


@dataclass
class MessagingLook:
    """What was found: without a URL nothing. `files` are PEM texts by their names in /etc/fedora-messaging."""

    url: str = field(default="", repr=False)
    app: str = ""
    topic_prefix: str = ""
    files: dict[str, str] = field(default_factory=dict, repr=False)
    warnings: list[dict[str, str]] = field(default_factory=list)

    def settings(self) -> dict[str, Any]:
        """The library's configuration. It publishes to amq.topic, which each broker has: declared passively."""
        settings: dict[str, Any] = {
            "amqp_url": self.url,
            "topic_prefix": self.topic_prefix,
            "passive_declares": True,
            "client_properties": {"app": self.app},
        }
        if self.files:
            # All three are looked up by the library, with '' for none.
            settings["tls"] = {
                option: f"{FOLDER}/{name}" if name in self.files else "" for option, name in _TLS.items()
            }
        return settings


def look(spec: Mapping[str, Any], names: Names, reader: Reader) -> MessagingLook:
    """Find the broker's URL and the certificates. Raises Problem for what is named and isn't there."""
    found = MessagingLook(app=f"koji-hub {names.namespace}/{names.name}", topic_prefix=given(spec.get("topic_prefix")))
    found.url = _from_cr(spec, found) or _from_secret(spec, names, reader)
    if found.url.startswith("amqps"):
        _read_certificates(found, spec, names, reader)
    return found


def render(found: MessagingLook, site: str) -> str:
    """config.toml, the site's own keys over ours; tables are merged. Raises tomllib.TOMLDecodeError for the site's."""
    return toml.dumps(_overlaid(found.settings(), tomllib.loads(site)))


def _overlaid(ours: Mapping[str, Any], site: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(ours)
    for key, value in site.items():
        there = result.get(key)
        both = isinstance(there, dict) and isinstance(value, dict)
        result[key] = _overlaid(there or {}, value) if both else value
    return result


def _from_cr(spec: Mapping[str, Any], found: MessagingLook) -> str:
    url = given(spec.get("fedora_messaging_url"))
    if not url:
        return ""
    if not _URL.fullmatch(url):
        raise Problem("InvalidMessagingURL", "fedora_messaging_url is no URL such as amqps://USER@HOST/VHOST; mend it")
    if _has_password(url):
        message = (
            "fedora_messaging_url has a password, which everyone can read who may read this resource; put the URL into "
            f"a Secret, key '{URL_KEY}', and name that with fedora_messaging_secret"
        )
        found.warnings.append({"reason": "PasswordInResource", "message": message})
    return url


def _has_password(url: str) -> bool:
    try:
        return bool(urlsplit(url).password)
    except ValueError:  # no address in brackets; the library will say so
        return "@" in url


def _from_secret(spec: Mapping[str, Any], names: Names, reader: Reader) -> str:
    name = given(spec.get("fedora_messaging_secret"))
    if not name:
        return ""
    secret = Secrets(reader, names.namespace).get(name)
    if not secret.there:
        raise secret.missing(f"the message broker's URL (key '{URL_KEY}')", "create it")
    url = secret.require(URL_KEY, "the message broker's URL")
    if not _URL.fullmatch(url):
        raise Problem("InvalidMessagingURL", f"{secret}: key '{URL_KEY}' is no URL such as amqps://USER@HOST/VHOST")
    return url


def _read_certificates(found: MessagingLook, spec: Mapping[str, Any], names: Names, reader: Reader) -> None:
    """PEM files of a Secret or, as the older proposal has it, a ConfigMap; by default of one that needn't exist."""
    named = given(spec.get("messaging_cert_cm"))
    name = named or DEFAULT_CERTIFICATES
    pems = _find(name, names, reader)
    if pems is None:
        if named:
            raise Problem(
                "MissingSecret",
                f"neither a Secret nor a ConfigMap '{name}' exists in namespace '{names.namespace}': messaging_cert_cm "
                f"says that it holds the message broker's CA ({_CA}) and, where the broker wants one, the hub's "
                f"certificate ({_CERTIFICATE}, {_KEY})",
            )
        return
    # A broker that asks for a password in place of a certificate needs none of the hub.
    client = any(pems.text(key) or key in pems.unreadable for key in (_CERTIFICATE, _KEY))
    for key in (_CA, *((_CERTIFICATE, _KEY) if client else ())):
        found.files[key] = f"{pems.require(key, 'PEM')}\n"
    try:
        certificates.read(found.files[_CA])
        expired = client and certificates.read(found.files[_CERTIFICATE], found.files[_KEY]).expired
    except certificates.CertificateError as error:
        raise Problem("InvalidCertificate", f"the certificates in {pems} can't be used: {error}") from error
    if expired:
        message = f"the certificate in {pems} has expired: the message broker will refuse it; renew it"
        found.warnings.append({"reason": "MessagingCertificateExpired", "message": message})
    if client and isinstance(pems, ConfigMap):
        message = f"{pems} holds a private key, which should be in a Secret: make a Secret of that name instead"
        found.warnings.append({"reason": "KeyInConfigMap", "message": message})


class ConfigMap(Secret):
    """A ConfigMap that is read as a Secret is."""

    def __str__(self) -> str:
        return f"ConfigMap '{self.name}' in namespace '{self.namespace}'"


def _find(name: str, names: Names, reader: Reader) -> Secret | None:
    secret = Secrets(reader, names.namespace).get(name)
    if secret.there:
        return secret
    there = reader.get("ConfigMap", names.namespace, name)
    return ConfigMap(name, names.namespace, there=True, texts=there.get("data") or {}) if there else None
