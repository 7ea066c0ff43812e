# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""httpd.conf of the hub, with Fedora's paths. The root is read-only and the user id any: it writes to /run/httpd."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import HTTP_PORT, HTTPS_PORT

CONF = "/etc/koji-hub-httpd"
# A client may upload for as long before it is cut off; the pod's grace period is longer.
GRACEFUL_SECONDS = 50

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?")
_PATH = re.compile(r"(/[A-Za-z0-9._@+-]+)+/?")
_TAG = re.compile(r"<\s*(?P<end>/?)\s*(?P<name>[A-Za-z]+)")

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
LogFormat "%h %u %t \\"%m %U %H\\" %>s %B %D" hub
CustomLog "/dev/stdout" hub "expr=!(-R '127.0.0.0/8' || -R '::1')"

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
<IfFile "/httpdir/html">
    DocumentRoot "/httpdir/html"
</IfFile>
<Directory "/httpdir/html">
    Require all granted
</Directory>

# Without home= a user id that has no passwd entry hangs here; without a locale's name file names are ASCII.
WSGISocketPrefix "/run/httpd/wsgi"
WSGIDaemonProcess koji-hub processes=2 threads=10 home=/tmp lang=C.UTF-8 locale=C.UTF-8 socket-timeout=3600 \
display-name=koji-hub
WSGIProcessGroup koji-hub
WSGIApplicationGroup %{{GLOBAL}}
WSGIImportScript "/usr/share/koji-hub/kojiapp.py" process-group=koji-hub application-group=%{{GLOBAL}}
SetEnv koji.hub.ConfigFile "/etc/koji-hub/hub.conf"
SetEnv koji.hub.ConfigDir "/etc/koji-hub/hub.conf.d"

Alias /kojihub "/usr/share/koji-hub/kojiapp.py"
<Directory "/usr/share/koji-hub">
    Options ExecCGI
    SetHandler wsgi-script
    WSGIScriptReloading Off
    Require all granted
</Directory>

Alias /kojifiles "{koji_dir}"
<Directory "{koji_dir}">
    Options Indexes FollowSymLinks
    IndexOptions FancyIndexing NameWidth=*
    Require all granted
</Directory>
"""

_TLS = """
# Connections that may be resumed, and where their keys are.
SSLSessionCache "shmcb:/run/httpd/ssl_scache(512000)"
SSLSessionTickets Off
SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1
Listen {port}
<VirtualHost *:{port}>
    SSLEngine On
    SSLCertificateFile "/etc/koji-hub-tls/tls.crt"
    SSLCertificateKeyFile "/etc/koji-hub-tls/tls.key"
    SSLCACertificateFile "/etc/koji-hub-tls/ca.crt"
    SSLVerifyDepth 10
</VirtualHost>
<Location /kojihub/ssllogin>
    SSLRequireSSL
    SSLVerifyClient require
    SSLOptions +StdEnvVars
</Location>
# Apache also looks for a file of what follows the script's name: denied, each login would be an error in the log.
<Location /ssllogin>
    Require all granted
</Location>
"""

_NO_TLS = """
# Logins are by certificate, and without TLS there is none.
<Location /kojihub/ssllogin>
    Require all denied
</Location>
"""

_HTTP = """
Listen {port}
<VirtualHost *:{port}>
</VirtualHost>
"""

_MESSAGING = """
# koji-fedoramessaging makes the links in its messages of these, so nobody may say others.
RequestHeader set X-Forwarded-Host "{host}"
RequestHeader set X-Forwarded-Scheme "{scheme}"
SetEnv koji.web.ConfigFile "/etc/koji-hub/kojiweb.conf"
"""


class HttpdError(ValueError):
    """A value that can't be in httpd.conf, or a file that Apache can't read; the message says which."""


@dataclass
class Httpd:
    """What differs from hub to hub. `links` is the URL of the web pages for messages, '' without messages."""

    server_name: str
    https: bool = True
    http: bool = False
    koji_dir: str = "/mnt/koji"
    links: str = ""
    site: bool = False


def render(hub: Httpd) -> str:
    """The text of httpd.conf. Raises HttpdError: what isn't plainly a name or a path is no text for this file."""
    modules = {**_MODULES, **(_TLS_MODULES if hub.https else {})}
    parts = [
        _BASE.format(
            server_name=_checked(_HOST, hub.server_name, "host name"),
            modules="".join(_load(name, file) for name, file in modules.items()),
            graceful=GRACEFUL_SECONDS,
            koji_dir=_checked(_PATH, hub.koji_dir, "folder").rstrip("/"),
        ),
        _TLS.format(port=HTTPS_PORT) if hub.https else _NO_TLS,
    ]
    if hub.http:
        parts.append(_HTTP.format(port=HTTP_PORT))
    if hub.links:
        scheme, _, rest = hub.links.partition("://")
        host = _checked(_HOST_PORT, rest.partition("/")[0], "host name")
        parts.append(_MESSAGING.format(host=host, scheme="http" if scheme == "http" else "https"))
    if hub.site:
        parts.append(f'\nInclude "{CONF}/site.conf"\n')
    return "".join(parts)


def _load(name: str, file: str) -> str:
    return f'<IfModule !{name}_module>\n    LoadModule {name}_module "modules/{file}"\n</IfModule>\n'


def _checked(pattern: re.Pattern[str], value: str, what: str) -> str:
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
