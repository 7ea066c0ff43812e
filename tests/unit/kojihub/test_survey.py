# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the role of a KojiHub is told: what comes next, and what is wrong, the most telling first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import stage, survey, version
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.survey import (
    OPENSHIFT,
    PATIENCE,
    REQUESTS,
    Survey,
)

from tests.unit import keytabs
from tests.unit.resources.cluster import NAMESPACE, Authority, resource

from .namespace import HubRole, Namespace

POSTGRES = {
    "POSTGRES_HOST": "postgresql",
    "POSTGRES_DB": "koji",
    "POSTGRES_USER": "koji",
    "POSTGRES_PASSWORD": "s3cr3t",
}
OTHER = {"ownerReferences": [{"kind": "KojiWeb", "name": "web", "uid": "else"}]}


class Cluster(Namespace):
    """A namespace with all that a hub's site gives."""

    openshift = False

    def __init__(self) -> None:
        super().__init__()
        self.secret("postgres", POSTGRES)

    def add(self, kind: str, name: str, data: dict[str, str] | None = None, **more: Any) -> None:
        """Put an object there."""
        metadata = {"name": name, "namespace": NAMESPACE, "uid": name, **more.pop("metadata", {})}
        self.there[kind, name] = {"kind": kind, "metadata": metadata, "data": data, **more}

    def events(self, namespace: str, uid: str) -> list[dict[str, Any]]:
        return []

    def serves(self, kind: str) -> bool:
        return kind != OPENSHIFT or self.openshift


@pytest.fixture
def cluster() -> Cluster:
    """A site whose hub has its certificates."""
    one = Cluster()
    HubRole(one).run()
    return one


def surveyed(cluster: Cluster, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    hub = resource("KojiHub", "hub", **spec)
    hub["metadata"]["annotations"] = annotations or {}
    return Survey(hub, cluster).run()


def reason(cluster: Cluster, **spec: Any) -> str:
    return str(surveyed(cluster, **spec)["problem"].get("reason"))


def test_certificates_claims_and_the_database_come_first() -> None:
    found = surveyed(Cluster())
    assert found["certificates"]["make"]
    assert len(found["claims"]["make"]) == 2
    assert (found["problem"]["reason"], found["problem"]["progressing"]) == ("CertificatesComing", True)
    assert found["templates"][-2:] == list(stage.DATABASE)
    assert any("service.yaml" in template for template in found["templates"])
    assert found["is_new"]


def test_a_namespace_without_the_postgres_secret_is_told_so(cluster: Cluster) -> None:
    cluster.delete("Secret", "postgres")
    found = surveyed(cluster)
    assert found["problem"]["reason"] == "MissingSecret"
    assert "'postgres'" in found["problem"]["message"]
    assert found["templates"] == found["remove"] == []
    conditions = {entry["type"]: entry for entry in found["conditions"]}
    assert (conditions["DatabaseReady"]["status"], conditions["DatabaseReady"]["reason"]) == (False, "MissingSecret")


def deployed(cluster: Cluster) -> None:
    """The hub's Deployment, which serves."""
    own = {"ownerReferences": [{"kind": "KojiHub", "name": "hub", "uid": "uid-KojiHub-hub"}], "generation": 1}
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}
    cluster.add("Deployment", "koji-hub", metadata=own, spec={"replicas": 1}, status=status)


def test_what_needs_nothing_that_is_missing_is_corrected_meanwhile(cluster: Cluster) -> None:
    cluster.delete("Secret", "postgres")
    assert surveyed(cluster)["corrections"] == [], "a hub that is not there yet has nothing to be corrected"
    deployed(cluster)
    found = surveyed(cluster, network_policy={"enabled": True})
    assert found["problem"]["reason"] == "MissingSecret"
    assert found["templates"] == found["remove"] == []
    assert [path.rpartition("/")[2].split(".")[1] for path in found["corrections"]] == [
        "service", "serviceaccount", "networkpolicy",
    ]  # fmt: skip
    assert surveyed(cluster, paused=True)["corrections"] == []
    cluster.add("Ingress", "koji-hub", metadata=OTHER)
    taken = surveyed(cluster, host="koji.example.org")
    assert (taken["problem"]["reason"], taken["corrections"]) == ("NameTaken", [])


def test_while_nothing_is_wrong_there_are_no_mere_corrections(cluster: Cluster) -> None:
    deployed(cluster)
    assert surveyed(cluster)["corrections"] == []


@pytest.mark.parametrize(
    ("kind", "name"), [("Deployment", "koji-hub"), ("ConfigMap", "koji-hub-config"), ("Secret", "koji-hub-secrets")]
)
def test_what_belongs_to_somebody_else_is_not_taken_over(cluster: Cluster, kind: str, name: str) -> None:
    # Before anything else that is wrong.
    cluster.delete("Secret", "postgres")
    cluster.add(kind, name, metadata=OTHER, spec={}, status={})
    found = surveyed(cluster)
    assert found["problem"]["reason"] == "NameTaken"
    assert f"{kind} '{name}'" in found["problem"]["message"]
    assert "KojiWeb web" in found["problem"]["message"]
    assert found["templates"] == []


def test_the_operators_own_configmap_cannot_be_the_sites(cluster: Cluster) -> None:
    assert reason(cluster, configmap="koji-hub-config") == "ConflictingFields"


def test_trusted_cas_that_are_not_there_are_named(cluster: Cluster) -> None:
    assert reason(cluster, trusted_ca_configmap="cas") == "MissingConfigMap"
    cluster.add("ConfigMap", "cas", {"ca-bundle.crt": "nothing"})
    assert reason(cluster, trusted_ca_configmap="cas") == "InvalidConfigMap"


def test_more_replicas_than_a_volume_allows_are_refused(cluster: Cluster) -> None:
    assert reason(cluster, replicas=2) == "TooManyReplicas"


def test_a_paused_hub_is_looked_at_and_left_alone(cluster: Cluster) -> None:
    found = surveyed(cluster, paused=True)
    assert found["templates"] == found["remove"] == []
    assert found["status"]["internal_url"] == "https://koji-hub.koji.svc:8443/kojihub"


def test_a_hub_that_was_paused_before_it_was_made_does_not_seem_to_come(cluster: Cluster) -> None:
    problem = surveyed(cluster, paused=True)["problem"]
    assert (problem["reason"], problem["progressing"]) == ("Paused", False)
    cluster.delete("Secret", "postgres")
    assert reason(cluster, paused=True) == "MissingSecret"


def serve(cluster: Cluster) -> None:
    """The hub's Deployment is as wanted, and its pod ready."""
    own = {
        "ownerReferences": [{"kind": "KojiHub", "name": "hub", "uid": resource("KojiHub", "hub")["metadata"]["uid"]}]
    }
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    cluster.add("Deployment", "koji-hub", metadata={**own, "generation": 1}, spec={"replicas": 1}, status=status)


def test_a_hub_that_has_not_said_its_version_is_asked_again_soon(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {0.0: "1.36.0", PATIENCE: ""}
    monkeypatch.setattr(version, "ask", lambda url, ca, patience: answers[patience])
    serve(cluster)
    found = surveyed(cluster)
    assert (found["status"]["hub_version"], found["again"]) == (None, "20s")
    hub = resource("KojiHub", "hub")
    hub["status"] = {"hub_version": "1.35.3"}
    found = Survey(hub, cluster).run()
    assert (found["status"]["hub_version"], found["again"]) == ("1.36.0", "")


def test_a_paused_hub_that_serves_is_ready_whatever_is_to_come(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "ask", lambda url, ca, patience: "1.35.3")
    serve(cluster)
    assert surveyed(cluster, image="another", paused=True)["problem"] == {}
    assert surveyed(cluster, image="another")["problem"]["progressing"]


def test_openshift_says_itself_as_whom_pods_run(cluster: Cluster) -> None:
    assert surveyed(cluster)["any_user"]
    assert not surveyed(cluster, ingress_backend="openshift")["any_user"]
    cluster.openshift = True
    assert not surveyed(cluster, ingress_backend="none")["any_user"]


def test_with_kerberos_httpd_asks_for_tickets_and_its_web_pages_may_log_in_others(cluster: Cluster) -> None:
    asked = {"krb": {"keytab_secret": "hub-keytab", "allowed_realms": ["X.COM"]}}
    assert reason(cluster, authentication=asked) == "MissingSecret"
    cluster.add("Secret", "hub-keytab", keytabs.secret(keytabs.keytab("HTTP/koji-hub.koji.svc@X.COM")))
    krb = {"principal": "kojiweb@X.COM", "keytab_secret": "web"}
    cluster.add("KojiWeb", "web", spec={"authentication": {"krb": krb}})
    cluster.add("KojiWeb", "other", spec={"client_username": "other", "authentication": {"krb": {"principal": "o@X"}}})
    found = surveyed(cluster, authentication=asked)
    assert not found["warnings"]
    conf = found["files"]["config"]["hub.conf"]
    assert "ProxyPrincipals = kojiweb@X.COM\n" in conf
    assert "ProxyDNs = CN=other\n" in conf
    assert "AllowedKrbRealms = X.COM" in conf
    assert "GssapiCredStore" in found["files"]["config"]["httpd.conf"]
    assert found["kerberos"]["mounts"]
    assert found["checksums"] != surveyed(cluster)["checksums"]
    assert surveyed(cluster)["kerberos"]["volumes"] == []


def test_other_settings_and_other_cas_roll_the_pods(cluster: Cluster) -> None:
    before = surveyed(cluster)["checksums"]
    assert surveyed(cluster)["checksums"] == before
    assert surveyed(cluster, hub_options={"LogLevel": "DEBUG"})["checksums"] != before
    cluster.add("ConfigMap", "cas", {"ca-bundle.crt": Authority().certificate})
    assert surveyed(cluster, trusted_ca_configmap="cas")["checksums"] != before
    assert surveyed(cluster, sidecar=True)["checksums"] != before


def test_the_password_is_in_the_secrets_files_only(cluster: Cluster) -> None:
    found = surveyed(cluster)
    assert "s3cr3t" in found["files"]["secret"]["database.conf"]
    without = {**found, "files": {**found["files"], "secret": {}}}
    assert "s3cr3t" not in repr(without)


def test_the_webs_of_the_namespace_may_log_others_in(cluster: Cluster) -> None:
    assert "ProxyDNs" not in surveyed(cluster)["files"]["config"]["hub.conf"]
    cluster.add("KojiWeb", "koji-web", spec={"client_username": "kojiweb", "host": "koji.example"})
    conf = surveyed(cluster)["files"]["config"]["hub.conf"]
    assert "ProxyDNs = CN=kojiweb" in conf
    assert "KojiWebURL = https://koji.example/koji" in conf


def test_cert_managers_certificates_are_asked_for_before_they_are_there() -> None:
    found = surveyed(Cluster(), cert_manager_issuer={"name": "ca"})
    assert (found["problem"]["reason"], found["templates"]) == ("WaitingForCertManager", [REQUESTS])


def test_what_was_found_out_before_is_not_forgotten(cluster: Cluster) -> None:
    hub = resource("KojiHub", "hub")
    hub["status"] = {"hub_version": "1.35.3", "schema_version": "1.35"}
    status = Survey(hub, cluster).run()["status"]
    assert (status["hub_version"], status["schema_version"]) == ("1.35.3", "1.35")


def test_what_makes_the_hub_reachable_comes_with_the_first_step(cluster: Cluster) -> None:
    found = surveyed(cluster, cleanup={"gc": {"enabled": True}})
    assert found["problem"]["progressing"]
    assert [template for template in found["templates"] if "koji_http" not in template] == list(stage.DATABASE)
    assert any("service.yaml" in template for template in found["templates"])


def test_a_hub_whose_database_is_ready_gets_its_pods_and_its_cleaning(cluster: Cluster) -> None:
    key = surveyed(cluster)["database"]
    owner = {"ownerReferences": [{"kind": "KojiHub", "name": "hub", "uid": "uid-KojiHub-hub"}]}
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    cluster.add("Job", key["job"], metadata={**owner, "labels": key["labels"]}, status=done)
    found = surveyed(cluster, replicas=0, cleanup={"gc": {"enabled": True}})
    assert found["templates"][-4:] == ["gc.cronjob.yaml.j2", *stage.HUB]
    assert (found["problem"]["reason"], found["replicas"]) == ("RollingOut", 0)


@pytest.mark.parametrize(("looks", "reason"), [(3, "RollingOut"), (1000, "DatabaseJobRuns")])
def test_a_new_hub_goes_on_when_its_database_is_ready(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, looks: int, reason: str
) -> None:
    key = surveyed(cluster)["database"]
    owner = {"ownerReferences": [{"kind": "KojiHub", "name": "hub", "uid": "uid-KojiHub-hub"}]}
    cluster.add("Job", key["job"], metadata={**owner, "labels": key["labels"]}, status={})
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == looks:
            done = {"conditions": [{"type": "Complete", "status": "True"}]}
            cluster.there["Job", key["job"]]["status"] = done

    clock = SimpleNamespace(sleep=sleep, monotonic=lambda: sum(slept))
    monkeypatch.setattr(f"{survey.__name__}.time", clock)
    assert surveyed(cluster)["is_new"]
    assert not slept, "nobody waits who is not asked to"
    found = Survey(resource("KojiHub", "hub"), cluster).run(patience=8)
    assert found["problem"]["reason"] == reason
    assert found["patient"]
    assert sum(slept) < 8 + 2 * survey.PAUSE
    assert (list(stage.HUB) == found["templates"][-3:]) is (looks < 10)


def kojira(cluster: Cluster, name: str = "kojira", created: str = "2026-11-30T10:00:00Z", **spec: Any) -> None:
    cluster.add("Kojira", name, metadata={"creationTimestamp": created}, spec=spec)


def test_the_kojira_of_the_namespace_says_what_limits_repos(cluster: Cluster) -> None:
    hub = surveyed(cluster)["files"]["config"]["hub.conf"]
    cluster.add("KojiHub", "hub", metadata={"uid": resource("KojiHub", "hub")["metadata"]["uid"]}, spec={})
    kojira(cluster)
    assert surveyed(cluster)["files"]["config"]["hub.conf"] == hub, "the hub's own defaults need no restart"
    kojira(cluster, max_repo_tasks=3, src="yes")
    told = surveyed(cluster)["files"]["config"]["hub.conf"]
    assert "MaxRepoTasks = 3" in told
    assert "SourceTags = *" in told
    assert "RepoQueueUser" not in told
    assert "MaxRepoTasks = 5" in surveyed(cluster, hub_options={"MaxRepoTasks": 5})["files"]["config"]["hub.conf"]


def test_only_the_kojira_that_works_for_this_hub_says_it(cluster: Cluster) -> None:
    cluster.add("KojiHub", "hub", metadata={"uid": resource("KojiHub", "hub")["metadata"]["uid"]}, spec={})
    kojira(cluster, "younger", "2026-11-30T11:00:00Z", max_repo_tasks=3)
    kojira(cluster, "older", hub_host="koji.example.com", max_repo_tasks=4)
    assert "MaxRepoTasks" not in surveyed(cluster)["files"]["config"]["hub.conf"]
    kojira(cluster, "older", hub_host="koji-hub:8443", max_repo_tasks=4)
    assert "MaxRepoTasks = 4" in surveyed(cluster)["files"]["config"]["hub.conf"]
    kojira(cluster, "older", hub_host="http://koji-hub")
    assert "MaxRepoTasks" not in surveyed(cluster)["files"]["config"]["hub.conf"]
