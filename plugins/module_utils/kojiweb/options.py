# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The options of web.conf. The web pages answer nothing but errors when one of them is wrong, so they are checked
before they are read."""

from __future__ import annotations

import configparser
import logging
import re
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.ini import one_line, rendered
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.options import (
    OptionError,
    log_level,
    whole_number,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECTION = "web"
DEFAULTS = {"SiteName": "koji"}

BOOLEAN = ("KrbCanonHost", "KrbRDNS", "LiteralFooter", "LoginDisabled", "PythonDebug")
INTEGER = ("LoginTimeout",)
# Koji wants commas between them.
LISTS = ("ParentTasks", "Tasks", "ToplevelTasks")
TEXT = (
    "KojiFilesURL",
    "KojiGreeting",
    "KojiTheme",
    "KrbServerRealm",
    "KrbService",
    "LogLevel",
    "MBS_WEB_URL",
    "SiteName",
)
# Of the operator, unless the site's file has them, and what people seldom need.
OTHERS = (
    "HiddenUsers",
    "KojiHubCA",
    "KojiHubURL",
    "LibPath",
    "LogFormat",
    "Secret",
    "WebAuthType",
    "WebCCache",
    "WebCert",
    "WebKeytab",
    "WebPrincipal",
    *(
        f"RLIMIT_{name}"
        for name in ("AS", "CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "OFILE", "RSS", "STACK")
    ),
)
OFFERED = (*BOOLEAN, *INTEGER, *LISTS, *TEXT)

_KNOWN = {name.lower(): name for name in (*OFFERED, *OTHERS)}
_AUTH_TYPES = ("ssl", "gssapi")


def known(name: str) -> str:
    """An option as Koji spells it, or '' if there is none of that name."""
    return _KNOWN.get(name.lower(), "")


def escaped(value: object) -> str:
    """A value for web.conf, in which '%' means another option."""
    return one_line(value).replace("%", "%%")


def texts(options: Mapping[str, Any]) -> dict[str, str]:
    """web_options as web.conf has them, without those that are unset. Raises OptionError."""
    found = {}
    for name, value in options.items():
        if name not in OFFERED:
            raise OptionError(f"{name}: web.conf has no such option that is set here; put it into configmap")
        text = "" if value is None else one_line(value)
        if name in LISTS:
            text = ",".join(re.split(r"[\s,]+", text))
        if text:
            check(name, text)
            found[name] = escaped(text)
    return found


def check(name: str, value: str) -> None:
    """Raise OptionError if the web pages could not start with this value, as it is read, of an option they know."""
    name = known(name)
    if name in _FORMS:
        try:
            _FORMS[name](value)
        except ValueError as error:
            raise OptionError(f"{name} is '{value}': {error}") from error


def check_file(sections: Mapping[str, Mapping[str, str]]) -> None:
    """The same for all options of a file, as Koji reads it. Raises OptionError."""
    parser = configparser.ConfigParser(strict=False)
    parser.optionxform = lambda option: option  # type: ignore[assignment, method-assign]
    parser.read_string(rendered(sections))
    for section in parser.sections():
        for name in parser.options(section):
            try:
                value = parser.get(section, name)
            except configparser.InterpolationError as error:
                raise OptionError(f"{name}: {' '.join(str(error).split())}; write %% for a percent sign") from error
            if section == SECTION:
                check(name, value)


def _boolean(value: str) -> None:
    if value.lower() not in configparser.RawConfigParser.BOOLEAN_STATES:
        raise ValueError("wanted is true or false")


def _auth_type(value: str) -> None:
    if value not in _AUTH_TYPES:
        raise ValueError(f"wanted is {' or '.join(_AUTH_TYPES)}")


_FORMS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(BOOLEAN, _boolean),
    **dict.fromkeys(INTEGER, whole_number),
    "LogLevel": log_level,
    "LogFormat": logging.Formatter,
    "WebAuthType": _auth_type,
}
