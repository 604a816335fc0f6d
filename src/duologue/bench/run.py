"""One run: a crowd of simulated callers against one server, what it cost, and what a newcomer meets meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import anyio
import msgspec

from duologue.bench.clock import Clock
from duologue.bench.crowd import SPREAD_S, Crowd, Outcome, Target, hold_calls
from duologue.bench.footprint import Meter, Usage
from duologue.bench.wire import WireError, dial

# Somebody new calls this often while the others talk.
NEWCOMER_EVERY_S = 1.0


class Newcomers(msgspec.Struct, kw_only=True):
    """Who called while the others talked: ms from the TCP connect to ``session.created``, and who was refused."""

    connect_ms: list[float] = []
    refused: int = 0


class Run(msgspec.Struct, kw_only=True):
    """All callers of one run. ``callers_cpu_s``: what it cost to be them, in ``duration_s``."""

    callers: int
    turns_planned: int
    outcomes: list[Outcome]
    usage: Usage | None = None
    newcomers: Newcomers = msgspec.field(default_factory=Newcomers)
    callers_cpu_s: float = 0.0
    duration_s: float = 0.0


async def run_callers(
    crowd: Crowd,
    *,
    clock: Clock,
    processes: int = 1,
    with_newcomers: bool = False,
    on_turn: Callable[[], None] = lambda: None,
) -> Run:
    """Let the crowd talk, and measure. Never raises for a caller that the server turned away or dropped."""
    meter = Meter(crowd.target.pid) if crowd.target.pid is not None else None
    newcomers = Newcomers()
    began_at = perf_counter()
    async with anyio.create_task_group() as watching:
        if meter is not None:
            watching.start_soon(meter.run)
        if with_newcomers:
            watching.start_soon(call_now_and_then, crowd.target, newcomers)
        calls = await hold_calls(crowd, clock=clock, processes=processes, on_turn=on_turn)
        watching.cancel_scope.cancel()
    session_s = sum(outcome.call.duration_s for outcome in calls.outcomes)
    return Run(
        callers=crowd.callers,
        turns_planned=crowd.callers * crowd.habits.turns,
        outcomes=calls.outcomes,
        usage=meter.usage(session_s, crowd.callers) if meter else None,
        newcomers=newcomers,
        callers_cpu_s=calls.cpu_s,
        duration_s=perf_counter() - began_at,
    )


async def time_connections(target: Target, count: int) -> list[float]:
    """ms from the TCP connect to ``session.created``, for ``count`` connections one after the other."""
    return [await _time_connection(target) for _ in range(count)]


async def _time_connection(target: Target) -> float:
    began_at = perf_counter()
    async with dial(target.url, model=target.model, api_key=target.api_key, ca=target.ca) as wire:
        await wire.session_created()
        return (perf_counter() - began_at) * 1000


async def call_now_and_then(
    target: Target, newcomers: Newcomers, every_s: float = NEWCOMER_EVERY_S, after_s: float = SPREAD_S
) -> None:
    """From when everybody is there, until cancelled."""
    await anyio.sleep(after_s)
    while True:
        try:
            newcomers.connect_ms.append(await _time_connection(target))
        except WireError:
            newcomers.refused += 1
        await anyio.sleep(every_s)
