# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The little of a Kubernetes client that the loop needs: kubeconfig, discovery, GET and PUT."""

import base64
import logging
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import yaml

from .watches import Json, Kind

log = logging.getLogger(__name__)


class ApiError(Exception):
    """An answer of the API server other than 2xx."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class KubeconfigError(Exception):
    """The kubeconfig can't be used; the message says what is missing."""


@dataclass(frozen=True)
class Resource:
    """A kind as the API server serves it."""

    kind: Kind
    plural: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def watchable(self) -> bool:
        """Whether it is stored at all: reviews and the like can only be created."""
        return {"get", "list", "watch"} <= self.verbs

    def path(self, namespace: str = "", name: str = "") -> str:
        parts = ["apis", self.kind.group] if self.kind.group else ["api"]
        parts.append(self.kind.version)
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        return "/" + "/".join(quote(part) for part in parts)


@dataclass(frozen=True)
class Credentials:
    """Where the API server is and how to log in there; certificates of a client are in `tls`."""

    server: str
    tls: ssl.SSLContext | None
    headers: dict[str, str]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the current context of a kubeconfig. Raises KubeconfigError."""
        try:
            config = yaml.safe_load(path.read_text("utf-8"))
            context = _named(config, "contexts", config["current-context"])["context"]
            cluster = _named(config, "clusters", context["cluster"])["cluster"]
            user = _named(config, "users", context["user"])["user"] or {}
            server = cluster["server"].rstrip("/")
        except (OSError, KeyError, TypeError, StopIteration) as error:
            raise KubeconfigError(f"{path}: not a kubeconfig with a current context ({error!r})") from error
        headers: dict[str, str] = {}
        if "token" in user:
            headers["Authorization"] = f"Bearer {user['token']}"
        elif "exec" in user or "auth-provider" in user:
            raise KubeconfigError(f"{path}: only tokens and client certificates are understood")
        return cls(server, _tls(cluster, user, path.parent) if server.startswith("https") else None, headers)


def _named(config: Json, section: str, name: str) -> Json:
    entry: Json = next(entry for entry in config[section] if entry["name"] == name)
    return entry


def _tls(cluster: Json, user: Json, folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authority := _pem(cluster, "certificate-authority", folder):
        context.load_verify_locations(cadata=authority)
    certificate, key = _pem(user, "client-certificate", folder), _pem(user, "client-key", folder)
    if certificate and key:
        # The ssl module takes a key from a file only; this one is readable by its owner and short-lived.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(f"{certificate}\n{key}")
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _pem(entry: Json, field: str, folder: Path) -> str | None:
    if data := entry.get(f"{field}-data"):
        return base64.b64decode(data).decode()
    return (folder / entry[field]).read_text("utf-8") if entry.get(field) else None


class Api:
    """A session with the API server; use as an async context manager."""

    def __init__(self, credentials: Credentials) -> None:
        self.server = credentials.server
        self._credentials = credentials
        self._resources: dict[str, list[Resource]] = {}
        self.session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        tls: ssl.SSLContext | bool = self._credentials.tls or True
        self.session = aiohttp.ClientSession(
            headers=self._credentials.headers,
            connector=aiohttp.TCPConnector(ssl=tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            auto_decompress=False,  # the proxy hands bodies on as they came
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    async def request(self, method: str, path: str, body: Json | None = None, **query: str) -> Json:
        """Return the answer's JSON. Raises ApiError, aiohttp.ClientError, TimeoutError."""
        timeout = aiohttp.ClientTimeout(total=30)
        async with self.session.request(
            method,
            self.server + path,
            json=body,
            params=query,
            timeout=timeout,
            headers={"Accept-Encoding": "identity"},
        ) as response:
            if response.status >= 300:
                raise await error_of(response)
            answer: Json = await response.json(content_type=None)
            return answer

    async def resource(self, kind: Kind) -> Resource:
        """Look a kind up. Raises ApiError 404 if the API server doesn't know it."""
        return await self._find(kind.api_version, lambda resource: resource.kind == kind, str(kind))

    async def resource_named(self, group_version: str, plural: str) -> Resource:
        """Look a resource up by its name in URLs. Raises ApiError 404."""
        return await self._find(group_version, lambda resource: resource.plural == plural, plural)

    async def _find(self, group_version: str, matches: Any, name: str) -> Resource:
        # A CRD may have come since: what isn't found is looked up again.
        for refresh in (False, True):
            if refresh or group_version not in self._resources:
                self._resources[group_version] = await self._discover(group_version)
            for resource in self._resources[group_version]:
                if matches(resource):
                    return resource
        raise ApiError(404, f"the API server does not serve {group_version} {name}")

    async def _discover(self, group_version: str) -> list[Resource]:
        root = "/apis/" if "/" in group_version else "/api/"
        answer = await self.request("GET", root + group_version)
        return [
            Resource(
                Kind.parse(group_version, entry["kind"]), entry["name"], entry["namespaced"], frozenset(entry["verbs"])
            )
            for entry in answer["resources"]
            if "/" not in entry["name"]  # a subresource
        ]


async def error_of(response: aiohttp.ClientResponse) -> ApiError:
    """Make an ApiError of an answer: the `message` of a v1 Status, or the text."""
    try:
        return ApiError(response.status, (await response.json(content_type=None))["message"])
    except (ValueError, KeyError, TypeError):
        return ApiError(response.status, response.reason or "")
