# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""List and watch: tells controllers what changed, with the object as it was and as it is."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import aiohttp

from .api import Api, ApiError, Resource, error_of
from .watches import Json, Kind

log = logging.getLogger(__name__)

RETRY_DELAY = 1.0  # seconds
WATCH_TIMEOUT = 300  # seconds; the API server ends the watch then


class Key(NamedTuple):
    """Names an object of a known kind; `namespace` is empty for cluster-scoped ones."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Change(NamedTuple):
    """`old` is None for a new object, `new` is None for a deleted one."""

    old: Json | None
    new: Json | None


Handler = Callable[[Change], None]


class Informer:
    """Follows one kind in one namespace, or in all if `namespace` is empty."""

    def __init__(self, api: Api, kind: Kind, namespace: str) -> None:
        self._api = api
        self._kind = kind
        self._namespace = namespace
        self._objects: dict[Key, Json] = {}
        self._trouble = ""
        self.handlers: list[Handler] = []

    async def run(self) -> None:
        """Follow for ever; troubles are logged once each and tried again."""
        while True:
            try:
                await self._follow()
            except (ApiError, aiohttp.ClientError, TimeoutError, ValueError) as error:
                if str(error) != self._trouble:
                    log.warning("Watching %s: %s; trying again", self._kind, error)
                self._trouble = str(error)
            except Exception:
                # An informer that ended would leave the operator deaf.
                log.exception("Watching %s: a mistake in the development loop", self._kind)
            await asyncio.sleep(RETRY_DELAY)

    async def _follow(self) -> None:
        resource = await self._api.resource(self._kind)
        path = resource.path(self._namespace)
        listed = await self._api.request("GET", path)
        self._replace(resource, listed.get("items") or [])
        version = listed["metadata"]["resourceVersion"]
        self._trouble = ""
        while True:
            version = await self._watch(path, version)

    async def _watch(self, path: str, version: str) -> str:
        """Follow one watch to its end; return where to go on. Raises ApiError, also 410 (list again)."""
        query = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_TIMEOUT),
        }
        headers = {"Accept-Encoding": "identity"}
        rest = b""
        async with self._api.session.get(self._api.server + path, params=query, headers=headers) as response:
            if response.status != 200:
                raise await error_of(response)
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(event["object"].get("code", 500), event["object"].get("message", ""))
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] == "DELETED":
                        self._forget(_key(event["object"]))
                    elif event["type"] != "BOOKMARK":
                        self._store(event["object"])
        return version

    def _replace(self, resource: Resource, items: Sequence[Json]) -> None:
        for key in self._objects.keys() - {_key(item) for item in items}:
            self._forget(key)
        for item in items:
            # Items of a list don't say what they are.
            self._store({"apiVersion": resource.kind.api_version, "kind": resource.kind.kind, **item})

    def _store(self, new: Json) -> None:
        old = self._objects.get(_key(new))
        if old is not None and old["metadata"]["resourceVersion"] == new["metadata"]["resourceVersion"]:
            return
        self._objects[_key(new)] = new
        self._tell(Change(old, new))

    def _forget(self, key: Key) -> None:
        if (old := self._objects.pop(key, None)) is not None:
            self._tell(Change(old, None))

    def _tell(self, change: Change) -> None:
        for handler in list(self.handlers):
            handler(change)


class Informers:
    """One Informer a kind and namespace, started when first asked for."""

    def __init__(self, api: Api, namespaces: Sequence[str]) -> None:
        self._api = api
        self._namespaces = list(namespaces) or [""]
        self._informers: dict[Kind, list[Informer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def sees(self, namespace: str) -> bool:
        return self._namespaces == [""] or namespace in self._namespaces

    def follow(self, kind: Kind, handler: Handler) -> None:
        """Call `handler` with every change of a kind from now on; only for new kinds with what is there, too."""
        if kind in self._informers:
            for informer in self._informers[kind]:
                informer.handlers.append(handler)
            return
        self._informers[kind] = [Informer(self._api, kind, namespace) for namespace in self._namespaces]
        for informer in self._informers[kind]:
            informer.handlers.append(handler)
            self._tasks.add(asyncio.create_task(informer.run(), name=f"informer {kind}"))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _key(item: Json) -> Key:
    metadata = item["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])
