# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""List and watch, before an API server that plays a script."""

import asyncio
import json

import pytest
from aiohttp import web

from tests.devloop import informers
from tests.devloop.api import Api, Credentials
from tests.devloop.informers import Change, Informers
from tests.devloop.watches import Json, Kind

PODS = Kind("", "v1", "Pod")
DISCOVERY = {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get", "list", "watch"]}]}


def _pod(name: str, version: int, **rest: object) -> Json:
    return {"metadata": {"name": name, "namespace": "n", "resourceVersion": str(version)}, **rest}


def _story(script: list[list[Json]], changes: int, namespaces: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Play lists and watches in turn; return the first changes as (old, new) versions, and the paths asked for."""
    seen: list[tuple[str, str]] = []
    asked: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/api/v1":
            return web.json_response(DISCOVERY)
        asked.append(request.path_qs)
        if not script:
            await asyncio.sleep(60)
        answer = script.pop(0)
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "100"}, "items": answer})
        response = web.StreamResponse()
        await response.prepare(request)
        text = b"".join(json.dumps(event).encode() + b"\n" for event in answer)
        # In two pieces: an event may be cut anywhere.
        await response.write(text[:20])
        await response.write(text[20:])
        return response

    async def main() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        enough = asyncio.Event()

        def handler(change: Change) -> None:
            versions = ["-" if item is None else item["metadata"]["resourceVersion"] for item in change]
            seen.append((versions[0], versions[1]))
            if len(seen) >= changes:
                enough.set()

        async with Api(Credentials(f"http://127.0.0.1:{runner.addresses[0][1]}", None, {})) as api:
            followed = Informers(api, namespaces)
            followed.follow(PODS, handler)
            await asyncio.wait_for(enough.wait(), 10)
            await followed.stop()
        await runner.cleanup()

    asyncio.run(main())
    return seen, asked


def test_list_then_watch() -> None:
    events = [
        {"type": "ADDED", "object": _pod("b", 101)},
        {"type": "MODIFIED", "object": _pod("a", 102)},
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "105"}}},
        {"type": "DELETED", "object": _pod("b", 106)},
    ]
    seen, asked = _story([[_pod("a", 7)], events], 4, [])
    assert seen == [("-", "7"), ("-", "101"), ("7", "102"), ("101", "-")]
    assert asked[0] == "/api/v1/pods"
    assert "resourceVersion=100" in asked[1]


def test_a_watch_goes_on_where_it_ended() -> None:
    script = [[], [{"type": "ADDED", "object": _pod("a", 101)}], [{"type": "MODIFIED", "object": _pod("a", 103)}]]
    seen, asked = _story(script, 2, ["n"])
    assert seen == [("-", "101"), ("101", "103")]
    assert asked[0] == "/api/v1/namespaces/n/pods"
    assert "resourceVersion=101" in asked[2]


def test_what_was_missed_is_found_by_a_new_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 410 Gone: deleted, changed and new objects are told; an unchanged one is not."""
    monkeypatch.setattr(informers, "RETRY_DELAY", 0.01)
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
    script = [[_pod("a", 1), _pod("b", 2), _pod("c", 3)], [gone], [_pod("b", 2), _pod("c", 9), _pod("d", 10)]]
    seen, _ = _story(script, 6, [])
    assert seen == [("-", "1"), ("-", "2"), ("-", "3"), ("1", "-"), ("3", "9"), ("-", "10")]


def test_a_kind_that_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its CRD a kind is asked for again and again."""
    monkeypatch.setattr(informers, "RETRY_DELAY", 0.01)
    monkeypatch.setitem(DISCOVERY, "resources", [])
    pods = {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get", "list", "watch"]}

    async def install() -> None:
        await asyncio.sleep(0.1)
        DISCOVERY["resources"].append(pods)

    real = Informers.follow

    def follow(self: Informers, kind: Kind, handler: informers.Handler) -> None:
        real(self, kind, handler)
        self._tasks.add(asyncio.create_task(install()))

    monkeypatch.setattr(Informers, "follow", follow)
    seen, _ = _story([[_pod("a", 1)]], 1, [])
    assert seen == [("-", "1")]
