# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Sessions: who is calling, call numbers, exclusive sessions and their subsessions, expiry."""

import secrets
import string
from typing import Any
from urllib.parse import parse_qs

from .context import Context, export
from .convert import iso
from .enums import UserStatus
from .faults import (
    ActionNotAllowed,
    AuthError,
    AuthExpired,
    AuthLockError,
    GenericError,
    RetryError,
    SequenceError,
)
from .perms import permissions_of
from .storage import Row, eq

# Calls that do no harm when they come twice under one call number.
REPEATABLE = frozenset(
    (
        "host.taskWait",
        "host.taskUnwait",
        "host.taskSetWait",
        "host.updateHost",
        "host.setBuildRootState",
        "repoExpire",
        "repoDelete",
        "repoProblem",
    )
)
FIRST_WITH_NUMBERS = (1, 35, 3)
LOGIN_CALLS = ("login", "sslLogin")
CLOSED = {"expired": True, "exclusive": None, "closed": True}
ALPHABET = string.ascii_letters + string.digits


class Session:
    """The session that a request names; nobody's if it names none."""

    def __init__(self) -> None:
        self.logged_in = False
        self.id: int | None = None
        self.key: str | None = None
        self.master: int | None = None
        self.user_id: int | None = None
        self.user_name: str | None = None
        self.authtype: int | None = None
        self.hostip: str | None = None
        self.callnum: int | None = None
        self.exclusive = False
        self.lock_error = False
        self.data: Row = {}
        self._permissions: list[str] | None = None

    def permissions(self, context: Context) -> list[str]:
        """Return the user's permissions, its groups' too."""
        if self._permissions is None:
            self._permissions = [] if self.user_id is None else list(permissions_of(context, self.user_id))
        return self._permissions

    def host_id(self, context: Context) -> int | None:
        """Return the id of the host that this user is, or None."""
        host = context.one("host", user_id=self.user_id) if self.user_id is not None else None
        return host["id"] if host else None


def remote_ip(context: Context) -> str:
    """Return the client's address as sessions keep it: "-" if it isn't checked."""
    return str(context.environ.get("REMOTE_ADDR", "-")) if context.config["CheckClientIP"] else "-"


def looks_at_numbers(version: str) -> bool:
    """Whether a hub of this version reads the header that Koji's client has sent since 1.31: releases up to 1.35 never
    did. VERSION does, as our records are of Koji's repository, which called itself so when it was mended.
    """
    return tuple(map(int, version.split("."))) >= FIRST_WITH_NUMBERS


def _named_session(context: Context) -> tuple[int, str, Any] | None:
    """Return (id, key, callnum) from the request's headers or, for old clients, its query string."""
    environ = context.environ
    if "HTTP_KOJI_SESSION_ID" in environ:
        callnum = environ.get("HTTP_KOJI_CALLNUM")
        if looks_at_numbers(context.version):
            callnum = environ.get("HTTP_KOJI_SESSION_CALLNUM", callnum)
        return int(environ["HTTP_KOJI_SESSION_ID"]), environ["HTTP_KOJI_SESSION_KEY"], callnum
    query = environ.get("QUERY_STRING", "")
    if context.config["DisableURLSessions"] or not query:
        return None
    args = parse_qs(query, strict_parsing=True)
    for name in ("session-id", "session-key"):
        if name not in args:
            raise AuthError(f"'{name}' not specified in session args")
    return int(args["session-id"][0]), args["session-key"][0], args.get("callnum", [None])[0]


def load_session(context: Context) -> Session:
    """Find the session of a request, check it and note that it was used. Commits.

    Raises AuthError (unknown, wrong key or address, closed, user blocked), AuthExpired, SequenceError, RetryError."""
    session = Session()
    named = _named_session(context)
    if named is None:
        return session
    session.id, session.key, callnum = named
    ip = remote_ip(context)
    row = context.one("sessions", id=session.id, key=session.key, hostip=ip, closed=False, lock=True)
    if row is None:
        raise AuthError("Invalid session or bad credentials")
    _expire_if_due(context, row)
    if row["expired"] and context.method not in LOGIN_CALLS:
        raise AuthExpired(f'session "{session.id}" has expired')
    session.callnum = _check_callnum(context, row, callnum)
    if row["expired"]:
        return session
    user = context.one("users", id=row["user_id"])
    if user is None or user["status"] != UserStatus.NORMAL:
        raise AuthError(f"logins by {user['name'] if user else row['user_id']} are not allowed")
    _find_lock(context, session, row)
    context.tx.update("sessions", {"update_time": context.now()}, eq(id=session.id))
    context.tx.commit()
    if session.callnum is not None:
        # Kept only if the call itself writes: a call that changed nothing may come again.
        context.tx.update("sessions", {"callnum": session.callnum}, eq(id=session.id))
        context.tx.dirty = False
    session.hostip, session.authtype = ip, row["authtype"]
    session.user_id, session.master = row["user_id"], row["master"]
    session.user_name, session.data, session.logged_in = user["name"], row, True
    return session


def _expire_if_due(context: Context, row: Row) -> None:
    """Mark a session and its subsessions expired once SessionRenewalTimeout minutes are over."""
    minutes = context.config["SessionRenewalTimeout"]
    if row["expired"] or minutes == 0:
        return
    if context.now() > (row["renew_time"] or row["start_time"]) + minutes * 60:
        row["expired"] = True
        for conds in (eq(id=row["id"]), eq(master=row["id"])):
            context.tx.update("sessions", {"expired": True}, conds)
        context.tx.commit()


def _check_callnum(context: Context, row: Row, callnum: Any) -> int | None:
    if callnum is None:
        return None
    number = _number(context, callnum)
    last = row["callnum"]
    if last is not None and last > number:
        raise SequenceError(f"{last} > {number} (session {row['id']})")
    if last == number and context.method not in REPEATABLE:
        raise RetryError(f"unable to retry call {number} (method {context.method}) for session {row['id']}")
    return number


def _number(context: Context, callnum: Any) -> int:
    try:
        return int(callnum)
    except ValueError as error:
        if "HTTP_KOJI_SESSION_ID" in context.environ:
            raise  # headers are read before anything is checked: an uncaught error
        raise AuthError(f"Invalid callnum: {callnum!r}") from error


def _find_lock(context: Context, session: Session, row: Row) -> None:
    """Tell whether this session, its master or somebody else's holds the user's lock."""
    if row["exclusive"]:
        session.exclusive = True
        return
    holder = context.one("sessions", user_id=row["user_id"], exclusive=True, closed=False)
    if holder and holder["id"] == row["master"]:
        session.exclusive = True
    elif holder:
        session.lock_error = True


def create_session(context: Context, user_id: int, authtype: int, *, master: int | None = None) -> Row:
    """Start a session, or a subsession of `master`; return what the client keeps of it. Commits."""
    now, key = context.now(), new_key(user_id)
    row = context.tx.insert(
        "sessions",
        {
            "user_id": user_id,
            "key": key,
            "hostip": remote_ip(context),
            "authtype": int(authtype),
            "master": master,
            "start_time": now,
            "update_time": now,
        },
    )
    context.tx.commit()
    return session_info(row["id"], key)


def renew_session(context: Context, user_id: int) -> Row | None:
    """Give the request's session a new key; None if its master is closed. Commits."""
    session = context.session
    if session.master is not None and not context.one("sessions", id=session.master, closed=False):
        return None
    key, now = new_key(user_id), context.now()
    context.tx.update(
        "sessions", {"key": key, "expired": False, "update_time": now, "renew_time": now}, eq(id=session.id)
    )
    context.tx.commit()
    return session_info(session.id, key)


def new_key(user_id: int) -> str:
    """Return a new session key."""
    return f"{user_id}-" + "".join(secrets.choice(ALPHABET) for _ in range(19))


def session_info(session_id: int | None, key: str) -> Row:
    """Return a session as clients keep it."""
    return {"session-id": session_id, "session-key": key, "header-auth": True}


@export("exclusiveSession")
def exclusive_session(context: Context, *args: Any, **opts: Any) -> None:
    """Take the user's lock, see make_exclusive. Wrong arguments are an uncaught error here."""
    make_exclusive(context, *args, **opts)


def make_exclusive(context: Context, force: bool = False) -> None:
    """Take the user's lock. With force=True the session that has it is closed."""
    session = context.session
    if session.master is not None:
        raise GenericError("subsessions cannot become exclusive")
    if session.exclusive:
        raise GenericError("session is already exclusive")
    context.tx.select("users", eq(id=session.user_id), lock=True)
    holder = context.one("sessions", user_id=session.user_id, closed=False, exclusive=True, lock=True)
    if holder and not force:
        raise AuthLockError("Cannot get exclusive session")
    if holder:
        # Only the master: its subsessions stay, locked out for good.
        context.tx.update("sessions", CLOSED, eq(id=holder["id"]))
    context.tx.update("sessions", {"exclusive": True}, eq(id=session.id))
    context.tx.commit()


@export("sharedSession")
def shared_session(context: Context) -> None:
    """Give the user's lock back."""
    context.tx.update("sessions", {"exclusive": None}, eq(id=context.session.id))
    context.tx.commit()


@export("subsession")
def subsession(context: Context) -> Row:
    """Start a subsession; that of a subsession belongs to the same master."""
    session = context.session
    if not session.logged_in or session.user_id is None:
        raise AuthError("Not logged in")
    return create_session(context, session.user_id, session.authtype or 0, master=session.master or session.id)


@export("logout")
def logout(context: Context, session_id: int | None = None) -> None:
    """Close this session, or another one of this user, with its subsessions."""
    session = context.session
    if not session.logged_in:
        raise AuthError("Not logged in")
    own = session_id and context.one("sessions", id=session_id, user_id=session.user_id)
    if session_id and not own and not context.has_perm("admin"):
        # The hub means to say "not allowed", but its query is strict.
        raise GenericError("query returned no rows")
    closing = session_id or session.id
    for conds in (eq(id=closing), eq(master=closing)):
        context.tx.update("sessions", CLOSED, conds)
    context.tx.commit()
    if not session_id:
        session.logged_in = False


@export("logoutChild")
def logout_child(context: Context, session_id: int) -> None:
    """Close a subsession of this session; any other id is passed over."""
    if not context.session.logged_in:
        raise AuthError("Not logged in")
    context.tx.update("sessions", CLOSED, eq(id=session_id, master=context.session.id))
    context.tx.commit()


def public_row(row: Row) -> Row:
    """Return what a client may see of a session."""
    shown = {name: row[name] for name in ("user_id", "expired", "master", "authtype", "callnum", "exclusive")}
    for name in ("start", "update", "renew"):
        shown[f"{name}_time"], shown[f"{name}_ts"] = iso(row[f"{name}_time"]), row[f"{name}_time"]
    return shown


@export("getSessionInfo")
def get_session_info(context: Context, details: bool = False, user_id: Any = None) -> Row | list[Row] | None:
    """Return this session as it was before this call, or all live ones of a user; None without one."""
    session = context.session
    if not session.logged_in:
        return None
    if user_id:
        wanted = context.call("getUser", user_id, strict=True)["id"]
        if not context.has_perm("admin") and wanted != session.user_id:
            raise ActionNotAllowed("only admins or owners may see all active sessions")
        rows = context.tx.select("sessions", eq(user_id=wanted, expired=False), order="id")
        extra = ("hostip", "id") if details else ()
        return [public_row(row) | {name: row[name] for name in extra} for row in rows]
    shown = public_row(session.data)
    if details:
        shown |= {"hostip": session.data["hostip"], "id": session.id}
    return shown


@export("showSession")
def show_session(context: Context) -> str:
    """Return a line about this session for people."""
    session = context.session
    if not session.logged_in:
        return "session: not logged in"
    return f"session {session.id}: user {session.user_name}, exclusive {session.exclusive}, callnum {session.callnum}"
