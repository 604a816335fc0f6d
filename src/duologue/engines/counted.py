"""A stream engine whose requests are counted, and whose failures are told to the operator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import structlog
from msgspec.structs import replace

from duologue import telemetry
from duologue.engines.base import HasPlaces, StreamEngine
from duologue.engines.client import Observer, StageStats
from duologue.engines.fallback import open_stream
from duologue.engines.health import Health
from duologue.engines.runner import Urgency
from duologue.engines.tally import Tally
from duologue.errors import EngineError, EngineLost

log = structlog.get_logger(__name__)


class CountedStream:
    """``engine``, whose requests are steps of one. A failure is the engine's only where it comes from it: not one
    that whoever reads the results runs into in the meantime."""

    def __init__(self, engine: StreamEngine[Any, Any], observer: Observer) -> None:
        self.engine = engine
        self.health = Health()
        self.tally = Tally(engine.name, observer)
        self._running = 0

    @asynccontextmanager
    async def stream(self, request: Any, urgency: Urgency) -> AsyncIterator[_Results]:
        """As the engine's own."""
        self._running += 1
        began_s = anyio.current_time()
        results = _Results(self)
        try:
            async with AsyncExitStack() as stack:
                try:
                    results.follow(await stack.enter_async_context(open_stream(self.engine, request, urgency)))
                except EngineError as error:
                    results.fail(error)
                    raise
                yield results
        finally:
            self._running -= 1
            self._count(results, began_s, anyio.current_time())

    async def last(self, request: Any, urgency: Urgency) -> Any:
        """The last result. Raises EngineLost where there is none."""
        result = None
        async with self.stream(request, urgency) as results:
            async for latest in results:
                result = latest
            if result is None:
                error = EngineLost(f"The engine {self.engine.name} gave no result.")
                results.fail(error)
                raise error
        return result

    def stats(self) -> StageStats:
        """What it has done."""
        engine, stats = self.engine, self.tally.stats()
        if isinstance(engine, HasPlaces):
            return replace(stats, threads=engine.threads, running=engine.running, waiting=engine.waiting)
        return replace(stats, running=self._running)

    def _count(self, results: _Results, began_s: float, ended_s: float) -> None:
        first_s = (results.first_s or ended_s) - began_s
        self.tally.stepped(ended_s - began_s, 1, first_s)
        if results.failure is not None:
            self.tally.dropped("failed")
            self.health.failed(results.failure.code, anyio.current_time())
        elif results.first_s is None and not results.is_over:
            self.tally.dropped("cancelled")
        else:
            self.health.succeeded()


class _Results:
    """One request's results. ``first_s``: when the first of them came; ``is_over``: all have come."""

    def __init__(self, stream: CountedStream) -> None:
        self._stream = stream
        self._results: AsyncIterator[Any] | None = None
        self.first_s: float | None = None
        self.is_over = False
        self.failure: EngineError | None = None

    def follow(self, results: AsyncIterator[Any]) -> None:
        self._results = aiter(results)

    def fail(self, error: EngineError) -> None:
        """The session tells its client; this tells the operator."""
        self.failure = error
        log.warning(telemetry.ENGINE_FAILED, engine=self._stream.engine.name, reason=error.code)

    def __aiter__(self) -> _Results:
        return self

    async def __anext__(self) -> Any:
        assert self._results is not None, "results are read while the request is open"
        try:
            result = await anext(self._results)
        except StopAsyncIteration:
            self.is_over = True
            raise
        except EngineError as error:
            self.fail(error)
            raise
        if self.first_s is None:
            self.first_s = anyio.current_time()
        return result
