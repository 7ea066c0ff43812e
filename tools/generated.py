# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Writing generated files, or checking that they are up to date."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).resolve().parent.parent


def update(files: Mapping[Path, str], *, check: bool, command: str) -> int:
    """Write each file whose text differs; with check only say so. Returns the exit code."""
    outdated = {
        path: text for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in outdated.items():
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
            continue
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        print(f"{path.relative_to(ROOT)} is out of date; run: {command}", file=sys.stderr)
        diff = difflib.unified_diff(old.splitlines(), text.splitlines(), "committed", "generated", n=1, lineterm="")
        print("\n".join(list(diff)[:40]), file=sys.stderr)
    return 1 if check and outdated else 0


def main(command: str, description: str | None, files: Callable[[], Mapping[Path, str]]) -> int:
    """The command line that all generators have: write, or `--check`."""
    parser = argparse.ArgumentParser(prog=command, description=description)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file is out of date")
    return update(files(), check=parser.parse_args().check, command=command)
