# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What bringing something on the hub in line comes to, and the steps that do it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import koji
from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import HubError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

# What XML 1.0, and so XML-RPC, can't carry.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Problem:
    """One wish that could not be met while the others were: `name` is the permission, channel or principal."""

    reason: str
    name: str
    message: str


@dataclass(frozen=True)
class Result(Generic[T]):
    """What was (or in check mode: would be) done.

    `before` and `after` are plain dicts for people to read as a diff; {} means that it does not exist.
    `item` is the User or Host afterwards, None if there is none.
    """

    changed: bool
    before: dict[str, Any]
    after: dict[str, Any]
    problems: tuple[Problem, ...] = ()
    item: T | None = None

    @property
    def error(self) -> HubError | None:
        """The problems as one error, or None."""
        if not self.problems:
            return None
        messages = [problem.message for problem in self.problems]
        if any(problem.reason.startswith("Unknown") for problem in self.problems):
            messages.append("correct the name, or create it there")
        return HubError(self.problems[0].reason, "; ".join(messages))

    def names_of(self, reason: str) -> list[str]:
        """The names of the problems of one kind, e.g. UnknownPermission."""
        return [problem.name for problem in self.problems if problem.reason == reason]


@dataclass
class Steps:
    """Calls that are made one after another; the hub refusing one does not hold up the others."""

    refused: list[Problem] = field(default_factory=list)

    def call(self, what: str, name: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Make one call; `what` and `name` say what it was about: "permission", "repo".

        Only a refusal of this very wish is noted; that the hub is down or the user may not write is raised.
        """
        try:
            method(*args, **kwargs)
        except koji.GenericError as error:
            # A principal of a realm that the hub does not allow is an AuthError; other kinds concern the whole session.
            if type(error) not in (koji.GenericError, koji.ParameterError, koji.AuthError):
                raise
            self.refused.append(Problem("HubRefused", name, f"{what} {name!r} was refused by the hub: {error}"))


def check_name(what: str, name: str) -> None:
    """Raise HubError InvalidName for what can't be a name on any hub: nothing, or something invisible."""
    if not is_name(name):
        raise HubError("InvalidName", f"{name!r} can't be the name of a {what}; use letters, digits and -._@/")


def is_name(name: str) -> bool:
    """Whether `name` can be sent and comes back as it was; what names a hub allows is its own business."""
    return bool(name.strip()) and name == name.strip() and not _CONTROL.search(name) and not _NOT_XML.search(name)


def clean_text(what: str, text: str) -> str:
    r"""Return free text as the hub will store it (XML reads \r\n as \n); raise HubError for what it can't carry."""
    if found := _NOT_XML.search(text):
        raise HubError("InvalidText", f"the {what} holds the character {found.group()!r}, which XML-RPC can't carry")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def unknown(reason: str, what: str, names: Iterable[str]) -> list[Problem]:
    """Problems for names that the hub does not know."""
    return [Problem(reason, name, f"{what} {name!r} does not exist on the hub") for name in sorted(names)]
