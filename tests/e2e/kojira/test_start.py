# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""From nothing to a kojira that works: its user, its certificate, its volume, what it does, and how it ends."""

from __future__ import annotations

import time

import pytest

from tests.e2e.kube import condition
from tests.e2e.resources import SOON

from .scene import CLAIMS, REPO, Scene, exclusive, kojira

OLD = 100 * 24 * 3600  # seconds


@pytest.fixture(scope="module")
def ready(scene: Scene) -> Scene:
    """With a Kojira of which everything is by default."""
    scene.ready()
    return scene


def test_one_applied_together_with_its_hub_waits_for_it(scene: Scene) -> None:
    # The hub of another name comes later, or never.
    said = scene.refused("MissingSecret", hub_host="koji-other:8443", admin_secret="koji-other-admin")
    assert "koji-other-admin" in said
    scene.delete()


def test_status_says_what_people_look_for(ready: Scene) -> None:
    item = ready.get()
    status = item["status"]
    assert status["hub_url"] == ready.hub.url
    assert status["user"] == "kojira"
    assert status["repos"] == 0
    assert status["last_contact"] >= item["metadata"]["creationTimestamp"]
    assert status["certificate_expires"]
    assert status["observedGeneration"] == item["metadata"]["generation"]
    assert {name: condition(item, name).get("status") for name in ("Ready", "Progressing", "Degraded")} == {
        "Ready": "True",
        "Progressing": "False",
        "Degraded": "False",
    }
    assert not condition(item, "Warning")
    header, row = ready.kube.kubectl("get", "kojira", "kojira", "-n", ready.namespace).splitlines()
    assert header.split() == ["NAME", "READY", "REASON", "REPOS", "CONTACT", "AGE"]
    assert row.split()[:4] == ["kojira", "True", "InLine", "0"]


def test_its_user_has_permission_repo_and_nothing_else(ready: Scene) -> None:
    assert ready.hub.session().getUserPerms("kojira") == ["repo"]
    assert exclusive(ready.hub, "kojira")


def test_a_repo_is_asked_for_and_the_task_is_kojiras(ready: Scene) -> None:
    task = ready.asks_for_a_repo("f42-build")
    assert task["owner_name"] == "kojira"
    assert task["request"][1]["opts"] == {}


def test_old_repos_are_deleted_from_the_hubs_volume(ready: Scene) -> None:
    ready.hub.session().createTag("f40-build")
    columns = "tag_id, create_event, state, creation_time, state_time, opts, custom_opts"
    moment = time.time() - OLD
    for state in (REPO["READY"], REPO["INIT"]):
        values = f"id, 1, {state}, {moment}, {moment}, '{{}}', '{{}}'"
        ready.site.psql(f"INSERT INTO repo ({columns}) SELECT {values} FROM tag WHERE name = 'f40-build'")  # noqa: S608
    old, begun = ready.hub.session().repo.query([["tag_name", "=", "f40-build"]], ["id"], {"order": "id"})
    ready.site.in_pod("sh", "-c", f"mkdir -p /mnt/koji/repos/f40-build/{old['id']}/x86_64")
    expired = f"state = {REPO['EXPIRED']}, state_time = {moment}"
    ready.site.psql(f"UPDATE repo SET {expired} WHERE id = {old['id']}")  # noqa: S608

    def gone() -> bool:
        return ready.site.in_pod("ls", "/mnt/koji/repos/f40-build").strip() == ""

    ready.kube.wait_for(gone, SOON, "the files are gone")
    assert ready.hub.session().repoInfo(old["id"])["state"] == REPO["DELETED"]
    assert ready.hub.session().repoInfo(begun["id"])["state"] == REPO["PROBLEM"]


def test_the_number_of_repos_is_told(ready: Scene) -> None:
    counted = ready.hub.session().repo.query([["state", "!=", REPO["DELETED"]]], ["id"], {"countOnly": True})
    assert counted
    ready.kube.patch("Kojira", "kojira", ready.namespace, {"spec": {"finalize_timeout": 299}})
    ready.told(lambda item: item["status"].get("repos") == counted, f"{counted} repos")


def test_the_pod_is_locked_down_and_beside_the_hub(ready: Scene) -> None:
    pod = ready.pod()
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["automountServiceAccountToken"] is False
    [container] = pod["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    near = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert near[0]["labelSelector"]["matchLabels"]["app.kubernetes.io/name"] == "koji-hub"
    deployment = ready.deployment()["spec"]
    assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")


def test_the_key_is_in_its_secret_only(ready: Scene) -> None:
    key = ready.kube.secret(ready.namespace, "kojira-client-cert")["tls.key"].decode()
    middle = key.splitlines()[1]
    for kind in ("ConfigMap", "Deployment", "Pod", "Event", "Kojira"):
        assert middle not in str(ready.kube.find(kind, ready.namespace)), kind
    assert middle not in ready.kube.logs(ready.namespace, ready.pod()["metadata"]["name"])


def test_deleted_it_leaves_its_user_disabled_and_created_again_enables_it(ready: Scene) -> None:
    user = ready.hub.session().getUser("kojira")
    assert user["status"] == 0
    ready.delete()
    assert ready.hub.session().getUser("kojira")["status"] == 1
    assert not exclusive(ready.hub, "kojira")
    assert ready.kube.get("Deployment", "kojira", ready.namespace) is None
    ready.ready()
    again = ready.hub.session().getUser("kojira")
    assert (again["id"], again["status"]) == (user["id"], 0)


def test_a_hub_without_a_volume_has_nothing_for_kojira(ready: Scene) -> None:
    ready.delete()
    ready.site.apply(**{**CLAIMS, "persistent": False})
    assert "persistent: false" in ready.refused("MissingVolume")
    ready.kube.apply(kojira(ready.namespace, shared_pvc="koji-hub-mnt-pvc"))
    ready.told(lambda item: condition(item, "Ready").get("reason") != "MissingVolume", "the claim is used")
