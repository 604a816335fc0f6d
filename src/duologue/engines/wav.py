"""Sound as a WAV file (RIFF, Microsoft 1991): written whole, read as it comes in.

Servers that make sound while they send it write 0 or 0xFFFFFFFF for lengths that they do not know yet.
"""

from __future__ import annotations

import struct

from duologue.audio.codec import encode_pcm16
from duologue.audio.frame import SESSION_RATE_HZ, Float32, to_int16

_HEAD = struct.Struct("<4sI4s4sIHHIIHH4sI")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_PCM = 1
_EXTENSIBLE = 0xFFFE
_UNKNOWN_LENGTHS = {0, 0xFFFFFFFF, 0x7FFFFFFF}
_MAX_HEAD_BYTES = 65_536


def to_wav(audio: Float32, rate_hz: int = SESSION_RATE_HZ) -> bytes:
    """float32 mono -> a WAV file of 16 bits."""
    pcm = encode_pcm16(to_int16(audio))
    size = len(pcm)
    head = _HEAD.pack(
        b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, _PCM, 1, rate_hz, rate_hz * 2, 2, 16, b"data", size
    )  # fmt: skip
    return head + pcm


class WavReader:
    """Bytes of a WAV file in, the bytes of its samples out. ``rate_hz`` is known with the first.

    Raises ValueError for what is not 16-bit mono PCM.
    """

    def __init__(self) -> None:
        self.rate_hz = 0
        self._head = b""
        self._left: int | None = None
        self._is_in_data = False

    def feed(self, data: bytes) -> bytes:
        """The samples among ``data``; without what comes after them."""
        if not self._is_in_data:
            self._head += data
            start = self._find_data()
            if start is None:
                if len(self._head) > _MAX_HEAD_BYTES:
                    raise ValueError("its WAV file has no samples in its first 64 KiB")
                return b""
            data, self._head = self._head[start:], b""
        if self._left is None:
            return data
        taken = data[: self._left]
        self._left -= len(taken)
        return taken

    def _find_data(self) -> int | None:
        """Where the samples begin; None as long as that is not known."""
        at = 12
        while len(self._head) >= at + _CHUNK.size:
            kind, size = _CHUNK.unpack_from(self._head, at)
            at += _CHUNK.size
            if kind == b"data":
                if not self.rate_hz:
                    raise ValueError("its WAV file does not say its format")
                self._is_in_data = True
                self._left = None if size in _UNKNOWN_LENGTHS else size
                return at
            if kind == b"fmt " and len(self._head) >= at + _FORMAT.size:
                self._take_format(at)
            at += size + size % 2
        return None

    def _take_format(self, at: int) -> None:
        form, channels, rate_hz, _, _, bits = _FORMAT.unpack_from(self._head, at)
        if form not in {_PCM, _EXTENSIBLE} or bits != 16 or channels != 1 or not rate_hz:
            raise ValueError(
                f"its WAV file has {bits} bits, {channels} channels, format {form}: 16-bit mono PCM is needed"
            )
        self.rate_hz = rate_hz
