# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Two hubs in two namespaces, and what the tests ask of a bad resource and of the good ones beside it."""

from __future__ import annotations

import base64
import dataclasses
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from openshift.dynamic.exceptions import NotFoundError

from tests.e2e.kube import Kube, condition
from tests.e2e.resources import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.e2e.hub import Hub
    from tests.e2e.kube import Json

T = TypeVar("T")
GOOD = {"KojiUser": "good", "KojiBuilder": "good-builder"}
# All bad resources are applied at once, and two cores run them one after the other.
JUDGED = 300  # seconds
ALIVE = 90  # seconds; a builder checks in every second, on a busy machine somewhat later
FRESH = 3  # seconds; tests that are shorter share the wait for a check-in


@dataclass
class World:
    """`hub` has the good resources in its namespace; `other` is a second hub in its own one."""

    kube: Kube
    hub: Hub
    other: Hub
    applied: list[Json] = field(default_factory=list)
    # When the good builder was last seen to check in: here (monotonic), and in the hub's time.
    seen: tuple[float, float] = (0.0, 0.0)

    @property
    def namespace(self) -> str:
        """Where nearly everything is."""
        return self.hub.namespace

    def apply(self, items: Iterable[Json]) -> None:
        """Apply objects; resources among them are remembered for the end."""
        items = list(items)
        self.applied += [item for item in items if item["apiVersion"] == API_VERSION]
        self.kube.apply(items)

    def judged(self, kind: str, name: str, namespace: str = "") -> Judged:
        """Wait until the operator has said that a resource needs somebody to act. AssertionError if it doesn't."""

        def settled(item: Json) -> bool:
            found = condition(item, "Degraded")
            return bool(found.get("status") == "True" and found["observedGeneration"] == item["metadata"]["generation"])

        namespace = namespace or self.namespace
        return Judged(self.kube.wait_object(kind, name, namespace, settled, JUDGED, "Degraded=True"))

    def refused(self, kind: str, name: str, namespace: str = "") -> Judged:
        """The same, and take the resource away, so that its retries don't keep the machine busy."""
        judged = self.judged(kind, name, namespace)
        self.drop(kind, name, namespace or self.namespace)
        return judged

    def drop(self, kind: str, name: str, namespace: str) -> None:
        """Delete a resource without its finalizer's run; what deletion does is shown elsewhere."""
        try:
            self.kube.patch(kind, name, namespace, {"metadata": {"finalizers": None}})
            self.kube.delete(kind, name, namespace)
            # The runtime may have put it back in between.
            self.kube.patch(kind, name, namespace, {"metadata": {"finalizers": None}})
        except NotFoundError:
            return

    def drop_all(self) -> None:
        """Delete every resource that was applied."""
        for item in self.applied:
            self.drop(item["kind"], item["metadata"]["name"], item["metadata"]["namespace"])

    def last_check_in(self, name: str = GOOD["KojiBuilder"]) -> float:
        """When a host checked in last, in the hub's time: seconds since the epoch, 0.0 for never."""
        host = self.hub.anonymous().getHost(name)
        return float((host or {}).get("update_ts") or 0.0)

    def good_go_on(self, fresh: float = FRESH) -> None:
        """The good resources are ready, and the good builder has checked in since it was seen to, `fresh` s ago."""
        for kind, name in GOOD.items():
            item = self.kube.get(kind, name, self.namespace)
            assert item is not None
            assert condition(item, "Ready").get("status") == "True", item["status"]
        at, last = self.seen
        if time.monotonic() - at > fresh:
            self.kube.wait_for(
                lambda: self.last_check_in() > last,
                ALIVE,
                f"the good builder checks in after {last}",
                self.last_check_in,
            )
            self.seen = time.monotonic(), self.last_check_in()


@dataclass(frozen=True)
class Judged:
    """A resource that the operator has refused."""

    item: Json

    @property
    def reason(self) -> str:
        """Of the condition Ready."""
        return str(condition(self.item, "Ready")["reason"])

    @property
    def message(self) -> str:
        """Of the condition Ready."""
        return str(condition(self.item, "Ready")["message"])

    def says(self, reason: str, *parts: str) -> None:
        """Check the reason, that all conditions agree, and that the message holds each of `parts`."""
        assert condition(self.item, "Ready")["status"] == "False"
        assert condition(self.item, "Progressing")["status"] == "False"
        assert self.reason == reason, self.message
        missing = [part for part in parts if part not in self.message]
        assert not missing, f"{missing} not in: {self.message}"
        # A path of this machine or Python's own words tell a person nothing.
        assert not [word for word in ("/proc/", "Traceback", "object at 0x", "{'") if word in self.message]


def meanwhile(world: World, tell: Callable[[World], T]) -> Future[T]:
    """Start a story of waiting that the tests before its own one needn't wait for. -> what it comes to, or its error"""
    told: Future[T] = Future()

    def run() -> None:
        try:
            told.set_result(tell(dataclasses.replace(world, kube=Kube())))
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            told.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return told


def copied_secret(kube: Kube, source: str, name: str, namespace: str, target: str) -> Json:
    """A Secret of another namespace under another name."""
    found = kube.get("Secret", source, namespace)
    assert found is not None
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": target},
        "type": found["type"],
        "data": found["data"],
    }


def secret(name: str, namespace: str, **data: str | bytes) -> Json:
    """A Secret; `_` in a key stands for `.`."""
    coded = {
        key.replace("_", "."): base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
        for key, value in data.items()
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": coded}


def config_map(name: str, namespace: str, **data: str) -> Json:
    """A ConfigMap that is nobody's."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def inject(hub: Hub, **rule: Any) -> None:
    """Ask a devhub for a fault."""
    requests.post(hub.deployed.faults_url, json=rule, verify=str(hub.ca), timeout=10).raise_for_status()


def clear_faults(hub: Hub) -> None:
    """Take all faults back."""
    deadline = time.monotonic() + 30
    while True:
        try:
            requests.delete(hub.deployed.faults_url, verify=str(hub.ca), timeout=10).raise_for_status()
        except requests.RequestException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return
