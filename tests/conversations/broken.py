"""Engines that fail a few times, each in its own manner, and then work."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio

from duologue.engines.base import BatchEngine, StreamEngine
from duologue.errors import DuologueError, EngineLost

Items = AsyncIterator[Any]
Manner = Callable[[Items], AsyncGenerator[Any, None]]


async def gives_nothing(_items: Items) -> AsyncGenerator[Any, None]:
    return
    yield


async def hangs(_items: Items) -> AsyncGenerator[Any, None]:
    await anyio.sleep_forever()
    yield


async def is_lost(_items: Items) -> AsyncGenerator[Any, None]:
    raise EngineLost("The engine has gone away.")
    yield


async def dies_midway(items: Items) -> AsyncGenerator[Any, None]:
    yield await anext(items)
    raise EngineLost("The engine has gone away.")


async def hangs_midway(items: Items) -> AsyncGenerator[Any, None]:
    yield await anext(items)
    await anyio.sleep_forever()


class BrokenStream:
    """A stream engine that fails its first ``times`` requests in one ``manner``."""

    name = "broken"
    voices: tuple[str, ...] = ("broken",)

    def __init__(self, inner: StreamEngine[Any, Any], manner: Manner, times: int = 1) -> None:
        self._inner = inner
        self._manner = manner
        self._times = times

    async def start(self) -> None:
        return

    async def aclose(self) -> None:
        return

    @asynccontextmanager
    async def stream(self, request: Any) -> AsyncIterator[Items]:
        self._times -= 1
        async with self._inner.stream(request) as items:
            if self._times < 0:
                yield items
                return
            async with aclosing(self._manner(items)) as broken:
                yield broken


class BrokenBatch:
    """A batch engine that raises ``error`` on the requests whose numbers, from 0, are in ``when``."""

    name = "broken"
    max_batch = 256
    device = "cpu"
    is_realtime = False

    def __init__(self, inner: BatchEngine[Any, Any], error: DuologueError, when: Callable[[int], bool]) -> None:
        self._inner = inner
        self._error = error
        self._when = when
        self._asked = -1

    def load(self) -> None:
        return

    def close(self) -> None:
        return

    def step(self, requests: Sequence[Any]) -> Sequence[Any]:
        self._asked += 1
        if self._when(self._asked):
            raise self._error
        return self._inner.step(requests)
