# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Task pods that are not admitted, or can't start: each cause is named, the host is not ready, and it ends by itself.

Causes lie outside the KojiBuilder where they can; then nothing but the next attempt ends them.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.resources import IMAGE, SOON

from . import causes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

    from .world import World

FAULTY = "localhost/faulty-start:dev"
PAUSE = "localhost/pause:dev"  # has no python3
SITE = "site-settings"
OWN, SHARED = "start-own", "start-shared"  # channels of a second builder; the file's one has the latter too
LONG = 120  # seconds
SPEC: Json = {
    **causes.WITH_HANDLERS,
    "image": FAULTY,
    "env": [{"name": "SITE", "valueFrom": {"secretKeyRef": {"name": SITE, "key": "word"}}}],
    "start_deadline": 5,
    # Under Pod Security restricted this is forbidden; the image's user is none the less an ordinary one.
    "security_context": {"runAsNonRoot": False},
    "resources": {"requests": {"memory": "100Mi"}},
    "channels": ["default", SHARED],
}


def site_settings(namespace: str) -> Json:
    """The Secret that the pods' environment comes from."""
    metadata = {"name": SITE, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"word": "d29yZA=="}}


@pytest.fixture(scope="module", autouse=True)
def _surroundings(kube: Kube, hub: Hub) -> Iterator[None]:
    """What the builder's pods need: an image, a Secret, handlers; and the channel."""
    causes.tag_image(IMAGE, FAULTY)
    causes.install_handlers(kube, hub.namespace)
    kube.apply(site_settings(hub.namespace))
    for name in (OWN, SHARED):
        hub.session().addChannel(name)
    yield
    causes.remove_image(FAULTY)


def in_trouble(world: World, task: int, reason: str, words: str) -> None:
    """The cause is named in condition and event, the task is back on the hub, and the host is not ready."""
    said = world.scheduling("False", reason)
    assert words in said["message"], said
    assert "tried again at" in said["message"]
    world.event(reason, words)
    assert world.is_now(task, "FREE", "ASSIGNED")
    world.kube.wait_for(
        lambda: not world.session.getHost(world.name)["ready"], SOON, "the hub knows that it is not ready"
    )


def try_now(world: World) -> None:
    """End the backoff as a change of the builder's settings does; without, the next attempt comes by itself."""
    note = {"metadata": {"annotations": {"tests/retry": world.seen()[:60]}}}
    world.kube.patch("ConfigMap", f"koji-{world.name}-builder", world.namespace, note)


@contextmanager
def applied(world: World, item: Json) -> Iterator[Json]:
    """An object that is there for a while."""
    kind, meta = item["kind"], item["metadata"]
    yield world.kube.apply(item, world.namespace)[0]
    world.kube.delete(kind, meta["name"], meta.get("namespace", world.namespace), item["apiVersion"])


@pytest.mark.fault("image-gone")
def test_an_image_that_is_gone_between_attempts(world: World) -> None:
    task = world.task(0, "faultyFirst", LONG)
    pod = world.running(task)
    causes.remove_image(FAULTY)
    causes.kill_container(pod)
    in_trouble(world, task, "ErrImagePull", FAULTY)
    causes.tag_image(IMAGE, FAULTY)
    # The crash counts, the pod without image does not; the third pod closes the task.
    world.ended(task, "CLOSED")
    assert world.session.getTaskResult(task) >= 3
    world.scheduling()
    world.settled(closed=[task])


@pytest.mark.fault("image-name-invalid")
@pytest.mark.fault("image-never-pulled")
@pytest.mark.fault("no-start-other-host")
def test_a_builder_without_a_usable_image_leaves_its_tasks_to_others_until_it_is_mended(world: World) -> None:
    broken = replace(world, name="start-broken", spec={"channels": [OWN, SHARED]})
    broken.apply(image="Not an image")
    broken.ready()
    task = world.task(0, channel=OWN)
    in_trouble(broken, task, "InvalidImageName", "Not an image")
    elsewhere = world.task(0, channel=SHARED)
    world.ended(elsewhere)
    assert world.session.getTaskInfo(elsewhere)["host_id"] == world.session.getHost(world.name)["id"]
    broken.apply(image="localhost/nowhere:dev", image_pull_policy="Never")
    in_trouble(broken, task, "ErrImageNeverPull", "localhost/nowhere:dev")
    broken.apply()
    world.ended(task)
    broken.scheduling()
    world.kube.delete("KojiBuilder", broken.name, world.namespace)
    world.settled(closed=[task, elsewhere])


@pytest.mark.fault("configuration-missing")
def test_a_secret_of_the_site_that_is_missing(world: World) -> None:
    world.kube.delete("Secret", SITE, world.namespace)
    task = world.task(0)
    in_trouble(world, task, "CreateContainerConfigError", SITE)
    world.kube.apply(site_settings(world.namespace))
    try_now(world)
    world.ended(task, "CLOSED")
    world.settled(closed=[task])


@pytest.mark.fault("command-missing")
def test_an_image_without_python(world: World) -> None:
    causes.tag_image(PAUSE, FAULTY)
    task = world.task(0)
    in_trouble(world, task, "StartError", "python3")
    causes.tag_image(IMAGE, FAULTY)
    try_now(world)
    world.ended(task, "CLOSED")
    world.settled(closed=[task])


@pytest.mark.fault("quota-used-up")
def test_a_quota_that_is_used_up_is_waited_for(world: World) -> None:
    quota: Json = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"pods": "1"}},
    }
    with applied(world, quota):
        task = world.task(0)
        in_trouble(world, task, "QuotaExceeded", "small")
        world.kube.apply({**quota, "spec": {"hard": {"pods": "100"}}}, world.namespace)
        # By itself: nobody touches the builder.
        world.ended(task, "CLOSED")
    world.settled(closed=[task])


@pytest.mark.fault("limit-range")
def test_a_limit_range_that_forbids_the_pod(world: World) -> None:
    limits = [{"type": "Pod", "min": {"memory": "1Gi"}}]
    with applied(
        world, {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "large"}, "spec": {"limits": limits}}
    ):
        task = world.task(0)
        in_trouble(world, task, "PodRejected", "minimum memory usage per Pod is 1Gi")
    try_now(world)
    world.ended(task, "CLOSED")
    world.settled(closed=[task])


@pytest.mark.fault("pod-invalid")
def test_a_pod_that_a_default_limit_makes_invalid(world: World) -> None:
    limits = [{"type": "Container", "default": {"memory": "64Mi"}}]
    with applied(
        world, {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": {"limits": limits}}
    ):
        task = world.task(0)
        in_trouble(world, task, "PodRejected", "must be less than or equal to memory limit")
    try_now(world)
    world.ended(task, "CLOSED")
    world.settled(closed=[task])


@pytest.mark.fault("pod-security")
def test_a_namespace_that_forbids_the_profile(world: World) -> None:
    enforce = "pod-security.kubernetes.io/enforce"
    world.kube.patch("Namespace", world.namespace, None, {"metadata": {"labels": {enforce: "restricted"}}})
    try:
        task = world.task(0)
        in_trouble(world, task, "SecurityProfileForbidden", "violates PodSecurity")
    finally:
        world.kube.patch("Namespace", world.namespace, None, {"metadata": {"labels": {enforce: None}}})
    try_now(world)
    world.ended(task, "CLOSED")
    world.settled(closed=[task])


@pytest.mark.fault("user-namespaces-forbidden")
def test_a_seccomp_profile_that_forbids_user_namespaces(world: World) -> None:
    forbidding = {"runAsNonRoot": False, "seccompProfile": {"type": "RuntimeDefault"}}
    world.apply(security_profile="userns", security_context=forbidding)
    world.ready()
    task = world.task(0)
    in_trouble(world, task, "UserNamespacesForbidden", "unshare")
    world.apply()
    world.ended(task, "CLOSED")
    world.settled(closed=[task])


@pytest.mark.fault("webhook-down")
def test_an_admission_webhook_that_is_down(world: World) -> None:
    hook: Any = {
        "name": "pods.faults.test",
        "clientConfig": {"service": {"namespace": world.namespace, "name": "no-such-webhook"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    with applied(
        world,
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": f"{world.namespace}-down"},
            "webhooks": [hook],
        },
    ):
        task = world.task(0)
        in_trouble(world, task, "InternalError", "pods.faults.test")
    try_now(world)
    world.ended(task, "CLOSED")
    world.settled(closed=[task])


@pytest.mark.fault("unschedulable")
def test_a_pod_that_fits_on_no_node_is_given_time(world: World) -> None:
    node = world.kube.find("Node")[0]["metadata"]["name"]
    world.kube.kubectl("cordon", node)
    try:
        task = world.task(0)
        world.pod(task)
        in_trouble(world, task, "Unschedulable", "0/1 nodes are available")
    finally:
        world.kube.kubectl("uncordon", node)
    when = [at for (at,) in world.ledger.rows("SELECT time FROM task_history WHERE task_id = %s ORDER BY id", task)]
    given = when[3] - when[2]  # from OPEN to FREE; a pod's creation has whole seconds
    assert SPEC["start_deadline"] - 1 <= given < 2 * SPEC["start_deadline"] + 5
    # By itself: the next attempt finds the node again.
    world.ended(task, "CLOSED")
    world.settled(closed=[task])


@pytest.mark.fault("volume-missing")
def test_a_volume_that_is_missing_is_named_at_the_deadline(world: World, kube: Kube) -> None:
    kube.delete("ConfigMap", causes.HANDLERS, world.namespace)
    try:
        task = world.task(0)
        in_trouble(world, task, "StartDeadlineExceeded", causes.HANDLERS)
    finally:
        causes.install_handlers(kube, world.namespace)
    try_now(world)
    world.ended(task, "CLOSED")
    world.settled(closed=[task])
