"""A simulated loudspeaker: sound is queued as it arrives and played at the pace of hearing.

Pure: every call carries its moment, in seconds on the caller's clock. It does what a browser client does with
its play-out queue, so that what it says was heard is what a person would have heard.
"""

from __future__ import annotations

import msgspec
import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Int16

# A queue that runs dry for less than this is not heard as a gap.
SMALLEST_GAP_S = 0.005


class Flushed(msgspec.Struct, frozen=True):
    """What was cut off: the item that was playing and how much of it had been heard."""

    item_id: str
    heard_ms: int


class _Piece(msgspec.Struct):
    """``pcm`` is for a recording: what is heard is a matter of lengths."""

    item_id: str
    starts_at: float
    samples: int
    pcm: Int16 | None = None

    @property
    def ends_at(self) -> float:
        return self.starts_at + self.samples / VOICE_RATE_HZ

    def cut(self, at: float) -> None:
        """Keep what is heard by ``at``."""
        self.samples = min(self.samples, max(0, int((at - self.starts_at) * VOICE_RATE_HZ + 0.5)))
        if self.pcm is not None:
            self.pcm = self.pcm[: self.samples]


class Speaker:
    """``ends_at``: when the queue runs dry. ``gap_ms``: silence inside items because sound came too late.

    With ``keeps_audio`` everything heard stays for `recording`; without, only the items still playing.
    """

    def __init__(self, *, keeps_audio: bool = False) -> None:
        self._keeps_audio = keeps_audio
        self.ends_at = float("-inf")
        self.gap_ms = 0.0
        self._pieces: list[_Piece] = []

    @property
    def keeps_audio(self) -> bool:
        return self._keeps_audio

    def play(self, item_id: str, pcm: Int16, at: float) -> float:
        """Queue 24 kHz int16 [n] that arrived at ``at``; gives the moment when its first sample sounds."""
        return self.queue(item_id, len(pcm), at, pcm)

    def queue(self, item_id: str, samples: int, at: float, pcm: Int16 | None = None) -> float:
        """`play`, for sound of which only the length matters."""
        starts_at = max(at, self.ends_at)
        is_same_item = bool(self._pieces) and self._pieces[-1].item_id == item_id
        if is_same_item and starts_at - self.ends_at > SMALLEST_GAP_S:
            self.gap_ms += (starts_at - self.ends_at) * 1000
        if not self._keeps_audio:
            self._pieces = [p for p in self._pieces if p.item_id == item_id or p.ends_at > at]
        self._pieces.append(_Piece(item_id, starts_at, samples, pcm))
        self.ends_at = self._pieces[-1].ends_at
        return starts_at

    def is_playing(self, at: float) -> bool:
        """True while queued sound is being heard at ``at``."""
        return at < self.ends_at

    def flush(self, at: float) -> Flushed | None:
        """Drop what was not heard by ``at``. None when nothing was playing."""
        if not self.is_playing(at):
            return None
        current = next(piece for piece in self._pieces if at < piece.ends_at)
        for piece in self._pieces:
            piece.cut(at)
        heard = sum(piece.samples for piece in self._pieces if piece.item_id == current.item_id)
        self._pieces = [piece for piece in self._pieces if piece.samples]
        self.ends_at = at
        return Flushed(current.item_id, heard * 1000 // VOICE_RATE_HZ)

    def recording(self) -> Int16:
        """All that is kept and was not flushed, without the gaps: int16 [n]."""
        return np.concatenate([np.zeros(0, np.int16), *(p.pcm for p in self._pieces if p.pcm is not None)])
