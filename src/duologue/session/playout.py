"""Sound out at the pace of hearing: what has been sent, what of it has been played.

The client plays what it is sent from the moment that it arrives; so the server knows what is being heard without
being told. Times here are seconds of the event loop's clock and not samples of the input clock: a client may send
a recording faster than it was spoken, but nobody hears an answer faster than it sounds.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Stretch:
    """Sound that plays without a gap from ``start_s``."""

    start_s: float
    length_ms: float

    def played_ms(self, now_s: float) -> float:
        return min(max(0.0, (now_s - self.start_s) * 1000), self.length_ms)


class Playout:
    """One answer's sound at the listener.

    A listener may be later than the clock says, by what its network and its buffer take: ``correct`` tells by how much.
    Stretches are kept as the clock has them; all times that are asked and told are the listener's.
    """

    def __init__(self, before: Playout | None = None) -> None:
        """``before``: an earlier answer that may still be playing. This begins behind it, at the same listener, who may
        be late, or hold."""
        self._stretches: list[_Stretch] = []
        self._end_s: float = 0.0 if before is None else before._end_s
        self._held_at_s: float | None = None if before is None else before._held_at_s
        self._late_s: float = 0.0 if before is None else before._late_s
        self.sent_ms = 0.0
        self.underruns = 0

    @property
    def is_held(self) -> bool:
        return self._held_at_s is not None

    @property
    def ends_at_s(self) -> float:
        """When the last sample sent so far will have been played."""
        return self._end_s + self._late_s

    @property
    def began_at_s(self) -> float | None:
        """When the first sample began to be played, None before it was sent."""
        return self._stretches[0].start_s + self._late_s if self._stretches else None

    def send(self, length_ms: float, now_s: float) -> None:
        """``length_ms`` more of sound left for the client at ``now_s``."""
        now_s = self._by_clock(now_s)
        if now_s > self._end_s or not self._stretches:
            self.underruns += bool(self._stretches)
            self._stretches.append(_Stretch(max(now_s, self._end_s), 0.0))
        last = self._stretches[-1]
        last.length_ms += length_ms
        self.sent_ms += length_ms
        self._end_s = last.start_s + last.length_ms / 1000

    def hasten(self, now_s: float) -> None:
        """What was to be played before was cut off: this begins now, if it was to begin later."""
        early_s = self._stretches[0].start_s - self._by_clock(now_s) if self._stretches else 0.0
        if early_s > 0:
            for stretch in self._stretches:
                stretch.start_s -= early_s
            self._end_s -= early_s

    def hold(self, now_s: float) -> None:
        """The listener falls silent at ``now_s``; what was sent stays to be played."""
        if self._held_at_s is None:
            self._held_at_s = now_s

    def resume(self, now_s: float) -> None:
        """What was held goes on from its exact sample."""
        held_at_s, self._held_at_s = self._held_at_s, None
        if held_at_s is not None:
            self._delay(held_at_s - self._late_s, now_s - held_at_s)

    def _delay(self, from_s: float, by_s: float) -> None:
        """All that was to be played from ``from_s`` on is played so much later."""
        stretches, self._stretches = self._stretches, []
        for each in stretches:
            played_ms = each.played_ms(from_s)
            if played_ms > 0:
                self._stretches.append(_Stretch(each.start_s, played_ms))
            if played_ms < each.length_ms:
                start_s = max(each.start_s, from_s) + by_s
                self._stretches.append(_Stretch(start_s, each.length_ms - played_ms))
        if self._end_s > from_s:
            self._end_s += by_s

    def correct(self, heard_ms: float, now_s: float) -> None:
        """The listener says at ``now_s`` that so much has been played: that is how late it is. What is all played, and
        what is held, says nothing."""
        if self._held_at_s is None and self.sent_ms > heard_ms >= 0:
            self._late_s = max(0.0, now_s - self._moment_of(heard_ms))

    def follow(self, before: Playout) -> None:
        """What waits behind ``before`` is for the same listener."""
        self._late_s = before._late_s

    def _moment_of(self, heard_ms: float) -> float:
        """When so much has been played, by the clock."""
        for each in self._stretches:
            if heard_ms < each.length_ms:
                return each.start_s + heard_ms / 1000
            heard_ms -= each.length_ms
        return self._end_s

    def _by_clock(self, now_s: float) -> float:
        """What the clock said when the listener heard what it hears now."""
        return (now_s if self._held_at_s is None else min(now_s, self._held_at_s)) - self._late_s

    def heard_ms(self, now_s: float) -> float:
        """How much of the answer has been played by ``now_s``."""
        now_s = self._by_clock(now_s)
        if now_s >= self._end_s:
            # Not the sum, whose last digit may fall short of it.
            return self.sent_ms
        return sum(stretch.played_ms(now_s) for stretch in self._stretches)

    def spans(self, from_s: float, to_s: float) -> list[tuple[float, float, float]]:
        """What sounds between two moments: when a stretch of it begins (perhaps before ``from_s``), where in the
        answer's sound that is, and how long it is, in ms."""
        from_s, to_s = from_s - self._late_s, self._by_clock(to_s)
        spans: list[tuple[float, float, float]] = []
        offset_ms = 0.0
        for each in self._stretches:
            length_ms = each.played_ms(to_s)
            if length_ms > 0 and each.start_s + length_ms / 1000 > from_s:
                spans.append((each.start_s + self._late_s, offset_ms, length_ms))
            offset_ms += each.length_ms
        return spans

    def lead_ms(self, now_s: float) -> float:
        """How much of what was sent is still to be played; ``now_s``: no earlier than the last sending. Sound is sent
        behind other sound or after its end, so that all before the last stretch has been played, unless the listener is
        late."""
        if self._late_s:
            return self.sent_ms - self.heard_ms(now_s)
        left_ms = (self._end_s - self._by_clock(now_s)) * 1000
        return min(self._stretches[-1].length_ms, max(0.0, left_ms)) if self.sent_ms else 0.0

    def silent_at_s(self, made_ms: float, now_s: float) -> float:
        """When the listener falls silent, where ``made_ms`` of the answer have been made, sent or not."""
        return max(now_s, self.ends_at_s) + max(0.0, made_ms - self.sent_ms) / 1000
