"""A loudspeaker, a room and a microphone, simulated; and speech to play in them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import anyio
import numpy as np
import soxr

from duologue.audio.frame import SESSION_RATE_HZ, VOICE_RATE_HZ, Float32, to_float
from duologue.engines.base import SpeakRequest
from duologue.engines.tts.espeak import Espeak
from duologue.options import EspeakOptions

AUDIO = Path(__file__).parents[3] / "shared" / "audio"
ANSWER = (
    "The weather in Paris today is sunny, with a high of twenty four degrees. You will not need an umbrella, but it "
    "may be windy by the river in the evening. Would you like to know about tomorrow as well, or about another city?"
)
QUESTION = "Actually, can you tell me what time the next train leaves from the main station instead, please?"


def level(sound: Float32) -> float:
    """Root of the mean square; of nothing 0."""
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0


def at_level(sound: Float32, dbfs: float) -> Float32:
    """``sound`` so loud where it is loud at all."""
    loud = sound[np.abs(sound) > 0.02 * np.abs(sound).max()]
    return (sound * (10 ** (dbfs / 20) / level(loud))).astype(np.float32)


@cache
def spoken(text: str, voice: str = "", rate_hz: int = SESSION_RATE_HZ) -> Float32:
    """``text`` by espeak-ng at -20 dBFS: float32 [n] at ``rate_hz``."""

    async def speak() -> Float32:
        engine = Espeak(EspeakOptions(processes=1))
        await engine.start()
        try:
            async with engine.stream(SpeakRequest(text=text, voice=voice, speed=1.0)) as chunks:
                return np.concatenate([to_float(chunk.pcm) async for chunk in chunks])
        finally:
            await engine.aclose()

    sound = anyio.run(speak)
    resampled: Float32 = sound if rate_hz == VOICE_RATE_HZ else soxr.resample(sound, VOICE_RATE_HZ, rate_hz)
    return at_level(resampled, -20.0)


class Room:
    """What the microphone hears of what the loudspeaker plays. ``direct_db``: the direct sound against the echoes of
    the walls; ``drive``: how far the loudspeaker is driven beyond its straight line; ``ppm``: how much quicker one
    clock runs than the other."""

    def __init__(
        self,
        seed: int = 0,
        *,
        delay_ms: float = 120.0,
        gain_db: float = -10.0,
        decay_s: float = 0.2,
        direct_db: float = 3.0,
        drive: float = 1.0,
        ppm: float = 0.0,
        rate_hz: int = SESSION_RATE_HZ,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._rate_hz = rate_hz
        self._delay = round(delay_ms * rate_hz / 1000)
        self._gain = 10 ** (gain_db / 20)
        self._drive, self._ppm = drive, ppm
        time = np.arange(int(0.3 * rate_hz)) / rate_hz
        walls = self._rng.standard_normal(len(time)) * 10 ** (-3 * time / decay_s)
        walls[: int(0.0015 * rate_hz)] = 0.0
        self._response = walls * (10 ** (-direct_db / 20) / np.sqrt(walls @ walls))
        self._response[0] = 1.0

    def echo(self, played: Float32) -> Float32:
        """float32 [n] -> float32 [n], over noise at -80 dBFS."""
        sound = np.tanh(played * (self._drive / np.abs(played).max()))
        size = 2 * len(sound)
        hz = np.fft.rfftfreq(size, 1 / self._rate_hz)
        cheap = 1 / np.sqrt((1 + (200 / np.maximum(hz, 1)) ** 4) * (1 + (hz / 5000) ** 8))
        sound = np.fft.irfft(np.fft.rfft(sound, size) * cheap * np.fft.rfft(self._response, size), size)[: len(played)]
        sound = np.interp(np.arange(len(sound)) * (1 + self._ppm * 1e-6), np.arange(len(sound)), sound)
        late, early = max(0, self._delay), max(0, -self._delay)
        sound = np.concatenate([np.zeros(late), sound, np.zeros(early)])[early : early + len(played)]
        sound *= self._gain * level(played) / level(sound)
        return (sound + 1e-4 * self._rng.standard_normal(len(sound))).astype(np.float32)
