"""What is measured at the start, on engines whose speed is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import structlog

from duologue import telemetry
from duologue.engines.base import Plain
from duologue.engines.calibration import Budget, measure
from duologue.engines.local import LocalEngines
from duologue.engines.runner import Runner
from duologue.errors import EngineError

BUDGET_S = 2.0


class Timed:
    """An engine whose step takes what ``step_s`` says of its batch."""

    device = "cpu"

    def __init__(self, step_s: Callable[[int], float], max_batch: int = 16, is_realtime: bool = False) -> None:
        self.name = "timed"
        self.max_batch = max_batch
        self.is_realtime = is_realtime
        self._step_s = step_s
        self.batches: list[int] = []

    def load(self) -> None:
        return

    def close(self) -> None:
        return

    def sample(self) -> Plain:
        return Plain()

    def step(self, requests: Sequence[Plain]) -> list[Plain]:
        self.batches.append(len(requests))
        time.sleep(self._step_s(len(requests)))
        return [Plain() for _ in requests]


def test_a_batch_that_costs_no_more_than_one_pays_to_the_engines_limit() -> None:
    engine = Timed(lambda _batch: 0.005, max_batch=12)
    found = measure(engine, engine.sample(), Budget(BUDGET_S))
    assert found is not None
    assert found.batch == 12
    assert found.alone_s >= 0.005
    assert set(engine.batches) == {1, 2, 4, 8, 12}


def test_where_each_request_takes_its_time_batches_do_not_pay() -> None:
    engine = Timed(lambda batch: 0.01 * batch)
    found = measure(engine, engine.sample(), Budget(BUDGET_S))
    assert found is not None
    assert found.batch == 1


def test_the_largest_that_pays_is_kept() -> None:
    engine = Timed(lambda batch: 0.01 if batch <= 4 else 0.01 * batch)
    found = measure(engine, engine.sample(), Budget(BUDGET_S))
    assert found is not None
    assert found.batch == 4
    assert max(engine.batches) == 8


def test_a_batch_that_does_not_fit_ends_the_search() -> None:
    class Cramped(Timed):
        def step(self, requests: Sequence[Plain]) -> list[Plain]:
            if len(requests) > 2:
                raise MemoryError
            return super().step(requests)

    engine = Cramped(lambda _batch: 0.005)
    found = measure(engine, engine.sample(), Budget(BUDGET_S))
    assert found is not None
    assert found.batch == 2


@pytest.mark.parametrize("budget_s", [BUDGET_S, 0.0])
def test_what_is_slow_or_out_of_time_is_stepped_once(budget_s: float) -> None:
    engine = Timed(lambda _batch: 0.31 if budget_s else 0.01)
    found = measure(engine, engine.sample(), Budget(budget_s))
    assert found is not None
    assert found.batch is None
    assert engine.batches == [1]


def test_an_engine_that_fails_is_left_alone() -> None:
    class Broken(Timed):
        def step(self, requests: Sequence[Plain]) -> list[Plain]:
            raise EngineError("no")

    engine = Broken(lambda _batch: 0.0)
    assert measure(engine, engine.sample(), Budget(BUDGET_S)) is None


def test_a_realtime_engine_is_asked_how_much_it_does_in_a_millisecond() -> None:
    quick = Timed(lambda batch: 0.0 if batch <= 4 else 0.002, is_realtime=True)
    found = measure(quick, quick.sample(), Budget(BUDGET_S))
    assert found is not None
    assert (found.inline, found.batch) == (4, None)
    slow = Timed(lambda _batch: 0.003, is_realtime=True)
    found = measure(slow, slow.sample(), Budget(BUDGET_S))
    assert found is not None
    assert found.inline == 0


@pytest.mark.anyio
async def test_the_start_measures_tells_the_operator_and_keeps_it_in_the_stats() -> None:
    engine = Timed(lambda _batch: 0.004, max_batch=4)
    engines = LocalEngines({"asr": engine, "turn": _Silent()}, Runner(threads=2))
    try:
        with structlog.testing.capture_logs() as logs:
            await engines.start()
        stats = engines.stats()
    finally:
        await engines.aclose()
    told = [log for log in logs if log["event"] == telemetry.ENGINE_CALIBRATED]
    assert [(log["engine"], log["batch"], log["threads"]) for log in told] == [("timed", 4, 2)]
    alone_ms = stats["asr"].alone_ms
    assert alone_ms is not None
    assert alone_ms >= 4
    assert (stats["asr"].steps, stats["asr"].requests) == (0, 0)
    assert stats["turn"].alone_ms is None


@pytest.mark.anyio
async def test_threads_that_only_hinder_each_other_are_not_used() -> None:
    running: list[int] = []

    class Jealous(Timed):
        """Four times as slow as soon as two steps run at once."""

        def step(self, requests: Sequence[Plain]) -> list[Plain]:
            running.append(1)
            for _ in range(10):
                time.sleep(0.001 if len(running) == 1 else 0.004)
            running.pop()
            return [Plain() for _ in requests]

    engine = Jealous(lambda _batch: 0.0, max_batch=1)
    runner = Runner()
    runner._work.threads = 2
    try:
        await runner.calibrate([engine], Budget(BUDGET_S))
        threads = runner.stats(engine).threads
    finally:
        await runner.close()
    assert threads == 1


class _Silent(Timed):
    """Has no sample."""

    sample: Any = None

    def __init__(self) -> None:
        super().__init__(lambda _batch: 0.0)
