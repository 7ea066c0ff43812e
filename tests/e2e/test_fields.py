# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Fields of KojiUser and KojiBuilder that no other test is about: each one's effect on hub, Secret, pod or status."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING

import koji
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from .kube import condition
from .resources import IMAGE, READY, SOON, builder, user

if TYPE_CHECKING:
    from .hub import Hub
    from .kube import Json, Kube

pytestmark = pytest.mark.usefixtures("operator")


def days_left(certificate: x509.Certificate) -> int:
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return round(left / datetime.timedelta(days=1))


def certificate_of(kube: Kube, namespace: str, secret: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(kube.secret(namespace, secret)["tls.crt"])


@pytest.fixture(scope="module")
def applied(kube: Kube, hub: Hub, operator: object) -> str:
    """A user and a builder that say a lot, and what goes first wrong and then away; all at once. -> namespace"""
    namespace = hub.namespace
    kube.apply(
        [
            builder(
                "full",
                namespace,
                max_jobs=3,
                capacity=7.5,
                host_archs=["x86_64", "i686"],
                channels=["default"],
                hub_host="koji_hub:8443",
                koji_hub_url="https://koji-hub:8443",
                host_name="koji-hub:8443",
                koji_hub_user="full-host",
                hub_username="full-host",
                authentication={"ssl": {"client_cert_secret": "full-cert"}},
                certificate={"days": 40, "renew_before_days": 10, "key_type": "RSA"},
                image_pull_policy="Never",
            ),
            user(
                "full",
                namespace,
                client_cert_secret="full-user-cert",
                permissions=["repo"],
                certificate={"days": 40, "renew_before_days": 10, "key_type": "ECDSA"},
            ),
            builder("nowhere", namespace, hub_host="nowhere:8443", finalize_timeout=3, drain_timeout=3),
        ]
    )
    kube.wait_condition("KojiBuilder", "nowhere", namespace, READY, status="False", reason="HubUnreachable")
    kube.delete("KojiBuilder", "nowhere", namespace)
    kube.wait_condition("KojiUser", "full", namespace, READY)
    kube.wait_condition("KojiBuilder", "full", namespace, READY)
    return namespace


@pytest.fixture
def full(kube: Kube, applied: str) -> Json:
    """The builder as it is now."""
    found = kube.get("KojiBuilder", "full", applied)
    assert found is not None
    return found


def test_a_builder_is_the_host_that_its_fields_describe(hub: Hub, full: Json) -> None:
    host = hub.session().getHost("full-host")
    assert set(host["arches"].split()) == {"x86_64", "i686"}
    assert host["capacity"] == 7.5
    status = full["status"]
    assert status["user"] == "full-host"
    assert status["host_id"] == host["id"]
    assert status["hub_url"] == hub.url
    assert status["observedGeneration"] == full["metadata"]["generation"]
    assert (status["replicas"], status["slots"]) == (1, 3)
    assert status["selector"] == "apps.fedoraproject.org/builder=full"
    assert (status["running_tasks"], status["waiting_tasks"]) == (0, 0)


def test_certificates_are_made_as_the_fields_say(kube: Kube, full: Json, applied: str) -> None:
    of_builder = certificate_of(kube, applied, "full-cert")
    assert isinstance(of_builder.public_key(), rsa.RSAPublicKey)
    assert days_left(of_builder) == 40
    assert full["status"]["certificate_expires"] == of_builder.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    of_user = certificate_of(kube, applied, "full-user-cert")
    assert isinstance(of_user.public_key(), ec.EllipticCurvePublicKey)
    assert days_left(of_user) == 40


def test_a_certificate_is_renewed_in_time_with_its_key(kube: Kube, applied: str) -> None:
    key = kube.secret(applied, "full-user-cert")["tls.key"]
    renewal = {"certificate": {"days": 90, "renew_before_days": 60}}
    kube.patch("KojiUser", "full", applied, {"spec": renewal})
    kube.wait_for(lambda: days_left(certificate_of(kube, applied, "full-user-cert")) == 90, SOON, "it is renewed")
    assert kube.secret(applied, "full-user-cert")["tls.key"] == key
    found = kube.wait_condition("KojiUser", "full", applied, SOON)
    expires = certificate_of(kube, applied, "full-user-cert").not_valid_after_utc
    kube.wait_object(
        "KojiUser",
        "full",
        applied,
        lambda item: item["status"]["certificate_expires"] == expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        SOON,
        "the status says so",
    )
    assert found["status"]["user_id"]


def test_tasks_are_counted_while_they_run_and_after(kube: Kube, hub: Hub, full: Json, applied: str) -> None:
    session = hub.session()
    before = {field: full["status"].get(field) or 0 for field in ("tasks_taken", "tasks_closed", "tasks_failed")}
    parent = session.makeTask("waittest", [1, 8])
    seen = kube.wait_object(
        "KojiBuilder",
        "full",
        applied,
        lambda item: item["status"].get("waiting_tasks") == 1 and item["status"].get("running_tasks", 0) >= 1,
        SOON,
        "a parent waits and a child runs",
    )
    assert seen["status"]["last_check_in"]
    pod = kube.find("Pod", applied, f"koji-task={parent}")[0]["spec"]["containers"][0]
    assert (pod["image"], pod["imagePullPolicy"]) == (IMAGE, "Never")
    # The parent, a child that sleeps, and the one that koji's handler makes to fail.
    kube.wait_object(
        "KojiBuilder",
        "full",
        applied,
        lambda item: (
            item["status"]["tasks_taken"] == before["tasks_taken"] + 3
            and item["status"].get("tasks_closed") == before["tasks_closed"] + 2
            and item["status"].get("tasks_failed") == before["tasks_failed"] + 1
        ),
        SOON,
        "three tasks more, two closed and one failed",
    )


def test_a_task_given_back_is_counted(kube: Kube, hub: Hub, applied: str) -> None:
    task = hub.session().makeTask("sleep", [5])
    running = kube.wait_for(
        lambda: [p for p in kube.find("Pod", applied, f"koji-task={task}") if p["status"].get("phase") == "Running"],
        SOON,
        "the task's pod runs",
    )
    kube.delete("Pod", running[0]["metadata"]["name"], applied)
    kube.wait_object(
        "KojiBuilder", "full", applied, lambda item: (item["status"].get("tasks_freed") or 0) >= 1, SOON, "one freed"
    )
    kube.wait_for(lambda: koji.TASK_STATES[hub.session().getTaskInfo(task)["state"]] == "CLOSED", SOON, "it closes")


def test_a_deletion_is_not_held_up_longer_than_its_time_out(kube: Kube, applied: str) -> None:
    kube.wait_gone("KojiBuilder", "nowhere", applied, SOON)
    notes = [event["message"] for event in kube.events(applied, "nowhere") if event["reason"] == "LeftBehind"]
    assert len(notes) == 1
    assert "'nowhere'" in notes[0]


def test_a_builder_that_is_not_enabled_gets_no_tasks(kube: Kube, hub: Hub, applied: str) -> None:
    """Last: it leaves the builder as it is."""
    kube.patch("KojiBuilder", "full", applied, {"spec": {"enabled": False}})
    kube.wait_for(lambda: not hub.session().getHost("full-host")["enabled"], SOON, "the host is disabled")
    kube.wait_object(
        "KojiBuilder",
        "full",
        applied,
        lambda item: condition(item, "Scheduling").get("reason") == "Paused",
        SOON,
        "it takes no tasks",
    )
    task = hub.session().makeTask("sleep", [0])
    time.sleep(4)
    assert koji.TASK_STATES[hub.session().getTaskInfo(task)["state"]] == "FREE"
    hub.session().cancelTask(task)
