"""Who makes the next step: lanes by themselves, without threads or a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from duologue.engines.base import Plain
from duologue.engines.calibration import Findings
from duologue.engines.fairness import Shares
from duologue.engines.lanes import SPARE_SHARE, TICK_S, Job, Lane, RealtimeLane
from duologue.engines.record import GROWS_AFTER_S, EngineRecord
from duologue.engines.step import Step
from duologue.engines.tally import Unobserved
from duologue.errors import Overloaded


class Ask(Plain, frozen=True, eq=False):
    """So much work."""

    cost: float = 1.0


class Model:
    """A batch engine that nobody steps here."""

    device = "cpu"

    def __init__(self, max_batch: int = 1, is_realtime: bool = False, name: str = "model") -> None:
        self.name = name
        self.max_batch = max_batch
        self.is_realtime = is_realtime

    def load(self) -> None:
        return

    def step(self, requests: Any) -> Any:
        return requests

    def close(self) -> None:
        return

    def cost(self, request: Ask) -> float:
        return request.cost


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


class Scene:
    """A lane, and jobs by name."""

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: int = 2) -> None:
        self.shares = Shares(threads)
        self.lane = Lane("test", threads, self.shares)
        self.realtime = RealtimeLane("test", self.shares)
        self._loop = loop
        self._names: dict[int, str] = {}
        self._kept: list[Job] = []

    def add(
        self, record: EngineRecord, name: str, deadline_s: float = 0.0, *, lane: Lane | None = None, **rest: Any
    ) -> Job:
        job = Job(record, Ask(), self._loop.create_future(), deadline_s, 0.0, **rest)
        self._names[id(job)] = name
        self._kept.append(job)
        (lane or self.lane).add(job)
        return job

    def take(self, now_s: float = 0.0) -> list[str]:
        """The names of the next step's jobs; the step then runs until ``end``."""
        batch = self.lane.take(now_s)
        if batch:
            expected = sum(job.record.expected_s(job.cost) for job in batch)
            self.lane.running.append(Step(batch[0].record.engine, [], is_long=expected > 0.25))
        return [self._names[id(job)] for job in batch]

    def end(self) -> None:
        self.lane.running.pop()


@pytest.fixture
def scene(loop: asyncio.AbstractEventLoop) -> Scene:
    return Scene(loop)


def record(max_batch: int = 1, cost_s: float = 0.0, is_realtime: bool = False) -> EngineRecord:
    known = EngineRecord(Model(max_batch, is_realtime), Unobserved())
    known.learn(1.0, cost_s)
    return known


def test_what_may_go_undone_waits_for_a_device_that_is_idle_again(scene: Scene) -> None:
    """Nothing else has to happen for it to be looked at."""
    scene.lane.ran(4 * SPARE_SHARE * 2.0, 10.0)
    scene.add(record(), "partial", 100.0, best_effort=True)
    assert scene.take(10.0) == []
    again_s = scene.lane.look_again_s(10.0)
    assert 10.0 < again_s < 100.0
    assert scene.take(again_s - 0.1) == []
    assert scene.take(again_s) == ["partial"]


def test_what_may_go_undone_never_takes_the_last_thread(scene: Scene) -> None:
    model = record()
    scene.add(model, "partial", 1.0, best_effort=True)
    scene.add(model, "another", 1.0, best_effort=True)
    assert scene.take() == ["partial"]
    assert scene.take() == []
    scene.add(model, "final", 5.0)
    assert scene.take() == ["final"]
    scene.end()
    scene.end()
    assert scene.take() == ["another"]


def test_with_one_thread_partials_run_when_nothing_else_waits(loop: asyncio.AbstractEventLoop) -> None:
    scene = Scene(loop, threads=1)
    model = record()
    scene.add(model, "partial", 1.0, best_effort=True)
    scene.add(model, "final", 5.0)
    assert scene.take() == ["final"]
    scene.end()
    assert scene.take() == ["partial"]


def test_long_work_leaves_one_thread(loop: asyncio.AbstractEventLoop) -> None:
    scene = Scene(loop, threads=3)
    slow, quick = record(cost_s=0.1), record(cost_s=0.01)
    for name in ("book", "chapter", "page"):
        scene.add(slow, name, 0.0, cost=4.0)
    scene.add(quick, "word", 9.0)
    assert [scene.take(), scene.take()] == [["book"], ["chapter"]]
    assert scene.take() == ["word"]
    assert scene.take() == []
    scene.end()
    assert scene.take() == []
    scene.lane.running.clear()
    assert scene.take() == ["page"]


def test_one_thread_does_long_work_too(loop: asyncio.AbstractEventLoop) -> None:
    scene = Scene(loop, threads=1)
    scene.add(record(cost_s=5.0), "book")
    assert scene.take() == ["book"]


def test_a_batch_is_of_like_length(scene: Scene) -> None:
    model = record(max_batch=4)
    for seconds in (2.0, 9.0, 3.0, 1.9, 2.8):
        scene.add(model, str(seconds), cost=seconds)
    assert scene.take() == ["2.0", "3.0", "2.8"]
    assert scene.take() == ["9.0"]
    scene.end()
    assert scene.take() == ["1.9"]


def test_a_lease_in_debt_goes_behind_the_others_deadlines_and_leaves_them_a_thread(scene: Scene) -> None:
    model = record()
    scene.shares.charge("greedy", 18.0, 0.0)
    scene.shares.charge("other", 1.0, 0.0)
    scene.add(model, "greedy 1", 0.1, lease="greedy")
    scene.add(model, "greedy 2", 0.1, lease="greedy")
    scene.add(model, "other", 5.0, lease="other")
    assert scene.take() == ["other"]
    scene.end()
    assert scene.take() == ["greedy 1"]
    assert scene.take() == []
    scene.add(model, "newcomer", 5.0, lease="new")
    assert scene.take() == ["newcomer"]


def test_what_nobody_waits_for_is_counted_and_not_run(scene: Scene) -> None:
    model = record()
    scene.add(model, "given up").result.cancel()
    late = scene.add(model, "late partial", 1.0, best_effort=True)
    assert scene.take(now_s=2.0) == []
    assert isinstance(late.result.exception(), Overloaded)
    stats = model.tally.stats()
    assert (stats.cancelled, stats.expired, stats.failed) == (1, 1, 0)
    assert scene.lane.jobs == []


def test_a_lane_says_when_a_partial_will_be_too_late(scene: Scene) -> None:
    model = record()
    assert scene.lane.look_again_s(0.0) == float("inf")
    scene.add(model, "final", 0.2)
    scene.add(model, "partial", 0.7, best_effort=True)
    scene.add(model, "partial", 0.5, best_effort=True)
    assert scene.lane.look_again_s(0.0) == 0.5


# --- the realtime lane ----------------------------------------------------------------------------------------


def _listen(scene: Scene, sessions: int, seconds: float, step_s: float) -> tuple[list[int], list[float]]:
    """Sessions with a window each 32 ms, at moments of their own, stepped at once or when the lane says so: the
    batches of the last half, and how long their windows waited."""
    lane, model = scene.realtime, record(max_batch=64, is_realtime=True)
    due = sorted((k + n / sessions) * 0.032 for n in range(sessions) for k in range(round(seconds / 0.032)))
    batches: list[int] = []
    waits: list[float] = []
    now_s = 0.0
    while due or lane.jobs:
        while due and due[0] <= now_s:
            scene.add(model, "window", due.pop(0), lane=lane)
        batch = lane.take(now_s)
        if batch:
            now_s += step_s
            if now_s > seconds / 2:
                batches.append(len(batch))
                waits += [now_s - job.deadline_s for job in batch]
        else:
            now_s = min([*due[:1], lane.look_again_s(now_s)])
    return batches, waits


def test_one_session_waits_for_nobody(scene: Scene) -> None:
    batches, waits = _listen(scene, sessions=1, seconds=4.0, step_s=0.0003)
    assert set(batches) == {1}
    assert max(waits) < 0.0004


def test_many_sessions_share_the_steps_of_a_tick(scene: Scene) -> None:
    batches, waits = _listen(scene, sessions=128, seconds=4.0, step_s=0.004)
    steps_a_second = len(batches) / 2.0
    assert 2 * 31 - 6 < steps_a_second < 2 * 31 + 6
    assert sum(batches) / len(batches) > 58
    assert max(waits) < TICK_S + 2 * 0.004


def test_the_more_listen_the_longer_is_gathered(scene: Scene) -> None:
    few, few_waits = _listen(scene, sessions=8, seconds=4.0, step_s=0.0005)
    assert 1 < sum(few) / len(few) < 4
    assert max(few_waits) < TICK_S * 2 / 3


def test_a_tick_that_was_long_ago_keeps_nobody_waiting(scene: Scene) -> None:
    _listen(scene, sessions=64, seconds=2.0, step_s=0.001)
    scene.add(record(is_realtime=True), "alone", lane=scene.realtime)
    assert len(scene.realtime.take(100.0)) == 1
    scene.add(record(is_realtime=True), "again", lane=scene.realtime)
    assert len(scene.realtime.take(100.001)) == 1


# --- what a batch may be --------------------------------------------------------------------------------------


def test_a_limit_cut_by_memory_grows_again_after_minutes_without_trouble() -> None:
    limit = record(max_batch=16).limit
    assert limit.now(0.0) == 16
    limit.cut(16, 0.0)
    limit.cut(8, 1.0)
    assert limit.now(2.0) == 4
    assert limit.now(GROWS_AFTER_S) == 4
    assert limit.now(GROWS_AFTER_S + 1.0) == 8
    assert limit.now(GROWS_AFTER_S + 2.0) == 8
    assert limit.now(2 * GROWS_AFTER_S + 1.0) == 16
    limit.cut(1, 1000.0)
    assert limit.now(1000.0) == 1


def test_what_was_found_at_the_start_bounds_the_batch_and_is_what_is_expected() -> None:
    model = EngineRecord(Model(max_batch=16), Unobserved())
    model.take(Findings(alone_s=0.04, batch=4, inline=2), Ask(2.0))
    assert model.limit.now(0.0) == 4
    assert model.expected_s(6.0) == pytest.approx(0.12)
    assert model.inline_cost == 4.0
    assert model.findings() == {"engine": "model", "alone_ms": 40.0, "batch": 4}


# --- one that wants everything --------------------------------------------------------------------------------


class Town(Scene):
    """Sessions that ask for 0.1 s of work every 4 s, perhaps beside one that always has four requests of
    ``greed_s`` waiting; two threads, and time that jumps."""

    def live(self, loop: asyncio.AbstractEventLoop, seconds: float, greed_s: float) -> list[float]:
        """How long the modest ones waited for their results, after the first quarter."""
        model = EngineRecord(Model(), Unobserved())
        model.learn(1.0, 1.0)
        asked = sorted((k * 4.0 + n * 0.37, f"session {n}") for n in range(8) for k in range(int(seconds / 4)))
        running: list[tuple[float, Job, Step]] = []
        waits: list[float] = []
        now_s = 0.0
        while asked or any(job.lease != "greedy" for job in self.lane.jobs):
            while asked and asked[0][0] <= now_s:
                at_s, lease = asked.pop(0)
                job = self.add(model, lease, at_s + 0.2, lease=lease, cost=0.1)
                job.queued_s = at_s
            while greed_s and sum(job.lease == "greedy" for job in self.lane.jobs) < 4:
                self.add(model, "greedy", now_s, lease="greedy", cost=greed_s).queued_s = now_s
            while batch := self.lane.take(now_s):
                step = Step(model.engine, [], is_long=batch[0].cost > 0.25)
                self.lane.running.append(step)
                running.append((now_s + batch[0].cost, batch[0], step))
            ends = [each[0] for each in running]
            now_s = min([*ends, *(at_s for at_s, _ in asked[:1])])
            for ended in [each for each in running if each[0] <= now_s]:
                running.remove(ended)
                _, job, step = ended
                self.lane.running.remove(step)
                self.shares.charge(job.lease, job.cost, now_s)
                if job.lease != "greedy" and now_s > seconds / 4:
                    waits.append(now_s - job.queued_s)
        return sorted(waits)


@pytest.mark.parametrize("greed_s", [0.05, 0.2, 0.5])
def test_one_that_wants_everything_slows_the_others_by_a_tenth_at_most(
    loop: asyncio.AbstractEventLoop, greed_s: float
) -> None:
    alone = Town(loop).live(loop, 120.0, 0.0)
    beside = Town(loop).live(loop, 120.0, greed_s)
    assert abs(len(beside) - len(alone)) <= 2
    assert sum(beside) / len(beside) < 1.1 * sum(alone) / len(alone)
    assert beside[len(beside) * 9 // 10] < 1.1 * alone[len(alone) * 9 // 10]


def test_what_a_lease_has_queued_puts_back_its_next(scene: Scene) -> None:
    """Many requests at once are not before everybody else's, though they came first."""
    model = record(cost_s=0.2)
    for number in range(20):
        scene.add(model, f"rude {number}", 1.0, lease="rude")
    scene.add(model, "polite", 1.3, lease="polite")
    order = []
    while taken := scene.take():
        order += taken
        scene.end()
    assert order.index("polite") <= 5
    assert len(order) == 21


def test_short_jobs_together_do_not_hold_the_last_thread_for_long(scene: Scene) -> None:
    scene.add(record(cost_s=1.0), "long", 1.0)
    assert scene.take() == ["long"]
    many = record(max_batch=8, cost_s=0.1)
    for number in range(6):
        scene.add(many, f"short {number}", 2.0)
    assert scene.take() == ["short 0", "short 1"]


def test_only_what_is_wanted_before_puts_back(scene: Scene) -> None:
    """The words of an interruption do not wait for the rest of the answer that it interrupts."""
    model = record(cost_s=1.5)
    scene.add(model, "partial", 0.4, lease="a", best_effort=True)
    scene.add(model, "far phrase", 3.0, lease="a")
    final = scene.add(model, "final", 0.2, lease="a")
    assert final.put_back_s == 0.0
    assert scene.add(model, "another", 0.2, lease="a").put_back_s > 1.0
