# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The files in a web pod: ours with the site's own over them, option by option."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import httpd as apache
from ansible_collections.fedoraproject.koji.plugins.module_utils import ini
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import kerberos
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.options import OptionError, is_true
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb import httpd, options
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem
from ansible_collections.fedoraproject.koji.plugins.module_utils.server_names import HTTP_PORT, HTTPS_PORT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb.names import Names

FOLDER = "/etc/kojiweb"
WEB_CERT = f"{FOLDER}/client.pem"
CCACHE = "/tmp/koji-web.ccache"  # noqa: S108  (a volume of the pod)
HUB_CA_FOLDER = "/etc/koji-web-hub"
HUB_CA = f"{HUB_CA_FOLDER}/ca.crt"
CONFIG_VOLUME, SECRET_VOLUME = "config", "secrets"
SECRET_CONF = "secret.conf"  # noqa: S105  (a file's name)
# A small page that asks the hub something.
PROBED = "/koji/search"

_OURS = ("web.conf", "httpd.conf")


@dataclass
class Sources:
    """What files are made of beside the resource itself."""

    hub_url: str
    files_url: str
    site: Mapping[str, str] = field(default_factory=dict)  # the site's ConfigMap
    client_pem: str = field(default="", repr=False)
    session: str = field(default="", repr=False)
    theme: str = ""
    principal: str = ""  # as whom it logs in at the hub where that is by Kerberos, and people's logins are so too


@dataclass
class FilesLook:
    """Texts by their keys: `config` for the ConfigMap, `secret` for the Secret; where the container has them."""

    config: dict[str, str] = field(default_factory=dict)
    secret: dict[str, str] = field(default_factory=dict, repr=False)
    probe: list[str] = field(default_factory=list)
    mounts: list[dict[str, Any]] = field(default_factory=list)
    checksum: str = ""
    warnings: list[dict[str, str]] = field(default_factory=list)


def look(spec: Mapping[str, Any], names: Names, sources: Sources) -> FilesLook:
    """Make all files. Raises Problem."""
    return _Maker(spec, names, sources).make()


class _Maker:
    def __init__(self, spec: Mapping[str, Any], names: Names, sources: Sources) -> None:
        self._spec = spec
        self._names = names
        self._sources = sources
        self._site = sources.site
        self._configmap = given(spec.get("configmap"))
        self._https = bool(spec.get("https_enabled", True))
        self.found = FilesLook()

    def make(self) -> FilesLook:
        found, sources = self.found, self._sources
        if self._configmap == self._names.config:
            message = f"configmap is '{self._configmap}', which the operator writes itself; give yours another name"
            raise Problem("ConflictingFields", message)
        found.config["web.conf"] = ini.rendered(self._web_conf())
        found.config["httpd.conf"] = self._httpd_conf()
        found.secret = {
            **({} if sources.principal else {"client.pem": sources.client_pem}),
            SECRET_CONF: ini.rendered({options.SECTION: {"Secret": options.escaped(sources.session)}}),
        }
        scheme, port = ("https", HTTPS_PORT) if self._https else ("http", HTTP_PORT)
        found.probe = ["python3", f"{httpd.CONF}/probe.py", f"{scheme}://localhost:{port}{PROBED}"]
        found.mounts = [
            {"name": CONFIG_VOLUME, "mountPath": httpd.CONF, "readOnly": True},
            _mount(CONFIG_VOLUME, "web.conf", f"{FOLDER}/web.conf"),
            _mount(SECRET_VOLUME, SECRET_CONF, f"{FOLDER}/web.conf.d/{SECRET_CONF}"),
            *([] if sources.principal else [_mount(SECRET_VOLUME, "client.pem", WEB_CERT)]),
        ]
        unused = sorted(key for key in self._site if key not in _OURS)
        if unused:
            self._warn(
                "UnusedSettings",
                f"{', '.join(unused)} of ConfigMap '{self._configmap}' has no effect: used are {' and '.join(_OURS)}",
            )
        found.checksum = self._checksum()
        return found

    def _checksum(self) -> str:
        # Keys and the session's secret have too many bits to be guessed from it.
        parts = [self.found.config, self.found.secret, self.found.probe]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _wrong(self, key: str, why: object) -> Problem:
        where = f"ConfigMap '{self._configmap}' in namespace '{self._names.namespace}'"
        return Problem("InvalidConfigMap", f"{where}, key '{key}': {why}")

    def _warn(self, reason: str, message: str) -> None:
        self.found.warnings.append({"reason": reason, "message": message})

    def _web_conf(self) -> ini.Sections:
        sources = self._sources
        wished = {key: value for key, value in (self._spec.get("web_options") or {}).items() if value is not None}
        try:
            asked = options.texts({**options.DEFAULTS, **wished})
        except OptionError as error:
            raise Problem("InvalidWebOptions", f"web_options.{error}") from error
        ours = {
            "KojiHubURL": options.escaped(sources.hub_url),
            "KojiFilesURL": options.escaped(sources.files_url),
            **self._login(),
            "KojiHubCA": HUB_CA,
            **({"KojiTheme": options.escaped(sources.theme)} if sources.theme else {}),
            # Logins are by certificate, which only TLS can ask for.
            **({} if self._https else {"LoginDisabled": "True"}),
            **asked,
        }
        site = self._site_web_conf()
        merged = ini.overlaid({options.SECTION: ours}, site)
        try:
            options.check_file(merged)
        except OptionError as error:
            raise self._wrong("web.conf", f"[web] {error}") from error
        self._warn_of_login(merged)
        return merged

    def _login(self) -> dict[str, str]:
        if not self._sources.principal:
            return {"WebCert": WEB_CERT}
        principal = options.escaped(self._sources.principal)
        return {"WebPrincipal": principal, "WebKeytab": kerberos.KEYTAB, "WebCCache": CCACHE}

    def _warn_of_login(self, merged: ini.Sections) -> None:
        asked = {name.lower(): value for name, value in merged[options.SECTION].items()}
        if not self._https and not is_true(asked.get("logindisabled")):
            message = "https_enabled is false, so nobody can log in, though LoginDisabled is false; remove it"
            self._warn("LoginsImpossible", message)

    def _site_web_conf(self) -> ini.Sections:
        text = self._site.get("web.conf", "")
        try:
            sections = ini.parse(text)
        except ini.IniError as error:
            raise self._wrong("web.conf", error) from error
        site = sections.get(options.SECTION, {})
        unknown = [name for name in site if not options.known(name)]
        if unknown:
            self._warn(
                "UnknownWebOption",
                f"{', '.join(unknown)} in web.conf of ConfigMap '{self._configmap}': this operator knows no such "
                "option, and the web pages ignore those that they do not know; check the spelling",
            )
        if any(name.lower() == "secret" for name in site):
            self._warn(
                "SecretInConfigMap",
                f"Secret in web.conf of ConfigMap '{self._configmap}' can be read by whoever may read ConfigMaps, and "
                f"who has it can log in as anyone; put it into key 'secret' of Secret '{self._names.session_secret}'",
            )
        return sections

    def _httpd_conf(self) -> str:
        site = self._site.get("httpd.conf", "")
        try:
            if site.strip():
                apache.check(site)
        except apache.HttpdError as error:
            raise self._wrong("httpd.conf", error) from error
        if site.strip():
            self.found.config["site.conf"] = site
        try:
            return httpd.render(
                httpd.Httpd(
                    server_name=self._names.needed_names[0],
                    public=bool(self._names.host),
                    https=self._https,
                    http=bool(self._spec.get("http_enabled", False)),
                    site=bool(site.strip()),
                    keytab=kerberos.KEYTAB if self._sources.principal else "",
                )
            )
        except apache.HttpdError as error:
            raise Problem("InvalidConfiguration", f"{error}; mend host") from error


def _mount(volume: str, key: str, path: str) -> dict[str, Any]:
    return {"name": volume, "subPath": key, "mountPath": path, "readOnly": True}
