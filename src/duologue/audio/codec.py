"""Bytes of PCM on the wire <-> samples."""

from __future__ import annotations

import numpy as np

from duologue.audio.frame import Int16


class Pcm16Decoder:
    """s16le bytes cut anywhere -> int16 samples. An odd byte is kept for the next call."""

    def __init__(self) -> None:
        self._odd = b""

    def whole(self, data: bytes) -> bytes:
        """The bytes of every whole sample seen so far and not yet returned."""
        if self._odd:
            data = self._odd + data
            self._odd = b""
        if len(data) & 1:
            data, self._odd = data[:-1], data[-1:]
        return data

    def decode(self, data: bytes) -> Int16:
        """int16 [n] for every whole sample seen so far and not yet returned. Not to be written to."""
        return np.frombuffer(self.whole(data), dtype="<i2").astype(np.int16, copy=False)


def encode_pcm16(pcm: Int16) -> bytes:
    """int16 samples -> s16le bytes."""
    return pcm.astype("<i2", copy=False).tobytes()
