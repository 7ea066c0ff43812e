# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Fixtures of the contract suite.

Without KOJI_HUB_URL it runs on a devhub in the test cluster (or ``--devhub=loopback``: on this machine's Apache;
``--devhub=process``: in memory); with KOJI_HUB_URL, KOJI_HUB_CA, KOJI_HUB_ADMIN_PEM and KOJI_HUB_HOST_PEM on that
hub. ``--record`` keeps a foreign hub's answers instead of comparing them.
"""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from . import own
from .callers import OPTIONS, Caller, LibrarySession, Raw, Session, client
from .hubs import Address, Hub, from_environment, needs, needs_numbers, numbers_calls, read_settings
from .record import Names, Record, Recorder
from .scene import ARCH, Builder, Tasks, named_as_certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator


# Whether the test itself passed, so that its calls are worth comparing.
PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep for the fixtures whether the test passed."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the suite."""
    parser.addoption("--record", action="store_true", help="keep what this hub answers in tests/contract/recorded/")
    parser.addoption("--devhub", choices=sorted(own.FORMS), default="cluster", help="where the suite's own hub runs")


@pytest.fixture(scope="session")
def addresses(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Address]]:
    """Gives a hub's address by the kind of settings that it has: "usual", or "strict" (see own.py).

    A foreign hub has the settings that it has.
    """
    foreign = from_environment()
    if foreign:
        yield lambda kind: foreign
        return
    with ExitStack() as stack:
        make = own.FORMS[request.config.getoption("--devhub", default="cluster")]
        yield cache(lambda kind: stack.enter_context(make(kind)))


@pytest.fixture(scope="session")
def hub(addresses: Callable[[str], Address]) -> Iterator[Hub]:
    """The hub under test."""
    with prepared(addresses("usual")) as hub:
        yield hub


@pytest.fixture(scope="session")
def strict_hub(addresses: Callable[[str], Address], hub: Hub) -> Iterator[Hub]:
    """A hub with the strict settings; the same one where it is foreign."""
    address = addresses("strict")
    if address is hub.address:
        yield hub
        return
    with prepared(address) as strict:
        yield strict


@contextmanager
def prepared(address: Address) -> Iterator[Hub]:
    """A hub whose host user is enabled and listens to a channel of this run; put to rest at the end."""
    admin = address.login(address.admin_pem)
    hub = Hub(address, admin, secrets.token_hex(4), admin.getKojiVersion(), read_settings(admin))
    name, channel = address.host_name, f"contract-{hub.run}"
    if not admin.getHost(name):
        admin.addHost(name, [ARCH], force=True)
    admin.enableUser(name)
    admin.enableHost(name)
    admin.addChannel(channel, description="contract suite")
    hub.numbered = numbers_calls(admin)
    others = [entry["name"] for entry in admin.listChannels(hostID=name)]
    for other in others:
        admin.removeHostFromChannel(name, other)
    admin.addHostToChannel(name, channel)
    yield hub
    for other in others:
        admin.addHostToChannel(name, other, force=True)
    admin.removeHostFromChannel(name, channel)
    admin.disableChannel(channel)
    admin.disableHost(name)
    admin.disableUser(name)
    for host in admin.listHosts(enabled=True):
        if hub.run in host["name"]:
            admin.disableHost(host["name"])
    for user in admin.listUsers(userType=None, prefix="contract-"):
        if hub.run in user["name"]:
            admin.disableUser(user["name"])
    admin.logout()


@pytest.fixture(scope="session")
def record(request: pytest.FixtureRequest, hub: Hub) -> Iterator[Record]:
    """The record of the hub's version; saved at the end of a run with --record."""
    kept = Record.load(hub.version)
    if not request.config.getoption("--record", default=False):
        yield kept
        return
    if from_environment() is None:
        pytest.exit("--record keeps what a real hub answers: set KOJI_HUB_URL", returncode=4)
    if kept.version != hub.version:
        kept = Record(hub.version)
    yield kept
    kept.save()


@pytest.fixture
def recorder(request: pytest.FixtureRequest, hub: Hub, record: Record) -> Iterator[Recorder]:
    """Keeps the answers of one test, and at its end compares them with the record."""
    test = f"{request.path.name}::{request.node.name}"
    names = Names(
        {
            hub.address.host_name: "<host>",
            hub.address.admin_name: "<admin>",
            f"contract-{hub.run}": "<channel>",
        }
    )
    recorder = Recorder(names, record.tests.get(test), record.version, numbered=hub.numbered)
    yield recorder
    if not request.node.stash.get(PASSED, False):
        return
    if request.config.getoption("--record", default=False):
        record.tests[test] = recorder.calls
    elif differences := recorder.differences():
        pytest.fail(f"{test} differs from the record of {record.version}:\n" + "\n".join(differences), pytrace=False)


@pytest.fixture
def numbered(hub: Hub) -> None:
    """The hub looks at the numbers of calls."""
    needs_numbers(hub)


@pytest.fixture
def name(hub: Hub, recorder: Recorder) -> Callable[[str], str]:
    """Gives a new name; the record knows it as <what>, the second one as <what 2>."""
    given: dict[str, int] = {}

    def new(what: str) -> str:
        given[what] = given.get(what, 0) + 1
        made = hub.name(what)
        recorder.names.replace[made] = f"<{what}>" if given[what] == 1 else f"<{what} {given[what]}>"
        return made

    return new


@pytest.fixture
def admin(hub: Hub, recorder: Recorder) -> Caller:
    """The admin, on a session that isn't exclusive."""
    return Caller("admin", hub.admin, recorder)


@pytest.fixture
def anonymous(hub: Hub, recorder: Recorder) -> Caller:
    """Somebody who isn't logged in."""
    return Caller("anonymous", client(hub.address.url, hub.address.ca), recorder)


@pytest.fixture
def raw(hub: Hub, recorder: Recorder) -> Raw:
    """Plain HTTP."""
    return Raw(hub.address.url, hub.address.ca, recorder)


@pytest.fixture
def channel(hub: Hub) -> str:
    """The channel of this run, which only the suite's host listens to."""
    return f"contract-{hub.run}"


@pytest.fixture
def tasks(hub: Hub, admin: Caller, channel: str) -> Iterator[Tasks]:
    """Makes tasks; what is left of them at the end is cancelled."""
    tasks = Tasks(hub, admin, channel)
    yield tasks
    tasks.cancel_all()


@pytest.fixture
def login(hub: Hub, recorder: Recorder) -> Iterator[Callable[..., Caller]]:
    """Logs in with the host's certificate (as another user, if one is named); every session is closed at the end."""
    opened: list[Session] = []

    def as_user(who: str = "host", user: str | None = None) -> Caller:
        if user:
            with named_as_certificate(hub, user):
                session = hub.address.login(hub.address.host_pem)
        else:
            session = hub.address.login(hub.address.host_pem)
        opened.append(session)
        return Caller(who, session, recorder)

    yield as_user
    for session in opened:
        if session.sinfo:
            hub.admin.logout(session.sinfo["session-id"])


@pytest.fixture
def builder(hub: Hub, login: Callable[..., Caller], tasks: Tasks, recorder: Recorder) -> Iterator[Builder]:
    """The suite's host: one arch, capacity 10, checked in, no tasks, on an exclusive session."""
    host = hub.address.host_name
    hub.admin.editHost(host, arches=ARCH, capacity=10.0)
    session = login("host").session
    session.exclusiveSession(force=True)
    builder = Builder("host", session, recorder, hub, tasks)
    left = builder.own_tasks() + [entry["id"] for entry in builder.quiet.host.getTasks()]
    for task in left:
        hub.admin.cancelTask(task)
    builder.check_in()
    yield builder
    tasks.cancel_all()
    if session.sinfo:
        _rest(builder)


def _rest(builder: Builder) -> None:
    """Tell the hub that nobody works here, where the session still can."""
    info = builder.session.sinfo
    live = builder.hub.admin.getSessionInfo(True, builder.hub.address.host_name)
    if any(entry["id"] == info["session-id"] and entry["exclusive"] for entry in live):
        builder.check_in(ready=False)


@pytest.fixture
def second_builder(
    hub: Hub, login: Callable[..., Caller], tasks: Tasks, channel: str, recorder: Recorder
) -> Iterator[Builder]:
    """Another host of the same arch and channel, checked in, on an exclusive session of its own."""
    host = f"contract-second-{hub.run}"
    recorder.names.replace[host] = "<second host>"
    if not hub.admin.getHost(host):
        hub.admin.addHost(host, [ARCH])
        hub.admin.removeHostFromChannel(host, "default")
        hub.admin.addHostToChannel(host, channel)
    hub.admin.editHost(host, arches=ARCH, capacity=10.0)
    hub.admin.enableHost(host)
    session = login("second host", host).session
    session.exclusiveSession(force=True)
    builder = Builder("second host", session, recorder, hub, tasks)
    builder.check_in()
    yield builder
    tasks.cancel_all()
    builder.check_in(ready=False)
    hub.admin.disableHost(host)


@pytest.fixture
def strict_login(strict_hub: Hub, recorder: Recorder) -> Iterator[Callable[..., Caller]]:
    """Logs in at the strict hub with the host's certificate; as a new user, if a name is given."""
    opened: list[Session] = []

    def log_in(user: str | None = None) -> Caller:
        if user:
            strict_hub.admin.createUser(user)
        with named_as_certificate(strict_hub, user) if user else nullcontext():
            opened.append(strict_hub.address.login(strict_hub.address.host_pem))
        return Caller("user" if user else "host", opened[-1], recorder)

    yield log_in
    for session in opened:
        strict_hub.admin.logout(session.sinfo["session-id"])


@pytest.fixture
def strict_raw(strict_hub: Hub, recorder: Recorder) -> Raw:
    """Plain HTTP to the strict hub."""
    return Raw(strict_hub.address.url, strict_hub.address.ca, recorder)


class Aging:
    """An exclusive session with a subsession, left alone until the hub holds it for expired."""

    def __init__(self, hub: Hub) -> None:
        needs(hub, SessionRenewalTimeout=1)
        self.session = LibrarySession(hub.address.url, {**OPTIONS, "serverca": str(hub.address.ca)})
        self.session.ssl_login(str(hub.address.host_pem), None, str(hub.address.ca))
        self.session.exclusiveSession(force=True)
        self.subsession: dict[str, Any] = self.session.callMethod("subsession")
        self.since = time.monotonic()

    def wait(self) -> LibrarySession:
        """The session, once a minute has passed."""
        time.sleep(max(0, self.since + 61 - time.monotonic()))
        return self.session


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that wait for a session to age come last: meanwhile the others run."""
    items.sort(key=lambda item: "aging" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session", autouse=True)
def _age(request: pytest.FixtureRequest) -> None:
    """Begin the aging now, if a test will ask for it and another user's locks don't get in the way."""
    own_hub = from_environment() is None
    if own_hub and any("aging" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("aging")


@pytest.fixture(scope="session")
def aging(strict_hub: Hub) -> Aging:
    """A session that gets old, on the strict hub."""
    return Aging(strict_hub)
