# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a task pod is like, seen from inside and by the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.resources import SOON

from .scene import NO_SECRET, container, sizes

if TYPE_CHECKING:
    from .scene import Scene

MIB = 2**20


def test_a_task_sees_the_variables_and_volumes_of_its_builder(scene: Scene) -> None:
    inside = scene.looks["plain"]
    assert inside["env"]["SITE"] == "of the builder"
    assert inside["env"]["LIMIT"] == str(256 * MIB)
    assert inside["motd"] == "hello"
    assert not inside["site_writable"]


def test_a_pod_has_the_resources_of_its_builder(scene: Scene) -> None:
    assert container(scene.pods["plain"])["resources"] == {
        "requests": {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "1Gi"},
        "limits": {"memory": "256Mi", "ephemeral-storage": "1Gi"},
    }
    assert scene.looks["plain"]["memory"] == str(256 * MIB)


def test_a_security_context_is_merged_over_the_profile_s(scene: Scene) -> None:
    user, group, groups = scene.looks["plain"]["ids"]
    assert (user, group) == (1234, 2345)
    assert 3456 in groups
    context = scene.pods["plain"]["spec"]["securityContext"]
    assert context["runAsNonRoot"], "what the builder does not say is the profile's"


def test_a_pod_has_its_priority_and_runtime(scene: Scene) -> None:
    """Both objects are looked up when the pod is admitted: its number and overhead are theirs."""
    spec = scene.pods["plain"]["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (1001, "Never")
    assert spec["runtimeClassName"] == f"usual-{scene.suffix}"
    assert spec["overhead"] == {"memory": "1Mi"}


def test_the_kubelet_looks_for_the_pull_secrets(scene: Scene) -> None:
    assert scene.pods["plain"]["spec"]["imagePullSecrets"] == [{"name": NO_SECRET}]
    name = scene.pods["plain"]["metadata"]["name"]
    told = scene.kube.wait_for(
        lambda: [
            event["message"]
            for event in scene.kube.events(scene.namespace, name)
            if event["reason"] == "FailedToRetrieveImagePullSecret"
        ],
        SOON,
        "the kubelet misses the Secret",
    )
    assert NO_SECRET in told[0]


def test_the_site_s_configuration_wins_option_by_option(scene: Scene) -> None:
    kojid = scene.looks["plain"]["kojid"]
    assert kojid["packager"] == "the site"
    assert kojid["retry_interval"] == 7
    assert kojid["offline_retry_interval"] == 20, "the operator's, as the site says nothing"
    assert kojid["topurl"] == "https://files.example.org/koji"


def test_a_pod_with_users_of_its_own_runs_only_where_the_cluster_has_them(scene: Scene) -> None:
    """containerd 1.6 has not, and the builder says so; elsewhere root in the pod is nobody on the node."""

    assert scene.pods["own-users"]["spec"]["hostUsers"] is False

    def told() -> str:
        running = (scene.pod("own-users").get("status") or {}).get("phase") == "Running"
        return "it runs" if running else scene.said("own-users", "does not support user namespaces")

    if scene.kube.wait_for(told, SOON, "its pod runs, or the builder says why it can't") == "it runs":
        assert scene.run("own-users", "cat", "/proc/self/uid_map").split()[1] != "0"
    scene.hub.session().cancelTask(scene.tasks["own-users"])


def test_a_pod_s_volumes_have_the_sizes_of_its_builder(scene: Scene) -> None:
    """The kubelet evicts a pod that writes more; it takes a minute to notice, so that isn't waited for."""
    assert sizes(scene.pods["plain"]) == {
        "var/tmp/koji": "64Mi",
        "var/lib/mock": "65Mi",
        "var/cache/mock": "66Mi",
        "tmp": "1Mi",
    }
