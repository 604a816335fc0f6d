"""One bench from beginning to end: speech, server, connections, one run for each number of callers, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from duologue.bench.caller import session_update
from duologue.bench.child import serve_command, started
from duologue.bench.clips import Clip, ClipSet, find_clips, load_clips
from duologue.bench.clock import Clock, WallClock
from duologue.bench.made_speech import made_clips
from duologue.bench.person import Habits
from duologue.bench.report import Report, make_report, report_run
from duologue.bench.run import Target, run_callers, time_connections
from duologue.bench.words import word_errors
from duologue.errors import ConfigError

WARM_CONNECTIONS = 2


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be measured. ``url`` None: start a server of ``profile``. ``clips`` None: look for some."""

    url: str | None = None
    profile: str = "embedded"
    callers: Sequence[int] = (1,)
    clips: Path | None = None
    clip_set: ClipSet = "commands"
    habits: Habits = Habits()
    turn_detection: str = "default"
    model: str | None = None
    api_key: str | None = None
    ca: Path | None = None
    server_pid: int | None = None
    connections: int = 20
    seed: int = 0


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to tell how far it is: ``stage`` in words, ``turn`` after each turn."""

    stage: Callable[[str], None] = lambda words: None
    turn: Callable[[], None] = lambda: None


async def carry_out(plan: Plan, progress: Progress, clock: Clock | None = None) -> Report:
    """Do it. Raises WireError when the server cannot be talked to, ConfigError for a plan that cannot work."""
    notes = [
        "the callers run on this machine too: where the server does as well, both share its CPUs",
        *_missing_extras(),
    ]
    session_update(plan.turn_detection)
    progress.stage("preparing speech")
    clips = await _speech(plan, notes)
    async with AsyncExitStack() as stack:
        target = await _target(plan, stack, progress)
        progress.stage("connecting")
        await time_connections(target, WARM_CONNECTIONS)
        connections_ms = await time_connections(target, plan.connections)
        runs = []
        for callers in plan.callers:
            progress.stage(f"{callers} at once")
            run = await run_callers(
                target,
                clips,
                plan.habits,
                callers,
                clock=clock or WallClock(),
                seed=plan.seed,
                on_turn=progress.turn,
            )
            runs.append(report_run(run))
    return make_report(runs, options=_options(plan, clips), connections_ms=connections_ms, notes=notes)


async def _speech(plan: Plan, notes: list[str]) -> list[Clip]:
    source = plan.clips or find_clips((Path.cwd(), Path.cwd().parent))
    if source is not None:
        return load_clips(source, plan.clip_set)
    notes.append("no recordings were found: the callers spoke with espeak-ng's voice (give some with --clips)")
    return await made_clips(plan.clip_set)


async def _target(plan: Plan, stack: AsyncExitStack, progress: Progress) -> Target:
    url, pid = plan.url, plan.server_pid
    if url is None:
        progress.stage(f"starting a server ({plan.profile})")
        child = await stack.enter_async_context(started(serve_command(plan.profile)))
        url, pid = child.url, child.pid
    return Target(
        url=url, model=plan.model, api_key=plan.api_key, ca=plan.ca, turn_detection=plan.turn_detection, pid=pid
    )


def _missing_extras() -> list[str]:
    try:
        word_errors(())
    except ConfigError as error:
        return [error.message]
    return []


def _options(plan: Plan, clips: Sequence[Clip]) -> dict[str, Any]:
    """The plan as plain data, without the key and who vouches for the server; and which speech it came to."""
    options: dict[str, Any] = msgspec.to_builtins(plan, enc_hook=str)
    del options["api_key"], options["ca"]
    return options | {"clips": str(plan.clips) if plan.clips else None, "clip_names": [clip.name for clip in clips]}
