# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Pods: the floor that a bare one sets, and how many of a builder's are alive."""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kubernetes.client import CoreV1Api
from kubernetes.watch import Watch

from tests.e2e.resources import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kube import Kube

TIMEOUT = 60  # seconds
ENDED = frozenset({"Succeeded", "Failed"})


def bare_pod(name: str, namespace: str) -> dict[str, Any]:
    """A pod that does nothing, of the builder's image."""
    container = {"name": "bare", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["true"]}
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def time_bare_pod(kube: Kube, name: str, namespace: str) -> float:
    """Seconds from a bare pod's creation until its phase is seen to be Succeeded."""
    core = CoreV1Api(kube.client)
    begin = time.monotonic()
    made = kube.create(bare_pod(name, namespace), namespace)
    watch = Watch()
    events = watch.stream(
        core.list_namespaced_pod, namespace, field_selector=f"metadata.name={name}",
        resource_version=made["metadata"]["resourceVersion"], timeout_seconds=TIMEOUT,
    )  # fmt: skip
    for event in events:
        phase = event["object"].status.phase
        if phase in ENDED:
            seconds = time.monotonic() - begin
            watch.stop()
            core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
            assert phase == "Succeeded", f"pod {name} has failed"
            return seconds
    raise AssertionError(f"pod {name} did not end within {TIMEOUT} s")


def bare_pods(kube: Kube, namespace: str, count: int, longest_pause: float) -> list[float]:
    """`count` bare pods, the next one a random time of up to `longest_pause` s after the end of the one before."""
    found = []
    for number in range(count):
        time.sleep(random.uniform(0, longest_pause))  # noqa: S311 - a moment, not a secret
        found.append(time_bare_pod(kube, f"bare-{number}", namespace))
    return found


class Alive:
    """Counts the pods of a selector that have not ended; `most` is the highest count there ever was."""

    def __init__(self, core: CoreV1Api, namespace: str, selector: str) -> None:
        self.most = 0
        self._alive: set[str] = set()
        self._core = core
        self._where = (namespace, selector)
        self._watch = Watch()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._listed = threading.Event()

    def start(self) -> None:
        """Count from now on."""
        self._thread.start()
        assert self._listed.wait(TIMEOUT), "pods can't be listed"

    def stop(self) -> None:
        """Stop counting."""
        self._watch.stop()

    def _follow(self) -> None:
        namespace, selector = self._where
        listed = self._core.list_namespaced_pod(namespace, label_selector=selector)
        for pod in listed.items:
            self.saw("ADDED", pod.metadata.uid, pod.status.phase)
        self._listed.set()
        version = listed.metadata.resource_version
        stream = self._watch.stream(
            self._core.list_namespaced_pod, namespace, label_selector=selector, resource_version=version
        )
        for event in stream:
            self.saw(event["type"], event["object"].metadata.uid, event["object"].status.phase)

    def saw(self, event: str, uid: str, phase: str) -> None:
        """Take in one watch event."""
        if event == "DELETED" or phase in ENDED:
            self._alive.discard(uid)
        else:
            self._alive.add(uid)
        self.most = max(self.most, len(self._alive))


@contextmanager
def counted(kube: Kube, namespace: str, selector: str) -> Iterator[Alive]:
    """Count for the time of a `with` block."""
    alive = Alive(CoreV1Api(kube.client), namespace, selector)
    alive.start()
    try:
        yield alive
    finally:
        alive.stop()
