# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The files of a hub: the operator's, the resource's over them, the site's over those; and hostile texts in each."""

from __future__ import annotations

import configparser
import dataclasses
import tomllib
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils import ini
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import files, options, proxies
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.messaging import MessagingLook
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn

from .hubs import database, made, names, read, reasons

# What breaks files: line ends of all kinds, comments, sections, quotes, '%', characters that are none.
NASTY = st.text() | st.text(
    st.sampled_from("aB =:#;[]%\\'\"{}\n\r\t\x00\x0b\x0c\x1c\x85\u2028\u2029\xa0é🦊"), max_size=40
)
# Of any text; the others have forms that test_options is about.
FREE = sorted(set(options.TEXT) - {"RegexNameInternal", "RegexUserName", "LogLevel", "LogFormat"})
BROKER = MessagingLook(url="amqps://koji:something@rabbitmq", app="koji-hub koji/hub", topic_prefix="mbox")


def problem(site: dict[str, str] | None = None, **spec: Any) -> tuple[str, str]:
    """Reason and message of what is refused."""
    with pytest.raises(Problem) as refused:
        made(spec, site)
    return refused.value.reason, refused.value.message


def test_the_defaults_are_those_that_task_pods_need() -> None:
    assert read(made().hub_conf) == {
        "hub": {"kojidir": "/mnt/koji", "checkclientip": "False", "sessionrenewaltimeout": "0", "runinterval": "1"}
    }


def test_the_database_is_in_the_secret_only() -> None:
    found = made(postgres=database(password="pä%s 'w\\d", sslmode="verify-full", ca="PEM"))
    [(_, text)] = read(found.secret["database.conf"])["hub"].items()
    assert parse_dsn(text) == {
        "host": "postgresql",
        "port": "5432",
        "dbname": "mboxdb",
        "user": "koji",
        "password": "pä%s 'w\\d",
        "sslmode": "verify-full",
        "sslrootcert": "/etc/koji-hub-postgres/ca.crt",
        "connect_timeout": "10",
        "application_name": "koji-hub",
    }
    assert found.secret["database-ca.crt"] == "PEM"
    assert not [text for text in found.config.values() if "'w" in text]
    assert "'w" not in repr(found)


@pytest.mark.parametrize("password", ["two\nlines", "end\n", "\x00", "a\u2028b"])
def test_a_password_that_hub_conf_can_not_hold_is_named_and_not_shown(password: str) -> None:
    with pytest.raises(Problem) as refused:
        made(postgres=database(password=password))
    assert refused.value.reason == "InvalidSecret"
    assert "Secret 'postgres' in namespace 'koji': the database's password" in refused.value.message
    assert password not in refused.value.message


@given(password=NASTY, user=NASTY)
def test_the_hub_connects_with_the_password_as_it_is(password: str, user: str) -> None:
    try:
        text = files.database_conf(database(password=password, user=user), names())
    except Problem:
        assert any(ini.one_line(f"'{value}'") != f"'{value}'" for value in (password, user))
        return
    assert set(read(text)["hub"]) == {"dbconnectionstring"}
    parsed = parse_dsn(read(text)["hub"]["dbconnectionstring"])
    assert (parsed.get("password", ""), parsed.get("user", "")) == (password, user)


def test_options_of_the_resource_win_over_ours_and_the_sites_over_both() -> None:
    spec = {"hub_options": {"RunInterval": 7, "EmailDomain": "example.com", "NotifyOnSuccess": False}}
    site = {"hub.conf": "[hub]\nruninterval = 30\nCheckClientIP = on\n[policy]\ntag = all :: deny no\n"}
    hub = read(made(spec, site).hub_conf)
    assert hub["hub"] == {
        "kojidir": "/mnt/koji",
        "checkclientip": "on",
        "sessionrenewaltimeout": "0",
        "runinterval": "30",
        "emaildomain": "example.com",
        "notifyonsuccess": "False",
    }
    assert hub["policy"] == {"tag": "all :: deny no"}


def test_policies_of_the_site_win_policy_by_policy() -> None:
    spec = {"policies": {"tag": "all :: allow", "build_rpm": "has_perm admin :: allow\nall :: deny no\n"}}
    hub = read(made(spec, {"hub.conf": "[policy]\nTAG =\n  all :: deny site\n"}).hub_conf)
    assert hub["policy"] == {"tag": "\nall :: deny site", "build_rpm": "has_perm admin :: allow\nall :: deny no"}


def test_webs_of_the_namespace_may_log_in_others() -> None:
    dns = [proxies.proxy_dn("kojiweb"), proxies.proxy_dn("other")]
    found = read(made(proxies=dns, web_url="https://web.example.com/koji").hub_conf)["hub"]
    assert found["proxydns"] == "CN=kojiweb | CN=other"
    assert found["kojiweburl"] == "https://web.example.com/koji"
    chosen = made({"hub_options": {"KojiWebURL": "https://a/koji"}}, web_url="https://web.example.com/koji")
    assert read(chosen.hub_conf)["hub"]["kojiweburl"] == "https://a/koji"


@pytest.mark.parametrize(
    ("key", "text", "why"),
    [
        ("hub.conf", "RunInterval = 1\n", "line: 1"),
        ("hub.conf", "[hub]\nRunInterval = 1\nnonsense\n", "[line 3]"),
        ("hub.conf", "[hub]\nRunInterval = soon\n", "[hub] RunInterval is 'soon': wanted is a whole number"),
        ("hub.conf", "[policy]\ntag = all allow\n", "policy tag: 'all allow' has neither"),
        ("hub.conf", "[DEFAULT]\nRunInterval = 1\n", "put them into [hub]"),
        ("sidetag.conf", "nonsense\n", "line: 1"),
        ("koji.conf", "nonsense\n", "line: 1"),
        ("extra.toml", "a = \n", "line 1"),
        ("httpd.conf", "# x\n<Location /x>\n", "line 2: <Location> has no end"),
    ],
)
def test_a_file_of_the_site_that_can_not_be_read_is_named_with_its_line(key: str, text: str, why: str) -> None:
    reason, message = problem({key: text})
    assert reason == "InvalidConfigMap"
    assert message.startswith(f"ConfigMap 'koji-hub' in namespace 'koji', key '{key}': ")
    assert why in message


def test_the_messaging_file_of_the_site_is_named_too() -> None:
    with pytest.raises(Problem, match=r"key 'fedora-messaging\.toml': .*line 1"):
        made(site={"fedora-messaging.toml": "= x"}, broker=BROKER)


def test_wrong_values_of_the_resource_are_named_by_their_field() -> None:
    reason, message = problem(hub_options={"LogLevel": "LOUD"})
    assert (reason, message[:34]) == ("InvalidHubOptions", "hub_options.LogLevel is 'LOUD': a ")
    reason, message = problem(policies={"tag": "all"})
    assert (reason, message[:20]) == ("InvalidPolicy", "policies: policy tag")


def test_database_options_of_the_site_have_no_effect_and_are_warned_of() -> None:
    found = made(site={"hub.conf": "[hub]\nDBName = other\nDBhost = elsewhere\ndbpass = hidden\n"})
    assert not [option for option in read(found.hub_conf)["hub"] if option.startswith("db")]
    [warning] = found.warnings
    assert warning["reason"] == "DatabaseOptionsIgnored"
    assert "DBName, DBhost, dbpass" in warning["message"]
    assert "hidden" not in warning["message"]


def test_an_option_that_nobody_knows_is_kept_and_warned_of() -> None:
    found = made(site={"hub.conf": "[hub]\nRunIntervall = 5\nRLIMIT_AS = 1\n"})
    assert read(found.hub_conf)["hub"]["runintervall"] == "5"
    assert reasons(found) == ["UnknownHubOption"]
    assert "RunIntervall in" in found.warnings[0]["message"]


def test_other_files_of_the_site_are_for_plugins() -> None:
    found = made(site={"sidetag.conf": "[sidetag]\nremove_empty = 1\n", "a.toml": "a = 1\n", "readme.txt": "x"})
    assert found.extra == {"plugins.a.toml": "a = 1\n", "plugins.sidetag.conf": "[sidetag]\nremove_empty = 1\n"}
    assert {
        "name": "config",
        "subPath": "plugins.sidetag.conf",
        "mountPath": "/etc/koji-hub/plugins/sidetag.conf",
        "readOnly": True,
    } in found.mounts
    assert reasons(found) == ["UnusedSettings"]
    assert "readme.txt" in found.warnings[0]["message"]


def test_a_folder_of_the_site_for_kojis_files_is_served() -> None:
    found = made(site={"hub.conf": "[hub]\nKOJIDIR = /srv/koji/\n"})
    assert 'Alias /kojifiles "/srv/koji"\n' in found.httpd_conf
    assert problem({"hub.conf": '[hub]\nKojiDir = /srv"\n'})[0] == "InvalidConfiguration"


def test_the_sites_httpd_conf_is_included() -> None:
    found = made(site={"httpd.conf": "Timeout 5\n"})
    assert found.extra == {"site.conf": "Timeout 5\n"}
    assert 'Include "/etc/koji-hub-httpd/site.conf"' in found.httpd_conf


def test_the_public_host_is_the_servers_name_and_the_service_without_one() -> None:
    assert "\nServerName koji.example.com\n" in made({"host": "koji.example.com"}).httpd_conf
    assert "\nServerName koji-hub.koji.svc\n" in made().httpd_conf


def test_the_command_koji_talks_to_the_hub_beside_it() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(
        made({"hub_options": {"KojiWebURL": "https://a/%20"}}, {"koji.conf": "[koji]\ntopdir = /x\n"}).koji_conf
    )
    assert dict(parser.items("koji")) == {
        "server": "https://koji-hub.koji.svc:8443/kojihub",
        "weburl": "https://a/%20",
        "topurl": "https://koji-hub.koji.svc:8443/kojifiles",
        "topdir": "/x",
        "authtype": "ssl",
        "cert": "/etc/koji-hub-admin/client.pem",
        "serverca": "/etc/koji-hub-tls/ca.crt",
    }


def test_messages_are_configured_in_the_secret_and_the_plugin_is_enabled() -> None:
    found = made({"hub_options": {"Plugins": "sidetag_hub"}, "host": "koji.example.com"}, broker=BROKER)
    assert read(found.hub_conf)["hub"]["plugins"] == "sidetag_hub koji-fedoramessaging"
    assert tomllib.loads(found.secret["fedora-messaging.toml"])["amqp_url"] == BROKER.url
    assert {mount["mountPath"] for mount in found.mounts if mount["name"] == "secrets"} == {
        "/etc/koji-hub/hub.conf.d/database.conf",
        "/etc/fedora-messaging/config.toml",
    }
    assert not [text for text in found.config.values() if "something" in text]
    assert "something" not in repr(found)
    assert read(found.extra["kojiweb.conf"]) == {"web": {"kojifilesurl": "https://koji.example.com/kojifiles"}}
    assert 'X-Forwarded-Host "koji.example.com"' in found.httpd_conf


def test_without_a_url_nothing_of_messages_exists() -> None:
    found = made(site={"fedora-messaging.toml": "topic_prefix = 'x'\n"})
    assert "essaging" not in found.hub_conf + found.httpd_conf
    assert list(found.secret) == ["database.conf"]
    assert not found.extra
    assert reasons(found) == ["UnusedSettings"]


def test_a_site_that_leaves_the_plugin_out_is_warned() -> None:
    found = made(site={"hub.conf": "[hub]\nPlugins = echo\n"}, broker=BROKER)
    assert read(found.hub_conf)["hub"]["plugins"] == "echo"
    assert reasons(found) == ["MessagingPluginOff"]


@pytest.mark.parametrize(
    ("spec", "site", "words"),
    [
        ({}, {}, ["https://localhost:8443/kojihub"]),
        ({"https_enabled": False, "http_enabled": True}, {}, ["http://localhost:8080/kojihub"]),
        ({"hub_options": {"ServerOffline": True}}, {}, ["https://localhost:8443/kojihub", "--offline"]),
        ({}, {"hub.conf": "[hub]\nlockout = on\n"}, ["https://localhost:8443/kojihub", "--offline"]),
    ],
)
def test_the_probe_asks_what_is_served(spec: dict[str, Any], site: dict[str, str], words: list[str]) -> None:
    assert made(spec, site).probe == ["python3", "/etc/koji-hub-httpd/probe.py", *words]


def test_pods_roll_when_a_file_changes_and_only_then() -> None:
    usual = made().checksum
    assert made().checksum == usual
    for other in (
        made({"hub_options": {"RunInterval": 2}}),
        made(site={"httpd.conf": "Timeout 5\n"}),
        made(postgres=database(checksum="new")),
        made(broker=BROKER),
        made(broker=dataclasses.replace(BROKER, url="amqps://koji:new@rabbitmq")),
    ):
        assert other.checksum != usual
        usual = other.checksum


@given(
    hub_options=st.dictionaries(st.sampled_from(FREE), NASTY),
    policies=st.dictionaries(st.from_regex("[a-z_]{1,9}", fullmatch=True), st.lists(NASTY, max_size=4)),
    proxies=st.lists(NASTY.filter(lambda dn: "|" not in dn), max_size=3),
    web_url=NASTY,
)
def test_no_text_of_a_resource_adds_an_option(
    hub_options: dict[str, str], policies: dict[str, list[str]], proxies: list[str], web_url: str
) -> None:
    rules = {name: "\n".join(f"x {text} :: allow {text}" for text in texts) for name, texts in policies.items()}
    try:
        hub = files.look(
            {"hub_options": hub_options, "policies": rules},
            names(),
            files.Sources(database(), MessagingLook(), {}, proxies, web_url),
        )
    except Problem:  # a rule that is none
        return
    found = read(hub.hub_conf)
    wanted = {name.lower(): ini.one_line(text) for name, text in hub_options.items() if ini.one_line(text)}
    ours = set(map(str.lower, options.DEFAULTS)) | {"kojidir"}
    ours |= ({"proxydns"} if proxies else set()) | ({"kojiweburl"} if web_url else set())
    assert set(found["hub"]) == ours | set(wanted)
    assert {name: found["hub"][name] for name in wanted} == wanted
    assert found.get("policy", {}) == {name: ini.lines(text) for name, text in rules.items()}
    if proxies:
        assert [dn.strip() for dn in found["hub"]["proxydns"].split("|")] == [ini.one_line(dn) for dn in proxies]


@given(url=NASTY)
def test_no_text_adds_an_option_to_the_command_kojis_file(url: str) -> None:
    found = made({"hub_options": {"KojiWebURL": url}})
    parser = configparser.ConfigParser()
    parser.read_string(found.koji_conf)
    assert parser.sections() == ["koji"]
    shown = dict(parser.items("koji"))
    assert shown.pop("weburl", "") == ini.one_line(url)
    assert set(shown) == {"server", "topurl", "topdir", "authtype", "cert", "serverca"}


@given(st.dictionaries(st.sampled_from(["hub", "policy", "x y"]), st.dictionaries(NASTY, NASTY)))
def test_what_the_site_wrote_reads_back_as_it_was(sections: dict[str, dict[str, str]]) -> None:
    text = "".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in options_.items())
        for section, options_ in sections.items()
    )
    try:
        parsed = ini.parse(text)
    except ini.IniError:
        return
    again = read(ini.rendered(ini.overlaid({}, parsed)))
    for section, values in parsed.items():
        assert again.get(section, {}) == {key.lower(): value for key, value in values.items()}
