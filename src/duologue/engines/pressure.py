"""What is left undone when there is too much to do: in order, visibly, and taken up again by itself.

One level after the other, each for all sessions: partial transcripts are nice to have; attempts (answers that are begun
in a pause) make answers quicker, at the price of work for pauses that were none; then nobody new is admitted.
"""

from __future__ import annotations

from dataclasses import dataclass

PARTIALS, ATTEMPTS, ADMISSION = 1, 2, 3
# A level more when one measure has been beyond its bound for so long, and again after as long. A first call over
# WebRTC alone makes the loop late for one second, by its imports.
RISE_S = 2.0
# A level less when all measures have been below so much of their bounds for so long. A level that comes back at once
# was needed: then the wait doubles, up to the most, and is forgotten after as much calm.
CALM, FALL_S, MOST_FALL_S = 0.5, 5.0, 40.0
# A server that is merely within its bounds tries it too, after so many times the wait: no burst is to last for ever.
WITHIN = 6.0


@dataclass(frozen=True, slots=True)
class Strain:
    """What was measured in the last second or two.

    ``overdue_ms``: how long the most overdue urgent job has waited beyond its deadline; ``lag_p95_ms``: how late the
    event loop comes to timers; ``threads_busy``: 0 to 1, of the busiest device.
    """

    overdue_ms: float = 0.0
    lag_p95_ms: float = 0.0
    threads_busy: float = 0.0


@dataclass(frozen=True, slots=True)
class Bound:
    """``most``: what is too much of a measure; ``sheds``: up to which level that is a reason."""

    measure: str
    most: float
    sheds: int
    why: str


BOUNDS = (
    # The deadline is when a person would notice; a tenth of a second after it he does.
    Bound("overdue_ms", 100.0, ADMISSION, "work that people wait for is late"),
    # Two windows of sound.
    Bound("lag_p95_ms", 60.0, ADMISSION, "the event loop is late"),
    # Threads that are never free are no trouble to anybody, but what is best effort gets in the way.
    Bound("threads_busy", 0.95, PARTIALS, "no thread is free"),
)


class Pressure:
    """The level of one server. Sessions read it; one task feeds it."""

    def __init__(self) -> None:
        self.level = 0
        self.since_s = 0.0
        self.why = ""
        self._now_s = 0.0
        self._tense_s: float | None = None
        self._calm_s: float | None = None
        self._within_s: float | None = None
        self._fall_s = FALL_S
        self._fell_s: float | None = None

    @property
    def allows_partials(self) -> bool:
        return self.level < PARTIALS

    @property
    def allows_attempts(self) -> bool:
        return self.level < ATTEMPTS

    @property
    def admits(self) -> bool:
        return self.level < ADMISSION

    def feel(self, strain: Strain, now_s: float) -> bool:
        """Take in what was measured by ``now_s``, a monotonic time; whether the level is another."""
        cause = next((b for b in BOUNDS if b.sheds > self.level and _ratio(strain, b) >= 1), None)
        most = max(_ratio(strain, b) for b in BOUNDS if b.sheds >= self.level)
        self._tense_s = None if cause is None else now_s if self._tense_s is None else self._tense_s
        self._calm_s = None if most >= CALM else now_s if self._calm_s is None else self._calm_s
        self._within_s = None if most >= 1 else now_s if self._within_s is None else self._within_s
        if cause is not None and self._tense_s is not None and now_s - self._tense_s >= RISE_S:
            self._rise(f"{cause.why}: {cause.measure} {getattr(strain, cause.measure):.4g}", now_s)
            return True
        is_calm = self._calm_s is not None and now_s - self._calm_s >= self._fall_s
        is_within = self._within_s is not None and now_s - self._within_s >= WITHIN * self._fall_s
        if self.level and (is_calm or is_within):
            self._fall(now_s)
            return True
        if not self.level and self._fell_s is not None and now_s - self._fell_s >= self._fall_s:
            self._fall_s, self._fell_s = FALL_S, None
        return False

    def _rise(self, why: str, now_s: float) -> None:
        if self._fell_s is not None and now_s - self._fell_s < self._fall_s + RISE_S:
            self._fall_s = min(2 * self._fall_s, MOST_FALL_S)
        self._fell_s = None
        self._tense_s, self._calm_s, self._within_s = now_s, None, None
        self.level, self.since_s, self.why = self.level + 1, now_s, why

    def _fall(self, now_s: float) -> None:
        self._fell_s = now_s
        self._calm_s = now_s if self._calm_s is not None else None
        self._within_s = now_s
        self.level, self.since_s = self.level - 1, now_s
        if not self.level:
            self.why = ""


# For sessions without a server around them: nobody feeds it.
NO_PRESSURE = Pressure()


def _ratio(strain: Strain, bound: Bound) -> float:
    measured: float = getattr(strain, bound.measure)
    return measured / bound.most
