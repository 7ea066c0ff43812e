# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The proxy, before an API server of three answers: owners on POST, everything else as it came."""

import asyncio
import base64
import gzip
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from tests.devloop.api import Api, Credentials
from tests.devloop.informers import Key
from tests.devloop.proxy import Owner, Proxy, Target, kubeconfig
from tests.devloop.watches import Json, Kind

OWNER = Owner(Kind("a.b", "v1", "Thing"), Key("here", "one"), "uid-1")
CORE = {
    "resources": [
        {"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "verbs": ["get", "list", "watch", "create"]},
        {"name": "configmaps/status", "kind": "ConfigMap", "namespaced": True, "verbs": ["get"]},
        {"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": ["get", "list", "watch", "create"]},
        {"name": "reviews", "kind": "Review", "namespaced": False, "verbs": ["create"]},
    ]
}


class _ApiServer:
    """Remembers what it was asked, and answers with it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Json | None]] = []
        self.headers: list[dict[str, str]] = []
        self.stored: Json = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/api/v1":
            return web.json_response(CORE)
        body = await request.read()
        self.requests.append((request.method, request.raw_path, json.loads(body) if body else None))
        self.headers.append(dict(request.headers))
        if "watch" in request.query:
            answer = web.StreamResponse()
            await answer.prepare(request)
            for number in range(3):
                await answer.write(json.dumps({"n": number}).encode() + b"\n")
            return answer
        if "packed" in request.query:
            return web.Response(body=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
        return web.json_response(self.stored, status=409 if request.method == "PUT" else 200)


Seen = list[tuple[Kind, bool]]
Body = Callable[[aiohttp.ClientSession, str, _ApiServer, Seen], Awaitable[None]]


def _run(body: Body, owner: Owner | None = OWNER) -> None:
    async def main() -> None:
        server, seen = _ApiServer(), Seen()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        upstream = Credentials(
            f"http://127.0.0.1:{runner.addresses[0][1]}", None, {"Authorization": "Bearer the-operator"}
        )
        login = f"Basic {base64.b64encode(f'{owner.encode()}:unused'.encode()).decode()}" if owner else None
        headers = {"Authorization": login} if login else {}
        async with Api(upstream) as api, aiohttp.ClientSession(headers=headers) as client:
            proxy = Proxy(api, lambda _o, kind, owned, _n, _s: seen.append((kind, owned)))
            await proxy.start(0)
            await body(client, f"http://127.0.0.1:{proxy.port}", server, seen)
            await proxy.stop()
        await runner.cleanup()

    asyncio.run(main())


def test_owner_survives_the_kubeconfig() -> None:
    config = kubeconfig(OWNER, 8888)
    user = config["users"][0]["user"]["username"]
    assert Owner.decode(user) == OWNER
    assert config["clusters"][0]["cluster"]["server"] == f"http://{user}@localhost:8888"
    assert json.loads(base64.urlsafe_b64decode(user))["Namespace"] == "here"


@pytest.mark.parametrize("user", ["admin", "e30=", "!"])
def test_no_owner(user: str) -> None:
    with pytest.raises(ValueError, match="not an owner"):
        Owner.decode(user)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/namespaces/here/configmaps", Target("v1", "here", "configmaps")),
        ("/api/v1/namespaces/here/pods/p/log", Target("v1", "here", "pods", "p", "log")),
        ("/apis/a.b/v1/namespaces/here/things/one", Target("a.b/v1", "here", "things", "one")),
        ("/apis/a.b/v1/widgets/one/status", Target("a.b/v1", "", "widgets", "one", "status")),
        ("/api/v1/namespaces", Target("v1", "", "namespaces")),
        ("/api/v1/namespaces/here", Target("v1", "", "namespaces", "here")),
        ("/api/v1/namespaces/here/finalize", Target("v1", "", "namespaces", "here", "finalize")),
        ("/apis/a.b/v1", Target()),
        ("/version", Target()),
        ("/", Target()),
    ],
)
def test_paths(path: str, target: Target) -> None:
    assert Target.parse(path) == target


def test_post_gets_an_owner() -> None:
    async def body(client: aiohttp.ClientSession, url: str, server: _ApiServer, seen: Seen) -> None:
        item = {"metadata": {"name": "x", "ownerReferences": [{"name": "other"}]}}
        async with client.post(f"{url}/api/v1/namespaces/here/configmaps?fieldManager=m", json=item):
            pass
        (method, path, sent), (headers,) = server.requests[0], server.headers
        assert (method, path) == ("POST", "/api/v1/namespaces/here/configmaps?fieldManager=m")
        assert sent is not None
        assert sent["metadata"]["ownerReferences"] == [
            {"name": "other"},
            {"apiVersion": "a.b/v1", "kind": "Thing", "name": "one", "uid": "uid-1"},
        ]
        assert headers["Authorization"] == "Bearer the-operator"
        assert seen == [(Kind("", "v1", "ConfigMap"), True)]

    _run(body)


@pytest.mark.parametrize("path", ["/api/v1/namespaces/elsewhere/configmaps", "/api/v1/namespaces"])
def test_what_can_not_be_owned_is_marked(path: str) -> None:
    async def body(client: aiohttp.ClientSession, url: str, server: _ApiServer, seen: Seen) -> None:
        async with client.post(url + path, json={"metadata": {"name": "x"}}):
            pass
        sent = server.requests[0][2]
        assert sent == {
            "metadata": {
                "name": "x",
                "annotations": {
                    "operator-sdk/primary-resource": "here/one",
                    "operator-sdk/primary-resource-type": "Thing.a.b",
                },
            }
        }
        assert [owned for _, owned in seen] == [False]

    _run(body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/api/v1/namespaces/here/configmaps/x"),
        ("PUT", "/api/v1/namespaces/here/configmaps/x"),
        ("POST", "/api/v1/namespaces/here/configmaps/x/status"),
        ("POST", "/api/v1/reviews"),
        ("DELETE", "/api/v1/namespaces/here/configmaps/x"),
    ],
)
def test_everything_else_passes(method: str, path: str) -> None:
    async def body(client: aiohttp.ClientSession, url: str, server: _ApiServer, seen: Seen) -> None:
        item = {"metadata": {"name": "x"}}
        async with client.request(method, url + path, json=item) as answer:
            assert answer.status == (409 if method == "PUT" else 200)
        assert server.requests == [(method, path, item)]
        assert not seen

    _run(body)


def test_post_without_an_owner() -> None:
    async def body(client: aiohttp.ClientSession, url: str, server: _ApiServer, seen: Seen) -> None:
        async with client.post(f"{url}/api/v1/namespaces/here/configmaps", json={"metadata": {"name": "x"}}):
            pass
        assert server.requests[0][2] == {"metadata": {"name": "x"}}
        assert not seen

    _run(body, owner=None)


def test_watch_is_passed_as_it_comes() -> None:
    async def body(client: aiohttp.ClientSession, url: str, server: _ApiServer, seen: Seen) -> None:
        async with client.get(f"{url}/api/v1/configmaps?watch=true") as answer:
            assert [json.loads(line)["n"] async for line in answer.content] == [0, 1, 2]

    _run(body)


def test_a_packed_answer_arrives() -> None:
    async def body(client: aiohttp.ClientSession, url: str, server: _ApiServer, seen: Seen) -> None:
        async with client.get(f"{url}/api/v1/configmaps?packed=1") as answer:
            assert await answer.json(content_type=None) == {}
        assert server.headers[0]["Accept-Encoding"] == "identity"

    _run(body)


def test_a_dependent_that_is_read_is_followed() -> None:
    async def body(client: aiohttp.ClientSession, url: str, server: _ApiServer, seen: Seen) -> None:
        for metadata, expected in (
            ({"ownerReferences": [{"apiVersion": "a.b/v1", "kind": "Thing", "name": "another"}]}, [True]),
            ({"ownerReferences": [{"apiVersion": "a.b/v1", "kind": "Widget", "name": "one"}]}, []),
            ({"annotations": {"operator-sdk/primary-resource-type": "Thing.a.b"}}, [False]),
        ):
            seen.clear()
            server.stored = {"metadata": metadata}
            async with client.get(f"{url}/api/v1/namespaces/here/configmaps/x") as answer:
                assert await answer.json() == server.stored
            assert [owned for _, owned in seen] == expected

    _run(body)


def test_exec_is_refused() -> None:
    async def body(client: aiohttp.ClientSession, url: str, server: _ApiServer, seen: Seen) -> None:
        headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
        async with client.post(f"{url}/api/v1/namespaces/here/pods/p/exec", headers=headers) as answer:
            assert answer.status == 501
        assert not server.requests

    _run(body)
