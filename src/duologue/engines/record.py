"""What a runner knows of one engine: what it has done, what it can bear, what a request costs."""

from __future__ import annotations

from typing import Any, Literal

from duologue.engines.base import BatchEngine, HasCost, Plain
from duologue.engines.calibration import Findings
from duologue.engines.client import Observer
from duologue.engines.health import Health
from duologue.engines.tally import Tally

# Of the cost of a unit of work, as it is learned.
_LEARNS = 0.2
# After so long without trouble a batch limit that memory had cut doubles again.
GROWS_AFTER_S = 180.0


class BatchLimit:
    """How many requests one step may take: what the engine allows, what pays on this machine, what memory bears."""

    def __init__(self, engine: BatchEngine[Any, Any]) -> None:
        self._engine = engine
        self.pays: int | None = None
        self._bears: int | None = None
        self._changed_s = 0.0

    @property
    def most(self) -> int:
        """With memory enough."""
        return self._engine.max_batch if self.pays is None else min(self.pays, self._engine.max_batch)

    def now(self, now_s: float) -> int:
        most = self.most
        if self._bears is None:
            return most
        if now_s - self._changed_s >= GROWS_AFTER_S:
            self._bears, self._changed_s = 2 * self._bears, now_s
        if self._bears >= most:
            self._bears = None
            return most
        return self._bears

    def cut(self, batch: int, now_s: float) -> None:
        """A step of ``batch`` lacked memory."""
        half = max(1, batch // 2)
        self._bears = half if self._bears is None else min(self._bears, half)
        self._changed_s = now_s


class EngineRecord:
    """Of one engine on one device. ``alone_s``, ``inline_cost``: as measured at the start; None and 0 before.

    ``inline_cost``: a step of so much work takes less than the way to a thread and back is worth.
    """

    def __init__(self, engine: BatchEngine[Any, Any], observer: Observer) -> None:
        self.engine = engine
        self.limit = BatchLimit(engine)
        self.tally = Tally(engine.name, observer)
        self.health = Health()
        self.alone_s: float | None = None
        self.inline_cost = 0.0
        self._cost_s: float | None = None
        self._has_cost = engine if isinstance(engine, HasCost) else None

    def cost(self, request: Plain) -> float:
        """How much work ``request`` is, in the engine's own unit; 1.0 where it has none."""
        return 1.0 if self._has_cost is None else self._has_cost.cost(request)

    def expected_s(self, cost: float) -> float:
        """How long a request of ``cost`` will take; 0 before the first."""
        return 0.0 if self._cost_s is None else cost * self._cost_s

    def learn(self, cost: float, seconds: float) -> None:
        """Work of ``cost`` took ``seconds``."""
        if cost > 0:
            rate = seconds / cost
            self._cost_s = rate if self._cost_s is None else self._cost_s + _LEARNS * (rate - self._cost_s)

    def dropped(self, reason: Literal["cancelled", "expired", "failed"]) -> None:
        """A request got no result."""
        self.tally.dropped(reason)

    def take(self, found: Findings | None, sample: Plain) -> None:
        """What the start found out with ``sample``."""
        if found is None:
            return
        self.alone_s, self.limit.pays = found.alone_s, found.batch
        self.inline_cost = found.inline * self.cost(sample)
        self.learn(self.cost(sample), found.alone_s)

    def findings(self) -> dict[str, Any]:
        """For the log."""
        alone_ms = None if self.alone_s is None else round(self.alone_s * 1000, 2)
        return {"engine": self.engine.name, "alone_ms": alone_ms, "batch": self.limit.most}
