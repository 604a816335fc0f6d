"""A small room in which the microphone hears the loudspeaker: the straight way and a few reflections, no more.

Reflections fall off by 60 dB within ``REVERB_S``, at moments drawn from ``seed``; the whole has the energy of one
impulse at ``level_db``, so that the level of the echo is the level of what is played less that many dB.
"""

from __future__ import annotations

import random

import msgspec
import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Float32
from duologue.bench.speaker import Speaker
from duologue.bench.wire import FRAME_S, FRAME_SAMPLES

REFLECTIONS = 12
REVERB_S = 0.2
LONGEST_S = 0.1


class Echo(msgspec.Struct, frozen=True):
    """How loud the loudspeaker is in the microphone, in dB, and how much later: sound cards and the way through the
    air."""

    level_db: float
    delay_ms: float


class Room:
    """The way from a speaker to the microphone."""

    def __init__(self, echo: Echo, seed: int = 0) -> None:
        rng = random.Random(seed)
        places_s = [0.0, *sorted(rng.uniform(0.002, LONGEST_S) for _ in range(REFLECTIONS))]
        gains = np.array([(-1) ** number * 10 ** (-3 * at / REVERB_S) for number, at in enumerate(places_s)])
        gains *= 10 ** (echo.level_db / 20) / np.sqrt(np.sum(np.square(gains)))
        self._delay_s = echo.delay_ms / 1000
        self._taps = [(int(at * VOICE_RATE_HZ), float(gain)) for at, gain in zip(places_s, gains, strict=True)]
        self._longest = self._taps[-1][0]

    def heard(self, speaker: Speaker, starts_at: float) -> Float32:
        """What comes back of the speaker's sound in the 20 ms from ``starts_at``: float32 [480]."""
        end_at = starts_at + FRAME_S - self._delay_s
        played = speaker.between(end_at - (FRAME_SAMPLES + self._longest) / VOICE_RATE_HZ, end_at)
        echo = np.zeros(FRAME_SAMPLES, np.float32)
        if played.any():
            for place, gain in self._taps:
                first = self._longest - place
                echo += played[first : first + FRAME_SAMPLES] * np.float32(gain)
        return echo
