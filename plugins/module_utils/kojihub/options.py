# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The options and policies of hub.conf. The hub answers nothing but faults when one of them is wrong, so they are
checked before it reads them."""

from __future__ import annotations

import configparser
import logging
import re
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.ini import lines, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# koji-hub's own defaults make every task wait a minute, and let no pod resume a session.
DEFAULTS: dict[str, Any] = {"CheckClientIP": False, "SessionRenewalTimeout": 0, "RunInterval": 1}

BOOLEAN = (
    "AllowNewRepo",
    "AllowProxyAuthType",
    "CheckClientIP",
    "DisableNotifications",
    "DisableURLSessions",
    "EnableMaven",
    "EnableWin",
    "KojiDebug",
    "LockOut",
    "LoginCreatesUser",
    "MissingPolicyOk",
    "NotifyOnSuccess",
    "ServerOffline",
    "VerbosePolicy",
)
INTEGER = (
    "AssignTimeout",
    "CapacityOvercommit",
    "HostTimeout",
    "MaxJobs",
    "MaxNameLengthInternal",
    "MaxRepoTasks",
    "MaxRepoTasksMaven",
    "MaxRequestLength",
    "MemoryWarnThreshold",
    "ReadyTimeout",
    "RepoAutoLag",
    "RepoLag",
    "RepoLagWindow",
    "RepoRetries",
    "RequestCleanTime",
    "RunInterval",
    "SessionRenewalTimeout",
    "SoftRefusalTimeout",
)
TEXT = (
    "DNUsernameComponent",
    "DebuginfoTags",
    "EmailDomain",
    "KojiTraceback",
    "KojiWebURL",
    "LogFormat",
    "LogLevel",
    "OfflineMessage",
    "PluginPath",
    "Plugins",
    "RPMDefaultChecksums",
    "RegexNameInternal",
    "RegexUserName",
    "RepoQueueUser",
    "SeparateSourceTags",
    "SourceTags",
)
# A regular expression that is empty is not one that is unset: it allows every name.
EMPTY_COUNTS = ("RegexNameInternal", "RegexUserName")
# Of the operator, unless the site's file has them.
OPERATOR = ("AllowedKrbRealms", "HostPrincipalFormat", "KojiDir", "ProxyDNs", "ProxyPrincipals")
# Where the database is, postgres_secret says: the Job that makes its schema must come to the same one.
DATABASE = ("DBConnectionString", "DBHost", "DBName", "DBPass", "DBPort", "DBUser")
LIMITS = tuple(
    f"RLIMIT_{name}"
    for name in ("AS", "CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "OFILE", "RSS", "STACK")
)
OFFERED = (*BOOLEAN, *INTEGER, *TEXT)

_KNOWN = {name.lower(): name for name in (*OFFERED, *OPERATOR, *DATABASE, *LIMITS)}
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_POLICY_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


class OptionError(ValueError):
    """A value that the hub can't use; the message says which and what is wanted."""


def known(name: str) -> str:
    """An option as Koji spells it, or '' if there is none of that name."""
    return _KNOWN.get(name.lower(), "")


def is_true(value: object) -> bool:
    """Whether a boolean option's text means true."""
    return configparser.RawConfigParser.BOOLEAN_STATES.get(str(value).lower(), False)


def texts(options: Mapping[str, Any]) -> dict[str, str]:
    """hub_options as hub.conf has them, without those that are unset. Raises OptionError."""
    found = {}
    for name, value in options.items():
        if name not in OFFERED:
            raise OptionError(f"{name}: hub.conf has no such option that is set here; put it into configmap")
        text = "" if value is None else one_line(value)
        if text or (value is not None and name in EMPTY_COUNTS):
            check(name, text)
            found[name] = text
    return found


def check(name: str, value: str) -> None:
    """Raise OptionError if the hub could not start with this value of an option that it knows."""
    name = known(name)
    if name in BOOLEAN:
        if value.lower() not in configparser.RawConfigParser.BOOLEAN_STATES:
            raise OptionError(f"{name} is '{value}'; wanted is true or false")
    elif name in _FORMS:
        try:
            _FORMS[name](value)
        except (ValueError, re.error) as error:
            raise OptionError(f"{name} is '{value}': {error}") from error


def whole_number(value: str) -> None:
    """Raise ValueError for what is none."""
    try:
        int(value)
    except ValueError:
        raise ValueError("wanted is a whole number") from None


def log_level(value: str) -> None:
    """Raise ValueError for what Koji's servers can't read."""
    for part in value.split():
        if part.rpartition(":")[2] not in _LEVELS:
            raise ValueError(f"a level is one of {', '.join(_LEVELS)}, or part:LEVEL")


_FORMS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(INTEGER, whole_number),
    **dict.fromkeys(EMPTY_COUNTS, re.compile),
    "LogLevel": log_level,
    "LogFormat": logging.Formatter,
}


def policies(rules: Mapping[str, Any]) -> dict[str, str]:
    """Policies as hub.conf has them. Raises OptionError."""
    found: dict[str, str] = {}
    for name, text in rules.items():
        if not _POLICY_NAME.fullmatch(name):
            raise OptionError(f"'{name}' is no policy's name: that has letters, digits and underscores only")
        for other in found:
            if other.lower() == name.lower():
                raise OptionError(f"'{other}' and '{name}' are the same policy to the hub; keep one of them")
        found[name] = lines(text)
        check_policy(name, found[name])
    return found


def check_policy(name: str, text: str) -> None:
    """Raise OptionError if a policy's rules have a form that the hub can't read."""
    depth = 0
    for line in text.splitlines():
        rule = line.split("#", 1)[0].strip()
        if not rule:
            continue
        if rule == "}":
            depth -= 1
            if depth < 0:
                raise OptionError(f"policy {name}: a '}}' without its '{{'")
            continue
        tests, separator, action = rule.rpartition("::" if "::" in rule else "!!")
        if not separator:
            raise OptionError(f"policy {name}: '{line}' has neither '::' nor '!!'")
        if not action.strip() or not all(test.strip() for test in tests.split("&&")):
            raise OptionError(f"policy {name}: '{line}' lacks a test or an action")
        if action.strip() == "{":
            depth += 1
    if depth:
        raise OptionError(f"policy {name}: a '{{' without its '}}'")
