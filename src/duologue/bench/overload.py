"""Twice as many callers at once as the server says that it bears: who gets in, how soon the others are told, and
whether those who got in are answered as well as if the others had not come."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import anyio
import msgspec

from duologue.bench.clock import WallClock
from duologue.bench.crowd import Crowd, Outcome
from duologue.bench.machine import Machine, this_machine
from duologue.bench.plan import Plan, Progress, options_of, reach, speech
from duologue.bench.report import RunReport, report_run
from duologue.bench.run import Run, run_callers, time_connections
from duologue.bench.stats import Summary, summarise
from duologue.bench.wire import WireError

SCHEMA = "duologue-bench-overload/1"
WARM_CONNECTIONS = 2
# Those who hung up are forgotten by the server before the next crowd calls.
BETWEEN_RUNS_S = 3.0


class OverloadReport(msgspec.Struct, frozen=True, kw_only=True):
    """``full``: exactly ``capacity`` callers at once; ``crowded``: ``callers`` at once, its figures of those who got
    in. ``queued``: told their place in the line; ``refused``: how many were not, by the server's word. ``refusal_ms``:
    from the first packet to either. ``p95_ratio``: voice-to-voice p95 of ``crowded`` to that of ``full``.
    """

    machine: Machine
    options: dict[str, Any]
    capacity: int
    callers: int
    admitted: int
    queued: int
    refused: dict[str, int]
    refusal_ms: Summary
    full: RunReport
    crowded: RunReport
    p95_ratio: float | None
    schema: str = SCHEMA

    def to_json(self) -> bytes:
        """As indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


async def overload(
    plan: Plan, progress: Progress, *, times: float, capacity: int | None, between_s: float = BETWEEN_RUNS_S
) -> OverloadReport:
    """Measure the plan's server. ``capacity`` None: what its ``/readyz`` says. Raises WireError."""
    clips = await speech(plan, [])
    async with AsyncExitStack() as stack:
        target = await reach(plan, stack, progress)
        await time_connections(target, WARM_CONNECTIONS)
        stated = None if capacity else await anyio.to_thread.run_sync(stated_capacity, target.url)
        bears: int = capacity or stated or 1

        async def run(callers: int) -> Run:
            progress.stage(f"{callers} at once")
            crowd = Crowd(
                target=target, clips=clips, habits=plan.habits, callers=callers, arrivals="at-once", seed=plan.seed
            )
            return await run_callers(crowd, clock=WallClock(), processes=plan.processes, on_turn=progress.turn)

        full = await run(bears)
        await anyio.sleep(between_s)
        crowded = await run(round(bears * times))
    return _report(bears, full, crowded, options_of(plan, clips))


def stated_capacity(url: str) -> int:
    """How many conversations the server says that it bears. Raises WireError where it does not."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/readyz", timeout=10) as answer:
            said = msgspec.json.decode(answer.read())
        return int(said.get("places") or said["max_sessions"])
    except (OSError, urllib.error.URLError, msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError):
        raise WireError(f"{url}/readyz does not say how many conversations it bears: give --capacity") from None


def _report(capacity: int, full: Run, crowded: Run, options: dict[str, Any]) -> OverloadReport:
    turned_away = [each for each in crowded.outcomes if each.refused]
    crowded_report = report_run(_admitted(crowded))
    full_report = report_run(full)
    now, then = crowded_report.voice_to_voice_ms.p95, full_report.voice_to_voice_ms.p95
    return OverloadReport(
        machine=this_machine(),
        options=options,
        capacity=capacity,
        callers=crowded.callers,
        admitted=crowded.callers - len(turned_away),
        queued=sum(each.is_queued for each in turned_away),
        refused=dict(Counter(_word(each) for each in turned_away if not each.is_queued)),
        refusal_ms=summarise(each.connect_ms for each in turned_away),
        full=full_report,
        crowded=crowded_report,
        p95_ratio=round(now / then, 3) if now and then else None,
    )


def _word(outcome: Outcome) -> str:
    return outcome.refused_as or outcome.refused


def _admitted(run: Run) -> Run:
    """The run of those alone who got in."""
    inside = [outcome for outcome in run.outcomes if not outcome.refused]
    turns = run.turns_planned // run.callers * len(inside)
    return msgspec.structs.replace(run, callers=len(inside), turns_planned=turns, outcomes=inside)
