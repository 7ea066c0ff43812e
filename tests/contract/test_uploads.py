# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Files of a task: uploaded by the host that runs it, read by anybody."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import TYPE_CHECKING, Any

import koji
import pytest

from .callers import Caller, client, fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .hubs import Hub
    from .scene import Builder

TEXT = b"what happened\n" * 100


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file to upload."""
    path = tmp_path / "task.log"
    path.write_bytes(TEXT)
    return path


def folder(task: int) -> str:
    """Where a task's files go, as the library has it."""
    return str(koji.pathinfo.taskrelpath(task))


def upload(caller: Caller, path: Path, task: int, **options: Any) -> None:
    """Upload as kojid does."""
    caller.noted("rawUpload", lambda: caller.session.uploadWrapper(str(path), folder(task), **options))


def chunk(caller: Caller, content: bytes, offset: int, where: str, name: str, **options: Any) -> Any:
    """One raw upload of a piece."""
    return caller.noted(
        "rawUpload", lambda: caller.session._callMethod("rawUpload", (content, offset, where, name), options)
    )


def test_a_host_uploads_into_its_open_task(builder: Builder, anonymous: Caller, log: Path) -> None:
    task = builder.open_one()
    upload(builder, log, task)
    assert anonymous.listTaskOutput(task) == ["task.log"]
    told = anonymous.downloadTaskOutput(task, "task.log")
    assert base64.b64decode(told) == TEXT


def test_so_does_a_worker_with_a_subsession(hub: Hub, builder: Builder, log: Path) -> None:
    task = builder.open_one()
    worker = Caller("worker", client(hub.address.url, hub.address.ca, builder.subsession()), builder.recorder)
    upload(worker, log, task)
    assert builder.listTaskOutput(task) == ["task.log"]


def test_a_piece_is_answered_with_its_size_and_checksum(builder: Builder) -> None:
    task = builder.open_one()
    told = chunk(builder, TEXT, 0, folder(task), "task.log")
    assert told["size"] == len(TEXT)
    assert told["fileverify"] == "adler32"
    assert int(told["hexdigest"], 16) == zlib.adler32(TEXT)


def test_pieces_are_put_together(builder: Builder, anonymous: Caller) -> None:
    task = builder.open_one()
    chunk(builder, TEXT[:500], 0, folder(task), "task.log")
    chunk(builder, TEXT[500:], 500, folder(task), "task.log")
    told = builder.checkUpload(folder(task), "task.log", verify="md5")
    assert told["size"] == len(TEXT)
    assert told["hexdigest"] == hashlib.md5(TEXT, usedforsecurity=False).hexdigest()
    assert base64.b64decode(anonymous.downloadTaskOutput(task, "task.log", offset=500, size=20)) == TEXT[500:520]


def test_a_file_is_not_begun_twice_unless_told_to(builder: Builder) -> None:
    task = builder.open_one()
    chunk(builder, TEXT, 0, folder(task), "task.log")
    with fault(1000):
        chunk(builder, TEXT, 0, folder(task), "task.log")
    chunk(builder, b"new", 0, folder(task), "task.log", overwrite=True)
    assert builder.checkUpload(folder(task), "task.log")["size"] == 3


def test_a_log_grows_from_where_it_ended(builder: Builder) -> None:
    task = builder.open_one()
    chunk(builder, b"one\n", 0, folder(task), "build.log", overwrite=True)
    chunk(builder, b"two\n", 4, folder(task), "build.log", overwrite=True)
    assert base64.b64decode(builder.downloadTaskOutput(task, "build.log")) == b"one\ntwo\n"


def test_the_old_way_of_uploading_works_too(builder: Builder) -> None:
    task = builder.open_one()
    encoded = base64.b64encode(TEXT).decode()
    digest = hashlib.md5(TEXT, usedforsecurity=False).hexdigest()
    assert builder.uploadFile(folder(task), "task.log", len(TEXT), digest, 0, encoded) is True
    assert builder.uploadFile(folder(task), "other.log", len(TEXT), "wrong", 0, encoded) is False
    assert builder.listTaskOutput(task) == ["task.log"]


def test_sizes_are_told_on_request(builder: Builder, log: Path) -> None:
    task = builder.open_one()
    upload(builder, log, task)
    told = builder.quiet.listTaskOutput(task, stat=True)
    assert told["task.log"]["st_size"] == str(len(TEXT))


def test_a_task_without_files_has_none(builder: Builder) -> None:
    assert builder.listTaskOutput(builder.open_one()) == []


def test_an_absent_file_is_refused(builder: Builder) -> None:
    task = builder.open_one()
    with fault(1000):
        builder.downloadTaskOutput(task, "nothing.log")


@pytest.mark.parametrize("state", ["free", "closed", "cancelled"])
def test_a_task_that_is_not_open_here_takes_no_files(admin: Caller, builder: Builder, state: str) -> None:
    task = builder.tasks.make()
    if state == "closed":
        builder.host.openTask(task)
        builder.quiet.host.closeTask(task, koji.xmlrpcplus.dumps((0,), methodresponse=1))
    elif state == "cancelled":
        admin.cancelTask(task)
    with fault(1004):
        chunk(builder, TEXT, 0, folder(task), "task.log")


def test_uploads_need_the_host_and_a_login(admin: Caller, anonymous: Caller, builder: Builder) -> None:
    task = builder.open_one()
    with fault(1002):
        chunk(admin, TEXT, 0, folder(task), "task.log")
    with fault(1004):
        chunk(anonymous, TEXT, 0, folder(task), "task.log")


@pytest.mark.parametrize("bad", ["sub/task.log", ".hidden", "../task.log"])
def test_names_stay_in_the_folder(builder: Builder, bad: str) -> None:
    task = builder.open_one()
    with fault(1000):
        chunk(builder, TEXT, 0, folder(task), bad)


@pytest.mark.parametrize("bad", ["../outside", "tasks", "tasks/1", "tasks/1/x"])
def test_folders_stay_where_they_belong(builder: Builder, bad: str) -> None:
    with fault(1000):
        chunk(builder, TEXT, 0, bad, "task.log")


def test_a_worker_that_was_revoked_uploads_nothing(hub: Hub, builder: Builder, login: Callable[..., Caller]) -> None:
    task = builder.open_one()
    sinfo = builder.subsession()
    worker = Caller("worker", client(hub.address.url, hub.address.ca, sinfo), builder.recorder)
    builder.logoutChild(sinfo["session-id"])
    with fault(1002):
        chunk(worker, TEXT, 0, folder(task), "task.log")
