# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The files in a hub's pod: ours with the site's own over them, option by option."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import httpd as apache
from ansible_collections.fedoraproject.koji.plugins.module_utils import ini
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import (
    httpd,
    kerberos,
    messaging,
    options,
    proxies,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import HTTP_PORT, HTTPS_PORT
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.messaging import MessagingLook
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.postgres import Postgres

KOJI_DIR = "/mnt/koji"
DATABASE_CA = "/etc/koji-hub-postgres/ca.crt"
ADMIN_PEM = "/etc/koji-hub-admin/client.pem"
HUB_CA = "/etc/koji-hub-tls/ca.crt"
PLUGINS = "/etc/koji-hub/plugins"
CONFIG_VOLUME, SECRET_VOLUME = "config", "secrets"
# Seconds: a database that does not answer must not hold a request for minutes.
DATABASE_TIMEOUT = 10

_OURS = ("hub.conf", "koji.conf", "httpd.conf", messaging.SITE_KEY)
_ESCAPED = ("\\", "'")
_SALT = b"fedoraproject.koji.files"


@dataclass
class Sources:
    """What files are made of beside the resource itself."""

    postgres: Postgres
    broker: MessagingLook
    site: Mapping[str, str] = field(default_factory=dict)  # the site's ConfigMap
    proxies: list[str] = field(default_factory=list)  # DNs of the namespace's KojiWebs
    web_url: str = ""  # of the first of them that has a host
    kojira: Mapping[str, str] = field(default_factory=dict)  # options that the namespace's Kojira asks for
    kerberos: Mapping[str, str] | None = None  # options for principals, where there is Kerberos
    principals: list[str] = field(default_factory=list)  # of the KojiWebs that log in by it


@dataclass
class FilesLook:
    """Texts by their keys: `config` for the ConfigMap, `secret` for the Secret; where the hub's container has them."""

    hub_conf: str = ""
    httpd_conf: str = ""
    koji_conf: str = ""
    extra: dict[str, str] = field(default_factory=dict)
    secret: dict[str, str] = field(default_factory=dict, repr=False)
    probe: list[str] = field(default_factory=list)
    checksum: str = ""
    warnings: list[dict[str, str]] = field(default_factory=list)

    @property
    def config(self) -> dict[str, str]:
        """All keys of the ConfigMap but probe.py."""
        files = {"hub.conf": self.hub_conf, "httpd.conf": self.httpd_conf, "koji.conf": self.koji_conf}
        return {**self.extra, **files}

    @property
    def mounts(self) -> list[dict[str, Any]]:
        """volumeMounts of the hub's container, of the volumes `config` and `secrets`.

        Files are mounted one by one: what the image has beside them stays, such as other plugins' configuration.
        """
        whole = {"name": CONFIG_VOLUME, "mountPath": httpd.CONF, "readOnly": True}
        single = [_mount(CONFIG_VOLUME, "hub.conf", "/etc/koji-hub/hub.conf")]
        for key in sorted(self.extra):
            if key == "kojiweb.conf":
                single.append(_mount(CONFIG_VOLUME, key, "/etc/koji-hub/kojiweb.conf"))
            elif key.startswith("plugins."):
                single.append(_mount(CONFIG_VOLUME, key, f"{PLUGINS}/{key.removeprefix('plugins.')}"))
        secret = [_mount(SECRET_VOLUME, key, _SECRET_PATHS[key]) for key in sorted(self.secret)]
        return [whole, *single, *secret]


_SECRET_PATHS = {
    "database.conf": "/etc/koji-hub/hub.conf.d/database.conf",
    "database-ca.crt": DATABASE_CA,
    messaging.SITE_KEY: f"{messaging.FOLDER}/config.toml",
    "ca_cert.pem": f"{messaging.FOLDER}/ca_cert.pem",
    "client_cert.pem": f"{messaging.FOLDER}/client_cert.pem",
    "client_key.pem": f"{messaging.FOLDER}/client_key.pem",
}


def _mount(volume: str, key: str, path: str) -> dict[str, Any]:
    return {"name": volume, "subPath": key, "mountPath": path, "readOnly": True}


def look(spec: Mapping[str, Any], names: Names, sources: Sources) -> FilesLook:
    """Make all files. Raises Problem."""
    return _Maker(spec, names, sources).make()


class _Maker:
    def __init__(self, spec: Mapping[str, Any], names: Names, sources: Sources) -> None:
        self._spec = spec
        self._names = names
        self._sources = sources
        self._site = sources.site
        self._broker = sources.broker
        self.found = FilesLook()

    def make(self) -> FilesLook:
        """All files."""
        found = self.found
        hub = self._hub_conf()
        found.hub_conf = ini.rendered(hub)
        found.secret = {"database.conf": database_conf(self._sources.postgres, self._names)}
        if self._sources.postgres.ca:
            found.secret["database-ca.crt"] = self._sources.postgres.ca
        web_url, links = _option(hub, "KojiWebURL"), ""
        if self._broker.url:
            self._messages()
            links = web_url or self._names.url
        found.httpd_conf = self._httpd_conf(_option(hub, "KojiDir"), links)
        found.koji_conf = self._koji_conf(web_url)
        self._other_files()
        offline = any(options.is_true(_option(hub, name)) for name in ("ServerOffline", "LockOut"))
        found.probe = self._probe(offline=offline)
        found.checksum = self._checksum()
        return found

    def _checksum(self) -> str:
        """It ends up in an annotation, which is no place to try out passwords against: those are hashed slowly."""
        broker = json.dumps([self._broker.url, self.found.secret.get(messaging.SITE_KEY), self._broker.files])
        slow = hashlib.scrypt(broker.encode(), salt=_SALT, n=2**13, r=8, p=1) if self._broker.url else b""
        parts = [self.found.config, self.found.probe, self._sources.postgres.checksum, slow.hex()]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _wrong(self, key: str, why: object) -> Problem:
        name = given(self._spec.get("configmap"))
        return Problem(
            "InvalidConfigMap", f"ConfigMap '{name}' in namespace '{self._names.namespace}', key '{key}': {why}"
        )

    def _warn(self, reason: str, message: str) -> None:
        self.found.warnings.append({"reason": reason, "message": message})

    def _parsed(self, key: str) -> ini.Sections:
        try:
            sections = ini.parse(self._site.get(key, ""))
        except ini.IniError as error:
            raise self._wrong(key, error) from error
        return sections

    def _hub_conf(self) -> ini.Sections:
        try:
            given_options = options.texts({**options.DEFAULTS, **_set(self._spec.get("hub_options"))})
        except options.OptionError as error:
            raise Problem("InvalidHubOptions", f"hub_options.{error}") from error
        try:
            policies = options.policies(self._spec.get("policies") or {})
        except options.OptionError as error:
            raise Problem("InvalidPolicy", f"policies: {error}") from error
        ours = {"KojiDir": KOJI_DIR}
        if self._sources.proxies:
            ours[proxies.OPTION] = f" {proxies.SEPARATOR} ".join(ini.one_line(dn) for dn in self._sources.proxies)
        if self._sources.principals:
            ours[proxies.PRINCIPALS_OPTION] = f"{proxies.PRINCIPALS_SEPARATOR} ".join(
                ini.one_line(name) for name in self._sources.principals
            )
        if self._sources.web_url:
            ours["KojiWebURL"] = ini.one_line(self._sources.web_url)
        ours |= self._sources.kojira
        ours |= self._sources.kerberos or {}
        ours |= given_options
        if self._broker.url:
            plugins = ours.get("Plugins", "").split()
            ours["Plugins"] = " ".join([*plugins, *([] if messaging.PLUGIN in plugins else [messaging.PLUGIN])])
        merged = ini.overlaid({"hub": ours, "policy": policies}, self._site_hub_conf())
        if self._broker.url and messaging.PLUGIN not in _option(merged, "Plugins").split():
            self._warn(
                "MessagingPluginOff",
                f"option Plugins in hub.conf of ConfigMap '{given(self._spec.get('configmap'))}' lacks "
                f"{messaging.PLUGIN}, so no messages are sent; add it, or remove fedora_messaging_url",
            )
        return {section: values for section, values in merged.items() if values}

    def _site_hub_conf(self) -> ini.Sections:
        """The site's hub.conf, checked, without what other fields say."""
        sections = self._parsed("hub.conf")
        if self._has_default_section():
            raise self._wrong("hub.conf", "options in [DEFAULT] would be policies as well; put them into [hub]")
        unknown, database = [], []
        result: ini.Sections = {section: dict(values) for section, values in sections.items()}
        for name, value in sections.get("hub", {}).items():
            try:
                options.check(name, value)
            except options.OptionError as error:
                raise self._wrong("hub.conf", f"[hub] {error}") from error
            if options.known(name) in options.DATABASE:
                database.append(name)
                del result["hub"][name]
            elif not options.known(name):
                unknown.append(name)
        for name, text in sections.get("policy", {}).items():
            try:
                options.check_policy(name, text)
            except options.OptionError as error:
                raise self._wrong("hub.conf", error) from error
        configmap = given(self._spec.get("configmap"))
        if database:
            self._warn(
                "DatabaseOptionsIgnored",
                f"{', '.join(database)} in hub.conf of ConfigMap '{configmap}' has no effect: Secret "
                f"'{self._names.postgres_secret}' (postgres_secret) says where the database is; remove it",
            )
        if unknown:
            self._warn(
                "UnknownHubOption",
                f"{', '.join(unknown)} in hub.conf of ConfigMap '{configmap}': this operator knows no such option, "
                "and the hub ignores those that it does not know; check the spelling",
            )
        return result

    def _has_default_section(self) -> bool:
        return any(line.strip() == "[DEFAULT]" for line in self._site.get("hub.conf", "").splitlines())

    def _messages(self) -> None:
        """The library's configuration, and what the plugin reads of the web pages' one."""
        try:
            toml = messaging.render(self._broker, self._site.get(messaging.SITE_KEY, ""))
        except tomllib.TOMLDecodeError as error:
            raise self._wrong(messaging.SITE_KEY, error) from error
        self.found.secret |= {messaging.SITE_KEY: toml, **self._broker.files}
        self.found.warnings += self._broker.warnings
        web = {"KojiFilesURL": _escaped(f"{self._names.url.removesuffix('/kojihub')}/kojifiles")}
        self.found.extra["kojiweb.conf"] = ini.rendered({"web": web})

    def _httpd_conf(self, koji_dir: str, links: str) -> str:
        site = self._site.get("httpd.conf", "")
        if site.strip():
            try:
                apache.check(site)
            except apache.HttpdError as error:
                raise self._wrong("httpd.conf", error) from error
            self.found.extra["site.conf"] = site
        server = self._names.host or self._names.service_names[2]
        try:
            return httpd.render(
                httpd.Httpd(
                    server_name=server,
                    https=bool(self._spec.get("https_enabled", True)),
                    http=bool(self._spec.get("http_enabled", False)),
                    koji_dir=koji_dir,
                    links=links,
                    site=bool(site.strip()),
                    keytab="" if self._sources.kerberos is None else kerberos.KEYTAB,
                )
            )
        except apache.HttpdError as error:
            raise Problem("InvalidConfiguration", f"{error}; mend host, KojiWebURL or KojiDir") from error

    def _koji_conf(self, web_url: str) -> str:
        """koji.conf of the sidecar: the hub beside it, by the name that its certificate has."""
        ours = {
            "server": self._names.internal_url,
            "weburl": web_url,
            "topurl": f"{self._names.origin}/kojifiles",
            "topdir": KOJI_DIR,
            "authtype": "ssl",
            "cert": ADMIN_PEM,
            "serverca": HUB_CA,
        }
        cleaned = {key: _escaped(value) for key, value in ours.items() if value}
        return ini.rendered(ini.overlaid({"koji": cleaned}, self._parsed("koji.conf")))

    def _other_files(self) -> None:
        """Whatever else the site has for plugins. Not ours to merge, but to check."""
        unused = []
        for key, text in sorted(self._site.items()):
            if key in _OURS:
                if key == messaging.SITE_KEY and not self._broker.url:
                    unused.append(key)
                continue
            if key.endswith(".conf"):
                self._parsed(key)
            elif key.endswith(".toml"):
                try:
                    tomllib.loads(text)
                except tomllib.TOMLDecodeError as error:
                    raise self._wrong(key, error) from error
            else:
                unused.append(key)
                continue
            self.found.extra[f"plugins.{key}"] = text
        if unused:
            self._warn(
                "UnusedSettings",
                f"{', '.join(unused)} of ConfigMap '{given(self._spec.get('configmap'))}' has no effect: used are "
                f"{', '.join(_OURS)} (the last with messages only), and further *.conf and *.toml for plugins",
            )

    def _probe(self, *, offline: bool) -> list[str]:
        https = self._spec.get("https_enabled", True)
        scheme, port = ("https", HTTPS_PORT) if https else ("http", HTTP_PORT)
        command = ["python3", f"{httpd.CONF}/probe.py", f"{scheme}://localhost:{port}/kojihub"]
        # A hub that is told to refuse everyone is well when it does.
        return [*command, "--offline"] if offline else command


def database_conf(postgres: Postgres, names: Names) -> str:
    """The hub's one option for the database: the only one that TLS and time-outs have a place in."""
    parameters = {
        "host": postgres.host,
        "port": str(postgres.port),
        "dbname": postgres.name,
        "user": postgres.user,
        "password": postgres.password,
        "sslmode": postgres.sslmode,
        "sslrootcert": DATABASE_CA if postgres.ca else "",
        "connect_timeout": str(DATABASE_TIMEOUT),
        "application_name": "koji-hub",
    }
    for key, value in parameters.items():
        if value != ini.one_line(f"'{value}'")[1:-1]:
            raise Problem(
                "InvalidSecret",
                f"Secret '{names.postgres_secret}' in namespace '{names.namespace}': the database's {key} has a line "
                "break or another control character, which hub.conf can't hold; change it",
            )
    text = " ".join(f"{key}={_quoted(value)}" for key, value in parameters.items() if value)
    return ini.rendered({"hub": {"DBConnectionString": text}})


def _quoted(value: str) -> str:
    """A value as libpq reads it."""
    return "'" + "".join(f"\\{char}" if char in _ESCAPED else char for char in value) + "'"


def _option(sections: Mapping[str, Mapping[str, str]], name: str) -> str:
    """An option of [hub], whatever its spelling."""
    for key, value in sections.get("hub", {}).items():
        if key.lower() == name.lower():
            return value
    return ""


def _set(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (values or {}).items() if value is not None}


def _escaped(value: str) -> str:
    """A value for a file in which Koji has '%' mean another option."""
    return ini.one_line(value).replace("%", "%%")
