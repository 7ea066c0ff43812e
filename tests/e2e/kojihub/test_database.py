# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A Job brings the database to the image's schema before the hub's pods change; what keeps it from that is named."""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.devhub.manifests import LOCKED_DOWN, named
from tests.e2e.faults.causes import remove_image, tag_image
from tests.e2e.kube import Kube, condition
from tests.e2e.resources import READY, SOON

from .site import IMAGE, OLDER_IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json

    from .site import Site

MOVING = "localhost/devhub-moving:dev"
QUIET = 12  # seconds: more than a look takes
UPGRADE = 300  # seconds: two Jobs, and pods that end and start


@pytest.fixture(scope="module")
def hub(site: Site) -> Hub:
    """A ready hub."""
    return site.ready()


@pytest.fixture
def secret(site: Site, hub: Hub) -> Iterator[dict[str, str]]:
    """What the Secret says; afterwards it says so again, and the hub is ready."""
    before = {key: value.decode() for key, value in site.kube.secret(site.namespace, "postgres").items()}
    yield before
    change(site, **before)
    site.wait(reason="InLine")


def change(site: Site, **data: str | None) -> None:
    """Change keys of the Secret; None removes one."""
    coded = {key: None if value is None else base64.b64encode(value.encode()).decode() for key, value in data.items()}
    site.kube.patch("Secret", "postgres", site.namespace, {"data": coded})
    site.look()


def not_ready(site: Site, reason: str, seconds: float = SOON) -> str:
    """Wait until the database's condition has a reason, and Ready too; the message."""
    item = site.wait("DatabaseReady", "False", reason, seconds=seconds)
    message = condition(item, "DatabaseReady")["message"]
    assert message == site.message(reason)
    return str(message)


def serving(site: Site) -> set[str]:
    """The hub's pods that are there and do not end."""
    return {pod["metadata"]["name"] for pod in site.pods() if not pod["metadata"].get("deletionTimestamp")}


def test_a_wrong_password_is_named_tried_again_and_the_old_pods_go_on_serving(
    site: Site, hub: Hub, secret: dict[str, str]
) -> None:
    pods = serving(site)
    change(site, POSTGRES_PASSWORD="quite-wrong")
    message = not_ready(site, "WrongDatabasePassword")
    assert "PostgreSQL at postgresql:5432 does not accept user 'koji' with this password" in message
    assert "Secret 'postgres'" in message
    assert "quite-wrong" not in str(site.get())
    site.kube.wait_for(lambda: any(attempt(job) > 1 for job in site.jobs()), SOON, "the Job is tried again")
    assert len(site.jobs()) <= 3
    assert serving(site) == pods
    assert "koji-admin" in hub.cli("moshimoshi")


def attempt(job: Json) -> int:
    return int(job["metadata"]["labels"]["apps.fedoraproject.org/database-attempt"])


def test_a_changed_password_rolls_the_hub(site: Site, hub: Hub, secret: dict[str, str]) -> None:
    pods = serving(site)
    site.psql("ALTER USER koji PASSWORD 'another-one'")
    change(site, POSTGRES_PASSWORD="another-one")
    site.kube.wait_for(lambda: serving(site).isdisjoint(pods), READY, "the pods are new")
    site.wait(reason="InLine")
    assert "koji-admin" in hub.cli("moshimoshi")
    assert "another-one" in site.in_pod("cat", "/etc/koji-hub/hub.conf.d/database.conf")
    site.psql(f"ALTER USER koji PASSWORD '{secret['POSTGRES_PASSWORD']}'")


def test_a_missing_key_is_named(site: Site, hub: Hub, secret: dict[str, str]) -> None:
    for key in ("POSTGRES_HOST", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"):
        change(site, **{key: None})
        says(site, "MissingSecretKey", f"Secret 'postgres' in namespace '{site.namespace}': key {key} is missing")
        change(site, **{key: ""})
        says(site, "MissingSecretKey", f"key {key} is empty")
        change(site, **{key: secret[key]})


def says(site: Site, reason: str, part: str) -> None:
    """Wait until the database's condition and Ready both have a reason and words: the reason may be the last case's."""

    def said(item: Json) -> bool:
        found = [condition(item, type_) for type_ in ("DatabaseReady", "Ready")]
        return all(one.get("reason") == reason and part in one["message"] for one in found)

    site.told(said, f"{reason}: {part}", seconds=READY)


def test_a_missing_secret_is_named(site: Site, hub: Hub, secret: dict[str, str]) -> None:
    site.kube.patch("KojiHub", "hub", site.namespace, {"spec": {"postgres_secret": "elsewhere"}})
    assert "Secret 'elsewhere'" in not_ready(site, "MissingSecret")
    site.kube.patch("KojiHub", "hub", site.namespace, {"spec": {"postgres_secret": "postgres"}})


UNUSABLE: list[tuple[dict[str, str], str, str]] = [
    ({"POSTGRES_PORT": "5433"}, "DatabaseUnreachable", "PostgreSQL at postgresql:5433 can't be reached"),
    ({"POSTGRES_HOST": "nowhere"}, "DatabaseUnreachable", "PostgreSQL at nowhere:5432 can't be reached"),
    ({"POSTGRES_DB": "kojj"}, "DatabaseMissing", "has no database 'kojj'"),
    ({"POSTGRES_SSLMODE": "require"}, "DatabaseTlsFailed", "server does not support SSL"),
]


def test_what_keeps_the_job_from_the_database_is_named(site: Site, hub: Hub, secret: dict[str, str]) -> None:
    for data, reason, part in UNUSABLE:
        change(site, **data)
        says(site, reason, part)
        change(site, **{key: secret.get(key) for key in data})


def test_an_image_with_an_older_schema_is_refused_and_the_hub_goes_on_serving(site: Site, hub: Hub) -> None:
    pods = serving(site)
    site.apply(image=OLDER_IMAGE)
    message = not_ready(site, "SchemaNewer")
    assert "the database's schema is of Koji 1.35, the image's of 1.34" in message
    assert serving(site) == pods
    assert "koji-admin" in hub.cli("moshimoshi")
    site.apply(image=IMAGE)
    site.wait()
    assert serving(site) == pods


def test_an_image_that_can_not_be_pulled_is_named_before_a_pod_of_the_hub_ends(site: Site, hub: Hub) -> None:
    pods = serving(site)
    site.apply(image="localhost/nothing:dev", image_pull_policy="Never")
    assert "localhost/nothing:dev" in not_ready(site, "ErrImageNeverPull")
    assert serving(site) == pods
    site.apply(image=IMAGE)
    site.wait()
    assert [job["spec"]["template"]["spec"]["containers"][0]["image"] for job in site.jobs()] == [IMAGE]


def test_a_database_of_something_else_is_refused_until_it_is_another(own_site: Site) -> None:
    own_site.database_is_up()
    own_site.psql("CREATE TABLE wp_posts (id INTEGER)")
    own_site.apply()
    message = not_ready(own_site, "DatabaseOfSomethingElse", READY)
    assert "database 'koji' holds something else than Koji (wp_posts): give the hub a database of its own" in message
    assert own_site.pods() == []
    own_site.psql("DROP TABLE wp_posts")
    own_site.look()
    own_site.wait(seconds=UPGRADE)


@dataclass
class Watcher:
    """Looks again and again at what there is, while something else goes on."""

    site: Site
    seen: list[tuple[list[str], list[str], list[str]]] = field(default_factory=list)  # hub's images, running, done
    errors: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        kube = Kube()
        while not self._over.is_set():
            try:
                # The Jobs last: what they work on was so before.
                pods = kube.find("Pod", self.site.namespace, "app.kubernetes.io/name=koji-hub")
                jobs = kube.find("Job", self.site.namespace, "app.kubernetes.io/component=database")
            except Exception as error:  # noqa: BLE001 - told at the end
                self.errors.append(error)
                return
            done = [job["metadata"]["name"] for job in jobs if (job.get("status") or {}).get("succeeded")]
            modes = [job["metadata"]["labels"]["apps.fedoraproject.org/database-mode"] for job in jobs if _active(job)]
            self.seen.append(([pod["spec"]["containers"][0]["image"] for pod in pods], modes, done))
            time.sleep(0.2)


def _active(job: Json) -> bool:
    return bool((job.get("status") or {}).get("active"))


def test_an_upgrade_stops_the_hub_dumps_the_database_and_starts_the_new_hub(own_site: Site) -> None:
    dump = {"enabled": True, "pvc_name": "dumps", "pvc_size": "64Mi"}
    spec: dict[str, Any] = {"backup_before_upgrade": dump, "admin_username": "releng"}
    hub = own_site.ready(image=OLDER_IMAGE, **spec)
    assert "releng" in hub.cli("moshimoshi")
    claim = own_site.kube.get("PersistentVolumeClaim", "dumps", own_site.namespace)
    assert claim is not None
    assert claim["spec"]["resources"]["requests"]["storage"] == "64Mi"
    assert own_site.get()["status"]["schema_version"] == "1.34"
    assert own_site.psql("SELECT to_regclass('repo_queue')") == ""
    hub.session().createUser("before-the-upgrade")
    with Watcher(own_site) as watcher:
        own_site.apply(image=IMAGE, **spec)
        own_site.told(lambda item: item["status"].get("schema_version") == "1.35", "the schema", seconds=UPGRADE)
        own_site.wait(seconds=UPGRADE)
    assert not watcher.errors, watcher.errors
    old, *rest = own_site.psql("SELECT version FROM koji_operator_schema ORDER BY id").splitlines()
    assert (old, rest) == ("1.34", ["1.35"])
    # Beside the old hub it is only looked at; the upgrade has the database for itself; the new hub comes after it.
    assert any(modes == ["online"] and OLDER_IMAGE in images for images, modes, _ in watcher.seen)
    offline = [images for images, modes, _ in watcher.seen if "offline" in modes]
    assert offline, watcher.seen
    assert all(not images for images in offline), offline
    [job] = own_site.jobs()
    assert job["metadata"]["labels"]["apps.fedoraproject.org/database-mode"] == "offline"
    new = [done for images, _, done in watcher.seen if IMAGE in images]
    assert new
    assert all(job["metadata"]["name"] in done for done in new)
    assert hub.session().getUser("before-the-upgrade")
    assert "1.35" in own_site.get()["status"]["hub_version"]
    dumped = in_claim(own_site, "dumps", "ls /claim; gunzip -c /claim/koji-1.34-*.sql.gz")
    assert "before-the-upgrade" in dumped
    assert 'COPY "users"' in dumped
    assert ".part" not in dumped


def test_a_tag_that_comes_to_mean_a_newer_koji_is_noticed_when_a_pod_has_it(own_site: Site) -> None:
    tag_image(OLDER_IMAGE, MOVING)
    try:
        hub = own_site.ready(image=MOVING)
        assert own_site.get()["status"]["schema_version"] == "1.34"
        [first] = own_site.jobs()
        tag_image(IMAGE, MOVING)
        before = serving(own_site)
        for name in before:
            own_site.kube.delete("Pod", name, own_site.namespace)
        own_site.kube.wait_for(lambda: runs_anew(own_site, before), SOON, "a pod runs the other content")
        own_site.look()
        own_site.told(lambda item: item["status"].get("schema_version") == "1.35", "the schema", seconds=UPGRADE)
        own_site.wait(seconds=UPGRADE)
        own_site.kube.wait_for(lambda: len(own_site.jobs()) == 1, SOON, "one Job is left", own_site.jobs)
        [last] = own_site.jobs()
        assert last["metadata"]["name"] != first["metadata"]["name"]
        assert "1.35" in own_site.get()["status"]["hub_version"]
        assert hub.session().getLoggedInUser()["name"] == "koji-admin"
        # Nothing more comes of it.
        own_site.look()
        time.sleep(QUIET)
        assert [job["metadata"]["uid"] for job in own_site.jobs()] == [last["metadata"]["uid"]]
    finally:
        remove_image(MOVING)


def runs_anew(site: Site, before: set[str]) -> bool:
    """Whether a pod that was not there before runs its containers."""
    return any(
        pod["metadata"]["name"] not in before and (pod.get("status") or {}).get("phase") == "Running"
        for pod in site.pods()
    )


def in_claim(site: Site, claim: str, script: str) -> str:
    """What a script prints in a pod that has a claim at /claim."""
    pod = named("Pod", "looks-into-the-claim", site.namespace)
    pod["spec"] = {
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1001,
            "fsGroup": 1001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "it",
                "image": IMAGE,
                "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", script],
                "securityContext": LOCKED_DOWN,
                "volumeMounts": [{"name": "claim", "mountPath": "/claim"}],
            }
        ],
        "volumes": [{"name": "claim", "persistentVolumeClaim": {"claimName": claim}}],
    }
    site.kube.apply(pod)
    name = pod["metadata"]["name"]
    site.kube.wait_object("Pod", name, site.namespace, _ended, SOON, "the script has ended")
    return site.kube.logs(site.namespace, name)


def _ended(pod: Json) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
