"""One stream of samples from one rate to another, as it arrives."""

from __future__ import annotations

import numpy as np
import soxr

from duologue.audio.frame import Float32


class Resampler:
    """float32 mono at ``from_hz`` -> float32 mono at ``to_hz``, in pieces of any size.

    LQ holds back 2.5-20 ms, with the size of the pieces; HQ would hold back 21-37 ms, which every answer would be
    late by, and speech models do not hear the difference.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._same = from_hz == to_hz
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="LQ")

    def push(self, samples: Float32) -> Float32:
        """What can be said of the stream so far. float32 [m]; m may be 0."""
        if self._same or not len(samples):
            return samples
        return np.asarray(self._stream.resample_chunk(samples), dtype=np.float32)

    def flush(self) -> Float32:
        """What was held back, at the end of the stream. float32 [m]."""
        if self._same:
            return np.zeros(0, np.float32)
        return np.asarray(self._stream.resample_chunk(np.zeros(0, np.float32), last=True), dtype=np.float32)
