# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Files that builders and users upload, and what tasks left behind: below KojiDir/work."""

import base64
import hashlib
import os
import zlib
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

from .context import Context, export
from .convert import cast
from .faults import ActionNotAllowed, GenericError
from .host_api import this_host
from .task import Task

CHUNK = 65536


class Sum(Protocol):
    """A checksum that grows."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""

    def hexdigest(self) -> str:
        """Return it in hexadecimal."""


class Adler32:
    """zlib's checksum with hashlib's interface."""

    def __init__(self) -> None:
        self.value = 1

    def update(self, data: bytes) -> None:
        """Add bytes."""
        self.value = zlib.adler32(data, self.value) & 0xFFFFFFFF

    def hexdigest(self) -> str:
        """Return eight digits."""
        return f"{self.value:08x}"


def new_sum(kind: str | None) -> Sum:
    """Start a checksum: md5, adler32 or sha256. Raises GenericError for others."""
    if kind == "md5":
        return hashlib.md5(usedforsecurity=False)
    if kind == "adler32":
        return Adler32()
    if kind == "sha256":
        return hashlib.sha256()
    raise GenericError(f"Unsupported verify type: {kind}")


def task_dir(context: Context, task_id: int) -> Path:
    """Return the folder of a task's output."""
    return context.koji_dir / "work" / "tasks" / str(task_id % 10000) / str(task_id)


def upload_path(context: Context, folder: str, name: str, *, create: bool = False, volume: str | None = None) -> Path:
    """Return where an upload goes: into a task's folder only from the host that runs it, else into one's own folder.

    Raises GenericError for paths that lead elsewhere, ActionNotAllowed for another's task."""
    if os.path.dirname(name) or name.startswith("."):  # noqa: PTH120 - text, not a path
        raise GenericError(f"Invalid upload filename: {name}")
    clean = os.path.normpath(folder)
    if not folder or clean.startswith(("..", "/")):
        raise GenericError(f"Invalid upload directory: {folder}")
    if volume not in {None, "DEFAULT"}:
        raise GenericError(f"No such entry in table volume: {volume}")
    parts = clean.split("/")
    target = context.koji_dir / "work" / clean
    if create and parts[0] == "tasks":
        if len(parts) < 3 or not parts[2].isdigit():
            raise GenericError(f"Invalid task upload directory: {folder}")
        Task(context, parts[2]).assert_host(this_host(context))
        target.mkdir(parents=True, exist_ok=True)
    elif create:
        target.mkdir(parents=True, exist_ok=True)
        _claim(target / ".user", context.session.user_id, folder)
    return target / name


def _claim(mark: Path, user_id: int | None, folder: str) -> None:
    if not mark.exists():
        mark.write_text(str(user_id), encoding="ascii")
    elif int(mark.read_text(encoding="ascii")) != user_id:
        raise GenericError(f"Invalid upload directory, not owner: {folder}")


def raw_upload(context: Context) -> dict[str, Any]:
    """Store one chunk sent as an HTTP body; what it is stands in the query string. Return size, offset and checksum."""
    if not context.session.logged_in:
        raise ActionNotAllowed("you must be logged-in to upload a file")
    query = parse_qs(context.environ.get("QUERY_STRING", ""), strict_parsing=True)
    given = {name: values[0] for name, values in query.items()}
    name, overwrite, verify = given["filename"], bool(given.get("overwrite")), given.get("fileverify", "")
    offset = int(given.get("offset", "0"))
    path = upload_path(context, given.get("filepath", ""), name, create=True, volume=given.get("volume", "DEFAULT"))
    if path.is_symlink():
        raise GenericError(f"destination is a symlink: {path}")
    if path.exists() and not path.is_file():
        raise GenericError(f"destination not a file: {path}")
    if path.exists() and offset == 0 and not overwrite:
        raise GenericError(f"upload path exists: {path}")
    checksum, size = new_sum(verify), 0
    path.touch(mode=0o664)
    with path.open("r+b") as file:
        if offset == -1:
            offset = file.seek(0, os.SEEK_END)
        elif overwrite:
            file.truncate(offset)
        file.seek(offset)
        while chunk := context.environ["wsgi.input"].read(CHUNK):
            size += len(chunk)
            checksum.update(chunk)
            file.write(chunk)
        length = file.seek(0, os.SEEK_END)
    if not overwrite and length != offset + size:
        raise GenericError(f"Incorrect upload length for {path} - Expected {offset + size}, actual {length}")
    return {"size": size, "fileverify": verify, "offset": offset, "hexdigest": checksum.hexdigest()}


@export("uploadFile")
def upload_file(
    context: Context,
    path: str,
    name: str,
    size: Any,
    md5sum: Any,
    offset: Any,
    data: str,
    volume: str | None = None,
    checksum: Any = None,
) -> bool:
    """Store one chunk sent as base64; False if its size or checksum is wrong. Offset -1 ends the file."""
    context.assert_login()
    contents = base64.b64decode(data)
    offset, size = int(offset), None if size is None else int(size)
    check = checksum if checksum is not None else md5sum
    kind, digest = ("md5", check) if isinstance(check, str) else (check or (None, None))
    if offset != -1 and ((size not in {None, len(contents)}) or (kind and _digest(kind, contents) != digest)):
        return False
    target = upload_path(context, path, name, create=True, volume=volume)
    if target.exists() and not target.is_file():
        raise GenericError(f"destination not a file: {target}")
    if target.exists() and offset == 0 and target.suffix != ".log":
        raise GenericError(f"file already exists: {target}")
    target.touch(mode=0o664)
    with target.open("r+b") as file:
        if offset == 0 or (offset == -1 and size == len(contents)):
            file.truncate(0)
        file.seek(*((0, os.SEEK_END) if offset == -1 else (offset, os.SEEK_SET)))
        file.write(contents)
        if offset == -1 and size is not None:
            file.truncate(size)
    return not (offset == -1 and kind and _digest(kind, target.read_bytes()) != digest)


def _digest(kind: str, contents: bytes) -> str:
    checksum = new_sum(kind)
    checksum.update(contents)
    return checksum.hexdigest()


@export("checkUpload")
def check_upload(
    context: Context,
    path: str,
    name: str,
    verify: str | None = None,
    tail: int | None = None,
    volume: str | None = None,
) -> dict[str, Any] | None:
    """Return size and mtime of an uploaded file, with verify its checksum; None if it isn't there."""
    file = upload_path(context, path, name, volume=volume)
    if not file.exists():
        return None
    if not file.is_file():
        raise GenericError(f"Not a regular file: {file}")
    facts = file.stat()
    found: dict[str, Any] = {"size": facts.st_size, "mtime": facts.st_mtime}
    if verify:
        if tail is not None and tail < 0:
            raise GenericError(f"Invalid tail value: {tail!r}")
        contents = file.read_bytes()
        contents = contents if tail is None else contents[max(len(contents) - tail, 0) :]
        found |= {"sumlength": len(contents), "hexdigest": _digest(verify, contents)}
    return found


@export("listTaskOutput")
def list_task_output(
    context: Context,
    taskID: Any,  # noqa: N803
    stat: bool = False,
    all_volumes: bool = False,
    strict: bool = False,
) -> Any:
    """Return the names of a task's files; with stat or all_volumes maps by name."""
    if strict and context.one("task", id=cast(taskID, int)) is None:
        raise GenericError("Task doesn't exist")
    folder = task_dir(context, taskID)
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    names = [str(path.relative_to(folder)) for path in files]
    facts: list[Any] = [_stat(path) for path in files] if stat else [["DEFAULT"] for _ in files]
    if stat and all_volumes:
        facts = [{"DEFAULT": fact} for fact in facts]
    return dict(zip(names, facts, strict=True)) if stat or all_volumes else names


def _stat(path: Path) -> dict[str, Any]:
    facts = path.stat()
    times = {name: getattr(facts, name) for name in ("st_atime", "st_mtime", "st_ctime")}
    return {"st_size": str(facts.st_size)} | times


@export("downloadTaskOutput")
def download_task_output(
    context: Context,
    taskID: int,  # noqa: N803
    fileName: str,  # noqa: N803
    offset: Any = 0,
    size: Any = -1,
    volume: str | None = None,
) -> str:
    """Return part of a task's file as base64; a negative offset counts from its end."""
    size = cast(size, int)
    if volume not in {None, "", "DEFAULT"}:
        raise GenericError(f"No such entry in table volume: {volume}")
    if ".." in fileName:
        raise GenericError(f"Invalid file name: {fileName}")
    path = task_dir(context, taskID) / fileName
    if not path.is_file():
        raise GenericError(f'no file "{fileName}" output by task {taskID}')
    offset = int(offset or 0)
    with path.open("rb") as file:
        file.seek(offset, os.SEEK_END if offset < 0 else os.SEEK_SET)
        return base64.b64encode(file.read(size)).decode("ascii")
