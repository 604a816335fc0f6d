"""The user's sound as it arrives: decoded, on the session's clock, with speech found in it."""

from __future__ import annotations

import anyio
import numpy as np

from duologue.audio.buffer import AudioBuffer
from duologue.audio.codec import Pcm16Decoder
from duologue.audio.frame import SESSION_RATE_HZ, VOICE_RATE_HZ, Float32, ms_to_samples, to_float
from duologue.audio.resample import Resampler
from duologue.engines.base import VAD_WINDOW_SAMPLES, VadRequest, VadState
from duologue.engines.client import VAD, EngineClient
from duologue.session.vad import Onset, Pause, SpeechGate

# A long append is looked at in pieces of 256 ms, so that one client's recording does not hold up the others' VAD.
WINDOWS_PER_CALL = 8
# What is kept while nobody speaks: the padding before speech, and what the VAD needs to be sure of it.
IDLE_KEEP_SAMPLES = ms_to_samples(1_500)


class Hearing:
    """One session's ears. ``now`` is the session's clock: samples heard since it began."""

    def __init__(self, engines: EngineClient, threshold: float) -> None:
        self._engines = engines
        self._decoder = Pcm16Decoder()
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

    def receive(self, pcm: bytes) -> None:
        """Take s16le bytes at 24 kHz into the buffer; ``listen`` then looks at them."""
        self._buffer.push(self._resampler.push(to_float(self._decoder.decode(pcm))))

    def receive_silence(self, seconds: float) -> None:
        """Stand in for sound that did not come, so that a turn ends although the client has gone quiet."""
        self._buffer.push(np.zeros(round(seconds * SESSION_RATE_HZ), np.float32))

    async def listen(self) -> list[Onset | Pause]:
        """Where speech begins and ends in what was received since the last call."""
        found: list[Onset | Pause] = []
        if not self.detects_speech:
            self._window_start = self.now
        while self.now - self._window_start >= VAD_WINDOW_SAMPLES:
            count = min((self.now - self._window_start) // VAD_WINDOW_SAMPLES, WINDOWS_PER_CALL)
            end = self._window_start + count * VAD_WINDOW_SAMPLES
            windows = self._buffer.slice(self._window_start, end).reshape(count, VAD_WINDOW_SAMPLES)
            found += await self._look_at(windows)
        return found

    async def _look_at(self, windows: Float32) -> list[Onset | Pause]:
        result = await self._engines.call(VAD, VadRequest(windows, self._state), deadline_s=anyio.current_time())
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

    def reset(self) -> None:
        """Forget that anyone was speaking; the clock goes on."""
        self.gate = SpeechGate(self.gate.threshold)
        self._state = None
