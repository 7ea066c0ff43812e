# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""One controller a watch: decides when an object is due, runs Ansible for it, and looks after its finalizer."""

import asyncio
import logging
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from .api import Api, ApiError
from .informers import Change, Informers, Key
from .proxy import OWNER_ANNOTATION, OWNER_TYPE_ANNOTATION, Owner, write_kubeconfig
from .queue import WorkQueue
from .runs import Run, Runs
from .selector import matches
from .watches import Json, Kind, Watch, parse_duration

log = logging.getLogger(__name__)

PERIOD_ANNOTATION = "ansible.sdk.operatorframework.io/reconcile-period"
REQUEUE_AFTER = {"requeue_after", "operator_sdk.util.requeue_after"}
FINALIZER_DELAY = 5.0  # seconds; for an object that was deleted while its run went on


class RunFailed(Exception):
    """A run that has to be tried again, later each time."""


class Controller:
    """Keeps the objects of one watch in order; `proxy_port` is where its runs find the API server."""

    def __init__(self, watch: Watch, api: Api, runs: Runs, informers: Informers, proxy_port: int) -> None:
        self.watch = watch
        self._api = api
        self._runs = runs
        self._informers = informers
        self._proxy_port = proxy_port
        self._queue: WorkQueue[Key] = WorkQueue()
        self._dependents: set[tuple[Kind, bool]] = set()
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        log.info("Watching %s, %d workers", self.watch.kind, self.watch.workers)
        self._informers.follow(self.watch.kind, self._changed)
        self._workers = [asyncio.create_task(self._work()) for _ in range(self.watch.workers)]

    def close(self) -> None:
        """Start nothing new; runs that go on are awaited by `join`."""
        self._queue.close()

    async def join(self) -> None:
        await asyncio.gather(*self._workers)

    def follow_dependent(self, kind: Kind, owned: bool, namespaced: bool) -> None:
        """Run an owner again when a dependent of this kind is changed or deleted."""
        if not self.watch.watch_dependents or kind in self.watch.blacklist or (kind, owned) in self._dependents:
            return
        if not owned and not namespaced and not self.watch.watch_cluster_scoped:
            return
        self._dependents.add((kind, owned))
        log.info("Watching %s for %s", kind, self.watch.kind)
        self._informers.follow(kind, self._owned_changed if owned else self._marked_changed)

    def _changed(self, change: Change) -> None:
        if is_due(self.watch, change):
            self._queue.add(_key(change.new or change.old or {}))

    def _owned_changed(self, change: Change) -> None:
        if not dependent_changed(change):
            return
        for item in filter(None, change):
            for reference in item["metadata"].get("ownerReferences") or []:
                kind = Kind.parse(reference["apiVersion"], reference["kind"])
                if (kind.group, kind.kind) == (self.watch.kind.group, self.watch.kind.kind):
                    self._queue.add(Key(item["metadata"].get("namespace", ""), reference["name"]))

    def _marked_changed(self, change: Change) -> None:
        if not dependent_changed(change):
            return
        for item in filter(None, change):
            annotations = item["metadata"].get("annotations") or {}
            if annotations.get(OWNER_TYPE_ANNOTATION) == f"{self.watch.kind.kind}.{self.watch.kind.group}":
                namespace, _, name = annotations.get(OWNER_ANNOTATION, "").rpartition("/")
                self._queue.add(Key(namespace, name))

    async def _work(self) -> None:
        while (key := await self._queue.get()) is not None:
            try:
                after = await self._reconcile(key)
            except (RunFailed, ApiError, aiohttp.ClientError, OSError) as error:
                delay = self._queue.add_rate_limited(key)
                log.warning("%s %s: %s; again in %.3g s", self.watch.kind.kind, key, error, delay)
            except Exception:
                log.exception("%s %s: a mistake in the development loop", self.watch.kind.kind, key)
                self._queue.add_rate_limited(key)
            else:
                self._queue.forget(key)
                if after > 0:
                    self._queue.add_after(key, after)
            finally:
                self._queue.done(key)

    async def _reconcile(self, key: Key) -> float:
        """Run Ansible once for an object; return the seconds until the next time, 0 for never."""
        resource = await self._api.resource(self.watch.kind)
        path = resource.path(key.namespace, key.name)
        try:
            item = await self._api.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return 0
            raise
        after = self._period(item)
        finalizer = self.watch.finalizer
        finalizers = item["metadata"].get("finalizers") or []
        deleted = "deletionTimestamp" in item["metadata"]
        if finalizer is None or finalizer.name not in finalizers:
            if deleted:
                return 0
            if finalizer is not None:
                item["metadata"]["finalizers"] = [*finalizers, finalizer.name]
                item = await self._api.request("PUT", path, item)
        if not isinstance(item.get("spec"), dict):
            item["spec"] = {}  # ConfigMaps and Secrets have none; roles see an empty one
        requeue_after = await self._run(key, item, finalizing=deleted)
        if requeue_after is not None:
            return requeue_after
        return await self._after_success(path, after, deleted)

    async def _after_success(self, path: str, after: float, deleted: bool) -> float:
        finalizer = self.watch.finalizer
        try:
            item = await self._api.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return 0
            raise
        if finalizer is None:
            return after
        if deleted:
            names = item["metadata"].get("finalizers") or []
            item["metadata"]["finalizers"] = [name for name in names if name != finalizer.name]
            await self._api.request("PUT", path, item)
        elif "deletionTimestamp" in item["metadata"]:
            return FINALIZER_DELAY
        return after

    def _period(self, item: Json) -> float:
        text = (item["metadata"].get("annotations") or {}).get(PERIOD_ANNOTATION)
        if text is None:
            return self.watch.reconcile_period
        try:
            return parse_duration(text)
        except ValueError as error:
            raise RunFailed(f"annotation {PERIOD_ANNOTATION}: {error}") from None

    async def _run(self, key: Key, item: Json, finalizing: bool) -> float | None:
        """Return the seconds that `requeue_after` asked for, None if the run went to its end. Raises RunFailed."""
        owner = Owner(self.watch.kind, key, item["metadata"]["uid"])
        with tempfile.NamedTemporaryFile(prefix="kubeconfig", suffix=".json") as file:
            write_kubeconfig(owner, self._proxy_port, Path(file.name))
            run = self._runs.start(self.watch, item, Path(file.name), finalizing)
            log.info("Run %s: %s %s%s", run.ident, self.watch.kind.kind, key, ", finalizing" if finalizing else "")
            # As in the runtime, the kubeconfig goes at the early return, while the run may still be going on.
            after = await outcome(run)
        log.info("Run %s: ended%s", run.ident, "" if after is None else f", again in {after:g} s")
        return after


async def outcome(run: Run) -> float | None:
    """Read a run's events: the period of the first `requeue_after`, or None at a good end. Raises RunFailed."""
    failures: list[str] = []
    stats = False
    async for event in run.events():
        name, data = event.get("event"), event.get("event_data") or {}
        if (
            data.get("task_action") in REQUEUE_AFTER
            and name != "runner_on_failed"
            and isinstance(data.get("res"), dict)
        ):
            try:
                return parse_duration(str(data["res"]["period"]))
            except (KeyError, TypeError, ValueError) as error:
                raise RunFailed(
                    f"run {run.ident}: requeue_after without a period that can be read: {error!r}"
                ) from None
        if name == "playbook_on_stats":
            stats = True
        # A rescued failure counts too, as the runtime has it.
        if name == "runner_on_failed" and data.get("ignore_errors") is not True:
            failures.append(f"{data.get('task')}: {_message(data.get('res'))}")
    if not stats:
        raise RunFailed(f"run {run.ident}: Ansible did not get to its end\n{run.stdout()}")
    if failures:
        raise RunFailed(f"run {run.ident}: failed: {'; '.join(failures)}")
    return None


def is_due(watch: Watch, change: Change) -> bool:
    """Whether a change of a watched object asks for a run: new, deleted, or its generation changed (not its status)."""
    subject = change.new or change.old
    if subject is None or not matches(watch.selector, subject["metadata"].get("labels") or {}):
        return False
    if change.old is None or change.new is None:
        return True
    old, new = change.old["metadata"], change.new["metadata"]
    if watch.watch_annotations and (old.get("annotations") or {}) != (new.get("annotations") or {}):
        return True
    # ConfigMaps and others have no generation: every change counts.
    return old.get("generation", 0) != new.get("generation", 0) or not new.get("generation", 0)


def dependent_changed(change: Change) -> bool:
    """Whether a change of a dependent asks for a run: deleted, or changed in more than its status."""
    if change.old is None:
        return False
    return change.new is None or _without_status(change.old) != _without_status(change.new)


def _without_status(item: Json) -> Json:
    metadata = {
        key: value for key, value in item["metadata"].items() if key not in {"resourceVersion", "managedFields"}
    }
    fields = [{**entry, "time": None} for entry in item["metadata"].get("managedFields") or []]
    rest = {key: value for key, value in item.items() if key not in {"metadata", "status"}}
    return {**rest, "metadata": {**metadata, "managedFields": fields}}


def _message(result: Any) -> str:
    message = result.get("msg") if isinstance(result, dict) else None
    return message if isinstance(message, str) else "unknown failure"


def _key(item: Json) -> Key:
    return Key(item["metadata"].get("namespace", ""), item["metadata"]["name"])
