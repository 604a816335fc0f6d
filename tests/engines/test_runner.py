"""One device's work: who goes first, who shares a step, and what a failure costs."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from duologue.engines.base import Plain
from duologue.engines.calibration import Budget
from duologue.engines.runner import Runner
from duologue.errors import EngineError, EngineLost, Overloaded

pytestmark = pytest.mark.anyio
FAR_S = 1e9


class Ask(Plain, frozen=True, eq=False):
    """A request by name."""

    name: str


class Told(Plain, frozen=True, eq=False):
    """A result that says whose it is."""

    name: str


class Gated:
    """An engine whose steps wait for ``gate``; ``batches`` are the names that it was given, step by step."""

    def __init__(self, name: str = "gated", max_batch: int = 1, is_realtime: bool = False) -> None:
        self.name = name
        self.max_batch = max_batch
        self.device = "cpu"
        self.is_realtime = is_realtime
        self.gate = threading.Event()
        self.batches: list[list[str]] = []
        self.loads = 0

    def load(self) -> None:
        self.loads += 1

    def close(self) -> None:
        return

    def step(self, requests: Sequence[Ask]) -> list[Told]:
        self.batches.append([request.name for request in requests])
        self.gate.wait(10)
        return [Told(request.name) for request in requests]


class Failing(Gated):
    """Fails on every batch with "bad" in it, and gives a result too few for one with "short" in it."""

    def step(self, requests: Sequence[Ask]) -> list[Told]:
        told = super().step(requests)
        names = self.batches[-1]
        if "bad" in names:
            raise ZeroDivisionError("a fault in the model")
        if "lost" in names:
            raise EngineLost("The device is gone.")
        return told[1:] if "short" in names else told


class OutOfMemoryError(RuntimeError):
    """As torch's: known by its name."""


class Cramped(Gated):
    """Has memory for ``room`` requests at once."""

    def __init__(self, room: int, error: type[Exception], max_batch: int = 16) -> None:
        super().__init__("cramped", max_batch)
        self.room = room
        self.error = error

    def step(self, requests: Sequence[Ask]) -> list[Told]:
        told = super().step(requests)
        if len(requests) > self.room:
            raise self.error("no memory left")
        return told


class Witness:
    """An observer that notes what it is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int]] = []
        self.waits = 0
        self.drops: list[tuple[str, str]] = []

    def stepped(self, engine: str, seconds: float, batch: int) -> None:
        assert seconds >= 0
        self.steps.append((engine, batch))

    def queued(self, engine: str, seconds: float) -> None:
        assert seconds >= 0
        self.waits += 1

    def dropped(self, engine: str, reason: str) -> None:
        self.drops.append((engine, reason))


@asynccontextmanager
async def _runner(*engines: Gated, threads: int = 1, observer: Witness | None = None) -> AsyncIterator[Runner]:
    runner = Runner(threads=threads, observer=observer)
    try:
        yield runner
    finally:
        for engine in engines:
            engine.gate.set()
        await runner.close()


class Asked:
    """Requests on their way, and what came of them by name."""

    def __init__(self, runner: Runner, tasks: anyio.abc.TaskGroup) -> None:
        self._runner = runner
        self._tasks = tasks
        self.results: dict[str, object] = {}

    def ask(
        self, engine: Gated, name: str, deadline_s: float = FAR_S, *, best_effort: bool = False, lease: str = ""
    ) -> None:
        self._tasks.start_soon(self._submit, engine, name, deadline_s, best_effort, lease)

    async def _submit(self, engine: Gated, name: str, deadline_s: float, best_effort: bool, lease: str) -> None:
        try:
            told = await self._runner.submit(
                engine, Ask(name), deadline_s=deadline_s, best_effort=best_effort, lease=lease
            )
            self.results[name] = told.name
        except (EngineError, Overloaded) as error:
            self.results[name] = type(error)


async def _until_stepping(engine: Gated, steps: int = 1) -> None:
    with anyio.fail_after(5):
        while len(engine.batches) < steps:
            await anyio.sleep(0.001)


async def _queued() -> None:
    await anyio.wait_all_tasks_blocked()


async def test_the_earliest_deadline_goes_first() -> None:
    engine = Gated()
    async with _runner(engine) as runner, anyio.create_task_group() as tg:
        asked = Asked(runner, tg)
        asked.ask(engine, "first")
        await _until_stepping(engine)
        for name, deadline_s in [("late", FAR_S + 30), ("soon", FAR_S + 10), ("middle", FAR_S + 20)]:
            asked.ask(engine, name, deadline_s)
        await _queued()
        engine.gate.set()
    assert engine.batches == [["first"], ["soon"], ["middle"], ["late"]]


async def test_equal_deadlines_keep_their_order() -> None:
    engine = Gated()
    async with _runner(engine) as runner, anyio.create_task_group() as tg:
        asked = Asked(runner, tg)
        for name in "abcd":
            asked.ask(engine, name)
        await _queued()
        engine.gate.set()
    assert engine.batches == [["a"], ["b"], ["c"], ["d"]]


async def test_requests_of_one_engine_share_a_step_and_each_gets_its_own() -> None:
    engine = Gated(max_batch=3)
    async with _runner(engine) as runner, anyio.create_task_group() as tg:
        asked = Asked(runner, tg)
        asked.ask(engine, "first")
        await _until_stepping(engine)
        for name in "abcd":
            asked.ask(engine, name)
        await _queued()
        engine.gate.set()
    assert engine.batches == [["first"], ["a", "b", "c"], ["d"]]
    assert asked.results == {name: name for name in ["first", *"abcd"]}


async def test_engines_do_not_share_a_step_and_the_most_urgent_chooses_which() -> None:
    one, other = Gated("one", max_batch=8), Gated("other", max_batch=8)
    async with _runner(one, other) as runner, anyio.create_task_group() as tg:
        asked = Asked(runner, tg)
        asked.ask(one, "first")
        await _until_stepping(one)
        for engine, name, deadline_s in [(one, "a", 3), (other, "b", 2), (one, "c", 4), (other, "d", 5)]:
            asked.ask(engine, name, FAR_S + deadline_s)
        await _queued()
        other.gate.set()
        one.gate.set()
    assert one.batches == [["first"], ["a", "c"]]
    assert other.batches == [["b", "d"]]


async def test_a_cancelled_job_is_never_run() -> None:
    engine = Gated()
    async with _runner(engine) as runner, anyio.create_task_group() as tg:
        asked = Asked(runner, tg)
        asked.ask(engine, "first")
        await _until_stepping(engine)
        async with anyio.create_task_group() as abandoned:
            Asked(runner, abandoned).ask(engine, "abandoned")
            await _queued()
            abandoned.cancel_scope.cancel()
        asked.ask(engine, "last")
        await _queued()
        engine.gate.set()
    assert engine.batches == [["first"], ["last"]]


async def test_a_job_cancelled_in_mid_step_costs_nobody_else_anything() -> None:
    engine = Gated(max_batch=2)
    async with _runner(engine) as runner, anyio.create_task_group() as tg:
        asked = Asked(runner, tg)
        asked.ask(engine, "first")
        await _until_stepping(engine)
        async with anyio.create_task_group() as abandoned:
            Asked(runner, abandoned).ask(engine, "abandoned")
            asked.ask(engine, "neighbour")
            await _queued()
            engine.gate.set()
            await _until_stepping(engine, 2)
            abandoned.cancel_scope.cancel()
    assert asked.results == {"first": "first", "neighbour": "neighbour"}


async def test_best_effort_past_its_deadline_is_left_undone() -> None:
    engine = Gated()
    async with _runner(engine) as runner, anyio.create_task_group() as tg:
        asked = Asked(runner, tg)
        asked.ask(engine, "first")
        await _until_stepping(engine)
        asked.ask(engine, "partial", 0.0, best_effort=True)
        asked.ask(engine, "in time", FAR_S, best_effort=True)
        asked.ask(engine, "late, and wanted", 0.0)
        await _queued()
        engine.gate.set()
    assert engine.batches == [["first"], ["late, and wanted"], ["in time"]]
    assert asked.results["partial"] is Overloaded


async def test_a_fault_is_everyones_in_the_batch_and_nobody_elses() -> None:
    engine = Failing(max_batch=2)
    engine.gate.set()
    async with _runner(engine) as runner:
        async with anyio.create_task_group() as tg:
            asked = Asked(runner, tg)
            engine.gate.clear()
            asked.ask(engine, "first")
            await _until_stepping(engine)
            for name in ("bad", "unlucky", "well", "too"):
                asked.ask(engine, name)
            await _queued()
            engine.gate.set()
        assert engine.batches == [["first"], ["bad", "unlucky"], ["well", "too"]]
        assert asked.results == {
            "first": "first", "bad": EngineError, "unlucky": EngineError, "well": "well", "too": "too",
        }  # fmt: skip
        told = await runner.submit(engine, Ask("afterwards"), deadline_s=FAR_S)
        assert told.name == "afterwards"


async def test_an_error_of_ours_keeps_its_kind() -> None:
    engine = Failing()
    engine.gate.set()
    async with _runner(engine) as runner:
        with pytest.raises(EngineLost, match="device is gone"):
            await runner.submit(engine, Ask("lost"), deadline_s=FAR_S)


async def test_a_step_that_gives_too_few_results_has_failed() -> None:
    engine = Failing(max_batch=2)
    async with _runner(engine) as runner:
        with anyio.fail_after(1):
            async with anyio.create_task_group() as tg:
                asked = Asked(runner, tg)
                asked.ask(engine, "first")
                await _until_stepping(engine)
                asked.ask(engine, "short")
                asked.ask(engine, "beside")
                asked.ask(engine, "next")
                await _queued()
                engine.gate.set()
        assert asked.results == {"first": "first", "short": EngineError, "beside": EngineError, "next": "next"}


async def test_voice_activity_never_waits_behind_a_long_step() -> None:
    slow, quick = Gated("asr"), Gated("vad", is_realtime=True)
    quick.gate.set()
    async with _runner(slow, quick) as runner, anyio.create_task_group() as tg:
        asked = Asked(runner, tg)
        asked.ask(slow, "long", 0.0)
        await _until_stepping(slow)
        with anyio.fail_after(5):
            told = await runner.submit(quick, Ask("window"), deadline_s=FAR_S)
        assert told.name == "window"
        assert asked.results == {}
        slow.gate.set()


async def test_as_many_steps_at_once_as_there_are_threads() -> None:
    engine = Gated()
    async with _runner(engine, threads=2) as runner, anyio.create_task_group() as tg:
        asked = Asked(runner, tg)
        for name in "abc":
            asked.ask(engine, name)
        await _until_stepping(engine, 2)
        await _queued()
        assert len(engine.batches) == 2
        engine.gate.set()


async def test_closing_refuses_what_waits_and_lets_what_runs_end() -> None:
    engine = Gated()
    runner = Runner(threads=1)
    async with anyio.create_task_group() as tg:
        asked = Asked(runner, tg)
        asked.ask(engine, "running")
        await _until_stepping(engine)
        asked.ask(engine, "waiting")
        await _queued()
        tg.start_soon(runner.close)
        await _queued()
        engine.gate.set()
    assert asked.results == {"running": "running", "waiting": EngineLost}
    assert engine.batches == [["running"]]
    with pytest.raises(EngineLost, match="shutting down"):
        await runner.submit(engine, Ask("after"), deadline_s=FAR_S)


async def test_stats_count_steps_and_requests() -> None:
    engine = Gated(max_batch=2)
    async with _runner(engine) as runner:
        assert runner.stats(engine).step_p50_ms is None
        async with anyio.create_task_group() as tg:
            asked = Asked(runner, tg)
            asked.ask(engine, "first")
            await _until_stepping(engine)
            for name in "abc":
                asked.ask(engine, name)
            await _queued()
            assert runner.stats(engine).waiting == 3
            engine.gate.set()
        stats = runner.stats(engine)
    assert (stats.steps, stats.requests, stats.waiting) == (3, 4, 0)
    assert stats.step_p50_ms is not None
    assert stats.step_p95_ms is not None
    assert stats.step_p95_ms >= stats.step_p50_ms > 0


async def test_loading_happens_once_for_each() -> None:
    engines = [Gated("a"), Gated("b", is_realtime=True)]
    async with _runner(*engines) as runner:
        await runner.load(engines)
    assert [engine.loads for engine in engines] == [1, 1]


async def test_a_partial_that_waits_for_a_thread_is_told_when_it_is_too_late() -> None:
    engine = Gated()
    async with _runner(engine) as runner, anyio.create_task_group() as tg:
        asked = Asked(runner, tg)
        asked.ask(engine, "long")
        await _until_stepping(engine)
        with anyio.fail_after(5), pytest.raises(Overloaded):
            await runner.submit(engine, Ask("partial"), deadline_s=anyio.current_time() + 0.01, best_effort=True)
        assert asked.results == {}
        assert runner.stats(engine).expired == 1
        engine.gate.set()


@pytest.mark.parametrize("error", [MemoryError, OutOfMemoryError])
async def test_what_does_not_fit_into_memory_is_done_in_smaller_steps(error: type[Exception]) -> None:
    engine = Cramped(room=4, error=error)
    async with _runner(engine) as runner:
        async with anyio.create_task_group() as tg:
            asked = Asked(runner, tg)
            asked.ask(engine, "first")
            await _until_stepping(engine)
            names = [f"session {number}" for number in range(12)]
            for name in names:
                asked.ask(engine, name)
            await _queued()
            engine.gate.set()
        assert asked.results == {name: name for name in ["first", *names]}
        assert [len(batch) for batch in engine.batches] == [1, 12, 6, 3, 3, 3, 3]
        assert runner.stats(engine).failed == 0


async def test_a_request_that_does_not_fit_by_itself_is_refused_and_the_next_may_fit() -> None:
    engine = Cramped(room=0, error=MemoryError)
    engine.gate.set()
    async with _runner(engine) as runner:
        with pytest.raises(Overloaded, match="memory"):
            await runner.submit(engine, Ask("large"), deadline_s=FAR_S)
        assert runner.health(engine).trouble(anyio.current_time()) is None
        engine.room = 1
        assert (await runner.submit(engine, Ask("small"), deadline_s=FAR_S)).name == "small"


async def test_an_observer_is_told_of_steps_waits_and_drops() -> None:
    witness, engine = Witness(), Failing(max_batch=2)
    async with _runner(engine, observer=witness) as runner:
        async with anyio.create_task_group() as tg:
            asked = Asked(runner, tg)
            asked.ask(engine, "first")
            await _until_stepping(engine)
            for name in ("a", "b", "bad", "unlucky"):
                asked.ask(engine, name)
            asked.ask(engine, "partial", 0.0, best_effort=True)
            async with anyio.create_task_group() as abandoned:
                Asked(runner, abandoned).ask(engine, "abandoned")
                await _queued()
                abandoned.cancel_scope.cancel()
            engine.gate.set()
        stats = runner.stats(engine)
    assert witness.steps == [("gated", 1), ("gated", 2), ("gated", 2)]
    assert witness.waits == 5
    assert sorted(reason for _, reason in witness.drops) == ["cancelled", "expired", "failed", "failed"]
    assert (stats.cancelled, stats.expired, stats.failed, stats.batches) == (1, 1, 2, {1: 1, 2: 2})
    assert stats.busy_s > 0
    assert (stats.device, stats.threads, stats.running) == ("cpu", 1, 0)


async def test_one_that_floods_is_served_behind_those_who_ask_now_and_then() -> None:
    engine = Gated()
    async with _runner(engine) as runner, anyio.create_task_group() as tg:
        asked = Asked(runner, tg)
        runner.charge("modest", 0.5)
        runner.charge("flood", 30.0)
        asked.ask(engine, "first")
        await _until_stepping(engine)
        for number in range(3):
            asked.ask(engine, f"flood {number}", 0.0, lease="flood")
        asked.ask(engine, "modest", 5.0, lease="modest")
        asked.ask(engine, "newcomer", 6.0, lease="newcomer")
        await _queued()
        engine.gate.set()
    assert engine.batches[1:3] == [["modest"], ["newcomer"]]
    assert len(asked.results) == 6


async def test_a_tiny_realtime_step_takes_no_thread() -> None:
    where: list[bool] = []

    class Tiny(Gated):
        def sample(self) -> Ask:
            return Ask("sample")

        def step(self, requests: Sequence[Ask]) -> list[Told]:
            where.append(threading.current_thread() is threading.main_thread())
            return [Told(request.name) for request in requests]

    engine = Tiny(max_batch=4, is_realtime=True)
    async with _runner(engine) as runner:
        await runner.submit(engine, Ask("before it is measured"), deadline_s=FAR_S)
        await runner.calibrate([engine], Budget(0.5))
        await runner.submit(engine, Ask("after"), deadline_s=FAR_S)
        alone_ms = runner.stats(engine).alone_ms
    assert where[0] is False
    assert where[-1] is True
    assert alone_ms is not None
    assert alone_ms >= 0
