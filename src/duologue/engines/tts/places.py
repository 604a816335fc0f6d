"""A few things that each serve one at a time, and the queue before them."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Taken(Generic[T]):
    """``thing`` is for whoever has this, until it is given back."""

    def __init__(self, places: Places[T], index: int) -> None:
        self.thing = places._things[index]
        self._places = places
        self._index = index
        self._is_mine = True

    def give_back(self) -> None:
        """Once; again it does nothing."""
        if self._is_mine:
            self._is_mine = False
            self._places._pass_on(self._index)


class Places(Generic[T]):
    """``things``, the first of them preferred. Who waits with the earliest deadline is next."""

    def __init__(self, things: Iterable[T]) -> None:
        self._things = [*things]
        self._free = [*range(len(self._things))]
        self._queue: list[tuple[float, int, asyncio.Future[int]]] = []
        self._order = itertools.count()

    @property
    def waiting(self) -> int:
        return sum(not given.done() for _, _, given in self._queue)

    @property
    def taken(self) -> int:
        return len(self._things) - len(self._free)

    async def take(self, deadline_s: float) -> Taken[T]:
        """One of the things, as soon as it is this one's turn. Who stops waiting leaves the queue."""
        if self._free:
            return Taken(self, heapq.heappop(self._free))
        given: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (deadline_s, next(self._order), given))
        try:
            return Taken(self, await given)
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():
                self._pass_on(given.result())
            raise

    def _pass_on(self, index: int) -> None:
        while self._queue:
            given = heapq.heappop(self._queue)[-1]
            if not given.done():
                given.set_result(index)
                return
        heapq.heappush(self._free, index)
