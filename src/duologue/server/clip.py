"""A stretch of sound, in the pieces that it came in, and the WAV file that is kept of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from duologue.audio.frame import SESSION_RATE_HZ, VOICE_RATE_HZ, Float32, ms_to_samples, to_float
from duologue.audio.resample import Resampler
from duologue.engines.wav import to_wav

# A gap this short is the rounding of two clocks; where silence took the place of sound it is longer.
GAP_SAMPLES = ms_to_samples(20)
_HEAD_BYTES = 44


class Piece(NamedTuple):
    """s16le mono at ``rate_hz``; ``start``: its moment, in samples of 16 kHz."""

    start: int
    rate_hz: int
    pcm: bytes

    @property
    def end(self) -> int:
        return self.start + (len(self.pcm) >> 1) * SESSION_RATE_HZ // self.rate_hz


@dataclass(frozen=True, slots=True)
class Clip:
    """What is to be heard of an item: its ``pieces`` between two moments, in samples of 16 kHz."""

    item_id: str
    pieces: tuple[Piece, ...]
    start: int
    stop: int

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(len(piece.pcm) for piece in self.pieces)

    @property
    def length(self) -> int:
        """In samples of 16 kHz."""
        return max(0, min(self.stop, self.pieces[-1].end) - self.start) if self.pieces else 0

    def up_to(self, heard_ms: float) -> Clip:
        """The beginning of it."""
        return replace(self, stop=min(self.stop, self.start + ms_to_samples(heard_ms)))

    def wav(self) -> bytes:
        """16 bits, mono, at the rate that it came in, but 24 kHz at the most. Some 10 ms of work for a minute."""
        rate_hz = min(self.pieces[0].rate_hz, VOICE_RATE_HZ)
        sound = np.zeros(self.length * rate_hz // SESSION_RATE_HZ, np.float32)
        for run in _runs(self.pieces):
            part = _resampled(run, rate_hz)
            at = (run[0].start - self.start) * rate_hz // SESSION_RATE_HZ
            part = part[max(0, -at) : max(0, len(sound) - at)]
            sound[max(0, at) : max(0, at) + len(part)] = part
        return to_wav(sound, rate_hz)


def _runs(pieces: tuple[Piece, ...]) -> list[list[Piece]]:
    """Those that belong together: of one rate, and without a gap."""
    runs: list[list[Piece]] = []
    for piece in pieces:
        last = runs[-1][-1] if runs else None
        if last is not None and last.rate_hz == piece.rate_hz and piece.start - last.end < GAP_SAMPLES:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return runs


def _resampled(run: list[Piece], rate_hz: int) -> Float32:
    sound = to_float(np.frombuffer(b"".join(piece.pcm for piece in run), "<i2"))
    if run[0].rate_hz == rate_hz:
        return sound
    resampler = Resampler(run[0].rate_hz, rate_hz)
    return np.concatenate([resampler.push(sound), resampler.flush()])


def shortened(wav: bytes, heard_ms: float) -> bytes:
    """The first ``heard_ms`` of a file that `Clip.wav` made."""
    rate_hz = int.from_bytes(wav[24:28], "little")
    pcm = np.frombuffer(wav, "<i2", offset=_HEAD_BYTES)
    return to_wav(to_float(pcm[: int(heard_ms * rate_hz / 1000)]), rate_hz)
