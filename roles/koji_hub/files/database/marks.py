# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a schema's version is told by: no table of Koji's has one. Checked with the schema files of 1.25 to 1.37."""

from __future__ import annotations

import re

# What each version has that the one before has not: a table, an index, or a column. 1.27 and 1.29 changed nothing.
MARKS = {
    "1.23": "proton_queue",
    "1.24": "tag_external_repos.arches",
    "1.25": "repo.task_id",
    "1.26": "channels.enabled",
    "1.28": "permissions.description",
    "1.30": "archivetypes.compression_type",
    "1.31": "rpminfo_filename",
    "1.32": "sessions.closed",
    "1.33": "sessions.renew_time",
    "1.34": "scheduler_task_runs",
    "1.35": "repo_queue",
}
# These have rows only, in archivetypes, which an admin can make as well: they count one after the other.
ROWS = {"1.36": "erofs", "1.37": "wsl"}
_CREATED = re.compile(r"CREATE (?:TABLE|INDEX) (\w+)")
_DROPPED = re.compile(r"DROP TABLE (\w+)")
_TABLE = r"CREATE TABLE {} \((.*?)\n\)"


def told_by(text: str) -> str:
    """The version that a schema.sql makes, or '': Koji 1.31 came without the file of its own upgrade."""
    created = set(_CREATED.findall(text)) - set(_DROPPED.findall(text))
    return next((version for version, mark in reversed(MARKS.items()) if _in_text(mark, created, text)), "")


def _in_text(mark: str, created: set[str], text: str) -> bool:
    table, _, column = mark.partition(".")
    if not column:
        return mark in created
    body = re.search(_TABLE.format(table), text, re.DOTALL)
    return body is not None and re.search(rf"^\s*{column}\b", body[1], re.MULTILINE) is not None
