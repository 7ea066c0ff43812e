# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Objects of one kind, kept up to date by a watch; and the API client's errors as ClusterError."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import urllib3
from ansible_collections.fedoraproject.koji.plugins.module_utils.scheduler.cluster import NOT_FOUND, ClusterError
from kubernetes import watch as kubernetes_watch
from kubernetes.client.rest import ApiException
from openshift.dynamic.exceptions import DynamicApiError, ResourceNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT = (5, 20)  # seconds to connect, to answer
WATCH = 240  # seconds after which the server ends a watch
WATCH_TIMEOUT = (5, WATCH + 15)
RETRY = 1.0  # seconds between attempts to watch again


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the client's errors into ClusterError."""
    try:
        yield
    except (ApiException, DynamicApiError) as error:
        reason, message = str(error.reason), str(error.reason)
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            body = json.loads(error.body)
            reason, message = body.get("reason") or reason, body.get("message") or message
        raise ClusterError(int(error.status or 0), reason, message) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ClusterError(0, "Unreachable", f"the API server can't be reached: {error}") from error
    except ResourceNotFoundError as error:
        raise ClusterError(NOT_FOUND, "NotFound", str(error)) from error


class Watched:
    """Objects of one kind and selector, kept up to date by a thread. `changed(old, new)` hears of each change."""

    def __init__(
        self,
        resource: Any,
        namespace: str,
        selector: str | None,
        changed: Callable[[dict[str, Any] | None, dict[str, Any] | None], None],
    ) -> None:
        self._resource = resource
        self._namespace = namespace
        self._selector = selector
        self._changed = changed
        self._lock = threading.Lock()
        self._items: dict[str, dict[str, Any]] = {}
        self._written: dict[str, float] = {}  # name -> when we put it there ourselves (monotonic)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def items(self) -> list[dict[str, Any]]:
        """All objects."""
        with self._lock:
            return list(self._items.values())

    def put(self, item: dict[str, Any]) -> None:
        """Add what we have just made: the watch may be slower than the next tick."""
        name = item["metadata"]["name"]
        with self._lock:
            self._written[name] = time.monotonic()
            self._items.setdefault(name, item)

    def relist(self) -> str:
        """Read everything anew; give the resourceVersion to watch from."""
        began = time.monotonic()
        with translated():
            answer = json.loads(
                self._resource.get(
                    namespace=self._namespace, label_selector=self._selector, serialize=False, _request_timeout=TIMEOUT
                ).data
            )
        fresh = {item["metadata"]["name"]: item for item in answer["items"]}
        with self._lock:
            # The list may be older than a pod that we made while it was on its way.
            for name, when in list(self._written.items()):
                if when >= began and name in self._items:
                    fresh.setdefault(name, self._items[name])
                elif when < began:
                    del self._written[name]
            old, self._items = self._items, fresh
        for name in old.keys() | fresh.keys():
            if old.get(name) != fresh.get(name):
                self._changed(old.get(name), fresh.get(name))
        return str(answer["metadata"]["resourceVersion"])

    def start(self) -> None:
        """List, then keep up in the background."""
        version = self.relist()
        name = f"watch-{self._resource.kind}"
        self._thread = threading.Thread(target=self._run, args=(version,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop keeping up; a daemon thread that still waits for the server's word does no harm."""
        self._stop.set()

    def _run(self, version: str) -> None:
        while not self._stop.is_set():
            try:
                self._follow(version)
            except ClusterError:
                self._stop.wait(RETRY)
            try:
                version = self.relist()
            except ClusterError:
                self._stop.wait(RETRY)

    def _follow(self, version: str) -> None:
        stream = kubernetes_watch.Watch().stream(
            functools.partial(self._resource.get, _request_timeout=WATCH_TIMEOUT),
            namespace=self._namespace,
            label_selector=self._selector,
            resource_version=version,
            serialize=False,
            timeout_seconds=WATCH,
        )
        with translated(), contextlib.closing(stream):
            for event in stream:
                if self._stop.is_set():
                    return
                if event:
                    self._take(event["type"], event["raw_object"])

    def _take(self, kind: str, item: dict[str, Any]) -> None:
        name = item["metadata"]["name"]
        with self._lock:
            old = self._items.get(name)
            if kind == "DELETED":
                # One of the same name may be there again.
                if old is not None and old["metadata"]["uid"] == item["metadata"]["uid"]:
                    del self._items[name]
                # What it was at its end, which no event may have told before.
                old, new = item, None
            else:
                self._items[name] = new = item
        self._changed(old, new)
