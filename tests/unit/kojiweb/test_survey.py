# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the role of a KojiWeb is told: what comes first, what may be applied, what is wrong, the most telling first."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb.survey import OBJECTS, REQUESTS

from tests.unit import keytabs
from tests.unit.kojihub.namespace import accepts, coded
from tests.unit.resources.cluster import NAMESPACE, Authority

from .webs import HUB_URL, Cluster, WebRole, reasons

HOST = "koji.example.com"


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def served(cluster: Cluster, **spec: Any) -> WebRole:
    """A KojiWeb whose pod is there."""
    role = WebRole(cluster, **spec)
    role.run()
    cluster.deployed("koji-web", role.uid)
    return role


def test_secrets_come_first_then_all_else_in_the_same_run(cluster: Cluster) -> None:
    role = WebRole(cluster)
    first = role.look()
    assert sorted(order["secret"] for order in first["make"]) == [
        "koji-web-client-cert",
        "koji-web-service-cert",
        "koji-web-session",
    ]
    assert (first["problem"]["reason"], first["problem"]["progressing"]) == ("CertificatesComing", True)
    assert not set(OBJECTS) & set(first["templates"])
    found = role.run()
    assert (found["make"], found["problem"]["reason"]) == ([], "RollingOut")
    assert found["templates"][-3:] == list(OBJECTS)
    client = cluster.texts("koji-web-client-cert")
    assert found["files"]["secret"]["client.pem"] == client["client.pem"]
    assert certificates.read(client["tls.crt"], client["tls.key"]).common_name == "kojiweb"


def test_nothing_is_left_to_do_or_to_say_when_its_pods_serve(cluster: Cluster) -> None:
    found = served(cluster).look()
    assert (found["make"], found["problem"], found["warnings"], found["remove"], found["ask_hub"]) == (
        [],
        {},
        [],
        [],
        [],
    )
    assert found["status"]["url"] == "https://koji-web.koji.svc:8443/koji"
    assert found["status"]["hub_url"] == HUB_URL
    assert found["status"]["selector"] == "app.kubernetes.io/name=koji-web,app.kubernetes.io/instance=web"


def test_its_certificates_are_by_the_hubs_ca_and_for_its_names(cluster: Cluster) -> None:
    role = served(cluster, host=HOST)
    server = cluster.texts("koji-web-service-cert")
    read = certificates.read(server["tls.crt"], server["tls.key"])
    assert read.covers(HOST)
    assert read.covers("koji-web.koji.svc")
    ca = cluster.texts("koji-hub-ca-cert")["ca.crt"]
    assert accepts(ca, server["tls.crt"], read.parsed.not_valid_before_utc)
    assert server["ca.crt"] == ca
    assert role.look()["status"]["url"] == f"https://{HOST}/koji"


def test_what_somebody_changes_in_its_secrets_is_put_right(cluster: Cluster) -> None:
    role = served(cluster)
    for name, key in (("koji-web-client-cert", "client.pem"), ("koji-web-service-cert", "tls.crt")):
        cluster.there["Secret", name]["data"] |= coded({key: "nonsense"})
        assert [order["secret"] for order in role.look()["make"]] == [name]
        assert role.run()["make"] == []


def test_a_hub_that_has_not_served_yet_is_waited_for(cluster: Cluster) -> None:
    cluster.there["KojiHub", "hub"]["status"] = {}
    found = WebRole(cluster).look()
    assert (found["problem"]["reason"], found["problem"]["progressing"]) == ("WaitingForHub", True)
    assert found["templates"] == []
    assert [order["secret"] for order in found["make"]] == ["koji-web-session"]


def test_a_hub_that_does_not_let_it_in_is_asked_to_once(cluster: Cluster) -> None:
    role = served(cluster)
    cluster.let_in("CN=other")
    found = role.look()
    assert found["problem"]["reason"] == "WaitingForHub"
    assert "lacks 'CN=kojiweb'" in found["problem"]["message"]
    [ask] = found["ask_hub"]
    assert (ask["kind"], ask["metadata"]["name"]) == ("KojiHub", "hub")
    cluster.there["KojiHub", "hub"]["metadata"]["annotations"] = ask["metadata"]["annotations"]
    assert role.look()["ask_hub"] == []


def test_a_hub_that_rolls_out_is_waited_for_only_at_first(cluster: Cluster) -> None:
    role = served(cluster)
    cluster.deployed("koji-hub", available=0)
    assert role.look()["problem"]["reason"] == "WaitingForHub"
    role.resource["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert role.look()["problem"] == {}


def test_links_to_files_lead_to_the_hubs_public_host(cluster: Cluster) -> None:
    assert (
        "KojiFilesURL = https://koji-hub.koji.svc:8443/kojifiles\n"
        in served(cluster).look()["files"]["config"]["web.conf"]
    )
    cluster.there["KojiHub", "hub"]["spec"]["host"] = "hub.example.com"
    found = served(cluster).look()
    assert "KojiFilesURL = https://hub.example.com/kojifiles\n" in found["files"]["config"]["web.conf"]


def test_a_given_server_certificate_may_be_anybodys(cluster: Cluster) -> None:
    cluster.secret("mine", dict(zip(("tls.crt", "tls.key"), Authority("public CA").issue("x"), strict=True)))
    found = WebRole(cluster, service_cert_secret="mine").run()
    assert found["problem"]["reason"] == "CertificateForAnotherName"
    cluster.secret("mine", {"tls.crt": "x"})
    assert WebRole(cluster, service_cert_secret="mine").run()["problem"]["reason"] == "MissingSecretKey"


@pytest.mark.parametrize("other", ["koji-hub-ca-cert", "koji-web-session", "koji-web-client-cert"])
def test_one_secret_for_two_purposes_is_refused(cluster: Cluster, other: str) -> None:
    assert WebRole(cluster, service_cert_secret=other).run()["problem"]["reason"] == "ConflictingFields"


def test_a_name_that_is_taken_stops_everything(cluster: Cluster) -> None:
    cluster.add("Service", "koji-web")
    found = WebRole(cluster).look()
    assert (found["problem"]["reason"], found["templates"], found["make"]) == ("NameTaken", [], [])
    assert "needed for this KojiWeb" in found["problem"]["message"]


def test_a_configmap_that_can_not_be_parsed_is_named_and_nothing_is_applied(cluster: Cluster) -> None:
    cluster.add("ConfigMap", "mine", {"web.conf": "[web\n", "httpd.conf": "LogLevel info\n"})
    found = served(cluster, configmap="mine").look()
    assert (found["problem"]["reason"], found["templates"]) == ("InvalidConfigMap", [])
    assert found["corrections"], "what makes them reachable is put right all the same"
    assert "'web.conf'" in found["problem"]["message"]


def test_cert_manager_is_asked_where_the_hub_has_an_issuer(cluster: Cluster) -> None:
    cluster.delete("Secret", "koji-hub-ca-cert-key")
    cluster.there["KojiHub", "hub"]["spec"]["cert_manager_issuer"] = {"name": "ca"}
    found = WebRole(cluster).look()
    assert (found["problem"]["reason"], found["templates"]) == ("WaitingForCertManager", [REQUESTS])
    assert [one["name"] for one in found["certificates"]["requests"]] == ["koji-web-client-cert"]


def test_without_tls_no_server_certificate_is_made(cluster: Cluster) -> None:
    role = WebRole(cluster, https_enabled=False, http_enabled=True)
    role.run()
    assert cluster.texts("koji-web-service-cert") == {}
    assert role.look()["status"]["url"] == "http://koji-web.koji.svc:8080/koji"


def test_one_that_goes_is_told_of_its_hub_only(cluster: Cluster) -> None:
    role = served(cluster)
    role.resource["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = role.look()
    assert (found["templates"], found["make"], found["problem"]) == ([], [], {})
    assert found["references"]["user"] == "kojiweb"
    cluster.add("KojiUser", "kojiweb", spec={})
    assert role.look()["references"]["claimed_by"] == ["KojiUser kojiweb"]


def test_a_kojiuser_that_disables_its_user_is_named(cluster: Cluster) -> None:
    cluster.add("KojiUser", "kojiweb", spec={"enabled": True})
    assert served(cluster).look()["problem"] == {}
    cluster.add("KojiUser", "kojiweb", spec={"enabled": False})
    assert served(cluster).look()["problem"]["reason"] == "UserDisabled"


def test_with_a_keytab_it_logs_in_by_kerberos_and_people_do(cluster: Cluster) -> None:
    krb = {"principal": "kojiweb@X.COM", "keytab_secret": "keytab"}
    assert served(cluster, authentication={"krb": krb}).look()["problem"]["reason"] == "MissingSecret"
    cluster.add("Secret", "keytab")
    secret = cluster.there["Secret", "keytab"]
    secret["data"] = keytabs.secret(keytabs.keytab("kojiweb@X.COM"))
    assert served(cluster, authentication={"krb": krb}).look()["problem"]["reason"] == "PrincipalNotInKeytab"
    secret["data"] = keytabs.secret(keytabs.keytab("kojiweb@X.COM", "HTTP/elsewhere@X.COM"))
    assert reasons(served(cluster, authentication={"krb": krb}).look()) == ["KeytabForOtherHost"]
    secret["data"] = keytabs.secret(keytabs.keytab("kojiweb@X.COM", f"HTTP/koji-web.{NAMESPACE}.svc@X.COM"))
    found = served(cluster, authentication={"krb": krb}).look()
    assert reasons(found) == []
    assert "WebPrincipal = kojiweb@X.COM" in found["files"]["config"]["web.conf"]
    assert "WebCert" not in found["files"]["config"]["web.conf"]
    assert "GssapiCredStore" in found["files"]["config"]["httpd.conf"]
    assert "SSLVerifyClient none" in found["files"]["config"]["httpd.conf"]
    assert "client.pem" not in found["files"]["secret"]
    assert found["kerberos"]["on"]


def test_open_shift_gives_user_ids_of_its_own(cluster: Cluster) -> None:
    assert served(cluster).look()["any_user"]
    cluster.openshift = True
    assert not served(cluster).look()["any_user"]
