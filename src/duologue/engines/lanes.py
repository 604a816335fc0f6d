"""Which jobs make the next step: the queues of a runner.

A device has two. The **work lane** takes the most urgent job that may begin; the **realtime lane**, for what runs on
every window of sound, gathers the windows of all listening sessions into one step of a common tick.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from duologue.engines.base import Plain
from duologue.engines.fairness import Shares
from duologue.engines.record import EngineRecord
from duologue.engines.step import Step
from duologue.errors import Overloaded

# A person notices a wait of this length; work that holds a thread for longer leaves one thread to the others.
LONG_S = 0.25
# A session asks for so much work at once: the words of a pause, and whether the turn is over. More waits for others.
AT_ONCE_S = 0.4
# Jobs of a batch are padded to the longest of them.
ALIKE = 1.5
# Each session asks about every window of sound.
WINDOW_S = 0.032
# Requests are gathered for half a window at most. Silero costs 0.204 ms a window alone, 0.084 in a batch of 8, 0.071 of
# 32, 0.068 of 64 and of 128. At 128 sessions 16, 20, 24 or 28 ms cost the same (4 ms of CPU a session-second); with
# 32 ms, as fast as windows come, one that has missed a step never catches up, and of 20 windows one waits for 115 ms.
TICK_S = 0.016
# With two sessions at most a step begins at once; each further one adds so much to the time that steps gather for.
GATHER_S = 0.001
_ALONE = 2.0
# Of the rate at which requests come.
_RATE_OVER_S = 0.5
# Best-effort work begins only while the threads were busy for less than this share of the last seconds, itself
# included: it fills an idle device, and thins out before anybody has to wait for it.
SPARE_SHARE = 0.35
_BUSY_OVER_S = 2.0
# So that a share that fades has faded when it is looked at.
_A_HAIR_S = 0.001

Dropped = Literal["cancelled", "expired"]


@dataclass(slots=True, eq=False)
class Job:
    """One request on its way. ``cost``: how much work it is, in its engine's own unit; 1.0 where that has none.
    ``put_back_s``: how much work of its own lease waits before it."""

    record: EngineRecord
    request: Plain
    result: asyncio.Future[Any]
    deadline_s: float
    queued_s: float
    lease: str = ""
    best_effort: bool = False
    cost: float = 1.0
    put_back_s: float = 0.0


class Lane:
    """The queue before a device's threads. ``threads``: how many steps run at once, at most as many as the pool has.

    Nothing here is locked: all of it happens on the event loop's thread.
    """

    def __init__(self, name: str, threads: int, shares: Shares) -> None:
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self.jobs: list[Job] = []
        self.running: list[Step] = []
        self._shares = shares
        self._busy_s = 0.0
        self._busy_at_s = 0.0

    @property
    def free(self) -> int:
        return max(0, self.threads - len(self.running))

    def add(self, job: Job) -> None:
        if job.lease and not job.best_effort:
            ahead_s = sum(each.record.expected_s(each.cost) for each in self.jobs if _is_ahead(each, job))
            job.put_back_s = max(0.0, ahead_s - AT_ONCE_S)
        self.jobs.append(job)

    def ran(self, seconds: float, now_s: float) -> None:
        """A step has held a thread for so long."""
        self._busy_s = self._busy_s_at(now_s) + seconds
        self._busy_at_s = now_s

    def busy_share(self, now_s: float) -> float:
        """How much of its threads it has used of late, 0 to 1; a step that goes on is not counted yet."""
        return self._busy_s_at(now_s) / (_BUSY_OVER_S * self.threads)

    def _busy_s_at(self, now_s: float) -> float:
        return self._busy_s * math.exp((self._busy_at_s - now_s) / _BUSY_OVER_S)

    def take(self, now_s: float) -> list[Job]:
        """The jobs of the next step, most urgent first; empty where none may begin now."""
        if not self.free or not self.jobs:
            return []
        self.sweep(now_s)
        ranked = sorted(self.jobs, key=lambda job: self._urgency(job, now_s))
        for place, first in enumerate(ranked):
            if self._may_begin(first, now_s):
                batch = _gather(ranked[place:], first.record.limit.now(now_s))
                while len(batch) > 1 and self._has_long() and is_long(batch):
                    batch.pop()
                taken = set(map(id, batch))
                self.jobs = [job for job in self.jobs if id(job) not in taken]
                return batch
        return []

    def look_again_s(self, now_s: float) -> float:
        """When something changes here by itself: a job that may go undone is too late, or may begin."""
        due_s = min((job.deadline_s for job in self.jobs if job.best_effort), default=math.inf)
        spare = self.busy_share(now_s) / SPARE_SHARE
        if due_s == math.inf or not self.free or spare <= 1:
            return due_s
        return min(due_s, now_s + _BUSY_OVER_S * math.log(spare) + _A_HAIR_S)

    def sweep(self, now_s: float) -> None:
        """Take out what nobody waits for any more, and best-effort work that comes too late."""
        kept: list[Job] = []
        for job in self.jobs:
            if job.result.done():
                job.record.dropped("cancelled")
            elif job.best_effort and job.deadline_s <= now_s:
                job.record.dropped("expired")
                job.result.set_exception(Overloaded("Left undone: there was more urgent work."))
            else:
                kept.append(job)
        self.jobs = kept

    def _urgency(self, job: Job, now_s: float) -> tuple[bool, float]:
        """What may go undone comes last; else the earliest that is due first."""
        return job.best_effort, self.due_s(job, now_s)

    def due_s(self, job: Job, now_s: float) -> float:
        """Its deadline, put back by what its lease has had too much of, and by what it has queued before it."""
        return job.deadline_s + job.put_back_s + self._shares.debt_s(job.lease, now_s)

    def _may_begin(self, job: Job, now_s: float) -> bool:
        if job.best_effort and self.busy_share(now_s) > SPARE_SHARE:
            return False
        if self.threads < 2:
            return True
        if self.free == 1 and (job.best_effort or self._shares.debt_s(job.lease, now_s) > 0):
            return False
        return not (self._has_long() and is_long([job]))

    def _has_long(self) -> bool:
        """Whether one more long step would leave no thread to short ones."""
        return self.threads > 1 and sum(step.is_long for step in self.running) >= self.threads - 1


class RealtimeLane(Lane):
    """One thread, stepped at most once a tick; how long a tick is follows from how many sessions listen.

    While two at most do, a step begins as soon as it is asked for. With more, requests are gathered for 1 ms a
    session, until from 18 sessions on there are two steps to a window of sound, however many listen.
    """

    def __init__(self, name: str, shares: Shares) -> None:
        super().__init__(name, 1, shares)
        self._next_s = 0.0
        # Of the tick that has begun: what did not fit into its first step goes as soon as the thread is free.
        self._left = 0
        self._rate = 0.0
        self._rated_s = 0.0

    def take(self, now_s: float) -> list[Job]:
        if not self.free or not self.jobs or (now_s < self._next_s and not self._left):
            return []
        self.sweep(now_s)
        if not self.jobs:
            return []
        begins = not self._left
        record = self.jobs[0].record
        batch = _gather(self.jobs, record.limit.now(now_s))
        taken = set(map(id, batch))
        self.jobs = [job for job in self.jobs if id(job) not in taken]
        self._count(len(batch), now_s)
        self._left = len(self.jobs) if begins else min(max(0, self._left - len(batch)), len(self.jobs))
        if begins:
            self._next_s = now_s + self.tick_s
        return batch

    def look_again_s(self, now_s: float) -> float:
        return self._next_s if self.jobs and self.free and not self._left else math.inf

    @property
    def tick_s(self) -> float:
        """How long requests are gathered."""
        listening = self._rate * WINDOW_S
        return min(TICK_S, max(0.0, listening - _ALONE) * GATHER_S)

    def _count(self, requests: int, now_s: float) -> None:
        faded = math.exp(-(now_s - self._rated_s) / _RATE_OVER_S)
        self._rate, self._rated_s = self._rate * faded + requests / _RATE_OVER_S, now_s


def _is_ahead(other: Job, job: Job) -> bool:
    """Whether ``other`` is the same session's, and wanted no later."""
    return other.lease == job.lease and not other.best_effort and other.deadline_s <= job.deadline_s


def is_long(batch: Iterable[Job]) -> bool:
    """Whether a step of ``batch`` is expected to hold its thread for long."""
    return sum(job.record.expected_s(job.cost) for job in batch) > LONG_S


def _gather(ranked: list[Job], limit: int) -> list[Job]:
    """The first of ``ranked`` and those behind it that can share its step: of its engine, and alike in length."""
    first = ranked[0]
    batch, least, most = [first], first.cost, first.cost
    for job in ranked[1:]:
        if len(batch) >= limit:
            break
        if job.record is not first.record:
            continue
        low, high = min(least, job.cost), max(most, job.cost)
        if high <= low * ALIKE or first.record.engine.is_realtime:
            batch.append(job)
            least, most = low, high
    return batch
