# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Stands between Ansible and the API server: what is POSTed gets an owner; everything else passes as it is.

Unlike the runtime's proxy it answers nothing from a cache. Like it, it asks nobody who they are: loopback only.
"""

import base64
import binascii
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from .api import Api, ApiError, Resource
from .informers import Key
from .watches import Json, Kind

log = logging.getLogger(__name__)

# operator-lib's names; a dependent that can't have an owner reference says by them whose it is.
OWNER_ANNOTATION = "operator-sdk/primary-resource"
OWNER_TYPE_ANNOTATION = "operator-sdk/primary-resource-type"

# Hop by hop, or set anew by aiohttp.
_NOT_PASSED = {
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
}


@dataclass(frozen=True)
class Owner:
    """The object that a run is for."""

    kind: Kind
    key: Key
    uid: str

    @property
    def reference(self) -> Json:
        return {"apiVersion": self.kind.api_version, "kind": self.kind.kind, "name": self.key.name, "uid": self.uid}

    @property
    def type_annotation(self) -> str:
        return f"{self.kind.kind}.{self.kind.group}"

    def encode(self) -> str:
        """Return the user name of the run's kubeconfig."""
        fields = {**self.reference, "Namespace": self.key.namespace}
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()

    @classmethod
    def decode(cls, user: str) -> "Owner":
        """Read it again. Raises ValueError."""
        try:
            fields = json.loads(base64.urlsafe_b64decode(user))
            kind = Kind.parse(fields["apiVersion"], fields["kind"])
            return cls(kind, Key(fields["Namespace"], fields["name"]), fields["uid"])
        except (binascii.Error, KeyError, TypeError, ValueError) as error:
            raise ValueError("the user name is not an owner") from error


# Called for a dependent that was created or read: its kind, whether it has an owner reference, whether namespaced.
Seen = Callable[[Owner, Kind, bool, bool, str], None]


@dataclass(frozen=True)
class Target:
    """What a URL's path names; `group_version` is empty if it is not about a resource."""

    group_version: str = ""
    namespace: str = ""
    plural: str = ""
    name: str = ""
    subresource: str = ""

    @classmethod
    def parse(cls, path: str) -> "Target":
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[0] == "api" and len(parts) > 2:
            group_version, rest = parts[1], parts[2:]
        elif parts[0] == "apis" and len(parts) > 3:
            group_version, rest = f"{parts[1]}/{parts[2]}", parts[3:]
        else:
            return cls()
        namespace = ""
        # /namespaces/NAME/status and /finalize are about the namespace, not in it.
        if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
            namespace, rest = rest[1], rest[2:]
        plural, name, subresource = [*rest, "", ""][:3]
        return cls(group_version, namespace, plural, name, subresource)


class Proxy:
    """Serves on loopback, `port` 0 for any; `seen` is told about dependents."""

    def __init__(self, api: Api, seen: Seen) -> None:
        self._api = api
        self._seen = seen
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int) -> None:
        """Listen. Raises OSError if the port is taken."""
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if "upgrade" in request.headers.get("Connection", "").lower():
            return web.Response(status=501, text="the development loop's proxy passes no exec, attach or port-forward")
        target = Target.parse(request.raw_path.partition("?")[0])
        body = await request.read()
        try:
            owner = _owner(request)
            if request.method == "POST" and owner is not None and target.plural and not target.subresource:
                body = await self._own(owner, target, body)
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        try:
            return await self._forward(request, target, owner, body)
        except (aiohttp.ClientError, TimeoutError) as error:
            return web.Response(status=500, text=f"{self._api.server}: {error}")

    async def _own(self, owner: Owner, target: Target, body: bytes) -> bytes:
        """Add the owner to an object that is about to be created. Raises ValueError."""
        try:
            resource = await self._api.resource_named(target.group_version, target.plural)
        except ApiError as error:
            log.warning("POST without an owner: %s", error)
            return body
        if not resource.watchable:
            return body
        item = json.loads(body)
        metadata: Json = item.setdefault("metadata", {})
        namespace = target.namespace or metadata.get("namespace", "")
        owned = not owner.key.namespace or (resource.namespaced and namespace == owner.key.namespace)
        if owned:
            metadata["ownerReferences"] = [*(metadata.get("ownerReferences") or []), owner.reference]
        else:
            primary = f"{owner.key.namespace}/{owner.key.name}" if owner.key.namespace else owner.key.name
            marks = {OWNER_ANNOTATION: primary, OWNER_TYPE_ANNOTATION: owner.type_annotation}
            metadata["annotations"] = {**(metadata.get("annotations") or {}), **marks}
        self._seen(owner, resource.kind, owned, resource.namespaced, namespace)
        return json.dumps(item).encode()

    async def _forward(
        self, request: web.Request, target: Target, owner: Owner | None, body: bytes
    ) -> web.StreamResponse:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _NOT_PASSED]
        headers.append(("Accept-Encoding", "identity"))  # what is read is looked at
        url = URL(self._api.server + request.raw_path, encoded=True)
        async with self._api.session.request(request.method, url, headers=headers, data=body or None) as answer:
            passed = [(name, value) for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED]
            if owner is not None and _is_read(request, target) and answer.status == 200:
                content = await answer.read()
                await self._recover(owner, target, content)
                return web.Response(status=answer.status, headers=CIMultiDict(passed), body=content)
            response = web.StreamResponse(status=answer.status, headers=CIMultiDict(passed))
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _recover(self, owner: Owner, target: Target, content: bytes) -> None:
        """After a restart dependents exist already: one that is read is followed like one that is created."""
        try:
            metadata = json.loads(content)["metadata"]
            resource: Resource = await self._api.resource_named(target.group_version, target.plural)
        except (ApiError, KeyError, TypeError, ValueError):
            return
        for reference in metadata.get("ownerReferences") or []:
            if (reference["apiVersion"], reference["kind"]) == (owner.kind.api_version, owner.kind.kind):
                self._seen(owner, resource.kind, True, resource.namespaced, target.namespace)
        if (metadata.get("annotations") or {}).get(OWNER_TYPE_ANNOTATION) == owner.type_annotation:
            self._seen(owner, resource.kind, False, resource.namespaced, target.namespace)


def kubeconfig(owner: Owner, port: int) -> Json:
    """Return the configuration of a run's clients: the proxy, with the owner as the user."""
    user = owner.encode()
    name = f"{owner.key.namespace}/proxy-server"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "proxy-server",
                "cluster": {"server": f"http://{user}@localhost:{port}", "insecure-skip-tls-verify": True},
            }
        ],
        "users": [{"name": "admin/proxy-server", "user": {"username": user, "password": "unused"}}],
        "contexts": [{"name": name, "context": {"cluster": "proxy-server", "user": "admin/proxy-server"}}],
        "current-context": name,
        "preferences": {},
    }


def write_kubeconfig(owner: Owner, port: int, path: Path) -> None:
    """Write it to a file that exists already, for the loop's user alone."""
    path.write_text(json.dumps(kubeconfig(owner, port)), "utf-8")


def _owner(request: web.Request) -> Owner | None:
    header = request.headers.get("Authorization", "")
    if not header.startswith("Basic "):
        return None
    user, _, _ = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
    return Owner.decode(user)


def _is_read(request: web.Request, target: Target) -> bool:
    return request.method == "GET" and bool(target.name) and target.subresource in {"", "status"}
