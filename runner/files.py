# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the operator mounts into the pod: places and the task file."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from runner.outcome import Problem

# A session key is digits, letters and a dash (kojihub's auth.py); nothing else may get into an HTTP header.
SESSION_KEY = re.compile(r"[0-9A-Za-z_-]{1,255}")
TASK_FILE_BYTES = 65536
MAX_INT = 2**31 - 1  # of the hub's database


class Places(NamedTuple):
    """Where things are in the pod."""

    task: Path
    ca: Path
    config: Path
    termination_log: Path
    kojid: Path

    @classmethod
    def below(cls, root: str) -> Places:
        """The pod's own places for root "/"; tests have theirs below a folder."""
        top = Path(root)
        return cls(
            task=top / "run/koji-task/task.json",
            ca=top / "etc/koji-operator/ca/ca.crt",
            config=top / "etc/koji-operator/kojid.conf",
            termination_log=top / "dev/termination-log",
            kojid=top / "usr/sbin/kojid",
        )


class TaskFile(NamedTuple):
    """task.json: which task, on which hub, with which subsession."""

    task_id: int
    attempt: int
    hub_url: str
    session_id: int
    session_key: str

    @property
    def sinfo(self) -> dict[str, Any]:
        """The session as koji's client wants it."""
        return {"session-id": self.session_id, "session-key": self.session_key, "header-auth": True}

    def __repr__(self) -> str:
        return f"TaskFile(task_id={self.task_id}, attempt={self.attempt}, hub_url={self.hub_url!r})"


def _number(found: dict[str, Any], key: str) -> int:
    value = found.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_INT:
        raise Problem(f"'{key}' must be a positive number")
    return value


def _hub_url(value: Any) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) and value.isascii() and value.isprintable() else None
        usable = parts is not None and parts.scheme in {"http", "https"} and parts.hostname and " " not in value
    except ValueError:
        usable = False
    if not usable:
        raise Problem("'hub_url' must be an http or https address")
    return str(value)


def _checked(found: Any) -> TaskFile:
    session = found.get("session") if isinstance(found, dict) else None
    if not isinstance(session, dict):
        raise Problem("it must be an object with an object 'session'")
    key = session.get("session-key")
    if not isinstance(key, str) or not SESSION_KEY.fullmatch(key):
        raise Problem("'session-key' must be a session key")
    return TaskFile(
        task_id=_number(found, "task_id"),
        attempt=_number(found, "attempt"),
        hub_url=_hub_url(found.get("hub_url")),
        session_id=_number(session, "session-id"),
        session_key=key,
    )


def read_task_file(path: Path) -> TaskFile:
    """Read and check task.json; Problem says what is wrong with it, and never quotes the session key."""
    try:
        with path.open("rb") as file:
            return _checked(json.loads(file.read(TASK_FILE_BYTES)))
    except (Problem, OSError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise Problem(f"{path}: {reason}. The operator writes this file; it belongs to the pod's Secret") from None
    except (ValueError, RecursionError):
        raise Problem(f"{path}: not JSON. The operator writes this file; it belongs to the pod's Secret") from None


def prepare_workdir(workdir: str) -> None:
    """Make kojid's `workdir`, and a place for temporary files if the pod has none; Problem if it can't be written."""
    try:
        os.makedirs(workdir, exist_ok=True)  # noqa: PTH103 (a path of kojid.conf, kept as text)
        if not os.access(workdir, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        hint = "Mount a volume there, or set workdir in kojid.conf"
        raise Problem(f"workdir {workdir}: {error.strerror}. {hint}") from error
    if not any(os.access(place, os.W_OK | os.X_OK) for place in (os.environ.get("TMPDIR", "/tmp"), "/tmp")):  # noqa: S108
        os.environ["TMPDIR"] = workdir
