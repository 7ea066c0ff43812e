# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Storage in memory: transactions one after another, the same constraints as schema.sql."""

import operator
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .schema import INHERENT_CHANNELS, INHERENT_PERMISSIONS, LOCKS, REQUIRED, TABLES, Column
from .storage import Cond, ConstraintError, Row, StorageDown

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
}


def matches(row: Row, cond: Cond) -> bool:
    """Tell whether a row fulfils a condition, with SQL's idea of NULL."""
    have = row[cond.column]
    if cond.value is None and cond.sign in {"=", "!="}:
        return (have is None) == (cond.sign == "=")
    if have is None or cond.value is None:
        return False
    if cond.sign == "in":
        return have in cond.value
    if cond.sign == "not in":
        return have not in cond.value
    return ORDER[cond.sign](have, cond.value)


def in_order(rows: list[Row], order: str) -> list[Row]:
    """Sort rows by "column,-column"; NULL is the greatest, as in PostgreSQL."""
    for term in reversed([term for term in order.split(",") if term]):
        name = term.removeprefix("-")
        rows = sorted(rows, key=lambda row: (row[name] is None, row[name]), reverse=term.startswith("-"))
    return rows


class MemoryStorage:
    """Tables as lists of rows. `down` makes it unreachable; `busy` holds locks that "another process" has."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {name: [] for name in TABLES}
        self.ids: dict[str, dict[int, Row]] = {name: {} for name in TABLES}
        self.last_id: dict[str, int] = dict.fromkeys(TABLES, 0)
        self.turn = threading.RLock()
        self.down = False
        self.busy: set[str] = set()
        tx = self.begin()
        for name in INHERENT_CHANNELS:
            tx.insert("channels", {"name": name})
        for name, description in INHERENT_PERMISSIONS.items():
            tx.insert("permissions", {"name": name, "description": description})
        tx.commit()
        tx.close()

    def begin(self) -> "MemoryTransaction":
        """Wait for the transaction before, then start one."""
        if self.down:
            raise StorageDown("database outage")
        self.turn.acquire()
        return MemoryTransaction(self)


class MemoryTransaction:
    """Writes at once and keeps what undoes it."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.storage = storage
        self.undo: list[Callable[[], object]] = []
        self.dirty = False

    def insert(self, table: str, row: Row) -> Row:
        shape = TABLES[table]
        whole = dict(row)
        if shape.serial:
            # Like a sequence: a number that was drawn is not given back.
            self.storage.last_id[table] += 1
            whole["id"] = self.storage.last_id[table]
        for name, column in shape.columns.items():
            if name not in whole:
                if column.default is REQUIRED:
                    raise ConstraintError(f"null value in column {name} of {table}")
                whole[name] = column.default
        self._check(table, whole)
        self.storage.rows[table].append(whole)
        if shape.serial:
            self.storage.ids[table][whole["id"]] = whole
        self.undo.append(lambda: self._remove(table, whole))
        self.dirty = True
        return dict(whole)

    def select(
        self,
        table: str,
        conds: Iterable[Cond] = (),
        *,
        order: str = "",
        limit: int | None = None,
        lock: bool = False,  # transactions come one after another: every row is locked
    ) -> list[Row]:
        return [dict(row) for row in in_order(self._find(table, conds), order)[:limit]]

    def update(self, table: str, values: Row, conds: Iterable[Cond]) -> int:
        found = self._find(table, conds)
        for row in found:
            before = dict(row)
            changed = row | values
            self._check(table, changed, row)
            row.update(changed)
            self.undo.append(lambda row=row, before=before: row.update(before))  # type: ignore[misc]
        self.dirty = True
        return len(found)

    def delete(self, table: str, conds: Iterable[Cond]) -> int:
        found = self._find(table, conds)
        for row in found:
            self._remove(table, row)
            self.undo.append(lambda row=row: self._put_back(table, row))  # type: ignore[misc]
        self.dirty = True
        return len(found)

    def lock(self, name: str, *, wait: bool) -> bool:
        if name not in LOCKS:
            raise KeyError(name)
        return wait or name not in self.storage.busy

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        mark = len(self.undo)
        self.dirty = True  # the hub counts a savepoint as a write
        try:
            yield
        except BaseException:
            self._undo_to(mark)
            raise

    def commit(self) -> None:
        self.undo.clear()
        self.dirty = False

    def rollback(self) -> None:
        self._undo_to(0)
        self.dirty = False

    def close(self) -> None:
        self.rollback()
        self.storage.turn.release()

    def _undo_to(self, mark: int) -> None:
        while len(self.undo) > mark:
            self.undo.pop()()

    def _remove(self, table: str, row: Row) -> None:
        rows = self.storage.rows[table]
        del rows[next(place for place, other in enumerate(rows) if other is row)]
        self.storage.ids[table].pop(row.get("id", 0), None)

    def _put_back(self, table: str, row: Row) -> None:
        self.storage.rows[table].append(row)
        if "id" in row:
            self.storage.ids[table][row["id"]] = row

    def _find(self, table: str, conds: Iterable[Cond]) -> list[Row]:
        conds = list(conds)
        rows: Iterable[Row] = self.storage.rows[table]
        for cond in conds:
            if cond.column == "id" and cond.sign == "=" and TABLES[table].serial:
                row = self.storage.ids[table].get(cond.value)
                rows = [] if row is None else [row]
        return [row for row in rows if all(matches(row, cond) for cond in conds)]

    def _check(self, table: str, row: Row, old: Row | None = None) -> None:
        shape = TABLES[table]
        for name, value in row.items():
            row[name] = self._value(f"{table}.{name}", shape.columns[name], value)
        for rule in shape.rules:
            if not rule(row):
                raise ConstraintError(f"row of {table} violates a check")
        for group in shape.unique:
            want = [row[name] for name in group]
            if old is not None and want == [old[name] for name in group]:
                continue
            if None not in want and any(
                other is not old and [other[name] for name in group] == want for other in self.storage.rows[table]
            ):
                raise ConstraintError(f"duplicate {', '.join(group)} in {table}: {want}")

    def _value(self, where: str, column: Column, value: Any) -> Any:
        if value is None:
            if not column.null:
                raise ConstraintError(f"null value in {where}")
        elif column.kind is float:
            try:
                value = float(value)
            except (TypeError, ValueError) as error:
                raise ConstraintError(f"not a number in {where}: {value!r}") from error
        elif not isinstance(value, column.kind) or isinstance(value, bool) != (column.kind is bool):
            raise ConstraintError(f"{where} can't hold {type(value).__name__}")
        if value is not None and column.size and len(value) > column.size:
            raise ConstraintError(f"value too long in {where}")
        if value is not None and column.ref and value not in self.storage.ids[column.ref]:
            raise ConstraintError(f"{where} = {value} is not in {column.ref}")
        if value is not None and column.check is not None and not column.check(value):
            raise ConstraintError(f"{where} = {value} violates a check")
        return int(value) if column.kind is int and value is not None else value
