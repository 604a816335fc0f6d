"""A simulated loudspeaker: sound is queued as it arrives and played at the pace of hearing.

Pure: every call carries its moment, in seconds on the caller's clock. It does what a browser client does with
its play-out queue, so that what it says was heard is what a person would have heard. One reply at a time can be
lowered, or held: then it is silent and keeps its place, to the sample, and what is queued behind it waits.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Float32, Int16, to_float, to_int16

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
    reply_id: str = ""
    gain: float = 1.0

    @property
    def ends_at(self) -> float:
        return self.starts_at + self.samples / VOICE_RATE_HZ

    def cut(self, at: float) -> _Piece:
        """Keep what is heard by ``at``; gives the rest, which may be nothing."""
        kept = min(self.samples, max(0, int((at - self.starts_at) * VOICE_RATE_HZ + 0.5)))
        pcm = None if self.pcm is None else self.pcm[kept:]
        rest = _Piece(self.item_id, max(at, self.starts_at), self.samples - kept, pcm, self.reply_id, self.gain)
        self.samples = kept
        self.pcm = None if self.pcm is None else self.pcm[:kept]
        return rest


class Speaker:
    """``ends_at``: when the queue runs dry, never (infinity) while something is held. ``gap_ms``: silence inside items
    because sound came too late.

    With ``keeps_audio`` everything heard stays for `recording` and `between`; without, only the items still playing.
    """

    def __init__(self, *, keeps_audio: bool = False) -> None:
        self._keeps_audio = keeps_audio
        self.ends_at = float("-inf")
        self.gap_ms = 0.0
        self._pieces: list[_Piece] = []
        # Of the reply that is lowered or held; what is held, with all behind it.
        self._apart, self._gain = "", 1.0
        self._held: list[_Piece] | None = None

    @property
    def keeps_audio(self) -> bool:
        return self._keeps_audio

    @property
    def is_held(self) -> bool:
        """True while sound is held back."""
        return bool(self._held)

    def play(self, item_id: str, pcm: Int16, at: float, reply_id: str = "") -> float:
        """Queue 24 kHz int16 [n] that arrived at ``at``; gives the moment when its first sample sounds: infinity
        where it is held."""
        return self.queue(item_id, len(pcm), at, pcm, reply_id)

    def queue(self, item_id: str, samples: int, at: float, pcm: Int16 | None = None, reply_id: str = "") -> float:
        """`play`, for sound of which only the length matters."""
        gain = self._gain if reply_id == self._apart else 1.0
        if self._held is not None and (self._held or reply_id == self._apart):
            self._held.append(_Piece(item_id, math.inf, samples, pcm, reply_id, gain))
            self.ends_at = math.inf
            return math.inf
        starts_at = max(at, self.ends_at)
        is_same_item = bool(self._pieces) and self._pieces[-1].item_id == item_id
        if is_same_item and starts_at - self.ends_at > SMALLEST_GAP_S:
            self.gap_ms += (starts_at - self.ends_at) * 1000
        if not self._keeps_audio:
            self._pieces = [p for p in self._pieces if p.item_id == item_id or p.ends_at > at]
        self._pieces.append(_Piece(item_id, starts_at, samples, pcm, reply_id, gain))
        self.ends_at = self._pieces[-1].ends_at
        return starts_at

    def is_playing(self, at: float) -> bool:
        """True while there is queued sound that was not heard by ``at``, held or not."""
        return at < self.ends_at

    def lower(self, at: float, gain: float, reply_id: str = "") -> None:
        """From ``at`` on the reply is heard multiplied by ``gain``; where it was held, from its place on."""
        self._set_apart(at, reply_id)
        self._release(at)
        self._weigh(at, gain)

    def hold(self, at: float, reply_id: str = "") -> None:
        """The reply is silent from ``at`` on; what was not heard of it stays, and what comes waits behind it."""
        self._set_apart(at, reply_id)
        if self._held is not None:
            return
        rest = self._rest(at)
        first = next((place for place, piece in enumerate(rest) if piece.reply_id == reply_id), len(rest))
        self._pieces += rest[:first]
        self._held = rest[first:]
        self.ends_at = math.inf if self._held else max(at, self._last_end())

    def resume(self, at: float, reply_id: str = "") -> None:
        """From ``at`` on as loud as ever, and from the sample that it was held at."""
        if reply_id == self._apart:
            self.lower(at, 1.0, reply_id)

    def flush(self, at: float) -> Flushed | None:
        """Drop what was not heard by ``at``, and be as loud as ever. None when there was nothing to be dropped."""
        current = self.current(at)
        rest = self._rest(at)
        self._held, self._apart, self._gain = None, "", 1.0
        if rest or current is not None:
            self.ends_at = at
        return current

    def current(self, at: float) -> Flushed | None:
        """The item that is being played, or is held, at ``at``, and how much of it has been heard."""
        coming = [piece for piece in self._pieces if at < piece.ends_at] or self._held
        if not coming:
            return None
        return Flushed(coming[0].item_id, int(self.heard_s(coming[0].item_id, at) * 1000 + 1e-6))

    def heard_s(self, item_id: str, at: float) -> float:
        """How much of an item has been heard by ``at``; of one that is over and not kept, 0."""
        mine = [piece for piece in self._pieces if piece.item_id == item_id]
        return sum(min(piece.samples / VOICE_RATE_HZ, max(0.0, at - piece.starts_at)) for piece in mine)

    def ends_of(self, item_id: str) -> float | None:
        """When the sound of an item that came so far will have been heard."""
        if any(piece.item_id == item_id for piece in self._held or ()):
            return math.inf
        return max((piece.ends_at for piece in self._pieces if piece.item_id == item_id), default=None)

    def between(self, start_at: float, end_at: float) -> Float32:
        """What was heard from ``start_at`` to ``end_at``, its silences too: float32 [n]. Only with ``keeps_audio``."""
        heard = np.zeros(round((end_at - start_at) * VOICE_RATE_HZ), dtype=np.float32)
        for piece in reversed(self._pieces):
            if piece.ends_at <= start_at:
                break
            if piece.pcm is None or piece.starts_at >= end_at:
                continue
            first = round((piece.starts_at - start_at) * VOICE_RATE_HZ)
            part = to_float(piece.pcm[max(0, -first) : max(0, len(heard) - first)]) * piece.gain
            heard[max(0, first) : max(0, first) + len(part)] = part
        return heard

    def recording(self) -> Int16:
        """All that is kept and was not flushed, without the gaps: int16 [n]."""
        parts = [_as_heard(p.pcm, p.gain) for p in self._pieces if p.pcm is not None]
        return np.concatenate([np.zeros(0, np.int16), *parts])

    def _set_apart(self, at: float, reply_id: str) -> None:
        """Another reply than before: that one is as loud as ever."""
        if reply_id != self._apart:
            self._release(at)
            self._weigh(at, 1.0)
            self._apart = reply_id

    def _release(self, at: float) -> None:
        """Queue what was held again, from ``at`` or the end of what plays before it."""
        held, self._held = self._held, None
        if held is None:
            return
        self.ends_at = max(at, self._last_end())
        for piece in held:
            piece.starts_at = self.ends_at
            self.ends_at = piece.ends_at
        self._pieces += held

    def _weigh(self, at: float, gain: float) -> None:
        """How loud the reply that is apart is from ``at`` on."""
        rest = self._rest(at)
        for piece in rest:
            if piece.reply_id == self._apart:
                piece.gain = gain
        self._pieces += rest
        self._gain = gain

    def _last_end(self) -> float:
        return self._pieces[-1].ends_at if self._pieces else float("-inf")

    def _rest(self, at: float) -> list[_Piece]:
        """Take what was not heard by ``at`` out of the queue."""
        rest = [piece.cut(at) for piece in self._pieces if at < piece.ends_at]
        self._pieces = [piece for piece in self._pieces if piece.samples]
        return [piece for piece in rest if piece.samples]


def _as_heard(pcm: Int16, gain: float) -> Int16:
    return pcm if gain == 1.0 else to_int16(to_float(pcm) * np.float32(gain))
