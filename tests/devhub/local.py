# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A hub inside the test's own process, called by the real Koji client: everything but the network is as it is.

hub = LocalHub(); session = hub.admin(); session.addHost("builder", ["x86_64"])"""

import io
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import koji
import requests
from cryptography import x509
from requests.adapters import BaseAdapter, HTTPAdapter

from .core.config import Config
from .core.hub import Hub
from .core.seed import seed_user
from .core.storage import Storage
from .injection import Injection
from .wsgi import Application, Dropped, environ_of

URL = "https://koji-hub.test:8443/kojihub"
ADMIN = "koji-admin"


class Clock:
    """A clock that a test sets: `clock.tick(60)`."""

    def __init__(self, now: float = 1_750_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time in seconds since the epoch."""
        return self.now

    def tick(self, seconds: float) -> None:
        """Let time go by; fits as a `sleep`, too."""
        self.now += seconds


class Transport(BaseAdapter):
    """Hands the requests of a `requests` session to the hub; `user` is whose certificate it would show."""

    def __init__(self, application: Application, user: str | None = None, *, address: str = "127.0.0.1") -> None:
        super().__init__()
        self.application = application
        self.user = user
        self.address = address

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Answer a request. Raises requests.ConnectionError if the connection is to drop."""
        return exchange(self.application, request, self.user, self.address)

    def close(self) -> None:
        """Have nothing to close."""


def exchange(
    application: Application, request: requests.PreparedRequest, user: str | None, address: str
) -> requests.Response:
    """Let the application answer a request."""
    url = urlsplit(str(request.url))
    given = request.body or b""
    body = given.encode() if isinstance(given, str) else bytes(given)
    environ = environ_of(str(request.method), url.path, url.query, request.headers, body, address=address)
    if url.path.endswith("/ssllogin"):
        environ |= certificate_environ(user)
    response = requests.Response()
    response.request, response.url = request, str(request.url)
    if user is None and url.path.endswith("/ssllogin"):
        # Apache's answer: the hub never sees such a request.
        response.status_code, response.reason, response.raw = 403, "Forbidden", io.BytesIO(b"Forbidden\n")
        return response

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        response.status_code = int(status.split(maxsplit=1)[0])
        response.reason = status.partition(" ")[2]
        response.headers.update(dict(headers))

    # Asked for directly so that a drop is an error here, as it is on a wire.
    if environ["REQUEST_METHOD"] == "POST" and not url.path.startswith("/devhub"):
        application = _Dropping(application)
    response.raw = io.BytesIO(b"".join(application(environ, start_response)))
    return response


class _Dropping(Application):
    """Turns a dropped connection into what `requests` raises then."""

    def __init__(self, inner: Application) -> None:
        super().__init__(inner.hub, inner.injection)

    def answer(self, environ: Mapping[str, Any]) -> str:
        try:
            return super().answer(environ)
        except Dropped as error:
            raise requests.ConnectionError("injected: connection dropped") from error


def certificate_environ(user: str | None) -> dict[str, str]:
    """Return what mod_ssl says about the certificate of a user, or that there is none."""
    if user is None:
        return {"SSL_CLIENT_VERIFY": "NONE"}
    return {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN_CN": user, "SSL_CLIENT_S_DN": f"CN={user}"}


class LocalHub:
    """A hub with an admin named koji-admin. hub_conf: options by their names, over ones that suit tests."""

    def __init__(
        self,
        hub_conf: Mapping[str, Any] | None = None,
        *,
        clock: Callable[[], float] | None = None,
        storage: Storage | None = None,
        policies: dict[str, str] | None = None,
    ) -> None:
        options = {"RunInterval": 0, "SessionRenewalTimeout": 0, "CheckClientIP": False, **(hub_conf or {})}
        self.hub = Hub(Config(options, policies or {}))
        if clock is not None:
            self.hub.clock = clock
        if storage is not None:
            self.hub.storage = storage
        self.injection = Injection(sleep=clock.tick if isinstance(clock, Clock) else time.sleep)
        self.application = Application(self.hub, self.injection)
        self.make_user(ADMIN, "admin")

    def make_user(self, name: str, *permissions: str) -> int:
        """Write a user straight into the tables, as the first admin comes to be; return its id."""
        context = self.hub.context()
        try:
            return seed_user(context, name, *permissions)
        finally:
            context.tx.close()

    def session(self, user: str | None = None, **opts: Any) -> koji.ClientSession:
        """Return a logged-in session of a user; an anonymous one for None."""
        session = local_session(self, user, **opts)
        if user is not None:
            session.ssl_login()
        return session

    def anonymous(self) -> koji.ClientSession:
        """Return a session that nobody is logged in on."""
        return self.session()

    def admin(self) -> koji.ClientSession:
        """Return a session of koji-admin."""
        return self.session(ADMIN)

    def host(
        self, name: str, arches: list[str] | None = None, *, capacity: float | None = None, ready: bool = True
    ) -> koji.ClientSession:
        """Return an exclusive session of a host, made if it isn't there; with ready it has checked in."""
        admin = self.admin()
        if admin.getHost(name) is None:
            admin.addHost(name, arches or ["x86_64"])
        if capacity is not None:
            admin.editHost(name, capacity=capacity)
        admin.logout()
        session = self.session(name)
        session.exclusiveSession()
        if ready:
            session.host.updateHost(0, True)
        return session


def local_session(
    hub: LocalHub,
    user: str | None = None,
    *,
    sinfo: dict[str, Any] | None = None,
    base: type[Any] = koji.ClientSession,
    address: str = "127.0.0.1",
    **opts: Any,
) -> Any:
    """Return a client of the hub, of class `base`, not logged in unless sinfo is given; its ssl_login() is `user`'s."""

    class LocalSession(base):
        def new_session(self) -> None:
            super().new_session()
            transport = Transport(hub.application, user, address=address)
            self.rsession.mount("https://", transport)
            self.rsession.mount("http://", transport)

        def ssl_login(self, cert: Any = None, *args: Any, **kwargs: Any) -> bool:
            # The client wants to see a file; whose certificate it is, the transport knows.
            kwargs.pop("serverca", None)
            return bool(super().ssl_login(__file__, **kwargs))

    few = {"max_retries": 1, "retry_interval": 0, "anon_retry": False}
    return LocalSession(URL, opts={**few, **opts}, sinfo=sinfo)


@contextmanager
def intercept(hub: LocalHub, url: str = URL) -> Iterator[str]:
    """Answer every `requests` call to a URL by this hub, whoever makes it, and give the URL.

    A client certificate is read for its CN; that it is one the hub's CA signed isn't checked."""
    real = HTTPAdapter.send
    where = urlsplit(url).netloc

    def send(self: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if urlsplit(str(request.url)).netloc != where:
            return real(self, request, *args, **kwargs)
        cert = kwargs.get("cert")
        file = cert[0] if isinstance(cert, tuple) else cert
        return exchange(hub.application, request, common_name(Path(file)) if file else None, "127.0.0.1")

    with mock.patch.object(HTTPAdapter, "send", send):
        yield url


def common_name(file: Path) -> str:
    """Return the CN of the first certificate in a PEM file."""
    subject = x509.load_pem_x509_certificate(file.read_bytes()).subject
    return str(subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
