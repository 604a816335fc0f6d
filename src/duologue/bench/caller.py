"""A simulated caller on a real WebSocket: 20 ms frames on an absolute schedule, whatever the server does.

Frame i holds what the microphone captured in the 20 ms before it is sent: it is due at start + (i + 1) * 20 ms,
and never waits for the server. How late the caller itself was is recorded; a caller that is late measures itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import anyio
import msgspec

from duologue.bench.clips import Clip
from duologue.bench.clock import Clock
from duologue.bench.metronome import Metronome
from duologue.bench.talker import Captured, Talker
from duologue.bench.wire import FRAME_S, ServerEvent, Wire, encode_append, encode_event, whole_message
from duologue.errors import ConfigError


class Call(msgspec.Struct, kw_only=True):
    """How one call went. ``late_ms``: one entry a frame. ``ended_early``: the server's close, in words."""

    duration_s: float = 0.0
    late_ms: list[float] = []
    ended_early: str = ""


class Listener(Protocol):
    """Is told of every event, as it comes; for those who show what is said."""

    def on_event(self, event: ServerEvent) -> None:
        """One event of the server."""


def session_update(turn_detection: str = "default", *, voice: str | None = None) -> dict[str, object]:
    """``session.update`` that asks for transcripts, for a voice, and for a kind of turn detection: "default"
    leaves the server's, the names of the protocol's two kinds and a JSON object set it. Raises ConfigError."""
    heard: dict[str, Any] = {"transcription": {"model": "gpt-4o-mini-transcribe"}}
    if turn_detection.startswith("{"):
        heard["turn_detection"] = _json(turn_detection)
    elif turn_detection in ("server_vad", "semantic_vad"):
        heard["turn_detection"] = {"type": turn_detection}
    elif turn_detection != "default":
        raise ConfigError(f"--turn-detection wants default, server_vad, semantic_vad or JSON, not {turn_detection!r}")
    audio = {"input": heard} | ({"output": {"voice": voice}} if voice else {})
    return {"type": "session.update", "session": {"type": "realtime", "audio": audio}}


def _json(turn_detection: str) -> object:
    try:
        return msgspec.json.decode(turn_detection)
    except msgspec.DecodeError as error:
        raise ConfigError(f"turn detection is no JSON object: {error}") from None


class Voice:
    """What callers send, put together once for all who say the same: a silent caller's frame, a clip's frames."""

    def __init__(self) -> None:
        self._made: dict[tuple[Clip | None, int], bytes] = {}

    def message(self, person: Talker, captured: Captured) -> bytes:
        """The whole WebSocket message of one frame."""
        if not person.is_in_silence:
            return self._make(person, captured)
        key = (captured.clip, captured.at)
        message = self._made.get(key)
        if message is None:
            message = self._made[key] = self._make(person, captured)
        return message

    def _make(self, person: Talker, captured: Captured) -> bytes:
        return whole_message(encode_append(person.sound(captured)))


async def hold_call(
    wire: Wire,
    person: Talker,
    clock: Clock,
    *,
    update: Mapping[str, object] | None = None,
    listener: Listener | None = None,
) -> Call:
    """Talk until the person is done or the server hangs up. The session has been greeted already."""
    async with anyio.create_task_group() as tasks:
        beat = Metronome(clock)
        tasks.start_soon(beat.run)
        call = await hold_call_to(beat, wire, person, Voice(), update=update, listener=listener)
        tasks.cancel_scope.cancel()
    return call


async def hold_call_to(
    beat: Metronome,
    wire: Wire,
    person: Talker,
    voice: Voice,
    *,
    update: Mapping[str, object] | None = None,
    listener: Listener | None = None,
) -> Call:
    """`hold_call`, to the beat and with the voice that many callers share."""
    call = Call()
    if update is not None:
        await wire.send(update)
    began_at = beat.clock.now()
    async with anyio.create_task_group() as tasks:

        async def hear() -> None:
            await _listen(wire, person, beat.clock, listener)
            call.ended_early = wire.close_words or "connection lost"
            tasks.cancel_scope.cancel()

        tasks.start_soon(hear)
        await beat.keep(began_at + FRAME_S, _speaking(wire, person, beat.clock, voice, call, began_at))
        tasks.cancel_scope.cancel()
    call.duration_s = beat.clock.now() - began_at
    return call


def _speaking(
    wire: Wire, person: Talker, clock: Clock, voice: Voice, call: Call, began_at: float
) -> Callable[[float], float | None]:
    """One frame after the other, each at its own moment."""
    frames = 0

    def step(due: float) -> float | None:
        nonlocal frames
        call.late_ms.append((clock.now() - due) * 1000)
        captured, events = person.capture(due - FRAME_S)
        for event in events:
            wire.put(whole_message(encode_event(event)))
        wire.put(voice.message(person, captured))
        frames += 1
        return None if person.is_done else began_at + (frames + 1) * FRAME_S

    return step


async def _listen(wire: Wire, person: Talker, clock: Clock, listener: Listener | None) -> None:
    """Until the server hangs up."""
    while (event := await wire.receive()) is not None:
        for reply in person.hear(event, clock.now()):
            await wire.send(reply)
        if listener is not None:
            listener.on_event(event)
