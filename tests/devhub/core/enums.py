# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Koji's numbers for states and types."""

from enum import IntEnum


class TaskState(IntEnum):
    """task.state"""

    FREE = 0
    OPEN = 1
    CLOSED = 2
    CANCELED = 3
    ASSIGNED = 4
    FAILED = 5


FINISHED = (TaskState.CLOSED, TaskState.CANCELED, TaskState.FAILED)


class RepoState(IntEnum):
    """repo.state"""

    INIT = 0
    READY = 1
    EXPIRED = 2
    DELETED = 3
    PROBLEM = 4


class UserType(IntEnum):
    """users.usertype"""

    NORMAL = 0
    HOST = 1
    GROUP = 2


class UserStatus(IntEnum):
    """users.status"""

    NORMAL = 0
    BLOCKED = 1


class AuthType(IntEnum):
    """sessions.authtype"""

    NORMAL = 0
    KERBEROS = 1
    SSL = 2
    GSSAPI = 3


PRIO_DEFAULT = 20
API_VERSION = 1
