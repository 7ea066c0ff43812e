# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""httpd.conf of the web pages."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.fedoraproject.koji.plugins.module_utils import httpd
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb.names import PATH
from ansible_collections.fedoraproject.koji.plugins.module_utils.server_names import HTTP_PORT, HTTPS_PORT

CONF = "/etc/koji-web-httpd"
TLS_FOLDER = "/etc/koji-web-tls"
LOGIN = f"{PATH}/login"
STATIC = "/usr/share/koji-web/static"
# Browsers show no certificate in the middle of a TLS 1.3 connection, and only the login asks for one.
PROTOCOLS = "-all +TLSv1.2"

_SERVED = """
# Without home= a user id that has no passwd entry hangs here; without a locale's name file names are ASCII.
WSGISocketPrefix "/run/httpd/wsgi"
WSGIDaemonProcess koji-web processes=2 threads=10 home=/tmp lang=C.UTF-8 locale=C.UTF-8 display-name=koji-web
WSGIProcessGroup koji-web
WSGIApplicationGroup %{GLOBAL}
SetEnv koji.web.ConfigFile "/etc/kojiweb/web.conf"
SetEnv koji.web.ConfigDir "/etc/kojiweb/web.conf.d"

RedirectMatch "^/$" "/koji/"
Alias /koji "/usr/share/koji-web/scripts/wsgi_publisher.py"
<Directory "/usr/share/koji-web/scripts">
    Options ExecCGI
    SetHandler wsgi-script
    WSGIScriptReloading Off
    Require all granted
</Directory>

# Apache also looks for a file of what follows the script's name: denied, each page would be an error in the log.
DocumentRoot "/usr/share/koji-web/static"
# The files of a theme are links, as Kubernetes mounts them.
Alias /koji-static "/usr/share/koji-web/static"
<Directory "/usr/share/koji-web/static">
    Options FollowSymLinks
    Require all granted
</Directory>
"""

# Koji's logout leads to plain HTTP, at the port that speaks TLS.
_STAY = """\
    Header edit Location "^http:" "https:"
"""

# Koji makes its redirects of name and port; without a port in the request it is the one that people come by.
_NAME = """    ServerName {name}:{port}
"""

_LOGIN_BY_HTTPS = """    <Location {login}>
        Redirect 302 "https://%{{SERVER_NAME}}:{port}{login}"
    </Location>
"""


@dataclass
class Httpd:
    """What differs from one to another. `public`: people come by an Ingress or Route, at the usual ports; `keytab`: the
    path of the service's where people log in by Kerberos, '' where by certificate.
    """

    server_name: str
    public: bool = False
    https: bool = True
    http: bool = False
    site: bool = False
    keytab: str = ""


def render(web: Httpd) -> str:
    """The text of httpd.conf. Raises HttpdError."""
    parts = [httpd.begin(web.server_name, tls=web.https, kerberos=bool(web.keytab)), _SERVED]
    if web.https:
        name = _NAME.format(name=web.server_name, port=443 if web.public else HTTPS_PORT)
        tickets = httpd.Tickets(web.keytab, or_certificate=False) if web.keytab else None
        more = name + _STAY
        parts.append(httpd.https(HTTPS_PORT, TLS_FOLDER, LOGIN, protocols=PROTOCOLS, more=more, tickets=tickets))
    else:
        parts.append(httpd.no_https(LOGIN))
    if web.http:
        name = _NAME.format(name=web.server_name, port=HTTP_PORT)
        login = _LOGIN_BY_HTTPS.format(login=LOGIN, port=HTTPS_PORT) if web.https else ""
        parts.append(httpd.http(HTTP_PORT, more=name + login))
    if web.site:
        parts.append(f'\nInclude "{CONF}/site.conf"\n')
    return "".join(parts)
