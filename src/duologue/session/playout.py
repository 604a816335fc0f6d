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
    """One answer's sound at the listener."""

    def __init__(self, starts_at_s: float = 0.0) -> None:
        """``starts_at_s``: no earlier than this does it begin, since an earlier answer is still playing."""
        self._stretches: list[_Stretch] = []
        self._ends_at_s = starts_at_s
        self.sent_ms = 0.0
        self.underruns = 0

    @property
    def ends_at_s(self) -> float:
        """When the last sample sent so far will have been played."""
        return self._ends_at_s

    @property
    def began_at_s(self) -> float | None:
        """When the first sample began to be played, None before it was sent."""
        return self._stretches[0].start_s if self._stretches else None

    def send(self, length_ms: float, now_s: float) -> None:
        """``length_ms`` more of sound left for the client at ``now_s``."""
        if now_s > self._ends_at_s or not self._stretches:
            self.underruns += bool(self._stretches)
            self._stretches.append(_Stretch(max(now_s, self._ends_at_s), 0.0))
        last = self._stretches[-1]
        last.length_ms += length_ms
        self.sent_ms += length_ms
        self._ends_at_s = last.start_s + last.length_ms / 1000

    def hasten(self, now_s: float) -> None:
        """What was to be played before was cut off: this begins now, if it was to begin later."""
        early_s = self._stretches[0].start_s - now_s if self._stretches else 0.0
        if early_s > 0:
            for stretch in self._stretches:
                stretch.start_s -= early_s
            self._ends_at_s -= early_s

    def heard_ms(self, now_s: float) -> float:
        """How much of the answer has been played by ``now_s``."""
        if now_s >= self._ends_at_s:
            # Not the sum, whose last digit may fall short of it.
            return self.sent_ms
        return sum(stretch.played_ms(now_s) for stretch in self._stretches)

    def lead_ms(self, now_s: float) -> float:
        """How much of what was sent is still to be played; ``now_s``: no earlier than the last sending. Sound is sent
        behind other sound or after its end, so that all before the last stretch has been played."""
        return min(self._stretches[-1].length_ms, max(0.0, (self._ends_at_s - now_s) * 1000)) if self.sent_ms else 0.0

    def silent_at_s(self, made_ms: float, now_s: float) -> float:
        """When the listener falls silent, where ``made_ms`` of the answer have been made, sent or not."""
        return max(now_s, self._ends_at_s) + max(0.0, made_ms - self.sent_ms) / 1000
