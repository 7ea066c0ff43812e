# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The table of faults is complete, and its checker notices what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import faults

if TYPE_CHECKING:
    from pathlib import Path

LINE = "| `pod-killed` | a pod is killed | the task runs again | event `TaskFreed` |\n"
TEST = '@pytest.mark.fault("pod-killed")\ndef test_it(world):\n    pass\n'


def test_the_table_is_complete() -> None:
    assert faults.problems() == []


def checked(root: Path, document: str, test: str) -> list[str]:
    (root / "docs").mkdir()
    (root / faults.DOCUMENT).write_text(f"# Faults\n\n| id | fault | a | b |\n|---|---|---|---|\n{document}", "utf-8")
    (root / faults.TESTS).mkdir(parents=True)
    (root / faults.TESTS / "test_pods.py").write_text(test, "utf-8")
    return faults.problems(root)


def test_a_line_with_its_test_is_fine(tmp_path: Path) -> None:
    assert checked(tmp_path, LINE, f"import pytest\n{TEST}") == []


def test_a_mark_may_be_that_of_a_parameter(tmp_path: Path) -> None:
    mark = 'pytest.param(1, marks=pytest.mark.fault("pod-killed"))'
    assert checked(tmp_path, LINE, f'@pytest.mark.parametrize("n", [{mark}])\ndef test_it(n):\n    pass\n') == []


@pytest.mark.parametrize(
    ("document", "test", "word"),
    [
        (LINE, "", "no test"),
        (LINE + "| `other` | a | b | c |\n", TEST, "other: no test"),
        (LINE, TEST + TEST.replace("test_it", "test_again"), "two tests"),
        (LINE + LINE, TEST, "two lines"),
        (LINE, TEST + TEST.replace("pod-killed", "unknown"), "no line unknown"),
        (LINE, TEST + "def test_bare(world):\n    pass\n", "test_bare: has no"),
        (LINE, "@pytest.mark.skip\n" + TEST, "skip"),
        (LINE, '@pytest.mark.skipif(True, reason="")\n' + TEST, "skipif"),
        (LINE, "@pytest.mark.xfail\n" + TEST, "xfail"),
        (LINE, TEST + '    pytest.skip("no")\n', "skip"),
        (LINE, 'pytest.importorskip("x")\n' + TEST, "importorskip"),
        (LINE, "from pytest import skip\n" + TEST, "import pytest"),
        (LINE, 'MARK = pytest.mark.fault("pod-killed")\n' + TEST, "no decorator"),
        (LINE, "@pytest.mark.fault(ID)\ndef test_it(world):\n    pass\n", "wants one text"),
        (LINE.replace("event `TaskFreed`", ""), TEST, "what a person sees"),
        (LINE.replace("pod-killed", "Pod killed"), TEST, "lower case"),
        ("", "", "has no line"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, document: str, test: str, word: str) -> None:
    found = checked(tmp_path, document, test)
    assert any(word in problem for problem in found), found
