"""One beat for all callers of a process: whoever is due takes a step. One timer for hundreds of callers, where a
sleep for each would cost more than what they do when they wake."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import anyio
import msgspec

from duologue.bench.clock import Clock


class Place(msgspec.Struct, eq=False):
    """One who steps to the beat. ``step`` is told the moment that it was due, and says when it is due again, or
    None when it is done; ``done`` is set then."""

    step: Callable[[float], float | None]
    done: anyio.Event = msgspec.field(default_factory=anyio.Event)


class Metronome:
    """Steps at absolute moments of ``clock``; a step that is late is taken at once, and none is left out."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._due: list[tuple[float, int, Place]] = []
        self._added = 0
        self._someone = anyio.Event()

    async def keep(self, first: float, step: Callable[[float], float | None]) -> None:
        """Step from ``first`` on, until the step says that it is done. Raises what the beat's own task raised."""
        place = Place(step)
        self._added += 1
        heapq.heappush(self._due, (first, self._added, place))
        self._someone.set()
        try:
            await place.done.wait()
        finally:
            place.step = _never

    async def run(self) -> None:
        """Beat until cancelled. What a step raises ends the beat."""
        while True:
            if not self._due:
                self._someone = anyio.Event()
                await self._someone.wait()
            # One that joins meanwhile is due later than the next beat of some 20 ms, or late by that at most.
            await self.clock.sleep_until(self._due[0][0])
            now = self.clock.now()
            while self._due and self._due[0][0] <= now:
                due, number, place = heapq.heappop(self._due)
                again = place.step(due)
                if again is None:
                    place.done.set()
                else:
                    heapq.heappush(self._due, (again, number, place))


def _never(due: float) -> float | None:
    """The step of one who has gone."""
    return None
