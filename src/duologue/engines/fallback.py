"""Two engines for one stage: the second serves while the first is away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, cast

import anyio
import anyio.to_thread
import structlog

from duologue import telemetry
from duologue.engines.base import AnyEngine, BatchEngine, HasModels, Plain, StreamEngine, TakesDeadlines, WarmsUp
from duologue.engines.runner import Runner, Urgency
from duologue.errors import EngineError, EngineLost, EngineUnavailable

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 60.0

RunnerOf = Callable[[BatchEngine[Any, Any]], Runner]


class Fallback:
    """A StreamEngine that asks ``first``, and ``second`` while ``first`` is lost or cannot run.

    Only a request of which nothing has come yet moves on to ``second``; later losses are raised. After a loss
    ``first`` is left alone for 5, 10, 20, 40, then 60 s; then one request tries it again, while others go on with
    ``second``. Either may be of any shape; a batch engine goes through the runner of its device, and is not tried again
    where it did not load.
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

    def run_on(self, runner_of: RunnerOf) -> None:
        """Whose threads step those that compute in batches. To be called before ``start``."""
        for engine in (self._first, self._second):
            if isinstance(engine, Threaded | Fallback):
                engine.run_on(runner_of)

    @property
    def voices(self) -> tuple[str, ...]:
        """Of synthesizers: the voices of both. Each speaks those of the other in its default voice."""
        both = (*getattr(self._first, "voices", ()), *getattr(self._second, "voices", ()))
        return tuple(dict.fromkeys(both))

    @property
    def gives_partials(self) -> bool:
        """Of transcribers: as the first has it."""
        return bool(getattr(self._first, "gives_partials", True))

    @property
    def models(self) -> tuple[str, ...]:
        """Of chat models: those of both. Each answers for those of the other with its default."""
        both = (*getattr(self._first, "models", ()), *getattr(self._second, "models", ()))
        return tuple(dict.fromkeys(both))

    async def relist(self) -> None:
        """Of chat models: both look which there are now."""
        for engine in (self._first, self._second):
            if isinstance(engine, HasModels):
                await engine.relist()

    @property
    def languages(self) -> frozenset[str]:
        """Of transcribers: what either understands; empty where one of them does not tell."""
        each = [frozenset(getattr(engine, "languages", ())) for engine in (self._first, self._second)]
        return frozenset().union(*each) if all(each) else frozenset()

    @property
    def away(self) -> str:
        """The name of the first while the second serves in its place; "" while it is there itself."""
        return self._first.name if self._pause_s else ""

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
    async def stream(self, request: Plain, urgency: Urgency | None = None) -> AsyncIterator[AsyncIterator[Any]]:
        """Results of the one that serves. Raises what ``second`` raises, or ``first`` after its first result.

        ``urgency``: for those that wait for a thread; None for now.
        """
        async with AsyncExitStack() as stack:
            results = await self._from_first(request, urgency, stack) if self._is_first_due() else None
            if results is None:
                results = await stack.enter_async_context(open_stream(self._second, request, urgency))
            yield results

    def _is_first_due(self) -> bool:
        """Whether this request goes to ``first``; after a loss, for one request a pause."""
        if not self._is_second_started or not self._pause_s:
            return True
        if anyio.current_time() < self._try_again_s:
            return False
        self._try_again_s = anyio.current_time() + self._pause_s
        return self._is_first_started or not isinstance(self._first, Threaded)

    async def _from_first(
        self, request: Plain, urgency: Urgency | None, outer: AsyncExitStack
    ) -> AsyncIterator[Any] | None:
        """Its results, once there is one; None where it is lost before."""
        began_s = anyio.current_time()
        watched: AsyncIterator[Any] | None = None
        async with AsyncExitStack() as stack:
            try:
                if not self._is_first_started:
                    await self._first.start()
                    self._is_first_started = True
                results = await stack.enter_async_context(open_stream(self._first, request, urgency))
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
    """A batch engine as a stream engine: one result a request, computed by a runner; of its own where none is given."""

    def __init__(self, engine: BatchEngine[Any, Any]) -> None:
        self._engine = engine
        self.name = engine.name
        self._runner_of: RunnerOf | None = None
        self._own: Runner | None = None

    @property
    def voices(self) -> tuple[str, ...]:
        """Of a synthesizer: its voices."""
        return tuple(getattr(self._engine, "voices", ()))

    @property
    def languages(self) -> frozenset[str]:
        """Of a transcriber: those that it understands."""
        return frozenset(getattr(self._engine, "languages", ()))

    @property
    def gives_partials(self) -> bool:
        """Of a transcriber: as it has it."""
        return bool(getattr(self._engine, "gives_partials", True))

    def run_on(self, runner_of: RunnerOf) -> None:
        """Whose threads step it."""
        self._runner_of = runner_of

    async def start(self) -> None:
        """Load it. Raises EngineUnavailable."""
        await self._runner().load([self._engine])

    @asynccontextmanager
    async def stream(self, request: Plain, urgency: Urgency | None = None) -> AsyncIterator[AsyncIterator[Any]]:
        """Its one result. Leaving the context takes the request out of the queue."""
        async with aclosing(self._results(request, urgency or Urgency(anyio.current_time()))) as results:
            yield results

    async def _results(self, request: Plain, urgency: Urgency) -> AsyncGenerator[Any, None]:
        yield await self._runner().submit(self._engine, request, **urgency._asdict())

    def _runner(self) -> Runner:
        if self._runner_of is not None:
            return self._runner_of(self._engine)
        if self._own is None:
            self._own = Runner(self._engine.device)
        return self._own

    async def aclose(self) -> None:
        """Close it, after the last step."""
        if self._own is not None:
            await self._own.close()
        await anyio.to_thread.run_sync(self._engine.close)


def as_stream(engine: AnyEngine) -> StreamEngine[Any, Any]:
    """``engine`` itself, or wrapped where it computes in batches."""
    if hasattr(engine, "step"):
        return Threaded(cast("BatchEngine[Any, Any]", engine))
    return engine


def open_stream(
    engine: StreamEngine[Any, Any], request: Plain, urgency: Urgency | None
) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
    """As the engine would have it."""
    if isinstance(engine, Threaded | Fallback):
        return engine.stream(request, urgency)
    if urgency is not None and isinstance(engine, TakesDeadlines):
        return engine.stream(request, urgency.deadline_s)
    return engine.stream(request)


def _ours(error: EngineError) -> str:
    """The message without what a server said: it may quote what people said."""
    return error.message.partition(" It says:")[0]
