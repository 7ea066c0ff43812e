# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Logins by Kerberos, with a real KDC: of people, a builder, the operator; and what is said when they can't be."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from typing import TYPE_CHECKING

import koji
import pytest
import requests
from requests_gssapi import HTTPSPNEGOAuth  # type: ignore[import-untyped]

from tests.devhub.manifests import config_map
from tests.e2e.kojira.scene import Scene
from tests.e2e.kojiweb.site import WebSite
from tests.e2e.kube import condition
from tests.e2e.resources import READY, SOON, builder, user

from .conftest import hub_spec, krb
from .kdc import REALM, conf, principal

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Realm

BY_CERTIFICATE, BY_KERBEROS = "2", "3"  # koji.AUTHTYPES
TASK_TIME = 120
SESSION = "SELECT sessions.id FROM sessions JOIN users ON user_id = users.id WHERE name = 'pods'"


@pytest.fixture
def client_conf(realm: Realm, tmp_path: Path) -> Path:
    """krb5.conf of a person's machine."""
    file = tmp_path / "krb5.conf"
    file.write_text(conf(realm.namespace), "utf-8")
    return file


def closes(realm: Realm) -> None:
    """Wait until a short task has been run."""
    session = realm.hub.session()
    task = session.makeTask("sleep", [1])

    def closed() -> bool:
        return bool(session.getTaskInfo(task)["state"] == koji.TASK_STATES["CLOSED"])

    realm.kube.wait_for(closed, TASK_TIME, "the task is closed", lambda: session.getTaskInfo(task))


def test_a_user_logs_in_with_a_ticket(realm: Realm, client_conf: Path, tmp_path: Path) -> None:
    realm.kdc.add("alice")
    realm.kube.apply(user("alice", realm.namespace, permissions=["repo"], authentication=krb("alice")))
    item = realm.kube.wait_condition("KojiUser", "alice", realm.namespace, READY)
    assert not item["status"].get("client_cert_secret"), "Kerberos, instead of a certificate"
    assert realm.hub.anonymous().getUser("alice")["krb_principals"] == [principal("alice")]
    config = tmp_path / "koji.conf"
    config.write_text(f"[koji]\nserver = {realm.hub.url}\nserverca = {realm.hub.ca}\nauthtype = kerberos\n", "utf-8")
    command = [f"{sysconfig.get_path('scripts')}/koji", "--config", str(config), "hello"]
    environ = {
        **os.environ,
        "KRB5_CONFIG": str(client_conf),
        "KRB5CCNAME": str(realm.kdc.ticket("alice", tmp_path)),
    }
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=TASK_TIME)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "alice" in done.stdout
    assert "GSSAPI" in done.stdout
    assert realm.logins("alice") == {BY_KERBEROS}


def test_the_operator_itself_logs_in_by_keytab(realm: Realm, tmp_path: Path) -> None:
    WebSite(realm.kube, realm.hub, tmp_path).wait()  # whose user it has made before there was any test
    first = (
        "SELECT authtype FROM sessions JOIN users ON user_id = users.id WHERE name = 'koji-admin' ORDER BY sessions.id"
    )
    assert realm.site.psql(f"{first} LIMIT 1") == BY_KERBEROS


def test_a_certificate_logs_in_beside_and_who_has_neither_is_asked_for_a_ticket(realm: Realm) -> None:
    assert realm.hub.session().getLoggedInUser()["name"] == "koji-admin"
    answer = requests.post(f"{realm.hub.url}/ssllogin", data=b"", verify=str(realm.hub.ca), timeout=30)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Negotiate")


def test_only_users_of_the_realms_that_are_named_may_be(realm: Realm) -> None:
    with pytest.raises(koji.AuthError, match=r"OTHER\.TEST is not allowed"):
        realm.hub.session().createUser("mallory", krb_principal="mallory@OTHER.TEST")
    hosts = realm.hub.session()
    hosts.addHost("rack1", ["x86_64"])
    assert hosts.getUser("rack1")["krb_principals"] == [f"compile/rack1@{REALM}"]


def test_a_builder_works_by_keytab(realm: Realm) -> None:
    realm.kdc.add("compile/pods")
    realm.kdc.secret("pods-keytab", "compile/pods")
    wanted = builder("pods", realm.namespace, authentication=krb("compile/pods", "pods-keytab"))
    realm.kube.apply(wanted)
    realm.kube.wait_condition("KojiBuilder", "pods", realm.namespace, READY, "Scheduling")
    assert realm.kube.get("Secret", "koji-pods-client-cert", realm.namespace) is None
    closes(realm)
    assert realm.logins("pods") == {BY_KERBEROS}
    # A hub whose sessions expire has them renewed.
    before = realm.site.psql(f"{SESSION} AND exclusive")
    realm.site.psql(f"UPDATE sessions SET expired = TRUE WHERE id = {before}")  # noqa: S608
    closes(realm)
    assert realm.site.psql(f"{SESSION} AND exclusive AND NOT expired") == before
    realm.kube.wait_condition("KojiBuilder", "pods", realm.namespace, SOON)


def test_kojira_works_by_keytab(realm: Realm) -> None:
    realm.kdc.add("kojira")
    realm.kdc.secret("kojira-keytab", "kojira")
    scene = Scene(realm.site, realm.hub)
    scene.ready(authentication=krb("kojira", "kojira-keytab"))
    assert realm.hub.anonymous().getUser("kojira")["krb_principals"] == [principal("kojira")]
    assert realm.kube.get("Secret", "kojira-client-cert", realm.namespace) is None
    assert realm.logins("kojira") == {BY_KERBEROS}


def test_people_log_in_to_the_web_pages_with_a_ticket(
    realm: Realm, client_conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    realm.kdc.add("carol")
    realm.kube.apply(user("carol", realm.namespace, authentication=krb("carol")))
    realm.kube.wait_condition("KojiUser", "carol", realm.namespace, READY)
    WebSite(realm.kube, realm.hub, tmp_path).wait()
    monkeypatch.setenv("KRB5_CONFIG", str(client_conf))
    monkeypatch.setenv("KRB5CCNAME", str(realm.kdc.ticket("carol", tmp_path)))
    url = f"https://koji-web.{realm.namespace}.svc:8443/koji/login"
    assert requests.get(url, verify=str(realm.hub.ca), timeout=30).status_code == 401
    answer = requests.get(
        url, verify=str(realm.hub.ca), timeout=60, allow_redirects=False, auth=HTTPSPNEGOAuth(target_name="HTTP")
    )
    assert answer.status_code == 302, answer.text
    assert "carol" in answer.cookies["user"]  # koji-web has a checksum before the name, the stand-in after it
    assert realm.logins("carol") == {BY_KERBEROS}
    realm.kube.delete("KojiUser", "carol", realm.namespace, timeout=SOON)
    assert realm.hub.anonymous().getUser("carol")["status"] == koji.USER_STATUS["BLOCKED"], "by keytab, too"


def test_a_wrong_keytab_is_named_until_there_is_a_right_one(realm: Realm) -> None:
    realm.kdc.add("compile/old")
    realm.kdc.secret("old-keytab", "compile/old")
    realm.kdc.change("compile/old")
    realm.kube.apply(builder("old", realm.namespace, authentication=krb("compile/old", "old-keytab")))
    item = realm.kube.wait_condition("KojiBuilder", "old", realm.namespace, READY, "Ready", "False", "KeytabRejected")
    said = condition(item, "Ready")["message"]
    assert "Secret 'old-keytab'" in said
    assert principal("compile/old") in said
    realm.kdc.secret("old-keytab", "compile/old")
    realm.kube.wait_condition("KojiBuilder", "old", realm.namespace, READY, "Scheduling")


def test_what_is_no_good_is_named(realm: Realm) -> None:
    """Each by a builder or user of its own, all at once."""
    kdc = realm.kdc
    kdc.add("compile/nowhere", "other")
    kdc.secret("other-keytab", "other")
    kdc.secret("nowhere-keytab", "compile/nowhere")
    kdc.keep("text-keytab", b"not a keytab")
    kdc.keep("keyless-keytab", b"x", key="keytab")
    realm.kube.apply(config_map("no-kdc", realm.namespace, {"krb5.conf": conf(realm.namespace, 1)}))
    wrong = {
        "keyless": ("KojiUser", "MissingSecretKey", krb("x", "keyless-keytab")),
        "text": ("KojiUser", "InvalidKeytab", krb("x", "text-keytab")),
        "other": ("KojiUser", "PrincipalNotInKeytab", krb("x", "other-keytab")),
        "absent": ("KojiBuilder", "MissingSecret", krb("x", "absent-keytab")),
        "noconf": ("KojiBuilder", "MissingConfigMap", krb("other", "other-keytab", krb5_configmap="absent")),
        "nowhere": (
            "KojiBuilder",
            "KdcUnreachable",
            krb("compile/nowhere", "nowhere-keytab", krb5_configmap="no-kdc"),
        ),
    }
    for name, (kind, _, authentication) in wrong.items():
        make = user if kind == "KojiUser" else builder
        realm.kube.apply(make(name, realm.namespace, authentication=authentication))
    for name, (kind, reason, authentication) in wrong.items():
        item = realm.kube.wait_condition(kind, name, realm.namespace, READY, "Ready", "False", reason)
        named, said = authentication["krb"], condition(item, "Ready")["message"]
        assert named["keytab_secret"] in said or named["krb5_configmap"] in said or REALM in said
    realm.kube.wait_object(
        "KojiUser",
        "other",
        realm.namespace,
        lambda item: condition(item, "Warning").get("reason") == "KerberosSettingsIgnored",
        SOON,
        "a user's krb5_configmap is warned of",
    )


def test_a_keytab_of_the_hub_that_is_no_good_is_named_and_the_hub_goes_on(realm: Realm) -> None:
    realm.kdc.secret("wrong-hub-keytab", "koji/admin")
    said = realm.site.refused("PrincipalNotInKeytab", **hub_spec(keytab_secret="wrong-hub-keytab"))
    assert "HTTP/koji-hub" in said
    assert realm.hub.session().getLoggedInUser()["name"] == "koji-admin"
    said = realm.site.refused("MissingSecret", **hub_spec(admin_keytab_secret="absent"))
    assert "Secret 'absent'" in said
    realm.site.apply(**hub_spec())
    realm.site.wait(seconds=READY)
