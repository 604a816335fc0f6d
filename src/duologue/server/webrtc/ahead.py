"""Sound that waits to be played, and how: as it is, lower, or not yet."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from duologue.audio.frame import VOICE_RATE_HZ

# A session sends about 2 s ahead; what is far beyond that is a fault, and is not kept.
MAX_AHEAD_BYTES = 2 * VOICE_RATE_HZ * 30
# Sound that ends, begins or changes its loudness within 5 ms does not click.
FADE_SAMPLES = VOICE_RATE_HZ * 5 // 1000
FADE_BYTES = 2 * FADE_SAMPLES


class Ahead:
    """Samples (s16le mono at 24 kHz) of one reply behind the other, taken a packet at a time.

    One reply at a time may be lowered or held. A held one fades out over its next 5 ms, which stay to be played; when
    it goes on the 5 ms before them fade in, and after that comes every sample as it was given: none is lost, and what
    fades is heard besides.
    """

    def __init__(self) -> None:
        # Whose sound, and the sound.
        self._waiting: deque[tuple[str, bytearray]] = deque()
        # Whose samples the last packet ended with, and its last 5 ms as they were given; "" and none after silence.
        self._sounding, self._past = "", b""
        # A fade that is heard before what waits.
        self._fade = b""
        self._set_apart("")

    def _set_apart(self, reply_id: str) -> None:
        """From now on ``reply_id`` is the one that is lowered or held; as loud as ever, to begin with."""
        self._apart = reply_id
        self._gain = self._goal = 1.0
        self._is_held = self._is_silent = False

    @property
    def length_bytes(self) -> int:
        """How much has not been taken yet."""
        return sum(len(sound) for _, sound in self._waiting)

    def say(self, pcm: bytes, reply_id: str) -> None:
        """``pcm`` behind what is there."""
        pcm = pcm[: max(0, MAX_AHEAD_BYTES - self.length_bytes)]
        if self._waiting and self._waiting[-1][0] == reply_id:
            self._waiting[-1][1].extend(pcm)
        else:
            self._waiting.append((reply_id, bytearray(pcm)))

    def hush(self, reply_id: str) -> None:
        """Drop what is there of ``reply_id`` but, of what sounds, a short fade."""
        is_apart = reply_id == self._apart
        is_silent = is_apart and (self._is_silent or bool(self._fade))
        gain = self._gain if is_apart else 1.0
        for place, (whose, sound) in enumerate(self._waiting):
            if whose == reply_id:
                sound[:] = _faded(sound[: 0 if place or is_silent else FADE_BYTES], gain, 0.0)
        if is_apart:
            self._fade = b""
            self._set_apart("")

    def lower(self, reply_id: str, gain: float) -> None:
        """Multiply its samples by ``gain``; where it was held, from its place on."""
        if reply_id != self._apart:
            self._set_apart(reply_id)
        self._go_on(gain)

    def hold(self, reply_id: str) -> None:
        """Silence from here on, and keep the place."""
        if reply_id != self._apart:
            self._set_apart(reply_id)
        # A fade that waits to be heard was to bring it back: it has not sounded yet.
        self._is_held, self._is_silent, self._fade = True, self._is_silent or bool(self._fade), b""

    def resume(self, reply_id: str) -> None:
        """As loud as ever, from the place where it was held."""
        if reply_id == self._apart:
            self._go_on(1.0)

    def _go_on(self, gain: float) -> None:
        if self._is_silent:
            self._fade, self._gain = _faded(self._past, 0.0, gain), gain
        self._is_held, self._is_silent, self._goal = False, False, gain

    def take(self, length_bytes: int) -> bytes:
        """The next so many bytes; fewer where there is nothing to be heard."""
        pcm, self._fade = self._fade, b""
        while self._waiting and len(pcm) < length_bytes:
            whose, sound = self._waiting[0]
            if self._is_held and whose == self._apart:
                return pcm + self._fall_silent(sound)
            piece = bytes(sound[: length_bytes - len(pcm)])
            del sound[: len(piece)]
            pcm += self._louder_or_lower(piece) if whose == self._apart else piece
            self._sounding, self._past = whose, (self._past + piece)[-FADE_BYTES:]
            if not sound:
                self._waiting.popleft()
        if len(pcm) < length_bytes:
            self._sounding, self._past = "", b""
        return pcm

    def _fall_silent(self, sound: bytearray) -> bytes:
        if self._is_silent:
            return b""
        self._is_silent = True
        if self._sounding != self._apart:
            # It has not begun, or waited for more: there is nothing to fade, now or when it goes on.
            self._past = b""
            return b""
        return _faded(sound[:FADE_BYTES], self._gain, 0.0)

    def _louder_or_lower(self, piece: bytes) -> bytes:
        if self._gain == self._goal == 1.0:
            return piece
        samples = np.frombuffer(piece, dtype="<i2")
        steps = np.arange(1, len(samples) + 1) / FADE_SAMPLES
        if self._gain > self._goal:
            gains = np.maximum(self._gain - steps, self._goal)
        else:
            gains = np.minimum(self._gain + steps, self._goal)
        self._gain = float(gains[-1]) if len(gains) else self._gain
        return _bytes(samples * gains)


def _faded(sound: bytes | bytearray, first: float, last: float) -> bytes:
    samples = np.frombuffer(bytes(sound), dtype="<i2")
    return _bytes(samples * np.linspace(first, last, len(samples)))


def _bytes(samples: NDArray[np.float64]) -> bytes:
    return samples.astype("<i2").tobytes()
