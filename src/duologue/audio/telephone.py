"""One answer's sound -> the bytes that its listener wants."""

from __future__ import annotations

import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Float32
from duologue.audio.g711 import RATE_HZ, Law, encode_g711
from duologue.audio.resample import Resampler


class TelephoneEncoder:
    """s16le mono at 24 kHz, in pieces -> G.711 at 8 kHz. ``flush`` gives what the resampler held back."""

    def __init__(self, law: Law) -> None:
        self._law: Law = law
        self._resampler = Resampler(VOICE_RATE_HZ, RATE_HZ)

    def encode(self, pcm: bytes) -> bytes:
        # At the scale of int16 all the way: scaling down and up again is half the work.
        return self._coded(self._resampler.push(np.frombuffer(pcm, "<i2").astype(np.float32)))

    def flush(self) -> bytes:
        return self._coded(self._resampler.flush())

    def _coded(self, samples: Float32) -> bytes:
        return encode_g711(np.rint(samples).clip(-32_768, 32_767).astype(np.int16), self._law)
