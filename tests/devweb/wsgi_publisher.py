# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The WSGI entry of the stand-in, copied to /usr/share/koji-web/scripts: two pages, and a login for other users.

It reads what koji-web reads: web.conf and web.conf.d, the hub by KojiHubURL and KojiHubCA, the web's own certificate
WebCert, the Secret that signs cookies, themes below the folder of static files. It answers 200 with startup_error to
every request when web.conf can't be used, and 500 when the hub can't be, as koji-web does.
"""

import configparser
import hashlib
import hmac
import html
import http.cookies
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

import koji

LOG = logging.getLogger("koji.devweb")
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
STATIC = Path("/usr/share/koji-web/static")
BOOLEANS = ("LiteralFooter", "LoginDisabled", "PythonDebug", "KrbRDNS", "KrbCanonHost")
COOKIE = "user"


class Refused(Exception):
    """Somebody who can't be let in."""


@dataclass
class Options:
    """Section [web] of web.conf, as it is understood."""

    texts: dict[str, str]
    login_timeout: int = 72
    flags: dict[str, bool] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.texts.get(name.lower(), "")


def read_options(file: Path, folder: Path) -> Options:
    """Read the folder's files, then the file. Raises what configparser does, ValueError, OSError."""
    parser = configparser.ConfigParser()
    parser.read(sorted(folder.glob("*.conf")) if folder.is_dir() else [], encoding="utf-8")
    with file.open(encoding="utf-8") as lines:
        parser.read_file(lines)
    texts = dict(parser.items("web")) if parser.has_section("web") else {}
    flags = {name: parser.getboolean("web", name, fallback=False) for name in BOOLEANS}
    lists = {name: [one.strip() for one in texts.get(name.lower(), "").split(",")] for name in ("Tasks", "ParentTasks")}
    timeout = parser.getint("web", "LoginTimeout", fallback=72)
    if texts.get("webauthtype", "ssl") not in {"ssl", "gssapi"}:
        raise ValueError(f"Invalid value {texts['webauthtype']} for WebAuthType (ssl/gssapi)")
    return Options(texts, timeout, flags, lists)


class Cookies:
    """Who is logged in, signed with the Secret."""

    def __init__(self, options: Options) -> None:
        self._secret = options["Secret"].encode()
        self._seconds = options.login_timeout * 3600

    def make(self, user: str, path: str) -> str:
        """The value of Set-Cookie. Raises Refused without a Secret."""
        text = f"{quote(user, safe='')}.{int(time.time())}"
        jar = http.cookies.SimpleCookie({COOKIE: f"{text}.{self._sign(text)}"})
        jar[COOKIE]["path"] = path
        jar[COOKIE]["max-age"] = str(self._seconds)
        return f"{jar[COOKIE].OutputString()}; Secure; HttpOnly"

    def user(self, environ: dict[str, Any]) -> str:
        """Whose cookie a request carries, '' without a good one."""
        jar = http.cookies.SimpleCookie(environ.get("HTTP_COOKIE", ""))
        if COOKIE not in jar:
            return ""
        text, _, signature = jar[COOKIE].value.rpartition(".")
        name, _, since = text.rpartition(".")
        if not hmac.compare_digest(signature, self._sign(text)) or int(since) + self._seconds < time.time():
            return ""
        return unquote(name)

    def _sign(self, text: str) -> str:
        if not self._secret:
            raise Refused("Unable to authenticate, server secret not configured")
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


class Pages:
    """The pages of one site."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.cookies = Cookies(options)

    def session(self) -> koji.ClientSession:
        """A session with the hub that nobody is logged in to."""
        options = {"serverca": self.options["KojiHubCA"]} if Path(self.options["KojiHubCA"]).exists() else {}
        return koji.ClientSession(self.options["KojiHubURL"], options)

    @property
    def by_ticket(self) -> bool:
        """Whether people log in by Kerberos."""
        wanted = self.options["WebAuthType"] or ("gssapi" if self.options["WebPrincipal"] else "ssl")
        return wanted == "gssapi"

    def who(self, environ: dict[str, Any]) -> str:
        """Whom the web server has let in. Raises Refused."""
        if self.by_ticket:
            if not environ.get("REMOTE_USER"):
                raise Refused("configuration error: mod_auth_gssapi should have performed authentication")
            return str(environ["REMOTE_USER"])
        if environ.get("SSL_CLIENT_VERIFY") != "SUCCESS":
            raise Refused(f"could not verify client: {environ.get('SSL_CLIENT_VERIFY')}")
        return str(environ["SSL_CLIENT_S_DN_CN"])

    def login(self, user: str) -> str:
        """Log a user in at the hub as the web's own user may; -> the name that the hub knows. Raises Refused."""
        session = self.session()
        options, kind = self.options, koji.AUTHTYPES["GSSAPI" if self.by_ticket else "SSL"]
        if options["WebCert"]:
            session.ssl_login(options["WebCert"], None, options["KojiHubCA"], proxyuser=user, proxyauthtype=kind)
        else:
            principal, keytab, ccache = (options[name] for name in ("WebPrincipal", "WebKeytab", "WebCCache"))
            session.gssapi_login(principal, keytab, ccache, proxyuser=user, proxyauthtype=kind)
        try:
            return str(session.getLoggedInUser()["name"])
        finally:
            session.logout()

    def index(self, environ: dict[str, Any]) -> str:
        """The front page: the hub's version, who is logged in, what is set."""
        user = self.cookies.user(environ)
        session = self.session()
        version = session.getKojiVersion()
        if user and session.getUser(user) is None:
            raise Refused(f"could not get user for principal: {user}")
        who = f"Logged in as <b id='user'>{html.escape(user)}</b>" if user else "<a href='login'>login</a>"
        if self.options.flags["LoginDisabled"]:
            who = "logins are disabled"
        settings = "".join(
            f"<li id='{name}'>{html.escape(value)}</li>"
            for name, value in sorted(self.options.texts.items())
            if name != "secret"
        )
        footer = self._local("extra-footer.html")
        return (
            f"<p>{who}</p><p>{html.escape(self.options['KojiGreeting'] or 'Welcome')}</p>"
            f"<p>Hub <span id='version'>{html.escape(version)}</span></p><ul>{settings}</ul>{footer}"
        )

    def search(self, _environ: dict[str, Any]) -> str:
        """A small page that asks the hub something."""
        return f"<form action='search'><input name='terms'/></form><p>API {int(self.session().getAPIVersion())}</p>"

    def _themed(self, path: str) -> tuple[Path, str]:
        """A static file and its address: the theme's, if it has one."""
        theme = self.options["KojiTheme"]
        if theme and (STATIC / "themes" / theme / path).exists():
            return STATIC / "themes" / theme / path, f"/koji-static/themes/{theme}/{path}"
        return STATIC / path, f"/koji-static/{path}"

    def _local(self, path: str) -> str:
        file = self._themed(path)[0]
        return file.read_text("utf-8") if file.exists() else ""

    def frame(self, body: str) -> bytes:
        """A whole page."""
        title = html.escape(self.options["SiteName"])
        style, logo = (html.escape(self._themed(path)[1], quote=True) for path in ("koji.css", "images/koji.png"))
        head = f"<title>{title}</title><link rel='stylesheet' href='{style}'/>"
        return f"<!DOCTYPE html><html><head>{head}</head><body><img src='{logo}'/>{body}</body></html>".encode()


def error_page(text: str) -> bytes:
    """A page that says what went wrong."""
    return f"<html><body>\n  <h4>Error</h4>\n\n<div>\n{html.escape(text)}\n</div>\n</body></html>".encode()


class Application:
    """Reads web.conf at the first request, and not again."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._pages: Pages | None = None
        self._broken = ""

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        with self._turn:
            if self._pages is None and not self._broken:
                self._set_up(environ)
        if self._pages is None:
            return self._send(start_response, "200 OK", error_page(f"startup_error: {self._broken}"))
        try:
            status, headers, body = self._answer(self._pages, environ)
        except Exception as error:
            LOG.exception("%s", environ.get("PATH_INFO"))
            page = error_page(f"{type(error).__name__}: {error}")
            return self._send(start_response, "500 Internal Server Error", page)
        return self._send(start_response, status, body, *headers)

    def _set_up(self, environ: dict[str, Any]) -> None:
        file = environ.get("koji.web.ConfigFile", "/etc/kojiweb/web.conf")
        folder = environ.get("koji.web.ConfigDir", "/etc/kojiweb/web.conf.d")
        try:
            self._pages = Pages(read_options(Path(file), Path(folder)))
        except (configparser.Error, ValueError, OSError) as error:
            LOG.exception("web.conf can't be used")
            self._broken = f"{type(error).__name__}: {error}"

    def _answer(self, pages: Pages, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        base, path = environ["SCRIPT_NAME"], environ.get("PATH_INFO", "")
        match path.strip("/").split("/")[0]:
            case "" if not path:
                return self._redirect(f"{base}/")
            case "" | "index":
                return "200 OK", [], pages.frame(pages.index(environ))
            case "search":
                return "200 OK", [], pages.frame(pages.search(environ))
            case "login":
                user = pages.login(pages.who(environ))
                cookie = pages.cookies.make(user, str(PurePosixPath(base).parent))
                return self._redirect(f"{self._origin(environ)}{base}/index", ("Set-Cookie", cookie))
            case "logout":
                gone = f"{COOKIE}=; Max-Age=0; Path={PurePosixPath(base).parent}"
                # As koji-web does, which is wrong where the port speaks TLS.
                where = f"{self._origin(environ)}{base}/index".replace("https:", "http:")
                return self._redirect(where, ("Set-Cookie", gone))
        return "404 Not Found", [], error_page(f"Not found: {path}")

    def _origin(self, environ: dict[str, Any]) -> str:
        """By the name and port that the web server says: it is what people get redirected to."""
        scheme, port = environ["wsgi.url_scheme"], environ["SERVER_PORT"]
        usual = (scheme, port) in {("https", "443"), ("http", "80")}
        return f"{scheme}://{environ['SERVER_NAME']}{'' if usual else f':{port}'}"

    def _redirect(self, where: str, *headers: tuple[str, str]) -> tuple[str, list[tuple[str, str]], bytes]:
        return "302 Found", [("Location", where), *headers], b""

    def _send(
        self, start_response: StartResponse, status: str, body: bytes, *headers: tuple[str, str]
    ) -> Iterable[bytes]:
        start_response(status, [("Content-Type", "text/html"), ("Content-Length", str(len(body))), *headers])
        return [body]


application = Application()
