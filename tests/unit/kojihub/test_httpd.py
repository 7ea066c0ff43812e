# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""httpd.conf: what is served, and that no value adds a directive."""

from __future__ import annotations

import re

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.httpd import HttpdError, check
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.httpd import Httpd, render
from hypothesis import given
from hypothesis import strategies as st

NASTY = st.text() | st.text(st.sampled_from("ab/.:-_<>\\\"'$%{}[]#\n\r\x85\u2028 é"), max_size=30)


def directives(text: str) -> list[str]:
    """First words of the lines that aren't comments."""
    return [line.split()[0] for line in re.split("[\n\r]", text) if line.strip() and not line.strip().startswith("#")]


def test_tls_alone_is_served_by_default() -> None:
    text = render(Httpd("koji.example.com"))
    assert "ServerName koji.example.com\n" in text
    assert re.findall("(?m)^Listen .*", text) == ["Listen 8443"]
    assert "SSLVerifyClient require" in text


def test_with_a_keytab_a_ticket_logs_in_beside_a_certificate() -> None:
    text = render(Httpd("hub", keytab="/etc/koji-krb5/krb5.keytab"))
    assert 'LoadModule auth_gssapi_module "modules/mod_auth_gssapi.so"' in text
    login = text[text.index("<Location /kojihub/ssllogin>") :].partition("</Location>")[0]
    assert "SSLVerifyClient optional" in login
    assert 'GssapiCredStore "keytab:/etc/koji-krb5/krb5.keytab"' in login
    assert "gssapi" not in render(Httpd("hub")).lower()
    assert "gssapi" not in render(Httpd("hub", https=False, keytab="/k")).lower()


def test_plain_http_is_served_when_it_is_asked_for() -> None:
    assert re.findall("(?m)^Listen .*", render(Httpd("hub", http=True))) == ["Listen 8443", "Listen 8080"]


def test_without_tls_nobody_logs_in_and_no_key_is_read() -> None:
    text = render(Httpd("hub", https=False, http=True))
    assert re.findall("(?m)^Listen .*", text) == ["Listen 8080"]
    assert "SSL" not in text
    assert "<Location /kojihub/ssllogin>\n    Require all denied\n" in text


def test_what_apache_looks_for_at_each_login_is_not_denied() -> None:
    assert "<Location /ssllogin>\n    Require all granted\n</Location>\n" in render(Httpd("hub"))


def test_all_that_is_written_is_below_the_run_folder() -> None:
    text = render(Httpd("hub", http=True))
    for directive in ("PidFile", "DefaultRuntimeDir", "Mutex", "SSLSessionCache", "WSGISocketPrefix"):
        assert re.search(rf'(?m)^{directive} "(file:|shmcb:)?/run/httpd', text), directive


def test_the_pod_ends_after_httpd_has() -> None:
    assert "GracefulShutdownTimeout 50\n" in render(Httpd("hub"))


def test_messages_link_to_the_web_pages_whatever_a_client_says() -> None:
    text = render(Httpd("hub", links="https://web.example.com:8443/koji"))
    assert 'RequestHeader set X-Forwarded-Host "web.example.com:8443"\n' in text
    assert 'RequestHeader set X-Forwarded-Scheme "https"\n' in text


def test_the_sites_file_comes_last() -> None:
    assert render(Httpd("hub", site=True)).endswith('\nInclude "/etc/koji-hub-httpd/site.conf"\n')


@given(server_name=NASTY, koji_dir=NASTY, links=NASTY)
def test_no_value_adds_a_directive(server_name: str, koji_dir: str, links: str) -> None:
    usual = directives(render(Httpd("hub", koji_dir="/mnt/koji", links=f"https://web/{'x' if links else ''}")))
    for field, value in (("server_name", server_name), ("koji_dir", koji_dir), ("links", f"https://{links}")):
        values = {"server_name": "hub", "links": "https://web/x", field: value}
        try:
            text = render(Httpd(**values))  # type: ignore[arg-type]
        except HttpdError:
            continue
        assert directives(text) == usual
        assert "${" not in text


@pytest.mark.parametrize(
    "value", ["a\nb", 'a"b', "a b", "${HOME}", "", "-a", "a.", "a<b", "a#b", "é", "a\\", "a\x00", "a%{b}"]
)
def test_a_host_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(HttpdError, match="can't be used as a host name"):
        render(Httpd(value))


@pytest.mark.parametrize("value", ["koji", "/", "/a b", '/a"', "/a\n", "/${x}", "//", "/a//b", "/é"])
def test_a_folder_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(HttpdError, match="can't be used as a folder"):
        render(Httpd("hub", koji_dir=value))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<Location /x>\nRequire all denied\n", "line 1: <Location> has no end"),
        ("# x\n</Directory>\n", "line 2: </Directory> ends no section that is open"),
        ("<Location /x>\n</Directory>\n", "line 2: </Directory> ends no section"),
        ("<Location \\\n /x>\n<IfModule a>\n</IfModule>\n", "line 2: <Location> has no end"),
    ],
)
def test_a_file_of_the_site_that_apache_can_not_read_is_named(text: str, why: str) -> None:
    with pytest.raises(HttpdError) as refused:
        check(text)
    assert why in str(refused.value)


def test_a_file_of_the_site_that_apache_can_read_is_accepted() -> None:
    check("<IfModule x>\n  <location /x>\n  Header set A \\\n </x>\n  </Location>\n</ifmodule>\nTimeout 5\n")
