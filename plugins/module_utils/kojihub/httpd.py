# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""httpd.conf of the hub."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.fedoraproject.koji.plugins.module_utils import httpd
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import HTTP_PORT, HTTPS_PORT

CONF = "/etc/koji-hub-httpd"
TLS_FOLDER = "/etc/koji-hub-tls"
LOGIN = "/kojihub/ssllogin"

_SERVED = """
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

_LOOKED_FOR = """\
# Apache also looks for a file of what follows the script's name: denied, each login would be an error in the log.
<Location /ssllogin>
    Require all granted
</Location>
"""

_MESSAGING = """
# koji-fedoramessaging makes the links in its messages of these, so nobody may say others.
RequestHeader set X-Forwarded-Host "{host}"
RequestHeader set X-Forwarded-Scheme "{scheme}"
SetEnv koji.web.ConfigFile "/etc/koji-hub/kojiweb.conf"
"""


@dataclass
class Httpd:
    """What differs from hub to hub. `links` is the URL of the web pages for messages, '' without messages; `keytab` the
    path of the service's, '' without Kerberos.
    """

    server_name: str
    https: bool = True
    http: bool = False
    koji_dir: str = "/mnt/koji"
    links: str = ""
    site: bool = False
    keytab: str = ""


def render(hub: Httpd) -> str:
    """The text of httpd.conf. Raises HttpdError."""
    parts = [
        httpd.begin(hub.server_name, tls=hub.https, kerberos=bool(hub.keytab)),
        _SERVED.format(koji_dir=httpd.checked(httpd.PATH, hub.koji_dir, "folder").rstrip("/")),
        httpd.https(HTTPS_PORT, TLS_FOLDER, LOGIN, tickets=httpd.Tickets(hub.keytab) if hub.keytab else None)
        + _LOOKED_FOR
        if hub.https
        else httpd.no_https(LOGIN),
    ]
    if hub.http:
        parts.append(httpd.http(HTTP_PORT))
    if hub.links:
        scheme, _, rest = hub.links.partition("://")
        host = httpd.checked(httpd.HOST_PORT, rest.partition("/")[0], "host name")
        parts.append(_MESSAGING.format(host=host, scheme="http" if scheme == "http" else "https"))
    if hub.site:
        parts.append(f'\nInclude "{CONF}/site.conf"\n')
    return "".join(parts)
