# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The termination message and the exit codes that the scheduler goes by."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from runner.outcome import EXIT_CODES, Outcome, write_termination_message

if TYPE_CHECKING:
    from pathlib import Path


def test_exit_codes() -> None:
    assert EXIT_CODES == {
        "closed": 0,
        "canceled": 0,
        "failed": 1,
        "crashed": 70,
        "freed": 75,
        "denied": 76,
        "refused": 77,
        "forbidden": 78,
    }


@given(word=st.sampled_from(sorted(EXIT_CODES)), message=st.text(max_size=20_000))
@example("failed", '"\n' * 9000)
@example("failed", "\N{SNOWMAN}" * 9000)
@example("failed", "\udcff")
def test_always_whole_json_that_the_kubelet_keeps(word: str, message: str) -> None:
    data = Outcome(word, message).dumps()
    assert len(data) <= 4096
    assert json.loads(data)["outcome"] == word
    again = Outcome.loads(data)
    assert again is not None
    assert again.outcome == word
    assert again.exit_code == EXIT_CODES[word]


def test_short_messages_stay_as_they_are(tmp_path: Path) -> None:
    assert write_termination_message(Outcome("closed", 'all "well"'), tmp_path / "log")
    assert json.loads((tmp_path / "log").read_bytes()) == {"outcome": "closed", "message": 'all "well"'}


def test_no_place_for_the_message(tmp_path: Path) -> None:
    assert not write_termination_message(Outcome("closed", ""), tmp_path / "absent/log")


@given(data=st.binary())
@example(b"")
@example(b"null")
@example(b'{"outcome": "closed"}')
def test_half_a_message_is_none(data: bytes) -> None:
    assert Outcome.loads(data) is None
