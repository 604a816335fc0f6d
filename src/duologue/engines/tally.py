"""Counting what an engine does, for the stats and for whoever observes."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Literal

from duologue.engines.client import Observer, StageStats

Reason = Literal["cancelled", "expired", "failed"]

_KEPT = 512


class Unobserved:
    """An Observer for those who have none."""

    def stepped(self, engine: str, seconds: float, batch: int) -> None:
        return

    def queued(self, engine: str, seconds: float) -> None:
        return

    def dropped(self, engine: str, reason: Reason) -> None:
        return


class Tally:
    """What one engine has done since the start; times of its last 512 steps."""

    def __init__(self, engine: str, observer: Observer) -> None:
        self._engine = engine
        self._observer = observer
        self._dropped: Counter[Reason] = Counter()
        self._step_ms: deque[float] = deque(maxlen=_KEPT)
        self._queue_ms: deque[float] = deque(maxlen=_KEPT)
        self.requests = 0
        self.busy_s = 0.0
        self.spare, self.spare_s = 0, 0.0
        self.batches: Counter[int] = Counter()

    def stepped(self, seconds: float, batch: int, shown_s: float | None = None) -> None:
        """A step of ``batch`` requests held its thread for ``seconds``; the percentiles are of ``shown_s``, where
        that is another time."""
        self.batches[batch] += 1
        self.requests += batch
        self.busy_s += seconds
        self._step_ms.append((seconds if shown_s is None else shown_s) * 1000)
        self._observer.stepped(self._engine, seconds, batch)

    def spared(self, seconds: float) -> None:
        """One request of the last step was best effort, and took so much of it."""
        self.spare += 1
        self.spare_s += seconds

    def queued(self, waits_s: Iterable[float]) -> None:
        """Requests of a step waited so long for it."""
        for seconds in waits_s:
            self._queue_ms.append(seconds * 1000)
            self._observer.queued(self._engine, seconds)

    def dropped(self, reason: Reason) -> None:
        """A request got no result."""
        self._dropped[reason] += 1
        self._observer.dropped(self._engine, reason)

    def stats(self) -> StageStats:
        """All of it; what the tally cannot know is left at its default."""
        return StageStats(
            engine=self._engine,
            steps=self.batches.total(),
            requests=self.requests,
            cancelled=self._dropped["cancelled"],
            expired=self._dropped["expired"],
            failed=self._dropped["failed"],
            busy_s=self.busy_s,
            spare=self.spare,
            spare_s=self.spare_s,
            batches=dict(self.batches),
            step_p50_ms=percentile(self._step_ms, 50),
            step_p95_ms=percentile(self._step_ms, 95),
            queue_p50_ms=percentile(self._queue_ms, 50),
            queue_p95_ms=percentile(self._queue_ms, 95),
        )


def percentile(values: Iterable[float], percent: int) -> float | None:
    """Nearest rank; None of nothing."""
    ranked = sorted(values)
    return ranked[max(0, -(-percent * len(ranked) // 100) - 1)] if ranked else None
