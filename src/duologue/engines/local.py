"""Engines in this process, behind the seam."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar, cast

import anyio
import structlog

from duologue import telemetry
from duologue.engines.base import AnyEngine, BatchEngine, HasModels, HasVoices, SlowToRepeat, StreamEngine, WarmsUp
from duologue.engines.calibration import Budget
from duologue.engines.client import Observer, Req, Res, Stage, StageStats
from duologue.engines.counted import CountedStream
from duologue.engines.fallback import Fallback
from duologue.engines.progress import Loading, Progress
from duologue.engines.runner import Runner, Urgency
from duologue.engines.speech.faces import Face
from duologue.engines.tally import Unobserved
from duologue.errors import EngineError, EngineUnavailable

log = structlog.get_logger(__name__)

CPU = "cpu"


class LocalEngines:
    """One engine a stage, loaded once, shared by every session of the process.

    ``stages``: engines by stage name; one engine may serve several. Batch engines run on the runner of their
    device; stream engines bring their own loop, process or server. Either shape answers ``call`` and ``stream``.
    ``dispensable``: stages that may be away at the start, since others stand in for them. ``observer``: is told of
    each step, wait and request without a result.
    """

    def __init__(
        self,
        stages: Mapping[str, AnyEngine],
        runner: Runner | None = None,
        dispensable: Collection[str] = (),
        observer: Observer | None = None,
    ) -> None:
        self._stages = stages
        self._dispensable = {id(stages[stage]) for stage in dispensable if stage in stages}
        self._batch = {s: cast("BatchEngine[Any, Any]", e) for s, e in stages.items() if hasattr(e, "step")}
        self._streams = {s: cast("StreamEngine[Any, Any]", e) for s, e in stages.items() if s not in self._batch}
        self._observer: Observer = observer or Unobserved()
        self._runners = {CPU: runner or Runner(CPU, observer=self._observer)}
        counted = {id(engine): CountedStream(engine, self._observer) for engine in _each_once(self._streams)}
        self._counted = {stage: counted[id(engine)] for stage, engine in self._streams.items()}
        for engine in _each_once(self._streams):
            if isinstance(engine, Fallback):
                engine.run_on(self._runner_of)
        self._progress = Progress(stages)

    @property
    def voices(self) -> tuple[str, ...]:
        """The synthesizer's voices, its default first."""
        return cast("HasVoices", self._stages["tts"]).voices

    @property
    def models(self) -> tuple[str, ...]:
        """The chat models that a request may name, the default first; () where there is no choice. Known after
        ``start``."""
        return tuple(getattr(self._stages.get("chat"), "models", ()))

    @property
    def languages(self) -> frozenset[str]:
        """Those that the transcriber understands; empty where it does not tell. Known after ``start``."""
        return frozenset(getattr(self._stages.get("asr"), "languages", ()))

    async def relist(self) -> None:
        """Have the chat model look which models there are now."""
        if isinstance(chat := self._stages.get("chat"), HasModels):
            await chat.relist()

    @property
    def progress(self) -> tuple[Loading, ...]:
        """How far each engine is with its start."""
        return self._progress.now()

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
        await self._calibrate()

    async def _start(self, engine: AnyEngine, start: Callable[[], Awaitable[None]]) -> None:
        started_s = time.perf_counter()
        self._progress.begin(engine)
        try:
            await start()
        except EngineUnavailable as error:
            is_dispensable = id(engine) in self._dispensable
            self._progress.end(engine, "stand-in" if is_dispensable else "failed", error.message)
            if not is_dispensable:
                raise
            instead = f"{self._stages['asr'].name}; {self._stages['chat'].name}"
            log.warning(telemetry.ENGINE_FALLBACK, engine=engine.name, instead=instead, reason=error.message)
            return
        self._progress.end(engine)
        log.info(telemetry.ENGINE_READY, engine=engine.name, seconds=round(time.perf_counter() - started_s, 2))
        if warning := getattr(engine, "model_warning", None):
            log.warning(telemetry.ENGINE_DOUBTFUL, engine=engine.name, warning=warning)

    async def _calibrate(self) -> None:
        """When all are there: what pays on this machine is measured while nothing else runs on it."""
        budget = Budget()
        for model in _each_once(self._batch):
            self._runner_of(model)
        for runner in list(self._runners.values()):
            models = [model for model in _each_once(self._batch) if self._runner_of(model) is runner]
            await runner.calibrate(models, budget)

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
        engine = self._batch.get(stage.name)
        if engine is None:
            urgency = Urgency(deadline_s, lease, best_effort)
            return cast("Res", await self._counted[stage.name].last(request, urgency))
        return cast("Res", await self._submit(engine, request, deadline_s, lease, best_effort))

    def stream(
        self, stage: Stage[Req, Res], request: Req, *, deadline_s: float, lease: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[Res]]:
        engine = self._batch.get(stage.name)
        if engine is None:
            return self._counted[stage.name].stream(request, Urgency(deadline_s, lease))
        return self._stream_batch(engine, request, deadline_s, lease)

    def stats(self) -> dict[str, StageStats]:
        batch = {stage: self._runner_of(engine).stats(engine) for stage, engine in self._batch.items()}
        return batch | {stage: counted.stats() for stage, counted in self._counted.items()}

    @property
    def unhealthy(self) -> dict[str, str]:
        """The stages whose engine seems to have failed for good, with the reason: its last five requests or more
        failed, over ten seconds or more, without one success."""
        now_s = anyio.current_time()
        batch = {stage: self._runner_of(engine).health(engine) for stage, engine in self._batch.items()}
        streams = {stage: counted.health for stage, counted in self._counted.items()}
        troubles = {stage: health.trouble(now_s) for stage, health in (batch | streams).items()}
        return {stage: trouble for stage, trouble in troubles.items() if trouble is not None}

    def _runner_of(self, engine: BatchEngine[Any, Any]) -> Runner:
        """The runner of the engine's device: a GPU has one thread, so that one batch at a time has all of it."""
        if engine.device not in self._runners:
            self._runners[engine.device] = Runner(engine.device, threads=1, observer=self._observer)
        return self._runners[engine.device]

    async def _submit(
        self, engine: BatchEngine[Any, Any], request: Any, deadline_s: float, lease: str, best_effort: bool = False
    ) -> Any:
        runner = self._runner_of(engine)
        try:
            return await runner.submit(engine, request, deadline_s=deadline_s, lease=lease, best_effort=best_effort)
        except EngineError as error:
            # The session tells its client; this tells the operator.
            log.warning(telemetry.ENGINE_FAILED, engine=engine.name, reason=error.code)
            raise

    @asynccontextmanager
    async def _stream_batch(
        self, engine: BatchEngine[Any, Any], request: Any, deadline_s: float, lease: str
    ) -> AsyncIterator[AsyncIterator[Any]]:
        """A batch engine's one result as a stream."""

        async def only() -> AsyncGenerator[Any, None]:
            yield await self._submit(engine, request, deadline_s, lease)

        async with aclosing(only()) as results:
            yield results


Kind = TypeVar("Kind")


def _each_once(engines: Mapping[str, Kind]) -> list[Kind]:
    return list({id(engine): engine for engine in engines.values()}.values())
