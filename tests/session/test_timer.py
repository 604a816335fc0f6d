"""Timers that are put off all the time, and wake the loop hardly ever."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from duologue.session.timer import Timer
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


async def test_it_is_due_once_and_at_its_time() -> None:
    due_s: list[float] = []
    timer = Timer(lambda: due_s.append(anyio.current_time()))
    start_s = anyio.current_time()
    timer.start(0.5)
    assert timer.is_running
    await anyio.sleep(5)
    assert due_s == [pytest.approx(start_s + 0.5, abs=1e-6)]
    assert not timer.is_running


async def test_what_is_put_off_is_due_after_the_last_time() -> None:
    due_s: list[float] = []
    timer = Timer(lambda: due_s.append(anyio.current_time()))
    for _ in range(100):
        timer.start(0.5)
        await anyio.sleep(0.02)
    last_s = anyio.current_time() - 0.02
    await anyio.sleep(5)
    assert due_s == [pytest.approx(last_s + 0.5, abs=1e-6)]


async def test_a_shorter_time_comes_sooner() -> None:
    due_s: list[float] = []
    timer = Timer(lambda: due_s.append(anyio.current_time()))
    start_s = anyio.current_time()
    timer.start(5)
    timer.start(0.5)
    await anyio.sleep(10)
    assert due_s == [pytest.approx(start_s + 0.5, abs=1e-6)]


async def test_stopped_it_wakes_nobody() -> None:
    timer = Timer(lambda: pytest.fail("stopped"))
    timer.start(0.5)
    timer.stop()
    assert not timer.is_running
    scheduled = [each for each in asyncio.get_running_loop()._scheduled if not each.cancelled()]  # type: ignore[attr-defined]
    assert scheduled == []
    await anyio.sleep(1)


async def test_it_may_start_itself_anew() -> None:
    due_s: list[float] = []

    def again() -> None:
        due_s.append(anyio.current_time())
        timer.start(1)

    timer = Timer(again)
    timer.start(1)
    await anyio.sleep(3.5)
    timer.stop()
    assert len(due_s) == 3
