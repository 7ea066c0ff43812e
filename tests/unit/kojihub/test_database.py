# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The database's Jobs: one for each image and Secret, tried again when they fail, in two ways where that has to be."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import database
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.postgres import read

from tests.unit.resources.cluster import Objects, resource

from .test_postgres import secret

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.database import DatabaseLook

COMPLETE, FAILED = "Complete", "Failed"
WORD = {"outcome": "failed", "reason": "WrongDatabasePassword", "message": "mend it", "schema_version": ""}
OFFLINE = {
    "outcome": "needs_offline",
    "reason": "UpgradeNeedsOffline",
    "message": "1.34 -> 1.35",
    "schema_version": "1.34",
}
DONE = {"outcome": "succeeded", "reason": "SchemaCurrent", "message": "schema 1.35", "schema_version": "1.35"}


class Cluster(Objects):
    """A namespace with the Jobs of KojiHub hub."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = resource("KojiHub", "hub")
        self.secret = secret()
        self.notes: list[dict[str, Any]] = []
        self._made = 0

    def look(self, image: str = "hub:1", **spec: Any) -> DatabaseLook:
        names = Names({**self.hub, "spec": spec})
        return database.look(spec, names, read("postgres", "koji", self.secret), self, image)

    def make(self, look: DatabaseLook, ended: str = "", ago: int = 0, **pod: Any) -> str:
        """The Job that a look asks for, with its pod unless `pod` is pod=None. -> its name"""
        self._made += 1
        metadata = {
            "labels": look.labels,
            "annotations": look.annotations,
            "ownerReferences": [{"uid": "uid-KojiHub-hub"}],
            "creationTimestamp": f"2026-01-01T00:{self._made:02}:00Z",
        }
        when = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = [{"type": ended, "status": "True", "lastTransitionTime": when, "message": "it failed"}] if ended else []
        self.add("Job", look.job, metadata=metadata, status={"conditions": said})
        if pod.get("pod", True) is not None:
            labels = {**look.pod_labels, "job-name": look.job}
            self.add("Pod", f"{look.job}-x", metadata={"labels": labels}, spec={}, status=pod)
        return look.job

    def pod(self, name: str, content: str, node: str = "a", image: str = "hub:1", **metadata: Any) -> None:
        """A pod of the hub that runs this content of an image."""
        labels = Names(self.hub).selector
        spec = {"nodeName": node, "containers": [{"name": "hub", "image": image}]}
        digest = f"registry.example.org/hub@sha256:{content}" if content else ""
        status = {"containerStatuses": [{"name": "hub", "imageID": digest}]}
        self.add("Pod", name, metadata={"labels": labels, **metadata}, spec=spec, status=status)

    def succeeded(self, content: str, look: DatabaseLook | None = None) -> DatabaseLook:
        """The Job that is asked for ends well, in a pod with this content. -> the look at that"""
        done = terminated(DONE, 0, "Completed")
        done["containerStatuses"][0]["imageID"] = f"registry.example.org/hub@sha256:{content}"
        self.make(look or self.look(), COMPLETE, **done)
        return self.look()

    def failed(self, look: DatabaseLook, ago: int = 0, word: Any = WORD) -> str:
        """A Job that has failed with a last word."""
        return self.make(look, FAILED, ago, **terminated(word, 1))

    def delete_pod(self, name: str) -> None:
        del self.there["Pod", name]

    def events(self, namespace: str, uid: str) -> list[dict[str, Any]]:
        return self.notes

    def list(self, kind: str, namespace: str, labels: str = "") -> list[dict[str, Any]]:
        wanted = dict(part.split("=") for part in labels.split(","))
        return [
            item
            for item in super().list(kind, namespace)
            if wanted.items() <= item["metadata"].get("labels", {}).items()
        ]


def terminated(word: Any, code: int, reason: str = "Error") -> dict[str, Any]:
    text = json.dumps(word) if isinstance(word, dict) else word
    return {
        "containerStatuses": [
            {"name": "database", "state": {"terminated": {"exitCode": code, "message": text, "reason": reason}}}
        ]
    }


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_without_a_job_one_is_made_that_a_running_hub_does_not_notice(cluster: Cluster) -> None:
    found = cluster.look()
    assert (found.state, found.make, found.mode, found.hub_down_first) == ("absent", True, "online", False)
    assert found.args == ["--online", "--admin=koji-admin"]
    assert found.job == f"koji-hub-db-{found.key}"


def test_the_job_is_another_one_for_another_image_secret_admin_or_resource(cluster: Cluster) -> None:
    keys = [
        cluster.look().key,
        cluster.look("hub:2").key,
        cluster.look(admin_username="root").key,
        cluster.look(authentication={"krb": {"admin_principal": "a@B"}}).key,
        cluster.look(backup_before_upgrade={"enabled": True}).key,
    ]
    cluster.secret = secret(POSTGRES_PASSWORD="other")
    keys.append(cluster.look().key)
    cluster.hub["metadata"]["uid"] = "made again"
    keys.append(cluster.look().key)
    assert len(set(keys)) == len(keys)


def test_what_does_not_matter_to_the_database_makes_no_new_job(cluster: Cluster) -> None:
    assert cluster.look(replicas=3, host="koji.example.org").key == cluster.look().key


def test_the_longest_name_fits_a_label(cluster: Cluster) -> None:
    cluster.hub["metadata"]["name"] = "h" * 40
    for attempt in range(2, 4):
        cluster.failed(cluster.look(), ago=999)
        assert len(cluster.look().job) + len(str(database.MAX_ATTEMPT)) - 1 <= 63, attempt


def test_the_hubs_service_does_not_find_the_jobs_pods(cluster: Cluster) -> None:
    assert not Names(cluster.hub).selector.items() <= cluster.look().pod_labels.items()


def test_no_value_of_the_secret_is_in_what_becomes_the_manifest(cluster: Cluster) -> None:
    assert "p4ssw0rd" not in str(cluster.look())


def test_a_running_job_is_waited_for(cluster: Cluster) -> None:
    job = cluster.make(
        cluster.look(), phase="Running", containerStatuses=[{"name": "database", "state": {"running": {}}}]
    )
    found = cluster.look()
    assert (found.state, found.make, found.progressing, found.job) == ("running", False, True, job)
    assert job in found.message


def test_a_jobs_success_says_the_schemas_version(cluster: Cluster) -> None:
    cluster.make(cluster.look(), COMPLETE, **terminated(DONE, 0, "Completed"))
    found = cluster.look()
    assert (found.state, found.make, found.schema_version, found.message) == ("succeeded", False, "1.35", "schema 1.35")
    assert (found.reason, found.progressing, found.remove) == ("SchemaCurrent", False, [])


def test_a_success_whose_pod_is_gone_still_counts(cluster: Cluster) -> None:
    cluster.make(cluster.look(), COMPLETE, pod=None)
    found = cluster.look()
    assert (found.state, found.schema_version) == ("succeeded", "")


def test_a_failure_is_told_and_tried_again_later(cluster: Cluster) -> None:
    job = cluster.failed(cluster.look())
    found = cluster.look()
    assert (found.state, found.reason, found.message) == ("failed", "WrongDatabasePassword", "mend it")
    assert (found.make, found.progressing, found.job) == (False, False, job)
    cluster.there.clear()
    cluster.failed(cluster.look(), ago=11)
    found = cluster.look()
    assert (found.make, found.attempt, found.job, found.remove) == (True, 2, f"{job}-on2", [])


def test_each_attempt_comes_later(cluster: Cluster) -> None:
    for attempt, delay in ((1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 300), (7, 300)):
        look = cluster.look()
        assert (look.make, look.attempt) == (True, attempt)
        cluster.failed(look, ago=delay - 2)
        assert not cluster.look().make
        cluster.failed(look, ago=delay + 1)
        for item in cluster.look().remove:
            del cluster.there["Job", item["metadata"]["name"]]
    assert [kind for kind, _ in cluster.there].count("Job") == 1


def test_while_another_attempt_runs_the_last_failure_is_still_told(cluster: Cluster) -> None:
    first = cluster.failed(cluster.look(), ago=11)
    second = cluster.make(cluster.look(), phase="Running")
    found = cluster.look()
    assert (found.state, found.reason, found.progressing) == ("running", "WrongDatabasePassword", False)
    assert "mend it" in found.message
    assert (found.job, found.remove) == (second, [])
    cluster.failed(found, ago=5)
    assert [item["metadata"]["name"] for item in cluster.look().remove] == [first]


def test_a_success_removes_the_attempts_before_it(cluster: Cluster) -> None:
    first = cluster.failed(cluster.look(), ago=11)
    cluster.make(cluster.look(), COMPLETE, **terminated(DONE, 0))
    found = cluster.look()
    assert found.state == "succeeded"
    assert [item["metadata"]["name"] for item in found.remove] == [first]


def test_an_upgrade_that_must_not_run_beside_a_hub_is_made_when_the_hub_is_down(cluster: Cluster) -> None:
    online = cluster.failed(cluster.look(), word=OFFLINE)
    found = cluster.look()
    assert (found.state, found.make, found.mode, found.hub_down_first) == ("needs_offline", True, "offline", True)
    assert (found.progressing, found.schema_version, found.job) == (True, "1.34", f"{online}-off1")
    assert found.args[0] == "--offline"
    cluster.make(found, phase="Running")
    running = cluster.look()
    assert (running.state, running.hub_down_first, running.progressing, running.make) == ("running", True, True, False)
    cluster.make(found, COMPLETE, **terminated(DONE, 0))
    done = cluster.look()
    assert (done.state, done.hub_down_first, done.schema_version) == ("succeeded", False, "1.35")
    assert [item["metadata"]["name"] for item in done.remove] == [online]


def test_a_failed_upgrade_is_tried_again_while_the_hub_stays_down(cluster: Cluster) -> None:
    cluster.failed(cluster.look(), word=OFFLINE)
    cluster.failed(cluster.look(), ago=11)
    found = cluster.look()
    assert (found.state, found.mode, found.attempt, found.hub_down_first) == ("failed", "offline", 2, True)


def test_other_settings_make_another_job_and_remove_the_old_ones(cluster: Cluster) -> None:
    old = cluster.make(cluster.look(), COMPLETE, **terminated(DONE, 0))
    found = cluster.look("hub:2")
    assert (found.state, found.make) == ("absent", True)
    assert [item["metadata"]["name"] for item in found.remove] == [old]


def test_an_old_job_that_works_is_waited_for_and_one_that_can_not_start_is_not(cluster: Cluster) -> None:
    old = cluster.make(cluster.look(), phase="Running")
    found = cluster.look("hub:2")
    assert (found.state, found.make, found.remove) == ("running", False, [])
    assert f"'{old}', of the settings before" in found.message
    cluster.make(cluster.look(), phase="Pending")
    found = cluster.look("hub:2")
    assert (found.make, [item["metadata"]["name"] for item in found.remove]) == (True, [old])


def test_a_job_of_somebody_else_is_none_of_ours(cluster: Cluster) -> None:
    cluster.make(cluster.look(), COMPLETE)
    for job in cluster.list("Job", "koji", "app.kubernetes.io/instance=hub"):
        job["metadata"]["ownerReferences"] = [{"uid": "of a KojiHub before"}]
    found = cluster.look()
    assert (found.state, found.make, found.remove) == ("absent", True, [])


def test_a_job_that_is_being_deleted_is_gone(cluster: Cluster) -> None:
    cluster.make(cluster.look(), COMPLETE)
    for job in cluster.list("Job", "koji", "app.kubernetes.io/instance=hub"):
        job["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert cluster.look().state == "absent"


@pytest.mark.parametrize(
    ("pod", "reason", "part"),
    [
        (terminated("a\nb\nc\nValueError: x", 1), "DatabaseJobFailed", "exit code 1, Error: b / c / ValueError: x"),
        (terminated("", 137, "OOMKilled"), "DatabaseJobFailed", "exit code 137, OOMKilled"),
        ({"containerStatuses": []}, "DatabaseJobFailed", "failed: it failed"),
        ({"pod": None}, "DatabaseJobFailed", "failed: it failed"),
    ],
)
def test_a_job_without_a_last_word_is_told_by_its_log_or_itself(
    cluster: Cluster, pod: dict[str, Any], reason: str, part: str
) -> None:
    cluster.make(cluster.look(), FAILED, **pod)
    found = cluster.look()
    assert found.reason == reason
    assert part in found.message


def test_a_job_whose_image_can_not_be_pulled_says_so(cluster: Cluster) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    cluster.make(cluster.look(), phase="Pending", containerStatuses=[{"name": "database", "state": waiting}])
    found = cluster.look()
    assert (found.state, found.reason, found.progressing) == ("running", "ImagePullBackOff", False)


def test_a_job_that_may_not_have_pods_says_so(cluster: Cluster) -> None:
    cluster.make(cluster.look(), pod=None)
    assert cluster.look().reason == "DatabaseJobRuns"
    cluster.notes = [{"reason": "FailedCreate", "message": "exceeded quota"}]
    found = cluster.look()
    assert (found.reason, found.progressing) == ("PodsRefused", False)
    assert "exceeded quota" in found.message


def test_a_backup_mounts_its_claim_and_a_principal_is_passed_on(cluster: Cluster) -> None:
    spec: dict[str, Any] = {
        "backup_before_upgrade": {"enabled": True, "pvc_name": "dumps"},
        "authentication": {"krb": {"admin_principal": "a@B"}},
    }
    found = cluster.look(**spec)
    assert found.args == ["--online", "--admin=koji-admin", "--principal=a@B", "--backup=/backup"]
    assert {"name": "backup", "persistentVolumeClaim": {"claimName": "dumps"}} in found.volumes
    assert {"name": "backup", "mountPath": "/backup"} in found.mounts


# Another content of the same tag


def test_pods_with_the_content_that_the_job_had_make_no_other_job(cluster: Cluster) -> None:
    first = cluster.succeeded("aa")
    cluster.pod("hub-1", "aa")
    cluster.pod("hub-2", "", node="b")  # not pulled yet
    cluster.pod("hub-3", "bb", image="hub:0")  # about to be replaced
    cluster.pod("hub-4", "bb", deletionTimestamp="2026-01-01T00:00:00Z")
    found = cluster.look()
    assert (found.state, found.make, found.job, found.remove) == ("succeeded", False, first.job, [])


def test_a_pod_with_another_content_makes_a_job_that_sees_the_same(cluster: Cluster) -> None:
    first = cluster.succeeded("aa")
    cluster.pod("hub-1", "aa")
    cluster.pod("hub-2", "bb", node="b")
    found = cluster.look()
    assert (found.state, found.make, found.mode, found.progressing) == ("absent", True, "online", True)
    assert found.reason == "DatabaseJobComes"
    assert "'hub-2'" in found.message
    assert "hub:1" in found.message
    assert found.job != first.job
    assert len(found.job) == len(first.job)
    assert found.key == first.key
    assert found.remove == [], "what the last one has seen is known by it"
    [term] = found.node_affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchFields"] == [{"key": "metadata.name", "operator": "In", "values": ["b"]}]
    cluster.make(found, phase="Running")
    assert (cluster.look().state, cluster.look().make) == ("running", False)


def test_what_was_looked_at_once_is_not_looked_at_again(cluster: Cluster) -> None:
    """Nodes may have different contents for long; each is looked at once, whichever pod comes and goes."""
    first = cluster.succeeded("aa")
    cluster.pod("hub-1", "aa")
    cluster.pod("hub-2", "bb", node="b")
    second = cluster.succeeded("bb")
    assert second.state == "succeeded"
    assert [item["metadata"]["name"] for item in second.remove] == [first.job]
    del cluster.there["Job", first.job]
    assert (cluster.look().state, cluster.look().make) == ("succeeded", False)
    cluster.pod("hub-3", "cc")
    third = cluster.look()
    assert third.make
    # The tag of that node means yet another one by now.
    assert cluster.succeeded("dd").state == "succeeded"
    for content in ("aa", "bb", "cc", "dd"):
        cluster.pod("hub-4", content)
        assert cluster.look().state == "succeeded", content


def test_the_site_s_affinity_holds_for_that_job_too(cluster: Cluster) -> None:
    required = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "Exists"}]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    cluster.succeeded("aa", cluster.look(affinity=affinity))
    assert cluster.look(affinity=affinity).node_affinity == {}
    cluster.pod("hub-1", "bb")
    found = cluster.look(affinity=affinity).node_affinity
    [term] = found["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == required["nodeSelectorTerms"][0]["matchExpressions"]
    assert term["matchFields"][0]["values"] == ["a"]


@pytest.mark.parametrize(
    ("image", "policy"), [("hub:1", "Always"), ("hub", ""), ("registry:5000/hub", ""), ("hub:latest", "")]
)
def test_an_image_that_is_always_pulled_is_the_newest_on_any_node(cluster: Cluster, image: str, policy: str) -> None:
    look = cluster.look(image, image_pull_policy=policy)
    cluster.make(look, COMPLETE, **terminated(DONE, 0))
    cluster.pod("hub-1", "bb", image=image)
    found = cluster.look(image, image_pull_policy=policy)
    assert (found.make, found.node_affinity) == (True, {})


def test_an_image_by_its_digest_has_one_content(cluster: Cluster) -> None:
    image = "hub@sha256:aa"
    cluster.make(cluster.look(image), COMPLETE, **terminated(DONE, 0))
    cluster.pod("hub-1", "bb", image=image)
    assert cluster.look(image).state == "succeeded"


def test_an_upgrade_for_another_content_goes_on_when_no_pod_is_left(cluster: Cluster) -> None:
    first = cluster.succeeded("aa")
    cluster.pod("hub-1", "bb")
    online = cluster.look()
    cluster.failed(online, word=OFFLINE)
    cluster.delete_pod("hub-1")
    found = cluster.look()
    assert (found.state, found.make, found.mode, found.hub_down_first) == ("needs_offline", True, "offline", True)
    assert found.job == f"{online.job}-off1"
    assert found.annotations == online.annotations
    assert found.node_affinity == online.node_affinity != {}
    cluster.failed(found, ago=11)
    again = cluster.look()
    assert (again.make, again.job, again.hub_down_first) == (True, f"{online.job}-off2", True)
    done = cluster.succeeded("bb", again)
    assert (done.state, done.hub_down_first) == ("succeeded", False)
    assert {item["metadata"]["name"] for item in done.remove} == {first.job, online.job, found.job}


def test_a_content_that_does_not_fit_the_schema_is_forgotten_with_its_pods(cluster: Cluster) -> None:
    cluster.succeeded("bb")
    cluster.pod("hub-1", "aa")
    old = {**WORD, "reason": "SchemaNewer"}
    name = cluster.failed(cluster.look(), ago=11, word=old)
    found = cluster.look()
    assert (found.state, found.reason, found.make, found.remove) == ("failed", "SchemaNewer", True, [])
    cluster.delete_pod("hub-1")
    cluster.pod("hub-2", "bb")
    found = cluster.look()
    assert (found.state, found.make) == ("succeeded", False)
    assert [item["metadata"]["name"] for item in found.remove] == [name]


def test_a_success_whose_pod_is_gone_is_followed_by_one_job_that_says_what_it_has_seen(cluster: Cluster) -> None:
    cluster.make(cluster.look(), COMPLETE, pod=None)
    cluster.pod("hub-1", "aa")
    assert cluster.look().make
    cluster.make(cluster.look(), COMPLETE, pod=None)
    assert (cluster.look().state, cluster.look().make) == ("succeeded", False)
