"""One device's work: the earliest deadline first, gathered into batches across sessions.

The whole of it is ``_pump``: while a thread is free, take the most urgent job, gather what else waits for the same
engine, step the model in the thread, scatter the results. The queue lives on the event loop's thread, so there is
nothing to lock; only ``engine.step`` runs elsewhere.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import structlog

from duologue import telemetry
from duologue.engines.base import BatchEngine, Plain
from duologue.engines.client import StageStats
from duologue.errors import DuologueError, EngineError, EngineLost, Overloaded

log = structlog.get_logger(__name__)

AnyEngine = BatchEngine[Any, Any]


@dataclass(order=True, slots=True)
class _Job:
    deadline_s: float
    order: int
    engine: AnyEngine = field(compare=False)
    request: Plain = field(compare=False)
    result: asyncio.Future[Any] = field(compare=False)
    best_effort: bool = field(compare=False)
    queued_s: float = field(compare=False)


class _Timings:
    """What one engine has done."""

    def __init__(self) -> None:
        self.steps = 0
        self.requests = 0
        self.step_ms: deque[float] = deque(maxlen=512)
        self.queue_ms: deque[float] = deque(maxlen=512)


class _Lane:
    """Threads and the queue before them."""

    def __init__(self, name: str, threads: int) -> None:
        self.free = threads
        self.queue: list[_Job] = []
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix=name)


class Runner:
    """The jobs of all sessions on one device.

    ``threads``: how many steps run at once; onnxruntime is given one thread a step, so on a CPU this is the number
    of cores. Engines that run on every window of sound have a lane of their own: a transcription of 500 ms before
    them in the queue would make the server deaf for as long.
    """

    def __init__(self, device: str = "cpu", threads: int | None = None) -> None:
        self.device = device
        self._lanes = {
            False: _Lane(f"{device}-work", threads or os.cpu_count() or 1),
            True: _Lane(f"{device}-realtime", 1),
        }
        self._order = itertools.count()
        self._timings: dict[str, _Timings] = {}
        self._is_closed = False

    async def load(self, engines: Sequence[AnyEngine]) -> None:
        """Load and warm ``engines`` side by side. Raises what their ``load`` raises."""
        loop = asyncio.get_running_loop()
        pool = self._lanes[False].pool
        await asyncio.gather(*(loop.run_in_executor(pool, engine.load) for engine in engines))

    async def submit(self, engine: AnyEngine, request: Plain, *, deadline_s: float, best_effort: bool = False) -> Any:
        """Queue ``request``; its result. Cancelling the wait takes it out of the queue.

        Raises Overloaded for a best-effort job past its deadline, EngineError, EngineLost after ``close``.
        """
        if self._is_closed:
            raise EngineLost("The server is shutting down.")
        loop = asyncio.get_running_loop()
        lane = self._lanes[engine.is_realtime]
        result = loop.create_future()
        job = _Job(deadline_s, next(self._order), engine, request, result, best_effort, loop.time())
        heapq.heappush(lane.queue, job)
        self._pump(lane, loop)
        return await result

    def stats(self, engine: AnyEngine) -> StageStats:
        """What ``engine`` has done on this device."""
        timings = self._timings.get(engine.name, _Timings())
        waiting = sum(job.engine is engine for job in self._lanes[engine.is_realtime].queue)
        return StageStats(
            engine=engine.name,
            steps=timings.steps,
            requests=timings.requests,
            waiting=waiting,
            step_p50_ms=_percentile(timings.step_ms, 50),
            step_p95_ms=_percentile(timings.step_ms, 95),
            queue_p95_ms=_percentile(timings.queue_ms, 95),
        )

    async def close(self) -> None:
        """Refuse what waits, let running steps end, stop the threads."""
        self._is_closed = True
        loop = asyncio.get_running_loop()
        for lane in self._lanes.values():
            for job in lane.queue:
                if not job.result.done():
                    job.result.set_exception(EngineLost("The server is shutting down."))
            lane.queue.clear()
            await loop.run_in_executor(None, lane.pool.shutdown)

    def _pump(self, lane: _Lane, loop: asyncio.AbstractEventLoop) -> None:
        while lane.free and (batch := self._gather(lane, loop.time())):
            self._step(lane, batch, loop)

    def _gather(self, lane: _Lane, now_s: float) -> list[_Job]:
        """The most urgent job and those that can share its step."""
        batch: list[_Job] = []
        others: list[_Job] = []
        while lane.queue:
            job = heapq.heappop(lane.queue)
            if job.result.done():
                continue
            if job.best_effort and job.deadline_s < now_s:
                job.result.set_exception(Overloaded("Left undone: there was more urgent work."))
            elif not batch or (job.engine is batch[0].engine and len(batch) < job.engine.max_batch):
                batch.append(job)
            else:
                others.append(job)
        for job in others:
            heapq.heappush(lane.queue, job)
        return batch

    def _step(self, lane: _Lane, batch: list[_Job], loop: asyncio.AbstractEventLoop) -> None:
        lane.free -= 1
        engine, started_s = batch[0].engine, loop.time()
        step = loop.run_in_executor(lane.pool, engine.step, [job.request for job in batch])

        def scatter(step: asyncio.Future[Sequence[Any]]) -> None:
            lane.free += 1
            self._count(batch, started_s, loop.time())
            _scatter(batch, step)
            if not self._is_closed:
                self._pump(lane, loop)

        step.add_done_callback(scatter)

    def _count(self, batch: list[_Job], started_s: float, ended_s: float) -> None:
        timings = self._timings.setdefault(batch[0].engine.name, _Timings())
        timings.steps += 1
        timings.requests += len(batch)
        timings.step_ms.append((ended_s - started_s) * 1000)
        timings.queue_ms.extend((started_s - job.queued_s) * 1000 for job in batch)


def _scatter(batch: list[_Job], step: asyncio.Future[Sequence[Any]]) -> None:
    failure = _failure_of(batch, step)
    results = step.result() if failure is None else [None] * len(batch)
    for job, result in zip(batch, results, strict=True):
        if job.result.done():
            continue
        if failure is not None:
            job.result.set_exception(failure)
        else:
            job.result.set_result(result)


def _failure_of(batch: list[_Job], step: asyncio.Future[Sequence[Any]]) -> DuologueError | None:
    """Why ``step`` gave no result for each job of ``batch``; None if it did."""
    name = batch[0].engine.name
    if step.cancelled():
        return EngineLost(f"The engine {name} was stopped.")
    raised = step.exception()
    if isinstance(raised, DuologueError):
        return raised
    if raised is not None:
        log.error(telemetry.ENGINE_STEP_FAILED, engine=name, batch=len(batch), exc_info=raised)
        return EngineError(f"The engine {name} failed on this request.")
    if len(step.result()) != len(batch):
        return EngineError(f"The engine {name} gave {len(step.result())} results for {len(batch)} requests.")
    return None


def _percentile(values: deque[float], percent: int) -> float | None:
    """Nearest rank."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[max(0, -(-percent * len(ranked) // 100) - 1)]
