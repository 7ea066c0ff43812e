# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A KojiHub with claims, and Kojiras beside it."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import koji

from tests.e2e.kojihub.site import IMAGE, Site
from tests.e2e.kube import condition
from tests.e2e.resources import READY, SOON, resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

CLAIMS: dict[str, Any] = {"persistent": True, "mnt_pvc_size": "1Gi", "httpd_pvc_size": "1Gi"}
# Rounds of a second, so that nobody waits for kojira.
QUICK = {"sleeptime": 1, "retry_interval": 1}
DEFAULTS: dict[str, Any] = {"image": IMAGE, "image_pull_policy": "IfNotPresent", "kojira_options": QUICK}


def kojira(namespace: str, name: str = "kojira", **spec: Any) -> Json:
    """A Kojira of the test's image; `spec` wins."""
    return resource("Kojira", name, namespace, **{**DEFAULTS, **spec})


@dataclass(frozen=True)
class Scene:
    """A site whose hub is ready."""

    site: Site
    hub: Hub

    @property
    def kube(self) -> Kube:
        return self.site.kube

    @property
    def namespace(self) -> str:
        return self.site.namespace

    def apply(self, name: str = "kojira", **spec: Any) -> None:
        """Apply a Kojira: what an earlier call gave and this one doesn't is no longer set."""
        self.kube.apply(kojira(self.namespace, name, **spec))

    def get(self, name: str = "kojira") -> Json:
        found = self.kube.get("Kojira", name, self.namespace)
        assert found is not None, f"no Kojira {name}"
        return found

    def wait(
        self, status: str = "True", reason: str | None = None, name: str = "kojira", seconds: float = READY
    ) -> Json:
        """Wait until Ready of the Kojira's current generation is so."""
        return self.kube.wait_condition("Kojira", name, self.namespace, seconds, "Ready", status, reason)

    def ready(self, name: str = "kojira", **spec: Any) -> Json:
        """Apply a Kojira and wait until kojira works."""
        self.apply(name, **spec)
        return self.wait(name=name)

    def refused(self, reason: str, name: str = "kojira", **spec: Any) -> str:
        """Apply a Kojira that can't work for a reason; what its status says about it."""
        self.apply(name, **spec)
        return str(condition(self.wait("False", reason, name, SOON), "Ready")["message"])

    def warned(self, reason: str, name: str = "kojira") -> str:
        """Wait until a warning is there; what it says."""
        item = self.told(lambda item: condition(item, "Warning").get("reason") == reason, f"warning {reason}", name)
        return str(condition(item, "Warning")["message"])

    def told(self, check: Callable[[Json], Any], what: str, name: str = "kojira", seconds: float = SOON) -> Json:
        """Wait until something of the Kojira is so."""
        return self.kube.wait_object("Kojira", name, self.namespace, check, seconds, what)

    def delete(self, name: str = "kojira") -> None:
        """Delete a Kojira and wait until it and its pod are gone."""
        self.kube.delete("Kojira", name, self.namespace, timeout=SOON)
        self.kube.wait_for(lambda: not self.pods(name), SOON, "its pod is gone", lambda: self.pods(name))

    def pods(self, name: str = "kojira") -> list[Json]:
        """Its pods, those that end included."""
        labels = f"app.kubernetes.io/name=kojira,app.kubernetes.io/instance={name}"
        return self.kube.find("Pod", self.namespace, labels)

    def pod(self, name: str = "kojira") -> Json:
        """The one pod."""
        [found] = [pod for pod in self.pods(name) if not pod["metadata"].get("deletionTimestamp")]
        return found

    def deployment(self, name: str = "kojira") -> Json:
        found = self.kube.get("Deployment", name if name.startswith("koji") else f"koji-{name}", self.namespace)
        assert found is not None, f"no Deployment of {name}"
        return found

    def in_pod(self, *command: str, name: str = "kojira") -> str:
        """Run a command in the pod; what it printed."""
        return self.kube.kubectl("exec", "-n", self.namespace, self.pod(name)["metadata"]["name"], "--", *command)

    def conf(self, name: str = "kojira") -> dict[str, str]:
        """kojira.conf as kojira reads it."""
        found = self.kube.get("ConfigMap", f"{name}-files", self.namespace)
        assert found is not None
        return options(found["data"]["kojira.conf"], "kojira")

    def hub_conf(self) -> dict[str, str]:
        """hub.conf's section [hub]; names are in lower case."""
        found = self.kube.get("ConfigMap", "koji-hub-config", self.namespace)
        assert found is not None
        return options(found["data"]["hub.conf"], "hub", raw=True)

    def hub_rolls(self, wanted: dict[str, str], before: str) -> None:
        """Wait until hub.conf has these options, and another pod than before serves with them."""
        self.kube.wait_for(lambda: wanted.items() <= self.hub_conf().items(), SOON, "hub.conf follows", self.hub_conf)
        self.kube.wait_for(lambda: self.hub_uid() not in {before, ""}, SOON, "another pod of the hub is ready")

    def hub_uid(self) -> str:
        """The hub's pod, if there is one that is ready and stays."""
        for pod in self.site.pods():
            if condition(pod, "Ready").get("status") == "True" and not pod["metadata"].get("deletionTimestamp"):
                return str(pod["metadata"]["uid"])
        return ""

    def repo_tasks(self) -> list[Json]:
        """The newRepo tasks that there are."""
        found: list[Json] = self.hub.session().listTasks({"method": "newRepo", "decode": True})
        return found

    def asks_for_a_repo(self, tag: str) -> Json:
        """Make a tag whose repos are made by themselves, and wait for the task that kojira has the hub make."""
        session = self.hub.session()
        session.createTag(tag, arches="x86_64", extra={"repo.auto": True})

        def asked() -> Json | None:
            return next((task for task in self.repo_tasks() if task["request"][0]["name"] == tag), None)

        task: Json = self.kube.wait_for(asked, SOON, f"a newRepo task for {tag}")
        return task


def options(text: str, section: str, *, raw: bool = False) -> dict[str, str]:
    """A section of a file as Koji reads it."""
    parser = configparser.RawConfigParser() if raw else configparser.ConfigParser()
    parser.read_string(text)
    return dict(parser.items(section))


def exclusive(hub: Hub, user: str) -> bool:
    """Whether a session of the user holds its lock."""
    sessions: list[Json] = hub.session().getSessionInfo(True, user) or []
    return any(entry["exclusive"] for entry in sessions)


REPO = koji.REPO_STATES
