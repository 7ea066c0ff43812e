# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A hub with its web pages: the hub is a KojiHub's, or plain manifests' where a test isn't about the two together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.e2e.kube import condition
from tests.e2e.resources import READY, SOON, resource

from .pages import Browser

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json, Kube

IMAGE = "localhost/devhub:dev"
NAME = "koji-web"  # of the objects
DEFAULTS: dict[str, Any] = {"image": IMAGE, "image_pull_policy": "IfNotPresent"}
LABELS = "app.kubernetes.io/name=koji-web,app.kubernetes.io/instance=web"


@dataclass(frozen=True)
class WebSite:
    """A namespace with a hub; `folder` is where certificates go that people have."""

    kube: Kube
    hub: Hub
    folder: Path

    @property
    def namespace(self) -> str:
        """Where all is."""
        return self.hub.namespace

    def apply(self, **spec: Any) -> None:
        """Apply the KojiWeb `web`: what an earlier call gave and this one doesn't is no longer set."""
        self.kube.apply(resource("KojiWeb", "web", self.namespace, **{**DEFAULTS, **spec}))

    def get(self) -> Json:
        """The KojiWeb. AssertionError if there is none."""
        found = self.kube.get("KojiWeb", "web", self.namespace)
        assert found is not None
        return found

    def good(self, kind: str, name: str = NAME) -> Json:
        """An object of its. AssertionError if there is none."""
        found = self.kube.get(kind, name, self.namespace)
        assert found is not None, f"no {kind} {name}"
        return found

    def wait(self, status: str = "True", reason: str | None = None, seconds: float = READY) -> Json:
        """Wait until Ready of the current generation is so."""
        return self.kube.wait_condition("KojiWeb", "web", self.namespace, seconds, "Ready", status, reason)

    def ready(self, **spec: Any) -> Browser:
        """Apply a KojiWeb and wait until it is ready; nobody's browser."""
        self.apply(**spec)
        self.wait()
        return self.browser()

    def refused(self, reason: str, **spec: Any) -> str:
        """Apply a KojiWeb that can't be ready for a reason; what the status says about it."""
        self.apply(**spec)
        return self.message(reason)

    def message(self, reason: str) -> str:
        """Wait until Ready is False for a reason; its message."""
        return str(condition(self.wait("False", reason, SOON), "Ready")["message"])

    def warned(self, words: str) -> None:
        """Wait until the status warns of something."""
        self.told(lambda item: words in condition(item, "Warning").get("message", ""), f"a warning: {words}")

    def told(self, check: Callable[[Json], Any], what: str) -> Json:
        """Wait until something of the KojiWeb is so; return it."""
        return self.kube.wait_object("KojiWeb", "web", self.namespace, check, SOON, what)

    def browser(self, user: str = "") -> Browser:
        """Nobody's, or that of a user with a certificate by the hub's CA."""
        pem = None
        if user:
            pem = self.folder / f"{user}.pem"
            pem.touch(0o600)
            pem.write_text(self.hub.deployed.authority.issue(user).pem, "ascii")
        return Browser(f"https://{NAME}.{self.namespace}.svc:8443/koji", self.hub.ca, pem)

    def pods(self) -> list[Json]:
        """The web pages' pods but those that end."""
        found = self.kube.find("Pod", self.namespace, LABELS)
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def in_pod(self, *command: str) -> str:
        """Run a command in a pod; what it printed."""
        name = self.pods()[0]["metadata"]["name"]
        return self.kube.kubectl("exec", "-n", self.namespace, name, "-c", "web", "--", *command)

    def web_conf(self) -> list[str]:
        """The lines of web.conf that the pods have."""
        lines: list[str] = self.good("ConfigMap", f"{NAME}-config")["data"]["web.conf"].splitlines()
        return lines
