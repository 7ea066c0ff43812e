# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Make the table of metrics in docs/metrics.md out of the scheduler's catalogue."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics import catalog

from tools import generated
from tools.generated import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PAGE = ROOT / "docs" / "metrics.md"
COMMAND = "python -m tools.metrics"
BEGIN, END = "<!-- made by tools/metrics.py: begin -->", "<!-- made by tools/metrics.py: end -->"


def table() -> str:
    """All metrics, as Markdown."""
    rows = ["| metric | kind | labels | what |", "|---|---|---|---|"]
    for metric in catalog.ALL:
        labels = ", ".join(f"`{label}`" for label in catalog.labels_of(metric))
        rows.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(rows)


def files() -> Mapping[Path, str]:
    """The page with today's table. ValueError if the page has no place for it."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.index(BEGIN) + len(BEGIN), text.index(END)
    return {PAGE: f"{text[:before]}\n{table()}\n{text[after:]}"}


if __name__ == "__main__":
    sys.exit(generated.main(COMMAND, __doc__, files))
