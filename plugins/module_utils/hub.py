# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Sessions with a Koji hub, and what its errors mean to the person who reads them in a status."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import xmlrpc.client
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError

import koji
import requests
import urllib3.exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

# koji waits 12 hours for an answer and tries 30 times, 20 s apart: a reconcile would hang for ever.
CONNECT_TIMEOUT = 5.0  # seconds
ANSWER_TIMEOUT = 30.0  # seconds
OPTIONS: dict[str, Any] = {
    "timeout": (CONNECT_TIMEOUT, ANSWER_TIMEOUT),
    "auth_timeout": (CONNECT_TIMEOUT, ANSWER_TIMEOUT),
    "max_retries": 2,
    "retry_interval": 1,
    "anon_retry": True,
    "offline_retry": False,
}

# Everything that a call to a hub may raise; `explain` knows each of them.
HUB_ERRORS = (
    koji.GenericError,
    xmlrpc.client.Error,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    ExpatError,
    OSError,
)


class HubError(Exception):
    """A failure to talk to the hub, as a condition says it: a CamelCase `reason` and a `message` to act on."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class HubAddress:
    """Where a hub is: its `url` (https, with path), and the PEM file with the CA that vouches for it.

    `ca_name` and `certificate_name` are what messages call the CA and the user's certificate: a path such as
    /proc/self/fd/5 tells a person nothing, `Secret koji-hub-ca-cert` does.
    """

    url: str
    ca_file: str
    ca_name: str = ""
    certificate_name: str = "the client certificate"

    def __post_init__(self) -> None:
        if not _is_hub_url(self.url):
            raise HubError("InvalidHubUrl", f"{self.url!r} is not a hub's URL; write https://HOST[:PORT]/kojihub")
        if not self.ca_file:
            raise HubError("CaInvalid", f"no CA is given for the hub {self.url}; name the file with its certificate")

    @property
    def ca(self) -> str:
        """The CA as messages call it."""
        return self.ca_name or f"the CA {self.ca_file}"


def _is_hub_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")  # a ValueError for empty and overlong labels
        return (
            parts.scheme == "https"
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
            and not (parts.query or parts.fragment or parts.username)
            and not any(c.isspace() for c in url)
        )
    except ValueError:
        return False


class HubSession(koji.ClientSession):
    """koji's client session, without its surprises.

    It never logs out because it was collected: that would end the real session and, if it is a host's, all its
    workers. It never renews an expired session behind its owner's back: renewal changes the key that others hold.
    """

    _failure: Exception | None = None

    def __del__(self) -> None:
        """Leave the session on the hub as it is."""

    def ssl_login(  # noqa: PLR0917 (koji's own)
        self,
        cert: str | None = None,
        ca: str | None = None,
        serverca: str | None = None,
        proxyuser: str | None = None,
        proxyauthtype: int | None = None,
        renew: bool = False,
    ) -> bool:
        """Log in as koji does, but raise what really went wrong: koji makes an AuthError of every failure."""
        if not (serverca or self.opts.get("serverca")):
            raise HubError("CaInvalid", f"no CA is given for the hub {self.baseurl}; it is never logged in to without")
        self._failure = None
        try:
            return bool(super().ssl_login(cert, ca, serverca, proxyuser, proxyauthtype, renew))
        except koji.AuthError as error:
            if self._failure is None:
                raise
            raise self._failure from error

    def _callMethod(self, name: str, args: Any, kwargs: Any = None, retry: bool = True) -> Any:  # noqa: N802
        try:
            return super()._callMethod(name, args, kwargs, retry)
        except Exception as error:
            self._failure = error
            raise

    def _renew_session(self) -> None:
        raise koji.AuthExpired("the session has expired")


def connect(
    address: HubAddress, sinfo: dict[str, Any] | None = None, callnum: int | None = None, **options: Any
) -> HubSession:
    """Return a session: anonymous, or attached to the existing one of `sinfo` (session-id, session-key).

    `callnum` is the number of the next call; koji ignores one inside `sinfo`. Nothing is sent yet.
    `options` override OPTIONS, e.g. `timeout` (seconds; or connect and answer), `max_retries`.
    Raise HubError when the CA can't be used.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=address.ca_file)
    except OSError as error:
        raise HubError("CaInvalid", f"{address.ca} can't be used: {_plain(error)}; it must be PEM") from error
    opts = {**OPTIONS, **options, "serverca": address.ca_file}
    session = HubSession(address.url, opts=opts, sinfo={**sinfo, "header-auth": True} if sinfo else None)
    if sinfo and callnum is not None:
        session.callnum = callnum
    return session


@contextlib.contextmanager
def unnumbered(session: koji.ClientSession) -> Iterator[None]:
    """Send calls without the header Koji-Session-Callnum: the hub then checks no sequence."""
    prepare = session._prepCall
    callnum = session.callnum

    def without(*args: Any, **kwargs: Any) -> Any:
        handler, headers, request = prepare(*args, **kwargs)
        return handler, [(name, value) for name, value in headers if name != "Koji-Session-Callnum"], request

    session._prepCall = without
    try:
        yield
    finally:
        del session._prepCall
        session.callnum = callnum


def login(address: HubAddress, pem_file: str, **options: Any) -> HubSession:
    """Return a session of the user whose certificate and key are in `pem_file`; raise HubError.

    The file must stay readable as long as the session is used: each new connection presents it.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(pem_file, password=_no_password)
    except (OSError, ValueError) as error:
        why = f"{_plain(error)}; it must hold a certificate and its key, as PEM"
        raise HubError("CertificateInvalid", f"{address.certificate_name} can't be used: {why}") from error
    session = connect(address, **options)
    try:
        session.ssl_login(cert=pem_file, serverca=address.ca_file)
    except HUB_ERRORS as error:
        said = explain(error, address)
        if said.reason == "HubUnreachable" and (alert := _alert(address, pem_file)):
            said = _rejected(address, alert)
        raise said from error
    return session


def _alert(address: HubAddress, pem_file: str) -> str | None:
    """Return the TLS alert that the client certificate gets, or None.

    In TLS 1.3 it comes after the handshake, and is lost when the connection is reset while the request is still
    being sent; so connect once more and only listen.
    """
    url = urlsplit(address.url)
    context = ssl.create_default_context(cafile=address.ca_file)
    try:
        context.load_cert_chain(pem_file)
        with (
            socket.create_connection((url.hostname, url.port or 443), CONNECT_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=url.hostname) as connection,
        ):
            connection.settimeout(1)
            connection.recv(1)
    except ssl.SSLError as error:
        reason = error.reason or ""
        return _alert_text(reason) if "ALERT" in reason else None
    except OSError:
        return None
    return None


def _no_password() -> str:
    """Answer OpenSSL, which would ask the terminal."""
    raise ValueError("its key is encrypted")


class SessionPair(Protocol):
    """What `ensure_user` and the like need: `Sessions` is one, a test's session in memory another."""

    address: HubAddress

    def reader(self) -> koji.ClientSession:
        """A session for reading, anonymous or not."""

    def writer(self) -> koji.ClientSession:
        """A session of a user who may write."""


class Sessions:
    """The two sessions of a program that reads much and writes seldom: it logs in only when it has to.

    A context manager; what was logged in is logged out at its end. `log_in` is how, where not by certificate.
    """

    def __init__(self, address: HubAddress, pem_file: str, log_in: Callable[[], HubSession] | None = None) -> None:
        self.address = address
        self._log_in = log_in or (lambda: login(address, pem_file))
        self._reader: HubSession | None = None
        self._writer: HubSession | None = None

    def reader(self) -> HubSession:
        """A session for reading: the anonymous one, until there is the other."""
        if self._writer is not None:
            return self._writer
        if self._reader is None:
            self._reader = connect(self.address)
        return self._reader

    def writer(self) -> HubSession:
        """The session of the user who may write; raise HubError when it can't be logged in."""
        if self._writer is None:
            self._writer = self._log_in()
        return self._writer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            # What was to be done is done: a session left behind is the hub's to clean up.
            with contextlib.suppress(*HUB_ERRORS):
                self._writer.logout()
            self._writer = None


@contextlib.contextmanager
def private_file(content: str | bytes) -> Iterator[str]:
    """Give a path at which it can be read by this process only, and only within the context: no disk is touched."""
    descriptor = os.memfd_create("koji")
    try:
        with open(descriptor, "wb", closefd=False) as out:
            out.write(content.encode() if isinstance(content, str) else content)
        os.fchmod(descriptor, 0o600)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def explained(address: HubAddress) -> Iterator[None]:
    """Turn whatever a hub's call raises inside the context into a HubError."""
    try:
        yield
    except HUB_ERRORS as error:
        raise explain(error, address) from error


def explain(error: BaseException, address: HubAddress) -> HubError:
    """Say which failure `error` is, raised by a call to the hub at `address`. A HubError is returned as it is."""
    if isinstance(error, HubError):
        return error
    if isinstance(error, (koji.GenericError, xmlrpc.client.Fault)):
        return _explain_fault(error, address)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _explain_status(error.response, address)
    if isinstance(error, (ExpatError, xmlrpc.client.Error)):
        return _not_a_hub(address, "the answer is not XML-RPC")
    return _explain_transport(error, address)


# The first class that fits counts: 1006-1009 are AuthErrors too.
_FAULTS: tuple[tuple[type[Exception], str, str], ...] = (
    (koji.ServerOffline, "HubDown", "the hub {url} is offline: {said}; look at the hub and its database"),
    (
        koji.AuthLockError,
        "SessionHeld",
        "this user has an exclusive session with {url} elsewhere: {said}; stop what holds it, or use another user here",
    ),
    (koji.AuthExpired, "SessionExpired", "the session with {url} has expired: {said}"),
    (koji.SequenceError, "SessionOutOfStep", "{url} has seen a later call of this session: {said}"),
    (koji.RetryError, "SessionOutOfStep", "{url} has seen this call of this session already: {said}"),
    (
        koji.AuthError,
        "AccessDenied",
        "{url} does not let this user in: {said}; the certificate's name must be that of an enabled user",
    ),
    (
        koji.ActionNotAllowed,
        "NotAllowed",
        "{url} does not allow this user to do that: {said}; use the certificate of a user with permission admin",
    ),
    (koji.GenericError, "HubRefused", "{url} refused: {said}"),
    (xmlrpc.client.Fault, "HubFailed", "{url} failed: {said}; look at the hub's log"),
)


def _explain_fault(error: koji.GenericError | xmlrpc.client.Fault, address: HubAddress) -> HubError:
    """The hub answered, with a fault; koji's classes are its fault codes."""
    if type(error) is xmlrpc.client.Fault:
        error = koji.convertFault(error)
    said = error.faultString if isinstance(error, xmlrpc.client.Fault) else str(error)
    reason, message = next((reason, message) for kind, reason, message in _FAULTS if isinstance(error, kind))
    return HubError(reason, message.format(url=address.url, said=said.strip().rstrip(".")))


def _explain_status(response: requests.Response, address: HubAddress) -> HubError:
    """The web server answered, instead of the hub."""
    status = f"HTTP {response.status_code} {response.reason or ''}".strip()
    if response.status_code >= 500:
        return HubError("HubDown", f"{address.url} answers {status}; look at the web server's log on the hub")
    if response.status_code in (401, 403):
        return _rejected(address, status)
    return _not_a_hub(address, f"the answer is {status}")


def _rejected(address: HubAddress, why: str) -> HubError:
    return HubError(
        "CertificateRejected",
        f"{address.url} rejected {address.certificate_name}: {why}; "
        "it must be valid today and signed by the CA that the hub trusts",
    )


def _not_a_hub(address: HubAddress, why: str) -> HubError:
    return HubError(
        "NotAHub", f"there is no Koji hub at {address.url}: {why}; check the path, a hub's is usually /kojihub"
    )


def _unreachable(address: HubAddress, why: str) -> HubError:
    return HubError(
        "HubUnreachable",
        f"{address.url} can't be reached: {why}; check host, port and network policies, and that the hub runs",
    )


def _explain_transport(error: BaseException, address: HubAddress) -> HubError:
    """Nothing answered, or not in TLS."""
    causes = list(_causes(error))
    tls = [e for e in causes if isinstance(e, ssl.SSLError)]
    for cause in tls:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return HubError(
                "CaMismatch",
                f"the certificate of {address.url} does not pass {address.ca}: {_plain(cause)}; "
                "give the CA that signed it, and a host name that it holds",
            )
    if tls:
        return _explain_tls(tls[0], address)
    if any(isinstance(e, (requests.Timeout, TimeoutError)) for e in causes):
        return _unreachable(address, "no answer in time")
    why = next((e.strerror for e in causes if isinstance(e, OSError) and e.strerror), None)
    return _unreachable(address, why or str(error))


def _explain_tls(error: ssl.SSLError, address: HubAddress) -> HubError:
    """The TLS connection failed; `reason` is OpenSSL's own name for it, e.g. TLSV1_ALERT_UNKNOWN_CA."""
    reason = error.reason or ""
    if "ALERT" in reason:
        return _rejected(address, _alert_text(reason))
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"):
        return HubError("NotAHub", f"{address.url} does not speak TLS ({_plain(error)}); check the port")
    return _unreachable(address, f"TLS fails: {_plain(error)}")


def _alert_text(reason: str) -> str:
    """`unknown ca` of TLSV1_ALERT_UNKNOWN_CA."""
    return reason.partition("ALERT_")[2].replace("_", " ").lower()


def _plain(error: Exception) -> str:
    """What an error says, without OpenSSL's and Python's decoration."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message or str(error)
    if isinstance(error, ssl.SSLError):
        return (error.reason or "a certificate or its key is missing").replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and every exception inside it: requests and urllib3 nest in args and `reason`, Python in causes."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        item = todo.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        todo += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
