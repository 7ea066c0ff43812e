# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A recorded process is never mistaken for another one with its id."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.cluster import processes
from tests.cluster.processes import ProcessRecord

if TYPE_CHECKING:
    from pathlib import Path


def test_the_record_of_a_live_process_is_alive(tmp_path: Path) -> None:
    record = ProcessRecord.of(os.getpid())
    assert record is not None
    record.write(tmp_path / "me.json")
    assert ProcessRecord.read(tmp_path / "me.json") == record
    assert record.alive()


def test_a_process_that_ended_is_not_alive() -> None:
    child = subprocess.Popen(["sleep", "60"])
    record = ProcessRecord.of(child.pid)
    assert record is not None
    assert record.alive()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, but not yet reaped
    assert not record.alive()
    child.wait()
    assert not record.alive()
    assert ProcessRecord.of(child.pid) is None


def test_another_process_with_the_same_id_is_not_it() -> None:
    record = ProcessRecord.of(os.getpid())
    assert record is not None
    assert not replace(record, started=record.started - 1).alive()
    assert not replace(record, boot="another boot").alive()


def test_start_time_reads_names_with_spaces_and_parentheses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "7").mkdir()
    fields = " ".join(["S", *(str(number) for number in range(4, 53))])
    (tmp_path / "7" / "stat").write_text(f"7 (a) b (c) {fields}\n")
    monkeypatch.setattr(processes, "PROC", tmp_path)
    assert processes.start_time(7) == 22  # the fields above hold their own numbers


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "started": 1, "boot": "b"}'])
def test_a_damaged_record_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert ProcessRecord.read(tmp_path / "x.json") is None
    assert ProcessRecord.read(tmp_path / "none.json") is None
