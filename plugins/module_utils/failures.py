# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a task that failed means to the person who reads it in a status."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

REFUSED = "RefusedByCluster"
FAILED = "RunFailed"
# How kubernetes.core shows the API server's answer: the repr of its bytes.
_ANSWER = re.compile(r"""b(?P<quote>['"]).*(?P=quote)""", re.DOTALL)


def _status(message: str) -> Mapping[str, Any]:
    """The metav1.Status inside a message of kubernetes.core; {} if there is none."""
    found = _ANSWER.search(message)
    if found is None:
        return {}
    try:
        status = json.loads(ast.literal_eval(found.group()))
    except (ValueError, SyntaxError):
        return {}
    return status if isinstance(status, dict) and status.get("kind") == "Status" else {}


def _of_a_loop(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first item that failed; the result itself of a task that isn't a loop."""
    return next((item for item in result.get("results") or [] if item.get("failed")), result)


def problem(task: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Reason and message of a failed task: ansible_failed_task and ansible_failed_result.

    Of a task with no_log only what the API server said is shown; it never repeats a Secret's data.
    """
    name, message = str(task.get("name") or "a task"), str(_of_a_loop(result).get("msg") or "")
    status = _status(message)
    if status:
        said = f"the API server refused an object ({name}): {status.get('message') or status.get('reason')}"
        return {"reason": REFUSED, "message": said, "progressing": False}
    if task.get("no_log") or result.get("censored"):
        message = "its output holds secrets and is not shown"
    said = f"task '{name}' failed: {' '.join(message.split()) or 'no message'}; the operator's log has more"
    return {"reason": FAILED, "message": said, "progressing": False}
