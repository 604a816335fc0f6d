"""Engines in this process, behind the seam."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, TypeVar, cast

import anyio
import structlog

from duologue import telemetry
from duologue.engines.base import AnyEngine, BatchEngine, HasVoices, SlowToRepeat, StreamEngine, WarmsUp
from duologue.engines.client import Req, Res, Stage, StageStats
from duologue.engines.runner import Runner
from duologue.engines.speech.faces import Face
from duologue.errors import EngineError, EngineLost, EngineUnavailable

log = structlog.get_logger(__name__)

CPU = "cpu"


class LocalEngines:
    """One engine a stage, loaded once, shared by every session of the process.

    ``stages``: engines by stage name; one engine may serve several. Batch engines run on the runner of their
    device; stream engines bring their own loop, process or server. Either shape answers ``call`` and ``stream``.
    ``dispensable``: stages that may be away at the start, since others stand in for them.
    """

    def __init__(
        self,
        stages: Mapping[str, AnyEngine],
        runner: Runner | None = None,
        dispensable: Collection[str] = (),
    ) -> None:
        self._stages = stages
        self._dispensable = {id(stages[stage]) for stage in dispensable if stage in stages}
        self._batch = {s: cast("BatchEngine[Any, Any]", e) for s, e in stages.items() if hasattr(e, "step")}
        self._streams = {s: cast("StreamEngine[Any, Any]", e) for s, e in stages.items() if s not in self._batch}
        self._runners = {CPU: runner or Runner(CPU)}

    @property
    def voices(self) -> tuple[str, ...]:
        """The synthesizer's voices, its default first."""
        return cast("HasVoices", self._stages["tts"]).voices

    @property
    def gives_partials(self) -> bool:
        """Whether words can be shown while somebody speaks. Known after ``start``."""
        transcriber = self._stages["asr"]
        return transcriber.gives_partials if isinstance(transcriber, SlowToRepeat) else True

    async def start(self) -> None:
        """Load and warm everything, side by side. Raises EngineUnavailable with what is missing."""
        async with anyio.create_task_group() as tg:
            # A face is there when the model behind it is.
            for engine in [e for e in _each_once(self._streams) if not isinstance(e, Face)]:
                tg.start_soon(self._start, engine, engine.start)
            for model in _each_once(self._batch):
                tg.start_soon(self._start, model, partial(self._runners[CPU].load, [model]))

    async def _start(self, engine: AnyEngine, start: Callable[[], Awaitable[None]]) -> None:
        started_s = time.perf_counter()
        try:
            await start()
        except EngineUnavailable as error:
            if id(engine) not in self._dispensable:
                raise
            instead = f"{self._stages['asr'].name}; {self._stages['chat'].name}"
            log.warning(telemetry.ENGINE_FALLBACK, engine=engine.name, instead=instead, reason=error.message)
            return
        log.info(telemetry.ENGINE_READY, engine=engine.name, seconds=round(time.perf_counter() - started_s, 2))
        if warning := getattr(engine, "model_warning", None):
            log.warning(telemetry.ENGINE_DOUBTFUL, engine=engine.name, warning=warning)

    async def warm_up(self) -> None:
        """What may take minutes and need not keep anyone waiting: a chat server that loads its model on demand."""
        for engine in _each_once(self._streams):
            if isinstance(engine, WarmsUp):
                with suppress(EngineError):
                    await engine.warm_up()

    async def aclose(self) -> None:
        """Stop all work and give everything back."""
        for runner in self._runners.values():
            await runner.close()
        for engine in _each_once(self._batch):
            engine.close()
        for stream in _each_once(self._streams):
            await stream.aclose()

    async def call(
        self,
        stage: Stage[Req, Res],
        request: Req,
        *,
        deadline_s: float,
        lease: str = "",
        best_effort: bool = False,
    ) -> Res:
        with _failures_logged(self._stages[stage.name].name):
            engine = self._batch.get(stage.name)
            if engine is None:
                return cast("Res", await last_of(self._streams[stage.name], request))
            runner = self._runner_of(engine)
            return cast("Res", await runner.submit(engine, request, deadline_s=deadline_s, best_effort=best_effort))

    def stream(
        self, stage: Stage[Req, Res], request: Req, *, deadline_s: float, lease: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[Res]]:
        engine = self._batch.get(stage.name)
        if engine is None:
            return self._stream(self._streams[stage.name], request)
        return self._stream_batch(engine, request, deadline_s)

    def stats(self) -> dict[str, StageStats]:
        batch = {stage: self._runner_of(engine).stats(engine) for stage, engine in self._batch.items()}
        return batch | {stage: StageStats(engine=engine.name) for stage, engine in self._streams.items()}

    def _runner_of(self, engine: BatchEngine[Any, Any]) -> Runner:
        """The runner of the engine's device: a GPU has one thread, so that one batch at a time has all of it."""
        if engine.device not in self._runners:
            self._runners[engine.device] = Runner(engine.device, threads=1)
        return self._runners[engine.device]

    @asynccontextmanager
    async def _stream(self, engine: StreamEngine[Any, Any], request: Any) -> AsyncIterator[AsyncIterator[Any]]:
        with _failures_logged(engine.name):
            async with engine.stream(request) as results:
                yield results

    @asynccontextmanager
    async def _stream_batch(
        self, engine: BatchEngine[Any, Any], request: Any, deadline_s: float
    ) -> AsyncIterator[AsyncIterator[Any]]:
        """A batch engine's one result as a stream."""

        async def only() -> AsyncGenerator[Any, None]:
            yield await self._runner_of(engine).submit(engine, request, deadline_s=deadline_s)

        with _failures_logged(engine.name):
            async with aclosing(only()) as results:
                yield results


@contextmanager
def _failures_logged(engine: str) -> Iterator[None]:
    """The session tells its client; this tells the operator."""
    try:
        yield
    except EngineError as error:
        log.warning(telemetry.ENGINE_FAILED, engine=engine, reason=error.code)
        raise


Kind = TypeVar("Kind")


def _each_once(engines: Mapping[str, Kind]) -> list[Kind]:
    return list({id(engine): engine for engine in engines.values()}.values())


async def last_of(engine: StreamEngine[Req, Res], request: Req) -> Res:
    """The last result of a stream engine. Raises EngineLost where it gives none."""
    result: Res | None = None
    async with engine.stream(request) as results:
        async for latest in results:
            result = latest
    if result is None:
        raise EngineLost(f"The engine {engine.name} gave no result.")
    return result
