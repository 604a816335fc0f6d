"""Runs of the bench: so many simulated callers at once against one server, and the price of connecting."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import anyio
import msgspec

from duologue.bench.caller import Call, hold_call, session_update
from duologue.bench.clips import Clip
from duologue.bench.clock import Clock
from duologue.bench.footprint import Meter, Usage
from duologue.bench.person import Habits, Person
from duologue.bench.timeline import Interruption, TurnLog
from duologue.bench.wire import WireError, dial

# Callers begin within this time, evenly spread, so that their turns do not fall together.
SPREAD_S = 3.0
FRAME_JITTER_S = 0.02


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The server under test. ``pid``: its process on this machine, where that is known."""

    url: str
    model: str | None = None
    api_key: str | None = None
    ca: Path | None = None
    turn_detection: str = "default"
    pid: int | None = None


class Outcome(msgspec.Struct, kw_only=True):
    """What one caller brought home. ``refused``: why it never got in."""

    turns: list[TurnLog] = []
    interruptions: list[Interruption] = []
    complaints: list[str] = []
    call: Call = msgspec.field(default_factory=Call)
    gap_ms: float = 0.0
    refused: str = ""


class Run(msgspec.Struct, kw_only=True):
    """All callers of one run."""

    callers: int
    turns_planned: int
    outcomes: list[Outcome]
    usage: Usage | None = None


async def run_callers(
    target: Target,
    clips: Sequence[Clip],
    habits: Habits,
    callers: int,
    *,
    clock: Clock,
    seed: int = 0,
    on_turn: Callable[[], None] = lambda: None,
) -> Run:
    """Let ``callers`` people talk at once, each on a connection of its own. Never raises for a caller that the
    server turned away or dropped: its outcome says so."""
    meter = Meter(target.pid) if target.pid is not None else None
    outcomes: list[Outcome] = []

    async def call_in(number: int) -> None:
        own = msgspec.structs.replace(habits, start_after_s=_start_after_s(habits, number, callers, seed))
        person = Person(clips, own, seed=seed * 1000 + number, on_turn=on_turn)
        outcomes.append(await _call_in(target, person, clock))

    async with anyio.create_task_group() as watching:
        if meter is not None:
            watching.start_soon(meter.run)
        async with anyio.create_task_group() as calls:
            for number in range(callers):
                calls.start_soon(call_in, number)
        watching.cancel_scope.cancel()
    session_s = sum(outcome.call.duration_s for outcome in outcomes)
    return Run(
        callers=callers,
        turns_planned=callers * habits.turns,
        outcomes=outcomes,
        usage=meter.usage(session_s, callers) if meter else None,
    )


async def time_connections(target: Target, count: int) -> list[float]:
    """ms from the TCP connect to ``session.created``, for ``count`` connections one after the other."""
    times_ms = []
    for _ in range(count):
        began_at = perf_counter()
        async with dial(target.url, model=target.model, api_key=target.api_key, ca=target.ca) as wire:
            await wire.session_created()
            times_ms.append((perf_counter() - began_at) * 1000)
    return times_ms


async def _call_in(target: Target, person: Person, clock: Clock) -> Outcome:
    outcome = Outcome(turns=person.turns, interruptions=person.interruptions, complaints=person.ears.complaints)
    try:
        async with dial(target.url, model=target.model, api_key=target.api_key, ca=target.ca) as wire:
            await wire.session_created()
            outcome.call = await hold_call(wire, person, clock, update=session_update(target.turn_detection))
    except* WireError as group:
        outcome.refused = "; ".join(str(error) for error in group.exceptions)
    outcome.gap_ms = person.ears.speaker.gap_ms
    return outcome


def _start_after_s(habits: Habits, number: int, callers: int, seed: int) -> float:
    jitter = random.Random(f"{seed}/{number}").uniform(0, FRAME_JITTER_S)
    return habits.start_after_s + number * SPREAD_S / callers + jitter
