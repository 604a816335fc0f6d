"""One answer at its listener: when it begins and ends to sound there, and how loud."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import anyio
import numpy as np

from duologue.audio.frame import SESSION_RATE_HZ, VOICE_RATE_HZ, Float32, Int16, to_float
from duologue.events import (
    Event,
    PlayoutCleared,
    PlayoutHeld,
    PlayoutLowered,
    PlayoutResumed,
    PlayoutStarted,
    PlayoutStopped,
)
from duologue.session.given import Given
from duologue.session.playout import Playout

# Half as loud to the ear: it can still be followed, and who cuts in notices that he was heard.
LOWERED_GAIN = 0.3
# An echo is looked for so far back.
KEPT_MS = 2_000.0
# Changes of loudness that are remembered for that: it changes a few times a second at the most.
MOST_GAINS = 16


class Listening:
    """``holds_sound``: what was sent can still be lowered and held. ``heard_out``: until all of it has been heard."""

    def __init__(
        self, reply_id: str, say: Callable[[Event], None], before: Listening | None, *, holds_sound: bool
    ) -> None:
        self._reply_id = reply_id
        self._say = say
        # An answer is heard once the one before it has been.
        self.playout: Playout = Playout(before.playout if before is not None else None)
        self.heard_out = anyio.CancelScope()
        self.is_playing = False
        self._holds_sound = holds_sound
        self._before = before
        self._next: Listening | None = None
        self._has_ended = False
        self.ended_at_s = float("inf")
        # How loud it has been, from when on.
        self._gains: deque[tuple[float, float]] = deque([(0.0, 1.0)], maxlen=MOST_GAINS)
        self._stop_ms: float | None = None
        # Where in the answer's sound a piece begins, in ms, and the piece.
        self._kept: deque[tuple[float, Int16]] = deque()

    def send(self, pcm: Int16, now_s: float) -> float:
        """int16 [n] at 24 kHz leaves for the listener; its length in ms."""
        if not self.playout.sent_ms:
            self._begin()
        length_ms = len(pcm) * 1000 / VOICE_RATE_HZ
        self._kept.append((self.playout.sent_ms, pcm))
        self.playout.send(length_ms, now_s)
        forgotten_ms = self.playout.heard_ms(now_s) - KEPT_MS
        while self._kept[0][0] + len(self._kept[0][1]) * 1000 / VOICE_RATE_HZ < forgotten_ms:
            self._kept.popleft()
        return length_ms

    def _begin(self) -> None:
        """Tell that the first sound is being played, as soon as nothing else is."""
        before, self._before = self._before, None
        if before is not None and before.is_playing:
            before._next = self
            return
        self.is_playing = True
        self._say(PlayoutStarted(reply_id=self._reply_id))

    # --- loudness -----------------------------------------------------------------------------------------------

    def lower(self, now_s: float) -> None:
        """Let it be heard quietly."""
        self._go_on(now_s)
        if self._holds_sound and self.is_playing:
            self._gains.append((now_s, LOWERED_GAIN))
            self._say(PlayoutLowered(reply_id=self._reply_id, gain=LOWERED_GAIN))

    def hold(self, now_s: float) -> None:
        """Let nothing of it be heard, and keep the place."""
        if not self._holds_sound or self.playout.is_held:
            return
        self.playout.hold(now_s)
        self.heard_out.deadline = float("inf")
        if self.is_playing:
            self._say(PlayoutHeld(reply_id=self._reply_id))

    def resume(self, now_s: float) -> None:
        """Let it go on from its exact sample, as loud as ever."""
        was_quiet = self.playout.is_held or self._gains[-1][1] < 1.0
        self._go_on(now_s)
        if not was_quiet:
            return
        self._gains.append((now_s, 1.0))
        if self.is_playing:
            self._say(PlayoutResumed(reply_id=self._reply_id))

    def _go_on(self, now_s: float) -> None:
        if self.playout.is_held:
            self.playout.resume(now_s)
            self.wait_until_heard()

    def correct(self, heard_ms: float, now_s: float) -> None:
        """The listener has told how much of it has been played."""
        self.playout.correct(heard_ms, now_s)
        if not self.playout.is_held:
            self.wait_until_heard()

    def follow(self, before: Listening) -> None:
        """``before``, which sounds before this, was corrected."""
        self.playout.follow(before.playout)
        if not self.playout.is_held:
            self.wait_until_heard()

    def wait_until_heard(self) -> None:
        """``heard_out`` ends with the last sound sent so far."""
        self.heard_out.deadline = self.playout.ends_at_s

    def between(self, from_s: float, to_s: float) -> Float32:
        """float32 [n] at 16 kHz: what sounded at the listener between two moments, as far as it is kept."""
        sound = np.zeros(round((to_s - from_s) * VOICE_RATE_HZ), np.float32)
        before = 1.0
        for start_s, offset_ms, length_ms in self.playout.spans(from_s, to_s):
            for piece_ms, pcm in self._kept:
                first_ms = max(offset_ms, piece_ms)
                last_ms = min(offset_ms + length_ms, piece_ms + len(pcm) * 1000 / VOICE_RATE_HZ)
                if first_ms < last_ms:
                    at = round((start_s - from_s + (first_ms - offset_ms) / 1000) * VOICE_RATE_HZ)
                    skipped = round((first_ms - piece_ms) * VOICE_RATE_HZ / 1000)
                    part = to_float(pcm[skipped : skipped + round((last_ms - first_ms) * VOICE_RATE_HZ / 1000)])
                    part = part[max(0, -at) : max(0, len(sound) - at)]
                    sound[max(0, at) : max(0, at) + len(part)] = part
        for at_s, gain in self._gains:
            # Each from its moment on: what was said of the rest before is taken back.
            sound[max(0, round((at_s - from_s) * VOICE_RATE_HZ)) :] *= gain / before
            before = gain
        # What straight lines between samples get wrong lies far above the band in which an echo is looked for.
        places = np.arange(round((to_s - from_s) * SESSION_RATE_HZ)) * (VOICE_RATE_HZ / SESSION_RATE_HZ)
        at_16k: Float32 = np.interp(places, np.arange(len(sound)), sound).astype(np.float32)
        return at_16k

    # --- the end ------------------------------------------------------------------------------------------------

    def note_interruption(self, onset_at_s: float, now_s: float) -> None:
        """Speech that began at ``onset_at_s`` ends it now. What began to sound while somebody spoke already was not
        interrupted by the beginning of that."""
        began_at_s = self.playout.began_at_s
        if self.is_playing and began_at_s is not None and began_at_s <= onset_at_s:
            self._stop_ms = round((now_s - onset_at_s) * 1000, 1)

    def end(self, given: Sequence[Given], now_s: float, *, with_next: bool = True) -> None:
        """Tell, once, how the listening ended. ``given``: the answer's items. ``with_next`` False: what follows it is
        stopped as well."""
        if self._has_ended:
            return
        self._has_ended, self.is_playing, self.ended_at_s = True, False, now_s
        if self.playout.sent_ms:
            self._say_how(given, now_s)
        if with_next and self._next is not None and not self._next._has_ended:
            self._next._hasten(now_s)
            self._next._begin()

    def _hasten(self, now_s: float) -> None:
        self.playout.hasten(now_s)
        self.wait_until_heard()

    def _say_how(self, given: Sequence[Given], now_s: float) -> None:
        heard_ms = self.playout.heard_ms(now_s)
        if heard_ms >= self.playout.sent_ms:
            self._say(PlayoutStopped(reply_id=self._reply_id, underruns=self.playout.underruns))
            return
        spoken = [each for each in given if each.length_ms]
        cut = next((g for g in spoken if heard_ms < g.starts_ms + g.length_ms), spoken[-1])
        self._say(
            PlayoutCleared(
                reply_id=self._reply_id,
                item_id=cut.entry.item.id,
                heard_ms=int(max(0.0, heard_ms - cut.starts_ms)),
                underruns=self.playout.underruns,
                stop_ms=self._stop_ms,
            )
        )
