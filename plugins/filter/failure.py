# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a role says of a task that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import failures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def run_problem(task: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Reason and message of a failed task, for the status."""
    return failures.problem(task, result)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name -> filter."""
        return {"run_problem": run_problem}
