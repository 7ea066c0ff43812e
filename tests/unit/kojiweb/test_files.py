# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The files of the web pods, read as Koji reads them: ours, the site's over them, and no option more than was given."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils import ini
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem
from hypothesis import given
from hypothesis import strategies as st

from .webs import HUB_URL, made, read, reasons

NASTY = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).filter(lambda text: ini.one_line(text) != "")


def problem(**arguments: Any) -> Problem:
    with pytest.raises(Problem) as raised:
        made(**arguments)
    return raised.value


def test_the_hub_is_where_it_is_and_nothing_secret_is_in_the_configmap() -> None:
    found = made()
    web = read(found.config["web.conf"])
    assert (web["kojihuburl"], web["kojihubca"]) == (HUB_URL, "/etc/koji-web-hub/ca.crt")
    assert (web["webcert"], web["kojifilesurl"]) == ("/etc/kojiweb/client.pem", "https://koji.example.com/kojifiles")
    assert "secret" not in web
    assert read(found.secret["secret.conf"]) == {"secret": "s3cr3t%"}
    assert found.secret["client.pem"] == "PEM\n"


def test_the_sites_options_win_one_by_one() -> None:
    site = {"web.conf": "[web]\nsitename = The site's\nHiddenUsers = 1 2\n"}
    web = read(made({"web_options": {"SiteName": "ours", "KojiGreeting": "hello"}}, site).config["web.conf"])
    assert (web["sitename"], web["kojigreeting"], web["hiddenusers"]) == ("The site's", "hello", "1 2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SiteName = koji\n", "no section headers"),
        ("[web]\nLoginTimeout = soon\n", "LoginTimeout is 'soon': wanted is a whole number"),
        ("[web]\nSiteName = 100% Koji\n", "SiteName: .*write %% for a percent sign"),
        ("[web]\nWebAuthType = password\n", "wanted is ssl or gssapi"),
    ],
)
def test_a_file_that_the_web_pages_could_not_read_is_named(text: str, words: str) -> None:
    found = problem(site={"web.conf": text})
    assert found.reason == "InvalidConfigMap"
    assert found.message.startswith("ConfigMap 'koji-web' in namespace 'koji', key 'web.conf': ")
    assert re.search(words, found.message)


def test_a_sites_httpd_conf_is_included_and_checked() -> None:
    found = made(site={"httpd.conf": "Header set X-Site yes\n"})
    assert found.config["site.conf"] == "Header set X-Site yes\n"
    assert found.config["httpd.conf"].endswith('\nInclude "/etc/koji-web-httpd/site.conf"\n')
    assert "line 1: <Location> has no end" in problem(site={"httpd.conf": "<Location /x>\n"}).message


def test_what_has_no_effect_or_should_not_be_there_is_warned_of() -> None:
    site = {"web.conf": "[web]\nSecret = x\nSiteNmae = y\n", "kojid.conf": ""}
    assert reasons(made(site=site)) == ["UnknownWebOption", "SecretInConfigMap", "UnusedSettings"]


def test_the_operators_own_configmap_can_not_be_the_sites() -> None:
    assert problem(spec={"configmap": "koji-web-config"}).reason == "ConflictingFields"


def test_without_tls_nobody_is_offered_a_login() -> None:
    spec = {"https_enabled": False, "http_enabled": True}
    found = made(spec)
    assert read(found.config["web.conf"])["logindisabled"] == "True"
    assert found.probe[-1] == "http://localhost:8080/koji/search"
    wished = made({**spec, "web_options": {"LoginDisabled": False}})
    assert reasons(wished) == ["LoginsImpossible"]


def test_a_changed_secret_rolls_the_pods() -> None:
    assert made().checksum == made().checksum
    assert made().checksum != made({"web_options": {"SiteName": "x"}}).checksum


@given(site_name=NASTY, greeting=NASTY)
def test_texts_are_read_as_they_were_given_and_add_no_option(site_name: str, greeting: str) -> None:
    options = {"SiteName": site_name, "KojiGreeting": greeting}
    web = read(made({"web_options": options}).config["web.conf"])
    assert set(web) == {"sitename", "kojigreeting", "kojihuburl", "kojifilesurl", "webcert", "kojihubca"}
    assert web["sitename"] == ini.one_line(site_name)
    assert web["kojigreeting"] == ini.one_line(greeting)
