"""What the runner tells of work that can be left undone, and of work that comes too late."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import anyio
import numpy as np
import pytest

from duologue.engines.base import TurnRequest, TurnResult
from duologue.engines.runner import Runner

pytestmark = pytest.mark.anyio


class Held:
    """A batch engine whose steps end when they are let."""

    name = "held"
    device = "cpu"
    max_batch = 1
    is_realtime = False

    def __init__(self) -> None:
        self.let = threading.Event()

    def load(self) -> None:
        return

    def step(self, requests: Sequence[TurnRequest]) -> list[TurnResult]:
        self.let.wait(10)
        return [TurnResult(1.0) for _ in requests]

    def close(self) -> None:
        return


async def test_best_effort_is_told_apart_and_lateness_is_of_the_rest() -> None:
    engine, runner = Held(), Runner(threads=2)
    now_s, request = time.monotonic(), TurnRequest(np.zeros(16, np.float32))
    async with anyio.create_task_group() as tg:

        async def ask(deadline_s: float, *, best_effort: bool = False) -> None:
            await runner.submit(engine, request, deadline_s=deadline_s, best_effort=best_effort)

        tg.start_soon(lambda: ask(now_s + 60, best_effort=True))
        for late_s in (60, 60, 2, 1):
            tg.start_soon(ask, now_s - late_s)
            await anyio.wait_all_tasks_blocked()
        waiting = runner.stats(engine)
        assert waiting.waiting > 0
        assert waiting.overdue_ms >= 1_000
        engine.let.set()
    done = runner.stats(engine)
    assert (done.requests, done.spare, done.overdue_ms) == (5, 1, 0.0)
    assert 0 < done.spare_s < done.busy_s
    await runner.close()
