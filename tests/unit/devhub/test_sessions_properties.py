# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""However sessions of one user come and go, at most one holds the lock, and only its own get through."""

import koji
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from tests.devhub.core.storage import eq
from tests.devhub.local import LocalHub, local_session

from .answers import Copy

USER = "b"
AUTH_ERROR: type[Exception] = koji.AuthError
LOCK_ERROR: type[Exception] = koji.AuthLockError


class Sessions(RuleBasedStateMachine):
    """Sessions that log in, split, lock, force and log out in any order, beside a plain model of who may call."""

    sessions = Bundle("sessions")

    @initialize()
    def start(self) -> None:
        self.hub = LocalHub()
        self.hub.admin().addHost(USER, ["x86_64"])
        self.master: dict[int, int | None] = {}
        self.closed: set[int] = set()
        self.holder: int | None = None

    def allowed(self, session: koji.ClientSession) -> type[Exception] | None:
        """What the model expects of a call: None, or the error."""
        number = session.sinfo["session-id"]
        if number in self.closed:
            return AUTH_ERROR
        if self.holder not in {None, number, self.master[number]}:
            return LOCK_ERROR
        return None

    def attempt(self, session: koji.ClientSession, method: str, *args: object, **opts: object) -> object:
        """Make a call: its result, or the class of its error."""
        try:
            return session.callMethod(method, *args, **opts)
        except koji.GenericError as error:
            return type(error)

    @rule(target=sessions)
    def log_in(self) -> koji.ClientSession:
        session = local_session(self.hub, USER, base=Copy)
        session.ssl_login()
        self.master[session.sinfo["session-id"]] = None
        return session

    @rule(target=sessions, session=sessions)
    def split(self, session: koji.ClientSession) -> object:
        answer = self.attempt(session, "subsession")
        expected = self.allowed(session)
        if expected is not None:
            assert answer is expected
            return multiple()
        assert isinstance(answer, dict)
        number = session.sinfo["session-id"]
        self.master[answer["session-id"]] = self.master[number] or number
        return local_session(self.hub, sinfo=answer, base=Copy)

    @rule(session=sessions, force=st.booleans())
    def lock(self, session: koji.ClientSession, force: bool) -> None:
        number = session.sinfo["session-id"]
        answer = self.attempt(session, "exclusiveSession", force=force)
        if number in self.closed:
            assert answer is koji.AuthError
        elif self.master[number] is not None or self.holder == number:
            assert answer is koji.GenericError
        elif self.holder is not None and not force:
            assert answer is koji.AuthLockError
        else:
            assert answer is None
            if self.holder is not None:
                self.closed.add(self.holder)
            self.holder = number

    @rule(session=sessions)
    def call(self, session: koji.ClientSession) -> None:
        assert self.attempt(session, "getAPIVersion") == (self.allowed(session) or 1)

    @rule(session=sessions)
    def host_call(self, session: koji.ClientSession) -> None:
        expected: object = self.allowed(session)
        if expected is None:
            inside = self.holder is not None and self.holder in {
                session.sinfo["session-id"],
                self.master[session.sinfo["session-id"]],
            }
            expected = [] if inside else koji.AuthError
        assert self.attempt(session, "host.getHostTasks") == expected

    @rule(session=sessions)
    def log_out(self, session: koji.ClientSession) -> None:
        number = session.sinfo["session-id"]
        answer = self.attempt(session, "logout")
        if number in self.closed:
            assert answer is koji.AuthError
            return
        # A locked-out session may still say goodbye.
        assert answer is None
        self.closed |= {number} | {one for one, master in self.master.items() if master == number}
        if self.holder == number:
            self.holder = None

    @rule(session=sessions, child=sessions)
    def log_child_out(self, session: koji.ClientSession, child: koji.ClientSession) -> None:
        answer, expected = self.attempt(session, "logoutChild", child.sinfo["session-id"]), self.allowed(session)
        assert answer is expected
        if expected is None and self.master[child.sinfo["session-id"]] == session.sinfo["session-id"]:
            self.closed.add(child.sinfo["session-id"])

    @invariant()
    def the_tables_say_the_same(self) -> None:
        context = self.hub.hub.context()
        try:
            rows = context.tx.select("sessions", eq(exclusive=True))
        finally:
            context.tx.close()
        assert [row["id"] for row in rows] == ([] if self.holder is None else [self.holder])


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
