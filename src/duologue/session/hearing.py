"""The user's sound as it arrives: decoded, on the session's clock, with speech found in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import numpy as np
from anyio.streams.memory import MemoryObjectReceiveStream
from msgspec import structs

from duologue.audio.buffer import AudioBuffer
from duologue.audio.codec import Pcm16Decoder
from duologue.audio.frame import SESSION_RATE_HZ, VOICE_RATE_HZ, Float32, ms_to_samples, to_float
from duologue.audio.resample import Resampler
from duologue.engines.base import VAD_WINDOW_SAMPLES, VadRequest, VadResult, VadState
from duologue.engines.client import VAD, EngineClient
from duologue.errors import CapacityError, EngineError
from duologue.events import AppendAudio, ClearAudio, CommitAudio, Told
from duologue.items import Item, Message, Part
from duologue.session.vad import Onset, Pause, SpeechGate

# A long append is looked at in pieces of 256 ms, so that one client's recording does not hold up the others' VAD.
WINDOWS_PER_CALL = 8
# What is kept while nobody speaks: the padding before speech, and what the VAD needs to be sure of it.
IDLE_KEEP_SAMPLES = ms_to_samples(1_500)
# Sound is missing for so long, in mid-turn, before silence takes its place and the clock goes on.
STALL_S = 0.5
# A client that sends a second of sound at a time is not stalled between two of them.
LONGEST_APPEND_S = 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """Sound up to ``now`` has been looked at. ``found``: where speech begins and ends in it; ``loud_until``: where
    the last window of speech so far ended."""

    found: list[Onset | Pause]
    now: int
    loud_until: int


@dataclass(frozen=True, slots=True)
class Marked:
    """A commit or clear, and the moment in the sound that it came at."""

    event: CommitAudio | ClearAudio
    now: int


class Hearing:
    """One session's ears. ``now`` is the session's clock: samples heard since it began.

    ``is_in_turn``: whether the user is in the middle of something, so that the clock must go on without sound.
    """

    def __init__(self, engines: EngineClient, threshold: float, is_in_turn: Callable[[], bool]) -> None:
        self._engines = engines
        self._is_in_turn = is_in_turn
        self._decoder = Pcm16Decoder()
        self._rate_hz = VOICE_RATE_HZ
        self._resampler = Resampler(VOICE_RATE_HZ, SESSION_RATE_HZ)
        self._buffer = AudioBuffer()
        self._window_start = 0
        self._state: VadState | None = None
        self.gate = SpeechGate(threshold)
        self.detects_speech = True

    @property
    def now(self) -> int:
        return self._buffer.end

    @property
    def oldest(self) -> int:
        """The first sample that can still be had."""
        return self._buffer.start

    async def run(
        self, told: MemoryObjectReceiveStream[Told], tell: Callable[[Told | Heard | Marked], Awaitable[None]]
    ) -> None:
        """Pass on all that the client sends, in order and with its sound looked at, until ``told`` ends."""
        stall_s = STALL_S
        while True:
            event: Told | None = None
            with anyio.move_on_after(stall_s):
                try:
                    event = await told.receive()
                except anyio.EndOfStream:
                    return
            if event is None:
                if not self._is_in_turn():
                    continue
                self._stand_in(stall_s)
            elif isinstance(event, AppendAudio):
                self._receive(event)
                stall_s = STALL_S + min(len(event.pcm) / (2 * event.rate_hz), LONGEST_APPEND_S)
            else:
                await tell(self._mark(event))
                continue
            found = await self._listen()
            await tell(Heard(found, self.now, self.gate.loud_until))

    def _receive(self, event: AppendAudio) -> None:
        if event.rate_hz != self._rate_hz:
            self._rate_hz = event.rate_hz
            self._resampler = Resampler(event.rate_hz, SESSION_RATE_HZ)
        self._buffer.push(self._resampler.push(to_float(self._decoder.decode(event.pcm))))

    def _flush(self) -> None:
        """All that was sent belongs to what a commit or a clear ends, what the resampler held back included."""
        self._buffer.push(self._resampler.flush())
        self._resampler = Resampler(self._rate_hz, SESSION_RATE_HZ)

    def _stand_in(self, seconds: float) -> None:
        """No sound came. In mid-turn silence takes its place, or the turn would never end."""
        self._buffer.push(np.zeros(round(seconds * SESSION_RATE_HZ), np.float32))

    def _mark(self, event: Told) -> Told | Marked:
        if not isinstance(event, CommitAudio | ClearAudio):
            return event
        self._flush()
        return Marked(event, self.now)

    async def _listen(self) -> list[Onset | Pause]:
        """Where speech begins and ends in what was received since the last call."""
        found: list[Onset | Pause] = []
        if not self.detects_speech:
            self._window_start = self.now
        while self.now - self._window_start >= VAD_WINDOW_SAMPLES:
            count = min((self.now - self._window_start) // VAD_WINDOW_SAMPLES, WINDOWS_PER_CALL)
            end = self._window_start + count * VAD_WINDOW_SAMPLES
            found += await self._look_at(self.sound(self._window_start, end).reshape(count, VAD_WINDOW_SAMPLES))
        return found

    async def _look_at(self, windows: Float32) -> list[Onset | Pause]:
        request = VadRequest(windows, self._state)
        try:
            result = await self._engines.call(VAD, request, deadline_s=anyio.current_time())
        except (EngineError, CapacityError):
            # Not known is not speech, or a turn would never end; the stream begins anew behind it.
            result = VadResult(np.zeros(len(windows), np.float32), None)
        self._state = result.state
        found = []
        for prob in result.speech_probs:
            self._window_start += VAD_WINDOW_SAMPLES
            event = self.gate.push(float(prob), self._window_start)
            if event is not None:
                found.append(event)
        return found

    def sound(self, start: int, end: int) -> Float32:
        """float32 [n] at 16 kHz between two moments, as far as it is kept."""
        return self._buffer.slice(start, end)

    def forget_before(self, sample: int) -> None:
        """Nothing before ``sample`` will be asked for, nor what the VAD has already seen."""
        self._buffer.drop_before(min(sample, self._window_start))

    def forget(self) -> None:
        """Nothing that was heard will be asked for any more."""
        self._buffer = AudioBuffer()

    def reset(self) -> None:
        """Forget that anyone was speaking; the clock goes on."""
        self.gate = SpeechGate(self.gate.threshold)
        self._state = None


def without_sound(item: Item) -> tuple[Item, Float32 | None]:
    """``item`` as it is kept, and all that is to be heard in it: its recordings that came without words, float32 [n] at
    16 kHz. The first of them will have the words of all. Nobody asks for the bytes again."""
    if not isinstance(item, Message):
        return item, None
    heard: list[Float32] = []
    parts: list[Part] = []
    for part in item.parts:
        if part.pcm is None:
            parts.append(part)
            continue
        parts.append(structs.replace(part, pcm=None, text="" if heard else None))
        heard.append(_as_heard(part.pcm, part.rate_hz))
    return structs.replace(item, parts=tuple(parts)), np.concatenate(heard) if heard else None


def _as_heard(pcm: bytes, rate_hz: int) -> Float32:
    resampler = Resampler(rate_hz, SESSION_RATE_HZ)
    sound = to_float(Pcm16Decoder().decode(pcm))
    return np.concatenate([resampler.push(sound), resampler.flush()])
