# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""httpd.conf of the web pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.httpd import HttpdError
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb.httpd import Httpd, render


def test_all_that_is_written_is_below_the_run_folder() -> None:
    text = render(Httpd("web", http=True))
    for directive in ("PidFile", "DefaultRuntimeDir", "Mutex", "SSLSessionCache", "WSGISocketPrefix"):
        assert re.search(rf'(?m)^{directive} "(file:|shmcb:)?/run/httpd', text), directive


def test_only_the_login_asks_for_a_certificate_in_a_way_that_browsers_know() -> None:
    text = render(Httpd("web"))
    assert text.count("SSLVerifyClient") == 1
    assert "<Location /koji/login>\n    SSLRequireSSL\n    SSLVerifyClient require\n" in text
    assert "SSLProtocol -all +TLSv1.2\n" in text


def test_redirects_go_to_the_port_that_people_come_by() -> None:
    assert "    ServerName koji.example.com:443\n" in render(Httpd("koji.example.com", public=True))
    assert "    ServerName koji-web.koji.svc:8443\n" in render(Httpd("koji-web.koji.svc"))


def test_a_login_by_plain_http_is_sent_to_tls_or_refused() -> None:
    both = render(Httpd("web", http=True))
    assert 'Redirect 302 "https://%{SERVER_NAME}:8443/koji/login"' in both
    plain = render(Httpd("web", http=True, https=False))
    assert "<Location /koji/login>\n    Require all denied\n" in plain
    assert "SSL" not in plain


def test_a_redirect_from_tls_leads_to_tls() -> None:
    text = render(Httpd("web", http=True))
    assert text.count('Header edit Location "^http:" "https:"\n') == 1


def test_what_is_no_host_is_no_text_for_this_file() -> None:
    with pytest.raises(HttpdError):
        render(Httpd('web"\nLoadModule evil'))


def test_the_folders_are_those_that_the_deployment_mounts() -> None:
    template = (Path(__file__).parents[3] / "roles/koji_web/templates/web.deployment.yaml.j2").read_text("utf-8")
    for folder in ("/etc/koji-web-tls", "/etc/koji-web-hub", "/run/httpd", "/tmp"):  # noqa: S108  (a pod's)
        assert f"'mountPath': '{folder}'" in template
