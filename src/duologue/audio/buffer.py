"""A stretch of a stream that can still be asked for."""

from __future__ import annotations

from collections import deque

import numpy as np

from duologue.audio.frame import Float32


class AudioBuffer:
    """Samples of one stream, addressed by their index in it. Old ones are dropped from the front."""

    def __init__(self) -> None:
        self._pieces: deque[Float32] = deque()
        self.start = 0
        self.end = 0

    def push(self, samples: Float32) -> None:
        if len(samples):
            self._pieces.append(samples)
            self.end += len(samples)

    def drop_before(self, sample: int) -> None:
        """Whole pieces before ``sample`` are forgotten."""
        while self._pieces and self.start + len(self._pieces[0]) <= sample:
            self.start += len(self._pieces.popleft())

    def skip_to(self, sample: int) -> None:
        """The stream goes on at ``sample``: what lies before it is forgotten or has never been."""
        self._pieces.clear()
        self.start = self.end = sample

    def slice(self, start: int, end: int) -> Float32:
        """float32 [n]: the samples from ``start`` to before ``end``, as far as they are still here. Not to be written
        to."""
        start, end = max(start, self.start), min(end, self.end)
        if end <= start:
            return np.zeros(0, np.float32)
        # From the newest back: what is asked for is nearly always the end of a long stretch.
        pieces, first = [], self.end
        for piece in reversed(self._pieces):
            if first <= start:
                break
            first -= len(piece)
            pieces.append(piece)
        whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces[::-1])
        return whole[start - first : end - first]
