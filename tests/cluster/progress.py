# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Says what takes long, and how long it took."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def say(text: str) -> None:
    """One line to standard error, at once."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print `what` when it begins, and the seconds it took when it ends."""
    begin = time.monotonic()
    terminal = sys.stderr.isatty()
    print(f"{what} ...", end="" if terminal else "\n", file=sys.stderr, flush=True)
    try:
        yield
    except BaseException:
        say(f"{'' if terminal else what + ' ...'} failed after {time.monotonic() - begin:.1f} s")
        raise
    say(f"{'' if terminal else what + ' ...'} {time.monotonic() - begin:.1f} s")
