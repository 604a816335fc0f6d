"""Two engines for one stage: the second serves while the first is away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, cast

import anyio
import anyio.to_thread
import structlog

from duologue import telemetry
from duologue.engines.base import AnyEngine, BatchEngine, Plain, StreamEngine, WarmsUp
from duologue.errors import EngineError, EngineLost, EngineUnavailable

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 60.0
_THREADS = 2


class Fallback:
    """A StreamEngine that asks ``first``, and ``second`` while ``first`` is lost or cannot run.

    Only a request of which nothing has come yet moves on to ``second``; later losses are raised. After a loss
    ``first`` is left alone for 5, 10, 20, 40, then 60 s; then one request tries it again, while others go on with
    ``second``. Either may be of any shape; a batch engine is stepped in a thread, one request at a time, and is not
    tried again where it did not load.
    """

    def __init__(self, first: AnyEngine, second: AnyEngine) -> None:
        self._first = as_stream(first)
        self._second = as_stream(second)
        self.name = f"{first.name}, {second.name}"
        self._is_first_started = False
        self._is_second_started = False
        self._pause_s = 0.0
        self._lost_s = 0.0
        self._try_again_s = 0.0

    @property
    def voices(self) -> tuple[str, ...]:
        """Of synthesizers: the voices of both. Each speaks those of the other in its default voice."""
        both = (*getattr(self._first, "voices", ()), *getattr(self._second, "voices", ()))
        return tuple(dict.fromkeys(both))

    @property
    def gives_partials(self) -> bool:
        """Of transcribers: as the first has it."""
        return bool(getattr(self._first, "gives_partials", True))

    async def start(self) -> None:
        """Start both. Raises EngineUnavailable where neither can run; says so in the log where one cannot."""
        failures: dict[str, EngineUnavailable] = {}

        async def begin(engine: StreamEngine[Any, Any], which: str) -> None:
            try:
                await engine.start()
            except EngineUnavailable as error:
                failures[which] = error

        async with anyio.create_task_group() as group:
            group.start_soon(begin, self._first, "first")
            group.start_soon(begin, self._second, "second")
        self._is_first_started = "first" not in failures
        self._is_second_started = "second" not in failures
        if len(failures) == 2:
            raise EngineUnavailable(
                f"{failures['first'].message}; nor can its substitute: {failures['second'].message}"
            )
        if "first" in failures:
            self._lose(failures["first"], anyio.current_time())
        if "second" in failures:
            reason = _ours(failures["second"])
            log.warning(telemetry.ENGINE_FALLBACK, engine=self._second.name, instead="", reason=reason)

    async def warm_up(self) -> None:
        """Those that need it and are there."""
        for engine, is_started in ((self._first, self._is_first_started), (self._second, self._is_second_started)):
            if is_started and isinstance(engine, WarmsUp):
                try:
                    await engine.warm_up()
                except EngineError:
                    continue

    async def aclose(self) -> None:
        """Give both back."""
        try:
            await self._first.aclose()
        finally:
            await self._second.aclose()

    @asynccontextmanager
    async def stream(self, request: Plain) -> AsyncIterator[AsyncIterator[Any]]:
        """Results of the one that serves. Raises what ``second`` raises, or ``first`` after its first result."""
        async with AsyncExitStack() as stack:
            results = await self._from_first(request, stack) if self._is_first_due() else None
            if results is None:
                results = await stack.enter_async_context(self._second.stream(request))
            yield results

    def _is_first_due(self) -> bool:
        """Whether this request goes to ``first``; after a loss, for one request a pause."""
        if not self._is_second_started or not self._pause_s:
            return True
        if anyio.current_time() < self._try_again_s:
            return False
        self._try_again_s = anyio.current_time() + self._pause_s
        return self._is_first_started or not isinstance(self._first, Threaded)

    async def _from_first(self, request: Plain, outer: AsyncExitStack) -> AsyncIterator[Any] | None:
        """Its results, once there is one; None where it is lost before."""
        began_s = anyio.current_time()
        watched: AsyncIterator[Any] | None = None
        async with AsyncExitStack() as stack:
            try:
                if not self._is_first_started:
                    await self._first.start()
                    self._is_first_started = True
                results = await stack.enter_async_context(self._first.stream(request))
                head = await anext(results, None)
            except (EngineLost, EngineUnavailable) as error:
                if not self._is_second_started:
                    raise
                self._lose(error, began_s)
            else:
                self._regain(began_s)
                await outer.enter_async_context(stack.pop_all())
                watched = await outer.enter_async_context(aclosing(self._watched(head, results, began_s)))
        return watched

    async def _watched(self, head: Any, rest: AsyncIterator[Any], began_s: float) -> AsyncGenerator[Any, None]:
        if head is None:
            return
        yield head
        try:
            async for result in rest:
                yield result
        except EngineLost as error:
            self._lose(error, began_s)
            raise

    def _lose(self, error: EngineError, began_s: float) -> None:
        """Requests that were under way when the first of them was lost are the same loss."""
        if began_s < self._lost_s:
            return
        self._lost_s = anyio.current_time()
        self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
        self._try_again_s = self._lost_s + self._pause_s
        log.warning(
            telemetry.ENGINE_FALLBACK,
            engine=self._first.name,
            instead=self._second.name if self._is_second_started else "",
            reason=_ours(error),
            again_in_s=self._pause_s,
        )

    def _regain(self, began_s: float) -> None:
        if began_s < self._lost_s or not self._pause_s:
            return
        log.info(telemetry.ENGINE_BACK, engine=self._first.name)
        self._pause_s = 0.0


class Threaded:
    """A batch engine as a stream engine: one result a request, computed in a thread."""

    def __init__(self, engine: BatchEngine[Any, Any]) -> None:
        self._engine = engine
        self.name = engine.name
        self._threads = anyio.CapacityLimiter(_THREADS)

    @property
    def voices(self) -> tuple[str, ...]:
        """Of a synthesizer: its voices."""
        return tuple(getattr(self._engine, "voices", ()))

    @property
    def gives_partials(self) -> bool:
        """Of a transcriber: as it has it."""
        return bool(getattr(self._engine, "gives_partials", True))

    async def start(self) -> None:
        """Load it. Raises EngineUnavailable."""
        await anyio.to_thread.run_sync(self._engine.load, limiter=self._threads)

    @asynccontextmanager
    async def stream(self, request: Plain) -> AsyncIterator[AsyncIterator[Any]]:
        """Its one result. Leaving the context lets the thread finish for nobody."""
        async with aclosing(self._results(request)) as results:
            yield results

    async def _results(self, request: Plain) -> AsyncGenerator[Any, None]:
        results = await anyio.to_thread.run_sync(
            self._engine.step, [request], limiter=self._threads, abandon_on_cancel=True
        )
        yield results[0]

    async def aclose(self) -> None:
        """Close it, after the last step."""
        await anyio.to_thread.run_sync(self._engine.close)


def as_stream(engine: AnyEngine) -> StreamEngine[Any, Any]:
    """``engine`` itself, or wrapped where it computes in batches."""
    if hasattr(engine, "step"):
        return Threaded(cast("BatchEngine[Any, Any]", engine))
    return engine


def _ours(error: EngineError) -> str:
    """The message without what a server said: it may quote what people said."""
    return error.message.partition(" It says:")[0]
