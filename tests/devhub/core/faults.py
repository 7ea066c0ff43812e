# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Koji's faults: what the hub may answer instead of a result. Anything else that is raised is a plain Fault 1."""


class GenericError(Exception):
    """Fault 1000: nearly every duplicate, missing or misspelt thing."""

    code = 1000


class LockError(GenericError):
    """Fault 1001."""

    code = 1001


class AuthError(GenericError):
    """Fault 1002."""

    code = 1002


class ActionNotAllowed(GenericError):
    """Fault 1004."""

    code = 1004


class AuthLockError(AuthError):
    """Fault 1006: another session of this user is exclusive."""

    code = 1006


class AuthExpired(AuthError):
    """Fault 1007."""

    code = 1007


class SequenceError(AuthError):
    """Fault 1008: a call number lower than the last one."""

    code = 1008


class RetryError(AuthError):
    """Fault 1009: a call number that was already used."""

    code = 1009


class ServerOffline(GenericError):
    """Fault 1014."""

    code = 1014


class ParameterError(GenericError):
    """Fault 1019: wrong number, names or types of arguments."""

    code = 1019


class BadRequest(Exception):
    """Not a fault but HTTP 400: the body is not an XML-RPC call."""


def code_of(error: BaseException) -> int:
    """Return the fault code of an exception: its own, or 1."""
    code = getattr(type(error), "code", 1)
    return code if isinstance(code, int) else 1


def text_of(error: BaseException) -> str:
    """Return the fault string of an exception, as a hub with KojiTraceback off writes it."""
    return str(error) if isinstance(error, GenericError) else f"{type(error)}: {error}"
