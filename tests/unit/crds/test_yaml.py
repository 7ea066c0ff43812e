# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What is generated and what is written by hand is clean YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
from yamllint import linter  # type: ignore[import-untyped]
from yamllint.config import YamlLintConfig  # type: ignore[import-untyped]

from tools.generated import ROOT

RULES = YamlLintConfig("{extends: default, rules: {line-length: {max: 160}}}")
FILES = [
    path for folder in ("config/crd", "config/samples", "tests/fields") for path in (ROOT / folder).rglob("*.yaml")
]


@pytest.mark.parametrize("path", sorted(FILES), ids=lambda path: str(Path(path).relative_to(ROOT)))
def test_it_is_clean(path: Path) -> None:
    assert [str(problem) for problem in linter.run(path.read_text(encoding="utf-8"), RULES)] == []
