# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Uploads of task output and of users' files, and reading them back."""

from pathlib import Path

import koji
import pytest

from tests.devhub.local import LocalHub


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file to upload."""
    file = tmp_path / "build.log"
    file.write_bytes(b"line\n" * 1000)
    return file


def opened(hub: LocalHub) -> tuple[koji.ClientSession, int]:
    """A builder and an open task of it."""
    builder = hub.host("b")
    task_id = hub.admin().makeTask("sleep", [0])
    builder.host.openTask(task_id)
    return builder, task_id


@pytest.mark.parametrize("way", ["fastUpload", "uploadWrapper"])
def test_task_output_goes_up_in_chunks_and_comes_back(hub: LocalHub, log: Path, way: str) -> None:
    builder, task_id = opened(hub)
    session = builder.subsession()
    getattr(session, way)(str(log), f"tasks/{task_id % 10000}/{task_id}", blocksize=700)
    anonymous = hub.anonymous()
    assert anonymous.listTaskOutput(task_id) == ["build.log"]
    assert anonymous.listTaskOutput(task_id, all_volumes=True) == {"build.log": ["DEFAULT"]}
    assert anonymous.listTaskOutput(task_id, stat=True)["build.log"]["st_size"] == "5000"
    assert anonymous.downloadTaskOutput(task_id, "build.log") == log.read_bytes()
    assert anonymous.downloadTaskOutput(task_id, "build.log", offset=-5) == b"line\n"
    assert anonymous.downloadTaskOutput(task_id, "build.log", offset=5, size=4) == b"line"


def test_only_the_task_s_host_may_upload_for_it(hub: LocalHub, log: Path) -> None:
    _, task_id = opened(hub)
    folder = f"tasks/{task_id}/{task_id}"
    other = hub.host("c")
    with pytest.raises(koji.ActionNotAllowed, match="does not own task"):
        other.fastUpload(str(log), folder)
    with pytest.raises(koji.AuthError):
        hub.admin().fastUpload(str(log), folder)
    assert hub.anonymous().listTaskOutput(task_id) == []


def test_a_users_folder_is_its_own(hub: LocalHub, log: Path) -> None:
    hub.admin().fastUpload(str(log), "cli-build/1")
    with pytest.raises(koji.GenericError, match="not owner"):
        hub.session("someone").fastUpload(str(log), "cli-build/1", name="b.log")
    with pytest.raises(koji.GenericError, match="upload path exists"):
        hub.admin().fastUpload(str(log), "cli-build/1")
    hub.admin().fastUpload(str(log), "cli-build/1", overwrite=True)


@pytest.mark.parametrize(
    ("folder", "name"), [("../x", "a"), ("/etc", "a"), ("x", "../a"), ("x", ".user"), ("tasks/1", "a"), ("", "a")]
)
def test_paths_that_lead_elsewhere(hub: LocalHub, log: Path, folder: str, name: str) -> None:
    with pytest.raises(koji.GenericError):
        hub.admin().fastUpload(str(log), folder, name=name)


def test_reading_is_kept_below_the_task(hub: LocalHub) -> None:
    _, task_id = opened(hub)
    for name in ("../../../x", "none.log"):
        with pytest.raises(koji.GenericError):
            hub.anonymous().downloadTaskOutput(task_id, name)
    with pytest.raises(koji.GenericError, match="Task doesn't exist"):
        hub.anonymous().listTaskOutput(999, strict=True)


def test_check_upload(hub: LocalHub, log: Path) -> None:
    admin = hub.admin()
    assert admin.checkUpload("x", "build.log") is None
    admin.fastUpload(str(log), "x")
    found = admin.checkUpload("x", "build.log", verify="sha256", tail=10)
    assert (found["size"], found["sumlength"]) == (5000, 10)
    with pytest.raises(koji.GenericError, match="Unsupported verify type"):
        admin.checkUpload("x", "build.log", verify="crc")


def test_anonymous_may_not_upload(hub: LocalHub) -> None:
    with pytest.raises(koji.ActionNotAllowed):
        hub.anonymous().uploadFile("x", "a", 1, None, 0, "YQ==")
