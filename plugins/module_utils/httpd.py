# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What httpd.conf of Koji's servers has in common, with Fedora's paths.

The root is read-only and the user id any: Apache writes to /run/httpd.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# A client may upload for as long before it is cut off; the pod's grace period is longer.
GRACEFUL_SECONDS = 50

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?")
PATH = re.compile(r"(/[A-Za-z0-9._@+-]+)+/?")
_TAG = re.compile(r"<\s*(?P<end>/?)\s*(?P<name>[A-Za-z]+)")

# What a server of today takes.
TLS = "all -SSLv3 -TLSv1 -TLSv1.1"

# Fedora loads each from a file; some are built into Debian's server.
_MODULES = {
    "mpm_event": "mod_mpm_event.so",
    "unixd": "mod_unixd.so",
    "authz_core": "mod_authz_core.so",
    "log_config": "mod_log_config.so",
    "env": "mod_env.so",
    "setenvif": "mod_setenvif.so",
    "headers": "mod_headers.so",
    "mime": "mod_mime.so",
    "dir": "mod_dir.so",
    "autoindex": "mod_autoindex.so",
    "alias": "mod_alias.so",
    "wsgi": "mod_wsgi_python3.so",
}
_TLS_MODULES = {"socache_shmcb": "mod_socache_shmcb.so", "ssl": "mod_ssl.so"}
_KERBEROS_MODULES = {
    "authn_core": "mod_authn_core.so",
    "authz_user": "mod_authz_user.so",
    "auth_gssapi": "mod_auth_gssapi.so",
}

_BASE = """\
# The Koji operator writes this file; what a site adds goes into the key httpd.conf of its own ConfigMap.
ServerRoot "/etc/httpd"
ServerName {server_name}
ServerTokens Prod
ServerSignature Off
TraceEnable Off
PidFile "/run/httpd/httpd.pid"
DefaultRuntimeDir "/run/httpd"
Mutex "file:/run/httpd" default
ErrorLog "/dev/stderr"
LogLevel warn

{modules}
# Long calls are Koji's habit, and its client waits for hours.
Timeout 300
KeepAlive On
KeepAliveTimeout 15
MaxKeepAliveRequests 1000
GracefulShutdownTimeout {graceful}
StartServers 1
ServerLimit 8
ThreadsPerChild 25
MinSpareThreads 10
MaxSpareThreads 100
MaxRequestWorkers 200

# Without the query, which may hold a session's key; without the pod's own probes.
LogFormat "%h %u %t \\"%m %U %H\\" %>s %B %D" koji
CustomLog "/dev/stdout" koji "expr=!(-R '127.0.0.0/8' || -R '::1')"

<IfFile "/etc/mime.types">
    TypesConfig "/etc/mime.types"
</IfFile>
<IfFile !"/etc/mime.types">
    TypesConfig "/dev/null"
</IfFile>
AddType application/x-rpm .rpm
AddType text/plain .log

<Directory "/">
    AllowOverride None
    Require all denied
</Directory>
"""

_TLS = """
# Connections that may be resumed, and where their keys are.
SSLSessionCache "shmcb:/run/httpd/ssl_scache(512000)"
SSLSessionTickets Off
SSLProtocol {protocols}
Listen {port}
<VirtualHost *:{port}>
    SSLEngine On
    SSLCertificateFile "{folder}/tls.crt"
    SSLCertificateKeyFile "{folder}/tls.key"
    SSLCACertificateFile "{folder}/ca.crt"
    SSLVerifyDepth 10
{more}</VirtualHost>
<Location {login}>
    SSLRequireSSL
    SSLVerifyClient {verify}
    SSLOptions +StdEnvVars
{tickets}</Location>
"""

_TICKETS = """\
    AuthType GSSAPI
    AuthName "Koji"
    GssapiSSLonly On
    GssapiCredStore "keytab:{keytab}"
    <RequireAny>
{certificate}        Require valid-user
    </RequireAny>
"""
# Who shows one is asked for no ticket.
_OR_CERTIFICATE = """\
        Require expr "%{SSL_CLIENT_VERIFY} == 'SUCCESS'"
"""

_NO_TLS = """
# Logins are by certificate, and without TLS there is none.
<Location {login}>
    Require all denied
</Location>
"""

_HTTP = """
Listen {port}
<VirtualHost *:{port}>
{more}</VirtualHost>
"""


class HttpdError(ValueError):
    """A value that can't be in httpd.conf, or a file that Apache can't read; the message says which."""


def begin(server_name: str, *, tls: bool, kerberos: bool = False) -> str:
    """All but what is served, and where."""
    modules = {**_MODULES, **(_TLS_MODULES if tls else {}), **(_KERBEROS_MODULES if tls and kerberos else {})}
    return _BASE.format(
        server_name=checked(HOST, server_name, "host name"),
        modules="".join(_load(name, file) for name, file in modules.items()),
        graceful=GRACEFUL_SECONDS,
    )


@dataclass(frozen=True)
class Tickets:
    """Kerberos at the login: the path of the service's keytab, and whether a certificate does as well."""

    keytab: str
    or_certificate: bool = True

    def text(self) -> str:
        """Its directives."""
        return _TICKETS.format(keytab=self.keytab, certificate=_OR_CERTIFICATE if self.or_certificate else "")


def https(
    port: int, folder: str, login: str, *, protocols: str = TLS, more: str = "", tickets: Tickets | None = None
) -> str:
    """TLS with the certificates of a folder; at `login` clients have to show theirs. `more` goes into the host.

    With `tickets`, who shows no certificate is asked for a Kerberos ticket.
    """
    verify = "require" if tickets is None else "optional" if tickets.or_certificate else "none"
    return _TLS.format(
        port=port,
        folder=folder,
        login=login,
        protocols=protocols,
        more=more,
        verify=verify,
        tickets=tickets.text() if tickets else "",
    )


def no_https(login: str) -> str:
    """What stands in its place."""
    return _NO_TLS.format(login=login)


def http(port: int, more: str = "") -> str:
    """Plain HTTP."""
    return _HTTP.format(port=port, more=more)


def _load(name: str, file: str) -> str:
    return f'<IfModule !{name}_module>\n    LoadModule {name}_module "modules/{file}"\n</IfModule>\n'


def checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    """The value, if it is plainly that. Raises HttpdError: nothing else is text for this file."""
    if not pattern.fullmatch(value):
        raise HttpdError(f"'{value}' can't be used as a {what} in httpd.conf")
    return value


def check(text: str) -> None:
    """Raise HttpdError, with the line, if sections of a site's own httpd.conf don't end as they begin."""
    opened: list[tuple[str, int]] = []
    number, logical = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        logical += line.removesuffix("\\")
        if line.endswith("\\"):
            continue
        tag, logical = _TAG.match(logical.strip()), ""
        if tag is None:
            continue
        if not tag["end"]:
            opened.append((tag["name"], number))
        elif not opened or opened.pop()[0].lower() != tag["name"].lower():
            raise HttpdError(f"line {number}: </{tag['name']}> ends no section that is open")
    if opened:
        raise HttpdError(f"line {opened[-1][1]}: <{opened[-1][0]}> has no end")
