# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""hub.conf: the options that the hub knows, with their types and defaults."""

import configparser
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BOOLEAN = {
    "DisableURLSessions": False,
    "CheckClientIP": True,
    "LoginCreatesUser": True,
    "AllowProxyAuthType": False,
    "NotifyOnSuccess": True,
    "DisableNotifications": False,
    "KojiDebug": False,
    "VerbosePolicy": False,
    "MissingPolicyOk": True,
    "EnableMaven": False,
    "EnableWin": False,
    "LockOut": False,
    "ServerOffline": False,
    "AllowNewRepo": True,
}
INTEGER: dict[str, int | None] = {
    "DBPort": None,
    "MemoryWarnThreshold": 5000,
    "MaxRequestLength": 4194304,
    "MaxNameLengthInternal": 256,
    "SessionRenewalTimeout": 1440,
    "MaxJobs": 15,
    "CapacityOvercommit": 5,
    "ReadyTimeout": 180,
    "AssignTimeout": 300,
    "SoftRefusalTimeout": 900,
    "HostTimeout": 900,
    "RunInterval": 60,
    "MaxRepoTasks": 10,
    "MaxRepoTasksMaven": 2,
    "RepoRetries": 3,
    "RequestCleanTime": 1440,
    "RepoLag": 3600,
    "RepoAutoLag": 7200,
    "RepoLagWindow": 600,
}
STRING: dict[str, str | None] = {
    "DBName": None,
    "DBUser": None,
    "DBHost": None,
    "DBhost": None,
    "DBPass": None,
    "DBConnectionString": None,
    "KojiDir": None,
    "ProxyPrincipals": "",
    "HostPrincipalFormat": None,
    "AllowedKrbRealms": "*",
    "DNUsernameComponent": "CN",
    "ProxyDNs": "",
    "KojiWebURL": "http://localhost.localdomain/koji",
    "EmailDomain": None,
    "Plugins": "",
    "PluginPath": "/usr/lib/koji-hub-plugins",
    "KojiTraceback": None,
    "LogLevel": "WARNING",
    "LogFormat": "%(asctime)s [%(levelname)s] %(name)s: %(message)s",
    "OfflineMessage": None,
    "RegexNameInternal": r"^[A-Za-z0-9/_.+-]+$",
    "RegexUserName": r"^[A-Za-z0-9/_.@-]+$",
    "RPMDefaultChecksums": "md5 sha256",
    "RepoQueueUser": "kojira",
    "DebuginfoTags": "",
    "SourceTags": "",
    "SeparateSourceTags": "",
}
# Of the hub's policies devhub decides by these two; the others are about builds, which it does not have.
DEFAULT_POLICIES = {
    "channel": "has req_channel :: req\nis_child_task :: parent\nall :: use default",
    "priority": "all :: stay",
}


@dataclass
class Config:
    """Options by their names in hub.conf, and the texts of [policy]."""

    options: dict[str, Any] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.options) - set(defaults())
        if unknown:
            raise ValueError(f"hub.conf has no option {', '.join(sorted(unknown))}")
        self.options = defaults() | self.options
        self.options["DBHost"] = self.options["DBHost"] or self.options["DBhost"]
        self.policies = DEFAULT_POLICIES | self.policies

    def __getitem__(self, name: str) -> Any:
        return self.options[name]


def defaults() -> dict[str, Any]:
    """Return every option with its default."""
    return {**BOOLEAN, **INTEGER, **STRING}


def files_of(conf: Path, conf_d: Path) -> list[Path]:
    """Return the files to read: those of hub.conf.d by name, then hub.conf, which has the last word."""
    extra = sorted(conf_d.glob("*.conf")) if conf_d.is_dir() else []
    return [*extra, *([conf] if conf.is_file() else [])]


def read(files: Iterable[Path]) -> Config:
    """Read the files in order, later ones win. Unknown options are ignored, as the hub does.

    Raises ValueError for a value of the wrong type and configparser.Error for a broken file."""
    parser = configparser.RawConfigParser()
    parser.read(list(files), encoding="utf-8")
    options: dict[str, Any] = {}
    for name in BOOLEAN:
        if parser.has_option("hub", name):
            options[name] = parser.getboolean("hub", name)
    for name in INTEGER:
        if parser.has_option("hub", name):
            options[name] = parser.getint("hub", name)
    for name in STRING:
        # Options are case-insensitive in a file: DBhost is DBHost there.
        if parser.has_option("hub", name):
            options[name] = parser.get("hub", name)
    policies = dict(parser.items("policy")) if parser.has_section("policy") else {}
    return Config(options, policies)


def render(options: dict[str, Any], policies: dict[str, str] | None = None) -> str:
    """Write a hub.conf. Raises ValueError for an option that the hub doesn't know."""
    Config(dict(options))
    lines = ["[hub]", *(f"{name} = {value}" for name, value in options.items())]
    for name, text in (policies or {}).items():
        if "[policy]" not in lines:
            lines.append("[policy]")
        lines.append("\n    ".join([f"{name} =", *text.splitlines()]))
    return "\n".join(lines) + "\n"
