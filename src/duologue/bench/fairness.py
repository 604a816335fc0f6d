"""What one rude caller does to the others: they are measured alone, beside one of each kind, and alone again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import msgspec

from duologue.bench.clock import WallClock
from duologue.bench.crowd import Crowd
from duologue.bench.machine import Machine, this_machine
from duologue.bench.plan import Plan, Progress, options_of, reach, room_for_all, speech
from duologue.bench.report import RunReport, report_run
from duologue.bench.rude import CONDUCTS, Conduct, Rudeness, be_rude
from duologue.bench.run import Run, run_callers, time_connections
from duologue.bench.stats import Summary, summarise

SCHEMA = "duologue-bench-fairness/1"
WARM_CONNECTIONS = 2
# Also what a rude caller has to get into full swing before the others call.
BETWEEN_RUNS_S = 3.0


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """The others' run beside one ``kind`` of rude caller; ratios of voice-to-voice to that of both runs alone."""

    kind: str
    run: RunReport
    rudeness: Rudeness
    p95_ratio: float | None
    mean_ratio: float | None


class FairnessReport(msgspec.Struct, frozen=True, kw_only=True):
    """``alone_ms``: voice-to-voice of the runs without a rude caller, the first and the last together."""

    machine: Machine
    options: dict[str, Any]
    callers: int
    alone: list[RunReport]
    alone_ms: Summary
    beside: list[Beside]
    schema: str = SCHEMA

    def to_json(self) -> bytes:
        """As indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


async def fairness(plan: Plan, progress: Progress, *, between_s: float = BETWEEN_RUNS_S) -> FairnessReport:
    """Measure the plan's server with the first number of its callers. Raises WireError."""
    clips = await speech(plan, [])
    async with AsyncExitStack() as stack:
        target = await reach(plan, stack, progress, room_for_all(plan))
        await time_connections(target, WARM_CONNECTIONS)
        crowd = Crowd(target=target, clips=clips, habits=plan.habits, callers=plan.callers[0], seed=plan.seed)

        async def run() -> Run:
            await anyio.sleep(between_s)
            return await run_callers(crowd, clock=WallClock(), processes=plan.processes, on_turn=progress.turn)

        progress.stage("alone")
        alone = [report_run(await run())]
        beside = []
        for kind, conduct in CONDUCTS.items():
            progress.stage(f"beside one who {kind}")
            seen = Rudeness()
            beside.append((kind, report_run(await _beside(run, crowd, conduct, seen)), seen))
        progress.stage("alone again")
        alone.append(report_run(await run()))
    alone_ms = summarise(
        turn.waterfall.voice_to_voice_ms for run in alone for turn in run.turns if turn.waterfall is not None
    )
    return FairnessReport(
        machine=this_machine(),
        options=options_of(plan, clips),
        callers=crowd.callers,
        alone=alone,
        alone_ms=alone_ms,
        beside=[
            Beside(
                kind=kind,
                run=run,
                rudeness=seen,
                p95_ratio=_ratio(run.voice_to_voice_ms.p95, alone_ms.p95),
                mean_ratio=_ratio(run.voice_to_voice_ms.mean, alone_ms.mean),
            )
            for kind, run, seen in beside
        ],
    )


async def _beside(run: Callable[[], Awaitable[Run]], crowd: Crowd, conduct: Conduct, seen: Rudeness) -> Run:
    """The rude one calls some time before the others."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(be_rude, crowd.target, conduct, crowd.clips, WallClock(), seen)
        measured = await run()
        tasks.cancel_scope.cancel()
    return measured


def _ratio(now: float | None, then: float | None) -> float | None:
    return round(now / then, 3) if now and then else None
