# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Checks and conversions of what clients send."""

import re
from datetime import UTC, datetime
from typing import Any, TypeVar

from .config import Config
from .faults import GenericError, ParameterError

T = TypeVar("T")


def cast(value: Any, kind: type[T], *, none: bool = False) -> T:
    """Convert a value, e.g. "5" to 5. Raises ParameterError. With none=True a None stays None."""
    if value is None:
        if none:
            return value  # type: ignore[return-value]
        raise ParameterError(f"Invalid type, expected type {kind}")
    try:
        return kind(value)  # type: ignore[call-arg]
    except (TypeError, ValueError) as error:
        raise ParameterError(f"Invalid type for value '{value}': {type(value)}, expected type {kind}") from error


def check_type(value: Any, kind: type, *, none: bool = False) -> None:
    """Raise ParameterError unless the value is of this type."""
    if value is None and none:
        return
    if not isinstance(value, kind):
        raise ParameterError(f"Invalid type for value '{value}': {type(value)}, expected type {kind}")


def iso(moment: float | None) -> str | None:
    """Write a time as the hub does: 2025-07-01 12:00:00.5+00:00."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(" ")


def epoch(moment: float | str) -> float:
    """Read a time given as seconds or ISO text. Raises ValueError for other text."""
    if isinstance(moment, str):
        parsed = datetime.fromisoformat(moment)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    return float(moment)


def clean_arches(arches: Any, *, none: bool = False) -> str:
    """Return arches separated by one blank. Raises GenericError for characters that no arch has."""
    if arches is None and none:
        arches = []
    parts = arches if isinstance(arches, list) else arches.split()
    for arch in parts:
        if not re.match(r"^[a-zA-Z0-9_\-]*$", arch):
            raise GenericError("Architecture can be only [a-zA-Z0-9_-]")
    return " ".join(parts)


def check_name(config: Config, name: Any, option: str = "RegexNameInternal", what: str = "Name") -> None:
    """Raise GenericError for a name that is too long or doesn't match the regex of this option."""
    if not isinstance(name, str):
        raise GenericError(f"{what} should be string")
    longest = config["MaxNameLengthInternal"]
    if longest and len(name) > longest:
        raise GenericError(f"{what} {name} is too long. Max length is {longest} characters")
    if config[option] and not re.match(config[option], name):
        raise GenericError(f"{what} {name} does not match {option} value")


def check_user_name(config: Config, name: Any = None, principal: Any = None) -> None:
    """Raise GenericError for a user name or Kerberos principal that isn't allowed."""
    if name is not None:
        check_name(config, name, "RegexUserName")
    if principal is not None:
        check_name(config, principal, "RegexUserName", "Kerberos principal")


def name_or_id(info: Any) -> dict[str, Any]:
    """Return the condition to look something up by: {"id": 5} or {"name": "x"}. Raises ParameterError."""
    if isinstance(info, dict):
        if "id" in info:
            info = cast(info["id"], int)
        elif "name" in info:
            info = info["name"]
    if isinstance(info, int):
        return {"id": info}
    if isinstance(info, str):
        return {"name": info}
    raise ParameterError(f"Invalid name or id value: {info}")


def apply_query_opts(rows: list[dict[str, Any]], opts: dict[str, Any] | None, fields: tuple[str, ...]) -> Any:
    """Apply a client's queryOpts (order, offset, limit, countOnly, asList) to rows with these fields."""
    opts = opts or {}
    for term in reversed([term for term in (opts.get("order") or "").split(",") if term]):
        name = term.removeprefix("-")
        if name not in fields:
            raise ValueError(f"Invalid order: {name}")
        rows = sorted(rows, key=lambda row: (row[name] is None, row[name]), reverse=term.startswith("-"))
    rows = rows[opts.get("offset") or 0 :]
    if opts.get("limit"):
        rows = rows[: opts["limit"]]
    if opts.get("countOnly"):
        return len(rows)
    if opts.get("asList"):
        return [[row[name] for name in sorted(fields)] for row in rows]
    return rows
