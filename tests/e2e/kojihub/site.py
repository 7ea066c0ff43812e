# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a site has before there is a KojiHub: a namespace with Pod Security `restricted`, PostgreSQL and its Secret."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.devhub.certificates import Authority, Pair
from tests.devhub.deploy import Deployed, postgres_secret
from tests.devhub.manifests import DATABASE, database, volume
from tests.e2e.hub import Hub
from tests.e2e.kube import condition
from tests.e2e.resources import READY, SOON, resource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.kube import Json, Kube

IMAGE = "localhost/devhub:dev"
OLDER_IMAGE = "localhost/devhub-1.34:dev"  # its schema is one version back
POSTGRES_IMAGE = "localhost/postgres:dev"
PERIOD = "ansible.sdk.operatorframework.io/reconcile-period"
ENFORCE = "pod-security.kubernetes.io/enforce"
DEFAULTS: dict[str, Any] = {"image": IMAGE, "image_pull_policy": "IfNotPresent", "persistent": False}


def kojihub(namespace: str, name: str = "hub", **spec: Any) -> Json:
    """A KojiHub of the test's image whose data lasts as long as its pod; `spec` wins."""
    return resource("KojiHub", name, namespace, **{**DEFAULTS, **spec})


def prepare(kube: Kube, namespace: str, password: str | None = None) -> None:
    """Give an empty namespace what a site provides. Nothing is waited for: the operator has to cope."""
    given = postgres_secret(namespace)
    if password is not None:
        given["data"]["POSTGRES_PASSWORD"] = base64.b64encode(password.encode()).decode()
    labels = {ENFORCE: "restricted"}
    kube.patch("Namespace", namespace, None, {"metadata": {"labels": labels}})
    kube.apply_all([given, *database(namespace, POSTGRES_IMAGE, volume(None))])


@dataclass(frozen=True)
class Site:
    """A prepared namespace; `folder` is where certificates go that clients use."""

    kube: Kube
    namespace: str
    folder: Path

    def apply(self, name: str = "hub", **spec: Any) -> None:
        """Apply a KojiHub: what an earlier call gave and this one doesn't is no longer set."""
        self.kube.apply(kojihub(self.namespace, name, **spec))

    def look(self, name: str = "hub") -> None:
        """Have the role look at once at what the runtime doesn't watch; it would by itself after a while."""
        self.kube.patch("KojiHub", name, self.namespace, {"metadata": {"annotations": {"look": str(time.time())}}})

    def get(self, name: str = "hub") -> Json:
        """The KojiHub. AssertionError if there is none."""
        found = self.kube.get("KojiHub", name, self.namespace)
        assert found is not None, f"no KojiHub {self.namespace}/{name}"
        return found

    def wait(self, type_: str = "Ready", status: str = "True", reason: str | None = None, **options: Any) -> Json:
        """Wait until a condition of the KojiHub's current generation holds. `options`: name, seconds."""
        name, seconds = options.pop("name", "hub"), options.pop("seconds", READY)
        return self.kube.wait_condition("KojiHub", name, self.namespace, seconds, type_, status, reason, **options)

    def ready(self, name: str = "hub", seconds: float = READY, **spec: Any) -> Hub:
        """Apply a KojiHub and wait until it is ready; who talks to it is logged in by the Secrets that it made."""
        self.apply(name, **spec)
        self.wait(name=name, seconds=seconds)
        return self.hub(name)

    def refused(self, reason: str | None = None, name: str = "hub", seconds: float = SOON, **spec: Any) -> str:
        """Apply a KojiHub that can't be ready for a reason; what the status says about it."""
        self.apply(name, **spec)
        return self.message(reason, name, seconds)

    def message(self, reason: str | None = None, name: str = "hub", seconds: float = SOON) -> str:
        """Wait until Ready is False for a reason; its message."""
        item = self.wait("Ready", "False", reason, name=name, seconds=seconds)
        return str(condition(item, "Ready")["message"])

    def hub(self, name: str = "hub") -> Hub:
        """How to talk to a hub that is ready: by its status and the Secrets that it made."""
        status = self.get(name)["status"]
        ca = f"koji-{name}-ca-cert" if not name.startswith("koji") else f"{name}-ca-cert"
        key = self.kube.secret(self.namespace, f"{ca}-key")
        authority = Authority.load(Pair(key["tls.crt"].decode(), key["tls.key"].decode()))
        url = status["internal_url"]
        deployed = Deployed(self.namespace, url, url.removesuffix("/kojihub") + "/devhub/faults", authority)
        hub = Hub(self.namespace, url, self.folder / f"{name}-ca.crt", self.folder / f"{name}-admin.pem", deployed)
        _write(hub.ca, self.kube.secret(self.namespace, ca)["ca.crt"])
        _write(hub.admin_pem, self.kube.secret(self.namespace, status["admin_secret"])["client.pem"])
        return hub

    def pods(self, name: str = "hub") -> list[Json]:
        """The hub's pods, those that end included."""
        labels = f"app.kubernetes.io/name=koji-hub,app.kubernetes.io/instance={name}"
        return [pod for pod in self.kube.find("Pod", self.namespace, labels) if not _of_a_job(pod)]

    def jobs(self, name: str = "hub") -> list[Json]:
        """The Jobs on its database, oldest first."""
        found = self.kube.find("Job", self.namespace, f"app.kubernetes.io/instance={name}")
        return sorted(found, key=lambda item: item["metadata"]["creationTimestamp"])

    def psql(self, sql: str) -> str:
        """Run SQL in the database, as its owner; what it says, one row a line, columns separated by |."""
        script = 'exec psql -qAtX -v ON_ERROR_STOP=1 -h /tmp -U "$POSTGRES_USER" -d "$POSTGRES_DB"'
        words = ["exec", "-i", "-n", self.namespace, f"deploy/{DATABASE}", "--", "sh", "-c", script]
        return self.kube.kubectl(*words, stdin=sql).strip()

    def database_is_up(self) -> None:
        """Wait until PostgreSQL answers, for tests that fill it before there is a hub."""
        self.kube.wait_for(self._answers, SOON, "PostgreSQL answers")

    def _answers(self) -> bool:
        try:
            return self.psql("SELECT 1") == "1"
        except AssertionError:
            return False

    def in_pod(self, *command: str, container: str = "hub", name: str = "hub") -> str:
        """Run a command in a pod of the hub, once its container runs; what it printed."""
        pod = self.kube.wait_for(lambda: self._running(container, name), SOON, f"{container} runs in a pod")
        words = ["exec", "-n", self.namespace, pod["metadata"]["name"], "-c", container, "--", *command]
        return self.kube.kubectl(*words)

    def _running(self, container: str, name: str) -> Json | None:
        for pod in self.pods(name):
            there = pod["status"].get("containerStatuses") or []
            states = {one["name"]: one.get("state") or {} for one in there}
            if "running" in states.get(container, {}) and not pod["metadata"].get("deletionTimestamp"):
                return pod
        return None

    def told(self, check: Callable[[Json], Any], what: str, name: str = "hub", seconds: float = SOON) -> Json:
        """Wait until something of the KojiHub is so; return it."""
        return self.kube.wait_object("KojiHub", name, self.namespace, check, seconds, what)


def _write(file: Path, content: bytes) -> None:
    """Replace a file whole: a client may be reading it."""
    draft = file.with_suffix(".new")
    draft.touch(0o600)
    draft.write_bytes(content)
    draft.replace(file)


def _of_a_job(pod: Json) -> bool:
    return any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences") or [])
