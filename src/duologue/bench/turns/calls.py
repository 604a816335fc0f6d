"""Calls of this benchmark: callers share the acts, one call after the other, each of a few acts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import msgspec

from duologue.bench.caller import Call, Voice, hold_call_to, session_update
from duologue.bench.clock import Clock
from duologue.bench.crowd import Target
from duologue.bench.metronome import Metronome
from duologue.bench.talker import Talker
from duologue.bench.wire import OBEYS_PLAYOUT, SEES_METRICS, ServerEvent, WireError, dial


class Attempts(msgspec.Struct, kw_only=True):
    """Answers that the server began in pauses, as far as it tells: so many were ``kept`` and ``dropped``, and engine
    time in ms went into each kind. ``levels``: how far they had got."""

    kept: int = 0
    dropped: int = 0
    kept_ms: float = 0.0
    dropped_ms: float = 0.0
    levels: dict[str, int] = {}

    def on_event(self, event: ServerEvent) -> None:
        """Count one that ended."""
        if event.type != "duologue.attempt.ended":
            return
        compute_ms, level = event.compute_ms or 0.0, event.level or "?"
        self.levels[level] = self.levels.get(level, 0) + 1
        if event.kept:
            self.kept, self.kept_ms = self.kept + 1, self.kept_ms + compute_ms
        else:
            self.dropped, self.dropped_ms = self.dropped + 1, self.dropped_ms + compute_ms


class Held(msgspec.Struct, kw_only=True):
    """What is to be told of all calls of one part. ``troubles``: refused and dropped calls, complaints of the server,
    each with its count."""

    late_ms: list[float] = []
    talked_s: float = 0.0
    troubles: dict[str, int] = {}
    attempts: Attempts = msgspec.field(default_factory=Attempts)

    def note(self, talker: Talker, call: Call) -> None:
        self.late_ms += call.late_ms
        self.talked_s += call.duration_s
        for words in (*talker.ears.complaints, *([f"dropped: {call.ended_early}"] if call.ended_early else [])):
            self.troubled(words)

    def troubled(self, words: str) -> None:
        self.troubles[words] = self.troubles.get(words, 0) + 1


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the server. ``is_plain``: as any client of the protocol does, without Duologue's own events."""

    target: Target
    clock: Clock
    is_plain: bool = False

    def asks(self) -> dict[str, str]:
        """What goes into the address."""
        return SEES_METRICS if self.is_plain else SEES_METRICS | OBEYS_PLAYOUT


async def hold_all(line: Line, talkers: Sequence[Talker], callers: int, on_call: Callable[[], None]) -> Held:
    """Everybody calls once, ``callers`` at a time. Never raises for one who is turned away or dropped."""
    held, waiting = Held(), list(reversed(talkers))
    beat = Metronome(line.clock)

    async def keep_calling() -> None:
        while waiting:
            talker = waiting.pop()
            await _hold(line, talker, beat, held)
            on_call()

    async with anyio.create_task_group() as beating:
        beating.start_soon(beat.run)
        async with anyio.create_task_group() as calls:
            for _ in range(callers):
                calls.start_soon(keep_calling)
        beating.cancel_scope.cancel()
    return held


async def _hold(line: Line, talker: Talker, beat: Metronome, held: Held) -> None:
    target, call = line.target, Call()
    try:
        async with dial(target.url, model=target.model, api_key=target.api_key, ca=target.ca, asks=line.asks()) as wire:
            await wire.session_created()
            update = session_update(target.turn_detection)
            call = await hold_call_to(beat, wire, talker, Voice(), update=update, listener=held.attempts)
    except* WireError as group:
        for error in group.exceptions:
            held.troubled(f"not reached: {error}")
    held.note(talker, call)
