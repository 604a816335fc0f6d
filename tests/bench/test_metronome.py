"""Many steps to one beat, on a clock that the test moves."""

from __future__ import annotations

import anyio
import pytest

from duologue.bench.metronome import Metronome

pytestmark = pytest.mark.anyio


class HandClock:
    """Time passes when somebody sleeps, and at once."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    async def sleep_until(self, moment: float) -> None:
        await anyio.lowlevel.checkpoint()
        self.at = max(self.at, moment)


def every(period: float, until: float, seen: list[tuple[str, float]], name: str) -> object:
    def step(due: float) -> float | None:
        seen.append((name, round(due, 3)))
        return due + period if due + period <= until else None

    return step


async def test_each_steps_at_its_own_moments_in_order_of_time() -> None:
    beat, seen = Metronome(HandClock()), []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beat.run)
        async with anyio.create_task_group() as steps:
            steps.start_soon(beat.keep, 0.02, every(0.02, 0.06, seen, "a"))
            steps.start_soon(beat.keep, 0.03, every(0.02, 0.07, seen, "b"))
        tasks.cancel_scope.cancel()
    assert seen == [("a", 0.02), ("b", 0.03), ("a", 0.04), ("b", 0.05), ("a", 0.06), ("b", 0.07)]


async def test_a_late_beat_leaves_no_step_out() -> None:
    clock, seen = HandClock(), []
    beat = Metronome(clock)

    def stumble(due: float) -> float | None:
        clock.at += 0.1
        return None

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beat.run)
        async with anyio.create_task_group() as steps:
            steps.start_soon(beat.keep, 0.01, stumble)
            steps.start_soon(beat.keep, 0.02, every(0.02, 0.08, seen, "a"))
        tasks.cancel_scope.cancel()
    assert [due for _, due in seen] == [0.02, 0.04, 0.06, 0.08]


async def test_who_has_left_steps_no_more_and_holds_nobody_up() -> None:
    beat, seen = Metronome(HandClock()), []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beat.run)
        with anyio.CancelScope() as leaving:

            def step(due: float) -> float | None:
                seen.append(("gone", due))
                leaving.cancel()
                return due + 0.02

            await beat.keep(0.01, step)
        await beat.keep(0.5, every(0.02, 0.5, seen, "a"))
        tasks.cancel_scope.cancel()
    assert seen == [("gone", 0.01), ("a", 0.5)]


async def test_what_a_step_raises_ends_the_beat() -> None:
    beat = Metronome(HandClock())

    def break_down(due: float) -> float | None:
        raise ValueError("broken")

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beat.run)
            await beat.keep(0.01, break_down)
    assert caught.group_contains(ValueError, match="broken")
