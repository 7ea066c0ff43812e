# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The file: what goes in comes out, it is private, and whatever is wrong with it fails nothing."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics import catalog, file
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.file import FileError, Store, dump, load
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.keeper import Keeper
from ansible_collections.fedoraproject.koji.plugins.module_utils.metrics.ledger import Ledger
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.metrics.ledgers import LEDGERS, total

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(LEDGERS)
def test_whatever_is_written_is_read_again(ledger: Ledger) -> None:
    assert load(dump(ledger)) == ledger


@given(st.text() | JSON.map(json.dumps))
def test_whatever_else_is_there_is_refused(text: str) -> None:
    with pytest.raises(FileError):
        load(text)


@given(LEDGERS, st.data())
def test_a_spoilt_file_is_refused_or_read_as_something_that_can_be_written(ledger: Ledger, data: Any) -> None:
    raw = json.loads(dump(ledger))
    where: Any = raw
    while isinstance(where, (dict, list)) and where:
        keys = list(where) if isinstance(where, dict) else list(range(len(where)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(where[key], (dict, list)) or not where[key] or data.draw(st.booleans()):
            where[key] = data.draw(JSON)
            break
        where = where[key]
    try:
        read = load(json.dumps(raw))
    except FileError:
        return
    assert load(dump(read)) == read


def test_metrics_of_another_version_are_left_out() -> None:
    ledger = Ledger("ns")
    ledger.page("default").count(catalog.TASKS_TAKEN)
    ledger.page("default").observe(catalog.TICK, 1.0)
    raw = json.loads(dump(ledger))
    page = raw["builders"]["default"]
    page["counters"]["koji_operator_once_total"] = [[[], 4.0]]
    page["counters"][catalog.TASKS_FREED.name] = [[[], 4.0]]  # had no label then
    page["histograms"][catalog.TICK.name] = [[[], [1, 2], 4.0]]  # had other buckets then
    page["histograms"][catalog.POD_START.name] = []
    read = load(json.dumps(raw))
    assert read.pages["default"].counters == {catalog.TASKS_TAKEN.name: {(): 1.0}}
    assert read.pages["default"].histograms == {}


def test_folder_and_file_are_private_and_nothing_else_is_left(tmp_path: Path) -> None:
    where = tmp_path / "metrics"
    (tmp_path / "metrics").mkdir(mode=0o700)
    (where / ".ns.json.123456").write_text("of a run that was killed")
    keeper = Keeper("ns", where)
    keeper.begin()
    keeper.end()
    assert [path.name for path in where.iterdir()] == ["ns.json"]
    assert stat.S_IMODE((where / "ns.json").stat().st_mode) == 0o600
    new = tmp_path / "a" / "b"
    Keeper("ns", new).begin()
    assert stat.S_IMODE(new.stat().st_mode) == 0o700


def test_two_namespaces_have_a_file_each(tmp_path: Path) -> None:
    for name in ("a", "b"):
        keeper = Keeper(name, tmp_path)
        keeper.begin()
        keeper.ledger.page("default").count(catalog.TASKS_TAKEN)
        keeper.end()
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "b.json"}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2}', "\x00", "[" * 100000])
def test_a_corrupt_file_starts_anew_and_says_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "ns.json").write_text(content)
    keeper = Keeper("ns", tmp_path)
    keeper.begin()
    keeper.ledger.page("default").seen = keeper.ledger.written
    keeper.ledger.page("default").count(catalog.TASKS_TAKEN)
    keeper.end()
    assert len(keeper.problems) == 1
    assert "start anew" in keeper.problems[0]
    assert str(tmp_path / "ns.json") in keeper.problems[0]
    assert total(file.read(tmp_path / "ns.json"), catalog.TASKS_TAKEN) == 1


def test_what_is_no_regular_file_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ns.json")  # reading it would wait for ever
    keeper = Keeper("ns", tmp_path)
    keeper.begin()
    assert "no regular file" in keeper.problems[0]
    assert file.read(tmp_path / "ns.json").runs == 1


def test_a_file_of_another_namespace_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "ns.json").write_text(dump(Ledger("other")))
    keeper = Keeper("ns", tmp_path)
    keeper.begin()
    assert "about namespace 'other'" in keeper.problems[0]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    where = tmp_path / "metrics"
    where.mkdir()
    (tmp_path / "precious").write_text("precious")
    (where / "ns.json").symlink_to(tmp_path / "precious")
    (where / f".ns.json.{os.getpid()}").symlink_to(tmp_path / "precious")
    keeper = Keeper("ns", where)
    keeper.begin()
    assert (tmp_path / "precious").read_text() == "precious"
    assert "metrics are off" in keeper.problems[0]


@pytest.mark.parametrize("spoil", ["file", "folder"])
def test_a_folder_that_can_not_be_written_turns_metrics_off_with_one_line(tmp_path: Path, spoil: str) -> None:
    where = tmp_path / "metrics"
    if spoil == "file":
        where.write_text("")
    else:
        (where / "ns.json").mkdir(parents=True)
    keeper = Keeper("ns", where)
    keeper.begin()
    for _ in range(3):
        keeper.ledger.page("default").count(catalog.TASKS_TAKEN)
        keeper.keep()
    keeper.end()
    assert len(keeper.problems) == 1
    assert total(keeper.ledger, catalog.TASKS_TAKEN) == 3


def test_a_folder_that_goes_away_on_the_way_turns_metrics_off(tmp_path: Path) -> None:
    where = tmp_path / "metrics"
    keeper = Keeper("ns", where)
    keeper.begin()
    (where / "ns.json").unlink()
    where.rmdir()
    keeper.end()
    keeper.end()
    assert len(keeper.problems) == 1
    assert "metrics are off" in keeper.problems[0]


def test_it_is_written_at_most_every_few_seconds(tmp_path: Path) -> None:
    now = [0.0]
    keeper = Keeper("ns", tmp_path, monotonic=lambda: now[0])
    keeper.begin()
    first = (tmp_path / "ns.json").stat().st_ino, (tmp_path / "ns.json").stat().st_mtime_ns
    now[0] = 4.9
    keeper.keep()
    assert ((tmp_path / "ns.json").stat().st_ino, (tmp_path / "ns.json").stat().st_mtime_ns) == first
    now[0] = 5.0
    keeper.keep()
    assert ((tmp_path / "ns.json").stat().st_ino, (tmp_path / "ns.json").stat().st_mtime_ns) != first


def test_another_process_is_noticed(tmp_path: Path) -> None:
    ours, theirs = Store(tmp_path, "ns"), Store(tmp_path, "ns")
    assert ours.read() is None
    ours.write(Ledger("ns"))
    assert not ours.foreign()
    theirs.write(Ledger("ns"))
    assert ours.foreign()


def test_the_folder_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "DEFAULT", tmp_path / "not-there")
    assert file.folder({}) is None  # not in the operator's pod
    assert file.folder({file.ENVIRONMENT: ""}) is None  # not wanted
    assert file.folder({file.ENVIRONMENT: "/x"}) == Path("/x")
    (tmp_path / "not-there").mkdir()
    assert file.folder({}) == tmp_path / "not-there"
