"""What some of a session's work costs the engines: an attempt at an answer, from its words to its sound."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio

from duologue.engines.client import EngineClient, Req, Res, Stage, StageStats


class Meter:
    """The engines, for one piece of work, with what it asks of each stage counted.

    Nothing more is told across the seam for it, so that its cost is known in part: of an engine that brings its own
    loop, process or server exactly, as ``StageStats.busy_s`` counts it, from entering a request to leaving it; of one
    that is stepped on a device's threads as an estimate, the requests that were begun at what a request of that stage
    has cost on average until now. A request that was taken out of the queue before its step is so counted as if it had
    been run.
    """

    def __init__(self, engines: EngineClient) -> None:
        self._engines = engines
        self._begun: Counter[str] = Counter()
        self._held_s: defaultdict[str, float] = defaultdict(float)
        # Of what is open now: its stage and when it began.
        self._open: list[tuple[str, float]] = []

    def has_asked(self, stage: Stage[Req, Res]) -> bool:
        """Whether the work has come to this stage."""
        return stage.name in self._begun

    def spent_s(self, stats: Mapping[str, StageStats]) -> float:
        """Seconds of engines' time until now. ``stats``: the engines' figures, of late."""
        return sum(self._spent_s(name, stats.get(name)) for name in self._begun)

    def _spent_s(self, name: str, stats: StageStats | None) -> float:
        # Only an engine that is stepped runs on a device's threads.
        if stats is not None and stats.device:
            return self._begun[name] * stats.busy_s / max(1, stats.requests)
        now_s = anyio.current_time()
        return self._held_s[name] + sum(now_s - began_s for stage, began_s in self._open if stage == name)

    async def call(
        self,
        stage: Stage[Req, Res],
        request: Req,
        *,
        deadline_s: float,
        lease: str = "",
        best_effort: bool = False,
    ) -> Res:
        opened = self._begin(stage.name)
        try:
            return await self._engines.call(stage, request, deadline_s=deadline_s, lease=lease, best_effort=best_effort)
        finally:
            self._end(opened)

    @asynccontextmanager
    async def stream(
        self, stage: Stage[Req, Res], request: Req, *, deadline_s: float, lease: str = ""
    ) -> AsyncIterator[AsyncIterator[Res]]:
        opened = self._begin(stage.name)
        try:
            async with self._engines.stream(stage, request, deadline_s=deadline_s, lease=lease) as results:
                yield results
        finally:
            self._end(opened)

    def stats(self) -> dict[str, StageStats]:
        return self._engines.stats()

    def _begin(self, name: str) -> tuple[str, float]:
        self._begun[name] += 1
        request = name, anyio.current_time()
        self._open.append(request)
        return request

    def _end(self, request: tuple[str, float]) -> None:
        name, began_s = request
        self._open.remove(request)
        self._held_s[name] += anyio.current_time() - began_s
