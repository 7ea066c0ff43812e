# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""When kojira talked to the hub last, and how many repositories it looks after."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import version

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira.pod import PodLook

# While all is well the moment is written once in so long: each write is one more for everyone who watches.
KEPT = datetime.timedelta(minutes=15)
DELETED = 3  # koji.REPO_DELETED
# As the probe says it.
_SINCE = re.compile(r"\bsince (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")


def last(old: str, pod: PodLook, now: datetime.datetime) -> str:
    """The moment for the status, from that of last time and how the pod is now."""
    if pod.ready:
        return old if _is_fresh(old, now) else now.strftime("%Y-%m-%dT%H:%M:%SZ")
    said = _SINCE.search(pod.problem.message) if pod.problem else None
    return said[1] if said else old


def _is_fresh(old: str, now: datetime.datetime) -> bool:
    try:
        moment = datetime.datetime.fromisoformat(old)
    except ValueError:
        return False
    return now - KEPT < moment <= now


def repos(url: str, ca: str, *, new: bool) -> int | None:
    """How many repositories there are that aren't deleted, None where the hub does not say."""
    if new:
        answer = version.call(url, ca, "repo.query", [["state", "!=", DELETED]], ["id"], {"countOnly": True})
    else:
        answer = version.call(url, ca, "getActiveRepos")
        answer = len(answer) if isinstance(answer, list) else None
    return answer if isinstance(answer, int) else None
