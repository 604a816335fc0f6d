"""What this machine does best, measured at the start: how large a batch pays, and how many steps at once.

It takes half a second, and each engine's first step. Each figure is the best of a few tries, since whatever else runs
on the machine only ever makes a step slower.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from duologue.engines.base import BatchEngine, Plain
from duologue.engines.step import Step
from duologue.errors import DuologueError

BUDGET_S = 0.5
# An engine whose single step takes longer is not tried in batches, nor on several threads.
TOO_SLOW_S = 0.3
TRIES = 3
_TRIES_S = 0.1
# A larger batch pays when each of its requests takes less, by more than clocks waver.
_PAYS = 0.95
# A way to a thread and back costs 80-100 us of CPU; in exchange for that the event loop may stand still for so long.
INLINE_S = 0.001
# Fewer threads are kept only where they do clearly more: noise must not leave a core idle.
_CLEARLY = 1.1


class Budget:
    """Time that may be spent."""

    def __init__(self, seconds: float = BUDGET_S) -> None:
        self._ends_s = time.perf_counter() + seconds

    def allows(self, seconds: float) -> bool:
        return time.perf_counter() + seconds <= self._ends_s


@dataclass(frozen=True, slots=True)
class Findings:
    """``alone_s``: one typical request by itself. ``batch``: the largest that pays, None for the engine's own limit:
    where that was not measured, and for what is stepped once a tick. ``inline``: how many requests one of those may
    take and still be over within 1 ms; 0 for none."""

    alone_s: float
    batch: int | None = None
    inline: int = 0


def measure(engine: BatchEngine[Any, Any], sample: Plain, budget: Budget) -> Findings | None:
    """Step ``engine`` on copies of ``sample``, as far as ``budget`` goes. None where even one fails: the first turn
    will tell. Blocks."""
    try:
        alone_s = _time(engine, [sample], budget)
    except DuologueError:
        return None
    if engine.is_realtime:
        return Findings(alone_s, inline=_inline(engine, sample, alone_s, budget))
    return Findings(alone_s, _paying(engine, sample, alone_s, budget) if alone_s <= TOO_SLOW_S else None)


def _paying(engine: BatchEngine[Any, Any], sample: Plain, alone_s: float, budget: Budget) -> int | None:
    """The largest batch that pays; None where there was no time to know."""
    best_s, pays, size = alone_s, 1, 2
    while size <= engine.max_batch:
        # One that gains nothing takes as long as its requests one by one.
        if not budget.allows(size * best_s):
            return None
        try:
            took_s = _time(engine, [sample] * size, budget)
        except DuologueError:
            break
        if took_s / size > best_s * _PAYS:
            break
        best_s, pays = took_s / size, size
        size = engine.max_batch if size < engine.max_batch < 2 * size else 2 * size
    return pays


def _inline(engine: BatchEngine[Any, Any], sample: Plain, alone_s: float, budget: Budget) -> int:
    """The largest batch, by doubling, whose step is over within 1 ms; 0 for none."""
    size, took_s = 0, alone_s
    while took_s <= INLINE_S:
        size = max(1, 2 * size)
        if 2 * size > engine.max_batch:
            break
        try:
            took_s = _time(engine, [sample] * (2 * size), budget)
        except DuologueError:
            break
    return size


def _time(engine: BatchEngine[Any, Any], requests: Sequence[Plain], budget: Budget) -> float:
    """The best of three, or of as many as fit in 0.1 s. Raises what a session would get."""
    tried = [_once(engine, requests)]
    while len(tried) < TRIES and sum(tried) + min(tried) < _TRIES_S and budget.allows(min(tried)):
        tried.append(_once(engine, requests))
    return min(tried)


def _once(engine: BatchEngine[Any, Any], requests: Sequence[Plain]) -> float:
    step = Step(engine, requests)
    step.run()
    failure = step.failure()
    if failure is not None:
        raise failure
    return step.seconds


async def best_threads(pool: Executor, most: int, engine: BatchEngine[Any, Any], sample: Plain, budget: Budget) -> int:
    """How many steps of ``engine`` at once get the most done, of ``most`` and its halves."""
    done: dict[int, float] = {}
    threads = most
    took_s = 0.0
    while threads and budget.allows(took_s):
        done[threads] = await _throughput(pool, threads, engine, sample)
        took_s = threads / done[threads] if done[threads] else 0.0
        threads //= 2
    best = most
    for fewer in sorted(done, reverse=True):
        if done[fewer] > done[best] * _CLEARLY:
            best = fewer
    return best


async def _throughput(pool: Executor, threads: int, engine: BatchEngine[Any, Any], sample: Plain) -> float:
    """Steps a second; 0 where one failed."""
    steps = [Step(engine, [sample]) for _ in range(threads)]
    run = asyncio.get_running_loop().run_in_executor
    began_s = time.perf_counter()
    await asyncio.gather(*(run(pool, step.run) for step in steps))
    if any(step.failure() is not None for step in steps):
        return 0.0
    return threads / (time.perf_counter() - began_s)
