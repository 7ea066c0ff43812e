# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the core asks of a storage: rows in tables, one transaction a call, named locks."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

Row = dict[str, Any]


class Cond(NamedTuple):
    """One condition on a column. Signs: = != < > <= >= in, not in. `= None` and `!= None` test for NULL;
    apart from these a NULL fulfils nothing, as in SQL."""

    column: str
    sign: str
    value: Any


def eq(**values: Any) -> list[Cond]:
    """Conditions that these columns have these values."""
    return [Cond(column, "=", value) for column, value in values.items()]


class ConstraintError(Exception):
    """A row that the schema forbids. The hub does not catch these, so a client sees Fault 1."""


class StorageDown(Exception):
    """The database can't be reached: every call answers fault 1014."""


class Transaction(Protocol):
    """One call's view of the rows. `dirty` is True once something was written since the last commit."""

    dirty: bool

    def insert(self, table: str, row: Row) -> Row:
        """Insert and return the whole row, with its defaults and id."""

    def select(
        self,
        table: str,
        conds: Iterable[Cond] = (),
        *,
        order: str = "",
        limit: int | None = None,
        lock: bool = False,
    ) -> list[Row]:
        """Return copies of the rows. order: "priority,-id"; lock keeps others from changing them until the end."""

    def update(self, table: str, values: Row, conds: Iterable[Cond]) -> int:
        """Change rows, return how many."""

    def delete(self, table: str, conds: Iterable[Cond]) -> int:
        """Delete rows, return how many."""

    def lock(self, name: str, *, wait: bool) -> bool:
        """Take a named lock until the end of the transaction; False if another has it and wait is False."""

    def savepoint(self) -> AbstractContextManager[None]:
        """An exception inside undoes what was written inside."""

    def commit(self) -> None:
        """Keep what was written; the transaction goes on."""

    def rollback(self) -> None:
        """Undo what was written since the last commit."""

    def close(self) -> None:
        """Undo what was not committed, and end."""


class Storage(Protocol):
    """Where rows are kept."""

    def begin(self) -> Transaction:
        """Start a transaction. Raises StorageDown."""
