# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The file in which a namespace's ledger survives the run that wrote it: JSON, replaced as a whole."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.ledger import Histogram, Ledger, Page, valid

ENVIRONMENT = "KOJI_OPERATOR_METRICS_DIR"
DEFAULT = Path("/run/koji-operator/metrics")  # a volume of the operator's pod
VERSION = 1
MOST_BYTES = 32 * 1024 * 1024


class FileError(ValueError):
    """A file that holds no ledger; the message says why."""


def folder(environ: dict[str, str] | os._Environ[str]) -> Path | None:
    """Where the files are; None: nowhere, as no metrics are wanted.

    The default is used where it is there: only the operator's pod has it.
    """
    named = environ.get(ENVIRONMENT)
    if named is not None:
        return Path(named) if named else None
    return DEFAULT if DEFAULT.is_dir() else None


def dump(ledger: Ledger) -> str:
    """A ledger as JSON."""
    builders = {}
    for name, page in sorted(ledger.pages.items()):
        with page.lock:
            builders[name] = {
                "seen": page.seen,
                "counters": _flat(page.counters),
                "gauges": _flat(page.gauges),
                "histograms": {
                    metric: [[list(labels), histogram.counts, histogram.sum] for labels, histogram in values.items()]
                    for metric, values in page.histograms.items()
                },
            }
    content = {
        "version": VERSION,
        "namespace": ledger.namespace,
        "written": ledger.written,
        "runs": ledger.runs,
        "builders": builders,
    }
    return json.dumps(content, separators=(",", ":"))


def _flat(values: dict[str, dict[tuple[str, ...], float]]) -> dict[str, list[list[Any]]]:
    return {metric: [[list(labels), value] for labels, value in found.items()] for metric, found in values.items()}


def load(text: str) -> Ledger:
    """Read what `dump` wrote. Raises FileError. Metrics that are not known (any more) are left out."""
    try:
        return _ledger(json.loads(text))
    except FileError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise FileError(f"{type(error).__name__}: {error}") from error


def _ledger(raw: Any) -> Ledger:
    if raw["version"] != VERSION:
        raise FileError(f"it is of version {raw['version']!r}, not {VERSION}")
    pages = {name: _page(page) for name, page in raw["builders"].items()}
    return Ledger(_text(raw["namespace"]), pages, int(_amount(raw["runs"])), _amount(raw["written"]))


def _page(raw: Any) -> Page:
    page = Page(seen=_amount(raw["seen"]))
    for kind, into, number in (("counter", page.counters, _amount), ("gauge", page.gauges, _number)):
        for name, values in raw[f"{kind}s"].items():
            for labels, value in values:
                key = tuple(map(_text, labels))
                if valid(name, kind, key):
                    into.setdefault(name, {})[key] = number(value)
    for name, values in raw["histograms"].items():
        for labels, counts, total in values:
            key = tuple(map(_text, labels))
            metric = valid(name, "histogram", key)
            # Other bounds than an earlier version's: its counts can't be told apart by ours.
            if metric is not None and len(counts) == len(metric.buckets) + 1:
                histogram = Histogram([int(_amount(count)) for count in counts], _amount(total))
                page.histograms.setdefault(name, {})[key] = histogram
    return page


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise FileError(f"{value!r} is no text")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise FileError(f"{value!r} is no number")
    return float(value)


def _amount(value: object) -> float:
    if (number := _number(value)) < 0:
        raise FileError(f"{value!r} is negative")
    return number


def read(path: Path) -> Ledger:
    """Read a file. Raises FileError, and OSError if it can't be opened."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as source:
        found = os.fstat(source.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
            raise FileError("it is no regular file, or too big")
        try:
            return load(source.read().decode())
        except UnicodeDecodeError as error:
            raise FileError(f"it is no UTF-8: {error}") from error


class Store:
    """One namespace's file. All methods raise OSError, `read` also FileError."""

    def __init__(self, where: Path, namespace: str) -> None:
        self.path = where / f"{namespace}.json"
        self._namespace = namespace
        self._ours: tuple[int, int] | None = None  # inode and time of the file that we wrote or read

    def read(self) -> Ledger | None:
        """What an earlier run left, or None; makes the folder, and removes what a killed run was about to write."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self.path.parent.glob(f".{self.path.name}.*"):
            left.unlink(missing_ok=True)
        self._ours = self._there()
        if self._ours is None:
            return None
        ledger = read(self.path)
        if ledger.namespace != self._namespace:
            raise FileError(f"it is about namespace {ledger.namespace!r}")
        return ledger

    def foreign(self) -> bool:
        """Whether somebody else has written the file since we did: another process had the Lease meanwhile."""
        there = self._there()
        return there is not None and there != self._ours

    def write(self, ledger: Ledger) -> None:
        """Replace the file. Not synced to the disk: what a node that fails takes along are counters, no more."""
        new = self.path.parent / f".{self.path.name}.{os.getpid()}"
        new.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(new, flags, 0o600), "w", encoding="utf-8") as out:
            out.write(dump(ledger))
        new.replace(self.path)
        self._ours = self._there()

    def _there(self) -> tuple[int, int] | None:
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns
