# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The calls that the operator's modules, scheduler and runner make: their parameters and defaults.

exclusiveSession, sslLogin and makeTask are missing: a hub tells no more of them than that they have some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .callers import Caller

ANYBODY = [
    "getAPIVersion",
    "getAllPerms",
    "getChannel",
    "getHost",
    "getKojiVersion",
    "getLastHostUpdate",
    "getLoggedInUser",
    "getPerms",
    "getSessionInfo",
    "getTaskChildren",
    "getTaskInfo",
    "getTaskRequest",
    "getTaskResult",
    "getUser",
    "getUserPerms",
    "hasPerm",
    "listChannels",
    "listHosts",
    "listTaskOutput",
    "listTasks",
    "listUsers",
    "taskFinished",
]
SESSIONS = ["logout", "logoutChild", "sharedSession", "subsession"]
ADMINS = [
    "addChannel",
    "addHost",
    "addHostToChannel",
    "addUserKrbPrincipal",
    "assignTask",
    "cancelTask",
    "cancelTaskFull",
    "createUser",
    "disableChannel",
    "disableHost",
    "disableUser",
    "editHost",
    "editUser",
    "enableChannel",
    "enableHost",
    "enableUser",
    "freeTask",
    "grantPermission",
    "removeHostFromChannel",
    "removeUserKrbPrincipal",
    "revokePermission",
    "setTaskPriority",
]
HOSTS = [
    "host.closeTask",
    "host.failTask",
    "host.freeTasks",
    "host.getHost",
    "host.getHostTasks",
    "host.getID",
    "host.getTasks",
    "host.openTask",
    "host.refuseTask",
    "host.setHostData",
    "host.setTaskWeight",
    "host.subtask",
    "host.taskSetWait",
    "host.taskWait",
    "host.taskWaitResults",
    "host.updateHost",
]


@pytest.mark.parametrize("method", ANYBODY + SESSIONS + ADMINS + HOSTS)
def test_a_call_has_these_parameters(anonymous: Caller, method: str) -> None:
    known = {entry["name"]: entry for entry in anonymous.quiet.call("_listapi")}
    assert method in known
    assert anonymous.recorder is not None
    anonymous.recorder.answered("signature", method, known[method]["argdesc"])
