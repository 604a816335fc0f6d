"""One device's work: the earliest deadline first, gathered into batches across sessions.

The whole of it is ``_pump``: while a thread is free, let the lane choose the most urgent job and those that can share
its step, step the model in the thread, scatter the results. ``lanes.py`` says who is next, ``fairness.py`` who owes
whom, ``calibration.py`` what this machine does best. The queues live on the event loop's thread, so there is nothing
to lock; only ``engine.step`` runs elsewhere.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from copy import copy
from functools import partial
from typing import Any, NamedTuple, TypeVar

import structlog
from msgspec.structs import replace

from duologue import telemetry
from duologue.engines import calibration
from duologue.engines.base import BatchEngine, HasSample, Plain
from duologue.engines.client import Observer, StageStats
from duologue.engines.fairness import Shares
from duologue.engines.health import Health
from duologue.engines.lanes import Job, Lane, RealtimeLane, is_long
from duologue.engines.record import EngineRecord
from duologue.engines.step import Step
from duologue.engines.tally import Unobserved
from duologue.errors import EngineError, EngineLost

log = structlog.get_logger(__name__)

T = TypeVar("T")

AnyBatchEngine = BatchEngine[Any, Any]


class Urgency(NamedTuple):
    """When a person would notice, whose session asks, and whether it may go undone."""

    deadline_s: float
    lease: str = ""
    best_effort: bool = False


class Runner:
    """The jobs of all sessions on one device.

    ``threads``: how many steps run at once; None for as many as pay on this machine, at most one a core: onnxruntime
    is given one thread a step. Engines that run on every window of sound have a lane of their own: a transcription of
    500 ms before them in the queue would make the server deaf for as long.
    """

    def __init__(self, device: str = "cpu", threads: int | None = None, observer: Observer | None = None) -> None:
        self.device = device
        self.observer: Observer = observer or Unobserved()
        self._finds_threads = threads is None
        threads = threads or len(os.sched_getaffinity(0))
        self._shares = Shares(threads)
        self._work = Lane(f"{device}-work", threads, self._shares)
        self._realtime = RealtimeLane(f"{device}-realtime", self._shares)
        self._timers: dict[Lane, tuple[float, asyncio.TimerHandle]] = {}
        self._records: dict[int, EngineRecord] = {}
        self._is_closed = False
        self._others: set[Future[Any]] = set()

    async def load(self, engines: Sequence[AnyBatchEngine]) -> None:
        """Load and warm ``engines`` side by side. Raises what their ``load`` raises."""
        await asyncio.gather(*(self._in_thread(engine.load) for engine in engines))

    async def calibrate(self, engines: Sequence[AnyBatchEngine], budget: calibration.Budget) -> None:
        """Measure what pays here, of those ``engines`` that have a sample: the batch of each, and how many steps at
        once. To be called when they are loaded and nothing else is going on."""
        known = [(self._record(engine), engine.sample()) for engine in engines if isinstance(engine, HasSample)]
        for record, sample in known:
            record.take(await self._in_thread(calibration.measure, record.engine, sample, budget), sample)
        # The longest for which there is time enough: it takes all cores at once, then half of them ..
        short = [e for e in known if not e[0].engine.is_realtime and budget.allows(3 * (e[0].alone_s or math.inf))]
        if self._finds_threads and short:
            record, sample = max(short, key=lambda each: each[0].alone_s or 0.0)
            threads = await calibration.best_threads(self._work.pool, self._work.threads, record.engine, sample, budget)
            self._work.threads = self._shares.threads = threads
        for record, _ in known:
            threads = self._lane(record.engine).threads
            log.info(telemetry.ENGINE_CALIBRATED, threads=threads, **record.findings())

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        """What is no step: it may go on in its thread when nobody waits for it any more."""
        done = self._work.pool.submit(work, *args)
        self._others.add(done)
        done.add_done_callback(self._others.discard)
        return await asyncio.wrap_future(done)

    async def submit(
        self,
        engine: AnyBatchEngine,
        request: Plain,
        *,
        deadline_s: float,
        lease: str = "",
        best_effort: bool = False,
    ) -> Any:
        """Queue ``request``; its result. Cancelling the wait takes it out of the queue.

        Raises Overloaded for a best-effort job past its deadline and for want of memory, EngineError, EngineLost after
        ``close``.
        """
        if self._is_closed:
            raise EngineLost("The server is shutting down.")
        loop = asyncio.get_running_loop()
        lane, record = self._lane(engine), self._record(engine)
        result = loop.create_future()
        lane.add(Job(record, request, result, deadline_s, loop.time(), lease, best_effort, record.cost(request)))
        self._pump(lane, loop)
        return await result

    def stats(self, engine: AnyBatchEngine) -> StageStats:
        """What ``engine`` has done on this device."""
        record, lane = self._record(engine), self._lane(engine)
        return replace(
            record.tally.stats(),
            device=self.device,
            threads=lane.threads,
            is_realtime=engine.is_realtime,
            waiting=sum(job.record is record and not job.result.done() for job in lane.jobs),
            running=sum(len(step.requests) for step in lane.running if step.engine is engine),
            alone_ms=None if record.alone_s is None else record.alone_s * 1000,
            overdue_ms=_overdue_ms(lane, [job for job in lane.jobs if job.record is record]),
        )

    def health(self, engine: AnyBatchEngine) -> Health:
        """How ``engine`` has done of late."""
        return self._record(engine).health

    def charge(self, lease: str, seconds: float) -> None:
        """``lease`` has used ``seconds`` of a thread here, other than by ``submit``."""
        self._shares.charge(lease, seconds, asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Refuse what waits, let running steps end, stop the threads."""
        self._is_closed = True
        loop = asyncio.get_running_loop()
        for _, timer in self._timers.values():
            timer.cancel()
        for lane in (self._work, self._realtime):
            for job in lane.jobs:
                if not job.result.done():
                    job.result.set_exception(EngineLost("The server is shutting down."))
            lane.jobs.clear()
        for lane in (self._work, self._realtime):
            # A load that goes on is no step, and takes as long as it takes.
            if lane.running or self._others:
                await loop.run_in_executor(None, lane.pool.shutdown)
            else:
                lane.pool.shutdown()

    def _pump(self, lane: Lane, loop: asyncio.AbstractEventLoop) -> None:
        while batch := lane.take(loop.time()):
            self._step(lane, batch, loop)
        if lane.jobs:
            self._look_again(lane, loop)

    def _look_again(self, lane: Lane, loop: asyncio.AbstractEventLoop) -> None:
        """At the next tick, or when what waits and may go undone is too late."""
        due_s, planned = lane.look_again_s(loop.time()), self._timers.get(lane)
        if due_s == math.inf:
            return
        # Up to a whole ms, the grain of uvloop's clock: a timer that came before its moment would come again at once.
        due_s = math.ceil(due_s * 1000) / 1000
        # The moment is kept here, since uvloop's timers know it no more once they have fired.
        if planned is not None and planned[0] <= due_s:
            return
        if planned is not None:
            planned[1].cancel()
        self._timers[lane] = due_s, loop.call_at(due_s, self._look, lane, loop)

    def _look(self, lane: Lane, loop: asyncio.AbstractEventLoop) -> None:
        del self._timers[lane]
        lane.sweep(loop.time())
        self._pump(lane, loop)

    def _step(self, lane: Lane, batch: list[Job], loop: asyncio.AbstractEventLoop) -> None:
        record, now_s = batch[0].record, loop.time()
        # Of a tick the one that waited longest: all of them, 4,000 a second with 128 sessions, would only cost time.
        waited = batch[:1] if lane is self._realtime else batch
        record.tally.queued(now_s - job.queued_s for job in waited)
        step = Step(record.engine, [job.request for job in batch], is_long=is_long(batch))
        lane.running.append(step)
        if lane is self._realtime and sum(job.cost for job in batch) <= record.inline_cost:
            step.run()
            self._end(lane, step, batch, loop)
            return
        done = partial(self._end, lane, step, batch, loop)
        lane.pool.submit(step.run).add_done_callback(lambda _: loop.is_closed() or loop.call_soon_threadsafe(done))

    def _end(self, lane: Lane, step: Step, batch: list[Job], loop: asyncio.AbstractEventLoop) -> None:
        lane.running.remove(step)
        record, now_s = batch[0].record, loop.time()
        cost = sum(job.cost for job in batch)
        lane.ran(step.seconds, now_s)
        for job in batch:
            share_s = step.seconds * job.cost / cost if cost else 0.0
            self._shares.charge(job.lease, share_s, now_s)
            if job.best_effort:
                record.tally.spared(share_s)
        if step.lacked_memory and len(batch) > 1 and not self._is_closed:
            # Back in the queue, where each has its old place; the next steps are half as large.
            record.limit.cut(len(batch), now_s)
            lane.jobs[:0] = batch
        else:
            record.tally.stepped(step.seconds, len(batch))
            _scatter(batch, step, now_s)
        if not self._is_closed:
            self._pump(lane, loop)

    def _lane(self, engine: AnyBatchEngine) -> Lane:
        return self._realtime if engine.is_realtime else self._work

    def _record(self, engine: AnyBatchEngine) -> EngineRecord:
        record = self._records.get(id(engine))
        if record is None:
            record = self._records[id(engine)] = EngineRecord(engine, self.observer)
        return record


def _overdue_ms(lane: Lane, jobs: list[Job]) -> float:
    """How far the most overdue of ``jobs`` that somebody waits for is beyond the moment that it was due, fairly."""
    now_s = asyncio.get_running_loop().time()
    due_s = [lane.due_s(job, now_s) for job in jobs if not job.best_effort and not job.result.done()]
    return max(0.0, now_s - min(due_s)) * 1000 if due_s else 0.0


def _scatter(batch: list[Job], step: Step, now_s: float) -> None:
    record, failure = batch[0].record, step.failure()
    if failure is not None:
        if isinstance(failure, EngineError):
            record.health.failed(failure.code, now_s)
        for job in batch:
            if not job.result.done():
                record.tally.dropped("failed")
                # One for each: those who raise it write where they stood into it.
                job.result.set_exception(copy(failure))
        return
    record.health.succeeded()
    record.learn(sum(job.cost for job in batch), step.seconds)
    for job, result in zip(batch, step.results(), strict=True):
        if not job.result.done():
            job.result.set_result(result)
