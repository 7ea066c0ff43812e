# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Koji's configuration files: ours with the site's own over it, key by key."""

from __future__ import annotations

import configparser
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Sections = dict[str, dict[str, str]]

# Whatever anyone takes for the end of a line, and all else that has no business in a text file.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]+")
_COMMENT = ("#", ";")


class IniError(ValueError):
    """A file that can't be parsed; the message says which line."""


def _parser() -> configparser.RawConfigParser:
    # Koji's options have upper case letters, and '%' means itself.
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = lambda option: option  # type: ignore[assignment, method-assign]
    return parser


def parse(text: str) -> Sections:
    """Sections with their options. Raises IniError."""
    parser = _parser()
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise IniError(" ".join(str(error).replace("'<string>'", "").split())) from error
    return {section: dict(parser.items(section)) for section in parser.sections()}


def one_line(value: object) -> str:
    """A value that reads back as it is: line breaks and control characters become blanks, outer blanks go."""
    return _CONTROL.sub(" ", str(value)).strip()


def lines(value: object) -> str:
    """A value of several lines, without those that are empty or comments."""
    cleaned = (one_line(line) for line in str(value).splitlines())
    return "\n".join(line for line in cleaned if line and not line.startswith(_COMMENT))


def overlaid(ours: Mapping[str, Mapping[str, str]], site: Mapping[str, Mapping[str, str]]) -> Sections:
    """Our options with the site's over them. Koji reads `runinterval` as `RunInterval`, so they are the same here."""
    result: Sections = {}
    for sections in (ours, site):
        for section, options in sections.items():
            there = result.setdefault(section, {})
            for key, value in options.items():
                for same in [other for other in there if other.lower() == key.lower()]:
                    del there[same]
                there[key] = value
    return result


def rendered(sections: Mapping[str, Mapping[str, str]]) -> str:
    """The text of a file."""
    parser = _parser()
    parser.read_dict(sections)
    out = io.StringIO()
    parser.write(out)
    return out.getvalue()


def merged(ours: Mapping[str, Mapping[str, object]], site: str) -> str:
    """A file with our options and the site's text over them; an option of ours that is None or '' is left out.

    Line breaks in our values become one blank: a CR's text must not be able to add an option. Raises IniError.
    """
    cleaned = {
        section: {key: " ".join(one_line(value).split()) for key, value in options.items() if value not in (None, "")}
        for section, options in ours.items()
    }
    return rendered(overlaid(cleaned, parse(site)))
