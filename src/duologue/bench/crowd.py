"""Many callers at once, in this process or in several, each on a connection of its own."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import anyio
import anyio.to_process
import msgspec

from duologue.bench.caller import Call, Voice, hold_call_to, session_update
from duologue.bench.clips import Clip
from duologue.bench.clock import Clock, WallClock
from duologue.bench.metronome import Metronome
from duologue.bench.person import Habits, Person
from duologue.bench.timeline import Interruption, TurnLog
from duologue.bench.wire import Refused, WireError, dial

# Callers call within this time, evenly spread, so that neither their turns nor their frames fall together.
SPREAD_S = 3.0
FRAME_JITTER_S = 0.02

Arrivals = Literal["spread", "at-once"]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The server under test. ``pid``: its process on this machine, where that is known."""

    url: str
    model: str | None = None
    api_key: str | None = None
    ca: Path | None = None
    turn_detection: str = "default"
    pid: int | None = None


class Outcome(msgspec.Struct, kw_only=True):
    """What one caller brought home. ``connect_ms``: from the first packet to ``session.created``, or to the refusal;
    ``refused``: why it never got in, ``refused_as`` in the server's own word; ``is_queued``: it has a place in line."""

    turns: list[TurnLog] = []
    interruptions: list[Interruption] = []
    complaints: list[str] = []
    call: Call = msgspec.field(default_factory=Call)
    gap_ms: float = 0.0
    connect_ms: float = 0.0
    refused: str = ""
    refused_as: str = ""
    is_queued: bool = False


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """So many ``callers`` with the same ``habits``, who call ``spread`` over `SPREAD_S` or ``at-once``. Those who call
    at once do not speak at once: their first turns are spread over the time of one turn."""

    target: Target
    clips: Sequence[Clip]
    habits: Habits
    callers: int
    arrivals: Arrivals = "spread"
    seed: int = 0


class Calls(msgspec.Struct, kw_only=True):
    """What all of them brought home, and the CPU time that it cost to be them."""

    outcomes: list[Outcome]
    cpu_s: float


async def hold_calls(
    crowd: Crowd, *, clock: Clock, processes: int = 1, on_turn: Callable[[], None] = lambda: None
) -> Calls:
    """Let everybody talk. Never raises for a caller that the server turned away or dropped: its outcome says so.
    With several processes each takes its share of the callers, and ``clock`` is not used."""
    if processes == 1:
        return await _hold(crowd, range(crowd.callers), clock, on_turn)
    shares: list[Calls] = []

    async def take_share(first: int) -> None:
        numbers = range(first, crowd.callers, processes)
        shares.append(await anyio.to_process.run_sync(partial(_hold_elsewhere, crowd, numbers), cancellable=True))

    async with anyio.create_task_group() as tasks:
        for first in range(min(processes, crowd.callers)):
            tasks.start_soon(take_share, first)
    return Calls(
        outcomes=[outcome for share in shares for outcome in share.outcomes], cpu_s=sum(share.cpu_s for share in shares)
    )


def _hold_elsewhere(crowd: Crowd, numbers: Sequence[int]) -> Calls:
    """In a process of its own."""
    return anyio.run(_hold, crowd, numbers, WallClock(), lambda: None)


async def _hold(crowd: Crowd, numbers: Sequence[int], clock: Clock, on_turn: Callable[[], None]) -> Calls:
    outcomes: list[Outcome] = []
    beat, voice = Metronome(clock), Voice()

    async def call_in(number: int) -> None:
        wait_s = _calls_after_s(crowd, number)
        await clock.sleep_until(began_at + wait_s)
        person = Person(crowd.clips, _habits_of(crowd, number), seed=crowd.seed * 1000 + number, on_turn=on_turn)
        outcomes.append(await _call_in(crowd.target, person, beat, voice))

    # What there is by now will not be garbage: a collection that looks through it makes all callers late.
    gc.collect()
    gc.freeze()
    began_at, cpu_before_s = clock.now(), time.process_time()
    async with anyio.create_task_group() as beating:
        beating.start_soon(beat.run)
        async with anyio.create_task_group() as calls:
            for number in numbers:
                calls.start_soon(call_in, number)
        beating.cancel_scope.cancel()
    return Calls(outcomes=outcomes, cpu_s=time.process_time() - cpu_before_s)


async def _call_in(target: Target, person: Person, beat: Metronome, voice: Voice) -> Outcome:
    outcome = Outcome(turns=person.turns, interruptions=person.interruptions, complaints=person.ears.complaints)
    called_at = time.perf_counter()
    try:
        async with dial(target.url, model=target.model, api_key=target.api_key, ca=target.ca) as wire:
            await wire.session_created()
            outcome.connect_ms = (time.perf_counter() - called_at) * 1000
            outcome.call = await hold_call_to(beat, wire, person, voice, update=session_update(target.turn_detection))
    except* WireError as group:
        outcome.connect_ms = outcome.connect_ms or (time.perf_counter() - called_at) * 1000
        outcome.refused = "; ".join(str(error) for error in group.exceptions)
        for each in group.exceptions:
            if isinstance(each, Refused):
                outcome.refused_as, outcome.is_queued = each.reason, each.position is not None
    outcome.gap_ms = person.ears.speaker.gap_ms
    return outcome


def _habits_of(crowd: Crowd, number: int) -> Habits:
    if crowd.arrivals == "spread":
        return crowd.habits
    spread_s = crowd.habits.turns_every_s or SPREAD_S
    wait_s = random.Random(f"{crowd.seed}/first/{number}").uniform(0, spread_s)
    return msgspec.structs.replace(crowd.habits, start_after_s=crowd.habits.start_after_s + wait_s)


def _calls_after_s(crowd: Crowd, number: int) -> float:
    if crowd.arrivals == "at-once":
        return 0.0
    jitter = random.Random(f"{crowd.seed}/{number}").uniform(0, FRAME_JITTER_S)
    return number * SPREAD_S / crowd.callers + jitter
