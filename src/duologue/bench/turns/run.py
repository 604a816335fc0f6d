"""The benchmark of conversation from beginning to end: material, curves, server, one part after the other, report."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import msgspec

from duologue.bench.clock import Clock, WallClock
from duologue.bench.machine import this_machine
from duologue.bench.plan import Progress, reach, room_for_all
from duologue.bench.run import time_connections
from duologue.bench.turns.calls import Line
from duologue.bench.turns.curve import curves
from duologue.bench.turns.material import Material, gather
from duologue.bench.turns.parts import LIVE_PARTS, LiveBench
from duologue.bench.turns.pauses import conversations, decision_points, meetings
from duologue.bench.turns.plan import PARTS, TurnsPlan
from duologue.bench.turns.report import CurveSet, TurnsReport
from duologue.bench.wire import WireError
from duologue.errors import ConfigError

WARM_CONNECTIONS = 2


async def measure(plan: TurnsPlan, progress: Progress, clock: Clock | None = None) -> TurnsReport:
    """Do it. Raises WireError when the server cannot be talked to, ConfigError for a plan that cannot work."""
    unknown = set(plan.parts) - set(PARTS)
    if unknown or not plan.parts:
        raise ConfigError(f"--parts wants some of {', '.join(PARTS)}, not {', '.join(sorted(unknown)) or 'none'}")
    progress.stage("preparing sounds")
    material = await gather(
        plan.server.clips,
        plan.ami,
        near=(Path.cwd(), Path.cwd().parent),
        noise_dbfs=plan.noise_dbfs,
        seed=plan.server.seed,
    )
    found = await _curves(plan, material, progress) if "curve" in plan.parts else {}
    if set(plan.parts) != {"curve"}:
        found |= await _live(plan, material, progress, clock or WallClock())
    return TurnsReport(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=this_machine(),
        options=_options(plan, material),
        is_plain=plan.is_plain,
        notes=material.notes,
        **found,
    )


async def _curves(plan: TurnsPlan, material: Material, progress: Progress) -> dict[str, Any]:
    """False cut-offs against wait, on recordings alone."""
    if material.source is None:
        material.notes.append("no curve: it wants recorded speech")
        return {}
    progress.stage("curve: listening to every pause")
    speech = {"recordings": await anyio.to_thread.run_sync(conversations, material.source, ("commands", "turns"))}
    if plan.ami is not None:
        speech["meetings"] = await anyio.to_thread.run_sync(meetings, plan.ami)
    found = []
    for what, spoken in speech.items():
        progress.stage(f"curve: listening to every pause of the {what}")
        points = await anyio.to_thread.run_sync(decision_points, spoken, plan.cache)
        progress.stage("curve: sweeping")
        pauses = sum(point.goes_on for point in points)
        swept = await anyio.to_thread.run_sync(curves, points)
        found.append(CurveSet(what=what, pauses=pauses, ends=len(points) - pauses, curves=swept))
    return {"curves": found}


async def _live(plan: TurnsPlan, material: Material, progress: Progress, clock: Clock) -> dict[str, Any]:
    """Everything that wants a server."""
    found: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        target = await reach(plan.server, stack, progress, room_for_all(plan.server))
        await time_connections(target, WARM_CONNECTIONS)
        line = Line(target=target, clock=clock, is_plain=plan.is_plain)
        bench = LiveBench(plan, material, line, progress)
        for name in (part for part in LIVE_PARTS if part in plan.parts):
            found |= await LIVE_PARTS[name](bench)
        found |= {"parts": bench.parts, "acts": bench.acts}
        if not any(part.talked_s for part in bench.parts):
            words = next((words for part in bench.parts for words in part.troubles), "nobody got in")
            raise WireError(words)
    return found


def _options(plan: TurnsPlan, material: Material) -> dict[str, Any]:
    """The plan as plain data, without the key and who vouches for the server; and what there was to be said."""
    options: dict[str, Any] = msgspec.to_builtins(plan, enc_hook=str)
    for private in ("api_key", "ca"):
        del options["server"][private]
    found = {
        "turns": [clip.name for clip in material.turns],
        "backchannels": [sound.name for sound in material.backchannels],
        "noises": [sound.name for sound in material.noises],
        "interruptions": [sound.name for sound in material.interruptions],
    }
    return options | {"material": found}
