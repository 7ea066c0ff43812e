# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The work queue: one run a key at a time, the earlier wish counts, delays that double."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.devloop.queue import MAX_DELAY, WorkQueue

Body = Callable[[WorkQueue[str]], Awaitable[None]]


def _run(body: Body) -> None:
    async def main() -> None:
        await asyncio.wait_for(body(WorkQueue()), 5)

    asyncio.run(main())


async def _is_idle(queue: WorkQueue[str]) -> bool:
    try:
        await asyncio.wait_for(queue.get(), 0.02)
    except TimeoutError:
        return True
    return False


def test_added_twice_is_one_run() -> None:
    async def body(queue: WorkQueue[str]) -> None:
        queue.add("a")
        queue.add("a")
        assert await queue.get() == "a"
        queue.done("a")
        assert await _is_idle(queue)

    _run(body)


def test_added_while_working_comes_after() -> None:
    async def body(queue: WorkQueue[str]) -> None:
        queue.add("a")
        assert await queue.get() == "a"
        queue.add("a")
        assert await _is_idle(queue)
        queue.done("a")
        assert await queue.get() == "a"

    _run(body)


@pytest.mark.parametrize("delays", [(0.05, 0.4), (0.4, 0.05)])
def test_the_earlier_delay_counts(delays: tuple[float, float]) -> None:
    async def body(queue: WorkQueue[str]) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for delay in delays:
            queue.add_after("a", delay)
        assert await queue.get() == "a"
        assert 0.04 < loop.time() - start < 0.3
        queue.done("a")
        assert await _is_idle(queue)

    _run(body)


def test_backoff() -> None:
    async def body(queue: WorkQueue[str]) -> None:
        assert [queue.add_rate_limited("a") for _ in range(4)] == [0.005, 0.01, 0.02, 0.04]
        assert queue.add_rate_limited("b") == 0.005
        queue.forget("a")
        assert queue.add_rate_limited("a") == 0.005
        assert max(queue.add_rate_limited("a") for _ in range(40)) == MAX_DELAY
        queue.close()

    _run(body)


def test_close_wakes_every_worker() -> None:
    async def body(queue: WorkQueue[str]) -> None:
        workers = [asyncio.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0)
        queue.add_after("a", 0.01)
        queue.close()
        assert await asyncio.gather(*workers) == [None, None, None]
        queue.add("b")
        assert await queue.get() is None

    _run(body)
