# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a status says of a run that failed."""

from __future__ import annotations

import json

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.failures import problem

SAID = 'configmaps "koji-x-builder" is forbidden: exceeded quota: it\'s full'
TASK = {"name": "Apply the objects", "no_log": True}


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_api_servers_words_are_told(end: str) -> None:
    answer = (json.dumps({"kind": "Status", "message": SAID, "reason": "Forbidden"}) + end).encode()
    told = problem(TASK, {"msg": f"Failed to apply object: {answer!r}"})
    assert told["reason"] == "RefusedByCluster"
    assert told["message"] == f"the API server refused an object (Apply the objects): {SAID}"
    assert told["progressing"] is False


@pytest.mark.parametrize(
    "message", ["a key: secret", 'b\'{"kind": "Secret", "data": "secret"}\'', "b'[]' secret", "b'secret", ""]
)
def test_nothing_else_of_a_task_with_secrets_is_told(message: str) -> None:
    told = problem(TASK, {"msg": message})
    assert told["reason"] == "RunFailed"
    assert "secret;" not in told["message"].replace("holds secrets", "")
    assert told["message"] == (
        "task 'Apply the objects' failed: its output holds secrets and is not shown; the operator's log has more"
    )


def test_other_tasks_are_told_with_their_message() -> None:
    told = problem({"name": "Bring the host in line", "no_log": False}, {"msg": "no\n  koji"})
    assert told["message"] == "task 'Bring the host in line' failed: no koji; the operator's log has more"
    assert "a task" in problem({}, {})["message"]
    assert "no message" in problem({}, {})["message"]


def test_the_first_item_that_failed_speaks_for_a_loop() -> None:
    items = [{"msg": "fine"}, {"failed": True, "msg": "no room"}, {"failed": True, "msg": "neither"}]
    told = problem({"name": "Make the claims"}, {"msg": "One or more items failed", "results": items})
    assert told["message"] == "task 'Make the claims' failed: no room; the operator's log has more"
