# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""task.json: what the operator wrote is read, anything else is a sentence without the session key in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.files import Places, TaskFile, prepare_workdir, read_task_file
from runner.outcome import Problem

if TYPE_CHECKING:
    from pathlib import Path

KEY = "4711-abcdefSECRETsecret"
GOOD: dict[str, Any] = {
    "task_id": 42,
    "attempt": 1,
    "hub_url": "https://koji-hub.koji.svc:8443/kojihub",
    "session": {"session-id": 7, "session-key": KEY},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def written(folder: Path, content: Any) -> Path:
    """A task.json of this content."""
    path = folder / "task.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_places_are_the_pods_own() -> None:
    assert str(Places.below("/").task) == "/run/koji-task/task.json"
    assert str(Places.below("/").termination_log) == "/dev/termination-log"


def test_read(tmp_path: Path) -> None:
    task = read_task_file(written(tmp_path, GOOD))
    assert task == TaskFile(42, 1, GOOD["hub_url"], 7, KEY)
    assert task.sinfo == {"session-id": 7, "session-key": KEY, "header-auth": True}
    assert KEY not in repr(task)
    assert KEY not in f"{task}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"task_id": "42"}, "'task_id' must be a positive number"),
        ({"task_id": True}, "'task_id' must be a positive number"),
        ({"task_id": 2**31}, "'task_id' must be a positive number"),
        ({"attempt": 0}, "'attempt' must be a positive number"),
        ({"hub_url": "file:///etc/passwd"}, "'hub_url' must be an http or https address"),
        ({"hub_url": "https://"}, "'hub_url' must be an http or https address"),
        ({"hub_url": "https://hub\r\nX-Evil: 1/"}, "'hub_url' must be an http or https address"),
        ({"hub_url": "https://[::1/"}, "'hub_url' must be an http or https address"),
        ({"session": None}, "it must be an object with an object 'session'"),
        ({"session": {"session-id": 7, "session-key": KEY + "\r\nX-Evil: 1"}}, "'session-key' must be a session key"),
        ({"session": {"session-id": "7", "session-key": KEY}}, "'session-id' must be a positive number"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = written(tmp_path, {**GOOD, **change})
    with pytest.raises(Problem) as caught:
        read_task_file(path)
    assert f"{path}: {reason}. " in str(caught.value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[" * 50_000, "\0", "x" * 70_000, "9" * 9000])
def test_not_json(tmp_path: Path, content: str) -> None:
    with pytest.raises(Problem, match="not JSON"):
        read_task_file(written(tmp_path, content))


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"task\.json: No such file or directory"):
        read_task_file(tmp_path / "task.json")


@given(content=JSON)
def test_any_json_is_refused_in_words(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    with pytest.raises(Problem):
        read_task_file(written(tmp_path_factory.mktemp("task"), content))


@given(key=st.sampled_from(["task_id", "attempt", "hub_url", "session"]), value=JSON)
def test_any_value_gives_a_usable_task_or_a_problem(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    path = written(tmp_path_factory.mktemp("task"), {**GOOD, key: value})
    try:
        task = read_task_file(path)
    except Problem as problem:
        said = str(problem)
    else:
        said = repr(task)
        assert min(task.task_id, task.attempt, task.session_id) > 0
        assert task.hub_url.startswith("http")
    assert "SECRET" not in said


def test_workdir_is_made(tmp_path: Path) -> None:
    prepare_workdir(str(tmp_path / "a/b"))
    assert (tmp_path / "a/b").is_dir()


def test_workdir_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match=r"Mount a volume there, or set workdir in kojid\.conf"):
        prepare_workdir(str(tmp_path / "file/work"))
