# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Koji's configuration files: ours with the site's own over it, key by key."""

from __future__ import annotations

import configparser
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class IniError(ValueError):
    """A file that can't be parsed; the message says which line."""


def _parser() -> configparser.RawConfigParser:
    # Koji's options have upper case letters, and '%' means itself.
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = lambda option: option  # type: ignore[assignment, method-assign]
    return parser


def parse(text: str) -> dict[str, dict[str, str]]:
    """Sections with their options. Raises IniError."""
    parser = _parser()
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise IniError(" ".join(str(error).replace("'<string>'", "").split())) from error
    return {section: dict(parser.items(section)) for section in parser.sections()}


def merged(ours: Mapping[str, Mapping[str, object]], site: str) -> str:
    """A file with our options and the site's text over them; an option of ours that is None or '' is left out.

    Line breaks in our values become blanks: a CR's text must not be able to add an option. Raises IniError.
    """
    result = {
        section: {key: " ".join(str(value).split()) for key, value in options.items() if value not in (None, "")}
        for section, options in ours.items()
    }
    for section, options in parse(site).items():
        result.setdefault(section, {}).update(options)
    parser = _parser()
    parser.read_dict(result)
    out = io.StringIO()
    parser.write(out)
    return out.getvalue()
