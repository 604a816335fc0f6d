"""One answer's sound -> the bytes that its listener wants."""

from __future__ import annotations

import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Float32, Int16, to_float, to_int16
from duologue.audio.g711 import RATE_HZ, Law, encode_g711
from duologue.audio.resample import Resampler


class TelephoneEncoder:
    """s16le mono at 24 kHz, in pieces -> G.711 at 8 kHz. ``flush`` gives what the resampler held back."""

    def __init__(self, law: Law) -> None:
        self._law: Law = law
        self._resampler = Resampler(VOICE_RATE_HZ, RATE_HZ)

    def encode(self, pcm: bytes) -> bytes:
        return self._coded(self._resampler.push(to_float(_samples(pcm))))

    def flush(self) -> bytes:
        return self._coded(self._resampler.flush())

    def _coded(self, samples: Float32) -> bytes:
        return encode_g711(to_int16(samples), self._law)


def _samples(pcm: bytes) -> Int16:
    return np.frombuffer(pcm, "<i2").astype(np.int16, copy=False)
