# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One call: its transaction, session and settings; and the table of calls that a client may make."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .config import Config
from .faults import ActionNotAllowed, GenericError, ParameterError
from .storage import Cond, Row, Transaction, eq

if TYPE_CHECKING:
    from .sessions import Session

API: dict[str, Callable[..., Any]] = {}
F = TypeVar("F", bound=Callable[..., Any])


def export(*names: str) -> Callable[[F], F]:
    """Make a function callable by clients under these names; its first argument is the Context."""

    def register(function: F) -> F:
        for name in names:
            API[name] = function
        return function

    return register


@dataclass
class Context:
    """What a call works with. environ is WSGI's; policies are parsed rule sets."""

    tx: Transaction
    config: Config
    clock: Callable[[], float]
    find_koji_dir: Callable[[], Path]
    version: str
    environ: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""
    session: "Session" = None  # type: ignore[assignment]  # set by the dispatcher before any call

    @property
    def koji_dir(self) -> Path:
        """The folder with all of the hub's files."""
        return self.find_koji_dir()

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self.clock()

    def one(self, table: str, conds: list[Cond] | None = None, *, lock: bool = False, **equal: Any) -> Row | None:
        """Return the first row that matches, or None."""
        rows = self.tx.select(table, [*(conds or []), *eq(**equal)], limit=1, lock=lock)
        return rows[0] if rows else None

    def event(self) -> int:
        """Note that the configuration changes now; return the event's number."""
        return int(self.tx.insert("events", {"time": self.now()})["id"])

    def create_versioned(self, table: str, row: Row) -> Row:
        """Insert a row of a versioned table, created by whoever is logged in."""
        self.assert_login()
        return self.tx.insert(table, row | {"create_event": self.event(), "creator_id": self.session.user_id})

    def revoke_versioned(self, table: str, **equal: Any) -> None:
        """End the active row of a versioned table."""
        self.assert_login()
        ended = {"revoke_event": self.event(), "revoker_id": self.session.user_id, "active": None}
        self.tx.update(table, ended, eq(active=True, **equal))

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call an exported function by name."""
        return invoke(self, find_call(name), args, kwargs)

    def assert_login(self) -> None:
        """Raise ActionNotAllowed if nobody is logged in."""
        if not self.session.logged_in:
            raise ActionNotAllowed("you must be logged in for this operation")

    def has_perm(self, name: str) -> bool:
        """Tell whether whoever is logged in has this permission."""
        return self.session.logged_in and name in self.session.permissions(self)

    def assert_perm(self, name: str) -> None:
        """Raise ActionNotAllowed without this permission or admin."""
        if not self.has_perm(name) and not self.has_perm("admin"):
            who = f"logged in as {self.session.user_name}" if self.session.logged_in else "user not logged in"
            raise ActionNotAllowed(f"{name} permission required ({who})")


def find_call(name: str) -> Callable[..., Any]:
    """Return an exported function. Raises GenericError."""
    if name not in API:
        raise GenericError(f"Invalid method: {name}")
    return API[name]


def invoke(context: Context, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call an exported function. Raises ParameterError if the arguments don't fit its signature."""
    try:
        inspect.signature(function).bind(context, *args, **kwargs)
    except TypeError as error:
        raise ParameterError(f"{function.__name__}() {error}") from error
    return function(context, *args, **kwargs)
