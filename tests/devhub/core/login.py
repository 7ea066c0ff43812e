# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Logging in: by client certificate, for another user by a proxy, by Kerberos, by password."""

from typing import Any

from .context import Context, export
from .enums import AuthType, UserStatus
from .faults import AuthError
from .sessions import create_session, make_exclusive, renew_session
from .storage import Row
from .users import insert_user, principal_owner, user_from_principal


@export("sslLogin")
def ssl_login_call(context: Context, *args: Any, **opts: Any) -> Row | None:
    """Log in by certificate or ticket, see ssl_login. Wrong arguments are an uncaught error here."""
    return ssl_login(context, *args, **opts)


@export("login")
def login_call(context: Context, *args: Any, **opts: Any) -> Row | None:
    """Log in by password, see login. Wrong arguments are an uncaught error here."""
    return login(context, *args, **opts)


def ssl_login(
    context: Context,
    proxyuser: str | None = None,
    proxyauthtype: int | None = None,
    renew: bool = False,
    exclusive: bool | None = None,
) -> Row | None:
    """Log in as whom the web server says the client certificate or the Kerberos ticket is."""
    if context.session.logged_in:
        raise AuthError("Already logged in")
    name, subject, authtype = _who_is_it(context)
    if proxyuser:
        kerberos = authtype == AuthType.GSSAPI
        option, comma = ("ProxyPrincipals", ",") if kerberos else ("ProxyDNs", "|")
        if subject not in [part.strip() for part in context.config[option].split(comma)]:
            raise AuthError(f"{subject} is not authorized to login other users")
        name = proxyuser
        if proxyauthtype is not None:
            authtype = _proxied_type(context, authtype, proxyauthtype)
    user_id = _find_or_create(context, name, authtype)
    return _start(context, user_id, authtype, renew=renew, exclusive=bool(exclusive))


def _who_is_it(context: Context) -> tuple[str, str, AuthType]:
    """Return (user name or principal, what proxies are listed by, how it was proved)."""
    environ = context.environ
    if environ.get("REMOTE_USER"):
        return environ["REMOTE_USER"], environ["REMOTE_USER"], AuthType.GSSAPI
    if environ.get("SSL_CLIENT_VERIFY") != "SUCCESS":
        raise AuthError(f"could not verify client: {environ.get('SSL_CLIENT_VERIFY')}")
    component = context.config["DNUsernameComponent"]
    name = environ.get(f"SSL_CLIENT_S_DN_{component}")
    if not name:
        raise AuthError(f"unable to get user information ({component}) from client certificate")
    return name, environ.get("SSL_CLIENT_S_DN", ""), AuthType.SSL


def _proxied_type(context: Context, own: AuthType, wanted: int) -> AuthType:
    if not context.config["AllowProxyAuthType"] and own != wanted:
        raise AuthError(
            "Proxy must use same auth mechanism as hub (behaviour can be overriden via AllowProxyAuthType hub option)"
        )
    if wanted not in {AuthType.GSSAPI, AuthType.SSL}:
        raise AuthError(f"Proxied authtype {wanted} is not valid for sslLogin")
    return AuthType(wanted)


def _find_or_create(context: Context, name: str, authtype: AuthType) -> int:
    by_principal = authtype == AuthType.GSSAPI and "@" in name
    if by_principal:
        user_id = principal_owner(context, name)
    else:
        user = context.one("users", name=name)
        user_id = user["id"] if user else None
    if user_id is not None:
        return user_id
    if not context.config["LoginCreatesUser"]:
        raise AuthError(f"Unknown user: {name}")
    return user_from_principal(context, name) if by_principal else insert_user(context, name)


def login(
    context: Context,
    user: Any,
    password: Any,
    opts: dict[str, Any] | None = None,
    renew: bool = False,
    exclusive: bool = False,
) -> Row | None:
    """Log in by name and password."""
    if not isinstance(password, str) or not password:
        raise AuthError("invalid username or password")
    if context.session.logged_in:
        raise AuthError("Already logged in")
    found = context.one("users", name=user, password=password)
    if found is None:
        raise AuthError("invalid username or password")
    return _start(context, found["id"], AuthType.NORMAL, renew=renew, exclusive=exclusive)


def _start(context: Context, user_id: int, authtype: AuthType, *, renew: bool, exclusive: bool) -> Row | None:
    user = context.one("users", id=user_id)
    if user is None or user["status"] != UserStatus.NORMAL:
        raise AuthError(f"logins by {user['name'] if user else user_id} are not allowed")
    session = context.session
    if renew and session.id is not None:
        info = renew_session(context, user_id)
    else:
        info = create_session(context, user_id, authtype)
    if info and exclusive and not session.exclusive:
        # For the session of the request: a renewed one becomes exclusive again, a new one doesn't.
        make_exclusive(context)
    return info
