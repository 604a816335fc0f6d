"""How busy the server is: looked at four times a second, by one task for all sessions.

From what it sees follow how many sessions the machine bears (``engines/capacity``), what is left undone when it is
too much all the same (``engines/pressure``), and what ``/metrics`` and ``/ops`` show.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import anyio
import msgspec
import structlog

from duologue import telemetry
from duologue.engines.capacity import TURN_EVERY_S, Capacity
from duologue.engines.client import StageStats
from duologue.engines.pressure import Strain

if TYPE_CHECKING:
    from duologue.server.state import State

log = structlog.get_logger(__name__)

LOOK_S = 0.25
# The loop's lateness, over so many of the last looks of this kind, which is two seconds. A single long pause is one of
# them: the 95th percentile does not see it.
LAG_LOOK_S, LAG_LOOKS = 0.05, 40
# Overdue work counts for so many looks: one second. Threads, over four: a step may take one.
OVERDUE_LOOKS, BUSY_LOOKS = 4, 16
# The head start of attempts changes slowly, and is found by sorting.
HEAD_START_LOOKS = 8
# A server that has just loaded its models still imports this and that, and holds up its loop.
BEGIN_S = 5.0
# Who has been here for so long has talked.
SETTLED_S = 2 * TURN_EVERY_S
# Attempts begin 96 ms after the last sound. How long after that a turn is over is measured; beyond 300 ms it is the
# machine that is slow to know it, which gives it no more capacity.
ATTEMPT_MS, ENDPOINTING_MS = 96.0, 300.0


class LoadNow(msgspec.Struct, frozen=True):
    """The last look. Predictions are None where nobody can tell; ``overdue_ms``: of the work that people wait for.

    ``loop_busy``, ``threads_busy`` (of the busiest device): 0 to 1. ``pressure_for_s``: how long at this level;
    ``pressure_why``: what raised it, "" at 0.
    """

    sessions: int = 0
    called: int = 0
    waiting: int = 0
    capacity: int = 0
    target_ms: float = 0.0
    p90_now_ms: float | None = None
    p90_next_ms: float | None = None
    loop_busy: float = 0.0
    loop_lag_p95_ms: float = 0.0
    threads_busy: float = 0.0
    overdue_ms: float = 0.0
    pressure: int = 0
    pressure_for_s: float = 0.0
    pressure_why: str = ""


class Load:
    """Of one server. ``clock``: seconds, monotonic; ``thread_clock``: seconds that the loop's thread has worked."""

    def __init__(
        self,
        state: State,
        clock: Callable[[], float] = time.monotonic,
        thread_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._state, self._clock, self._thread_clock = state, clock, thread_clock
        self.capacity = Capacity(state.settings.admission_target_ms)
        self.now = LoadNow(capacity=state.slots.capacity, target_ms=self.capacity.target_ms)
        self._looked_s: float | None = None
        self._began_s: float | None = None
        self._worked_s = 0.0
        self._looks = itertools.count()
        self._engines_s: dict[str, float] = {}
        self._lags_ms: deque[float] = deque(maxlen=LAG_LOOKS)
        self._overdue_ms: deque[float] = deque(maxlen=OVERDUE_LOOKS)
        self._loop_busy: deque[tuple[float, float]] = deque(maxlen=BUSY_LOOKS)
        self._threads_busy: deque[dict[str, float]] = deque(maxlen=BUSY_LOOKS)

    def begin(self) -> None:
        """The engines are loaded and measured: the first who comes is judged by that."""
        stats = self._state.engines.stats()
        self.capacity.head_start_ms = self._head_start_ms()
        self.capacity.learn(stats, seconds=0.0, sessions=0, settled=0, loop_busy_s=0.0)
        self._state.admission.capacity = self.capacity.most(self._state.slots.capacity)

    async def run(self) -> None:
        """Look, until cancelled."""
        self._lag_timer = self._time_lag(asyncio.get_running_loop())
        try:
            while True:
                await anyio.sleep(LOOK_S)
                self.look()
        finally:
            self._lag_timer.cancel()

    def note_lag(self, seconds: float) -> None:
        """The loop came so late to a timer."""
        self._lags_ms.append(seconds * 1000)
        self._state.metrics.loop_lag(seconds)

    def look(self) -> None:
        """Take in what happened since the last look, and act on it."""
        state, now_s, worked_s = self._state, self._clock(), self._thread_clock()
        stats = state.engines.stats()
        if self._looked_s is not None and state.is_ready and now_s > self._looked_s:
            self._learn(stats, now_s - self._looked_s, worked_s - self._worked_s)
            self._began_s = now_s if self._began_s is None else self._began_s
            if now_s - self._began_s > BEGIN_S:
                self._feel(stats, now_s)
            state.admission.capacity = self.capacity.most(state.slots.capacity)
        self._looked_s, self._worked_s = now_s, worked_s
        state.admission.keep_house()
        self.now = self._sum_up(now_s)

    def _time_lag(self, loop: asyncio.AbstractEventLoop) -> asyncio.TimerHandle:
        return loop.call_later(LAG_LOOK_S, self._notice_lag, loop, self._clock() + LAG_LOOK_S)

    def _notice_lag(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        self.note_lag(max(0.0, self._clock() - due_s))
        self._lag_timer = self._time_lag(loop)

    def _learn(self, stats: Mapping[str, StageStats], seconds: float, worked_s: float) -> None:
        slots = self._state.slots
        self._loop_busy.append((worked_s, seconds))
        self._threads_busy.append(self._busy(stats, seconds))
        if next(self._looks) % HEAD_START_LOOKS == 0:
            self.capacity.head_start_ms = self._head_start_ms()
        settled = slots.older_than(SETTLED_S)
        self.capacity.learn(stats, seconds=seconds, sessions=slots.taken, settled=settled, loop_busy_s=worked_s)

    def _busy(self, stats: Mapping[str, StageStats], seconds: float) -> dict[str, float]:
        """Which share of each device's threads was busy; steps that end count as a whole."""
        busy: dict[str, float] = {}
        for stage, now in stats.items():
            done_s = now.busy_s - self._engines_s.get(stage, now.busy_s)
            self._engines_s[stage] = now.busy_s
            if now.device and not now.is_realtime:
                busy[now.device] = busy.get(now.device, 0.0) + done_s / (now.threads * seconds)
        return busy

    def _head_start_ms(self) -> float:
        if not (self._state.setup.turns.speculates and self._state.pressure.allows_attempts):
            return 0.0
        measured = self._state.metrics.recent().get(telemetry.ENDPOINTING_SPAN)
        endpointing_ms = ENDPOINTING_MS if measured is None else min(measured.p50_ms, ENDPOINTING_MS)
        return max(0.0, endpointing_ms - ATTEMPT_MS)

    def _feel(self, stats: Mapping[str, StageStats], now_s: float) -> None:
        self._overdue_ms.append(max((each.overdue_ms for each in stats.values()), default=0.0))
        pressure, was = self._state.pressure, self._state.pressure.level
        if pressure.feel(self._strain(), now_s):
            tell = log.warning if pressure.level > was else log.info
            tell(telemetry.PRESSURE_CHANGED, pressure=pressure.level, was=was, why=pressure.why)

    def _strain(self) -> Strain:
        return Strain(
            overdue_ms=max(self._overdue_ms, default=0.0),
            lag_p95_ms=_p95(self._lags_ms),
            threads_busy=self._most_threads_busy(),
        )

    def _most_threads_busy(self) -> float:
        devices = {device for each in self._threads_busy for device in each}
        looks = len(self._threads_busy)
        return min(1.0, max((sum(e.get(d, 0.0) for e in self._threads_busy) / looks for d in devices), default=0.0))

    def _sum_up(self, now_s: float) -> LoadNow:
        state, strain = self._state, self._strain()
        sessions = state.slots.taken + state.admission.called
        worked_s, seconds = (sum(column) for column in zip(*self._loop_busy, (0.0, 0.0), strict=True))
        return LoadNow(
            sessions=state.slots.taken,
            called=state.admission.called,
            waiting=state.admission.waiting,
            capacity=state.admission.places,
            target_ms=self.capacity.target_ms,
            p90_now_ms=_finite(self.capacity.predict_p90_ms(sessions)),
            p90_next_ms=_finite(self.capacity.predict_p90_ms(sessions + 1)),
            loop_busy=min(1.0, worked_s / seconds) if seconds else 0.0,
            loop_lag_p95_ms=strain.lag_p95_ms,
            threads_busy=strain.threads_busy,
            overdue_ms=strain.overdue_ms,
            pressure=state.pressure.level,
            pressure_for_s=max(0.0, now_s - state.pressure.since_s) if state.pressure.since_s else 0.0,
            pressure_why=state.pressure.why,
        )


def _p95(values: deque[float]) -> float:
    """Nearest rank; 0 of nothing."""
    ranked = sorted(values)
    return ranked[-(-95 * len(ranked) // 100) - 1] if ranked else 0.0


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else round(value, 1)
