"""One bench from beginning to end: speech, server, connections, one run for each number of callers, report."""

from __future__ import annotations

import math
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from duologue.bench.caller import session_update
from duologue.bench.child import serve_command, settings_environment, started
from duologue.bench.clips import Clip, ClipSet, find_clips, load_clips
from duologue.bench.clock import Clock, WallClock
from duologue.bench.crowd import Arrivals, Crowd, Target
from duologue.bench.idle import idle_memory
from duologue.bench.made_speech import made_clips
from duologue.bench.person import Habits
from duologue.bench.report import BESIDE, Report, RunReport, make_report, report_run
from duologue.bench.run import run_callers, time_connections
from duologue.bench.wire import WireError
from duologue.bench.words import word_errors
from duologue.errors import ConfigError

WARM_CONNECTIONS = 2
# More than a person looks at the page with, besides the callers: newcomers, and those being hung up.
SPARE_SESSIONS = 16
# On a fixed schedule: the wait for an answer's first sound, and some of it.
SHORTEST_ANSWER_S = 2.0
# The silence rule of the profile without models: what is above it is the server's own doing.
SCRIPTED_PROFILE = "scripted"
SCRIPTED_RULE_MS = 500.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be measured. ``url`` None: start a server of ``profile`` with ``server_options``. ``clips`` None:
    look for some. ``least_turns``: each run has as many in all, so that few callers have more. ``rule_ms``: the
    silence that ends a turn, where that is all the server waits for. ``beside``: a command that starts another server
    of the protocol and prints its address; each run is made with it, too. ``idle_sessions``: opened to weigh them."""

    url: str | None = None
    profile: str = "embedded"
    server_options: Mapping[str, str] = {}
    beside: str = ""
    callers: Sequence[int] = (1,)
    processes: int = 1
    arrivals: Arrivals = "spread"
    clips: Path | None = None
    clip_set: ClipSet = "commands"
    habits: Habits = Habits()
    least_turns: int = 0
    turn_detection: str = "default"
    model: str | None = None
    api_key: str | None = None
    ca: Path | None = None
    server_pid: int | None = None
    connections: int = 20
    idle_sessions: int | None = None
    rule_ms: float | None = None
    seed: int = 0

    @property
    def is_scripted(self) -> bool:
        """True for a server of our own without models."""
        return self.url is None and self.profile == SCRIPTED_PROFILE

    def sessions_to_weigh(self) -> int:
        """By default a hundred where sessions are all that there is to weigh, else none."""
        return (100 if self.is_scripted else 0) if self.idle_sessions is None else self.idle_sessions

    def turns(self, callers: int) -> int:
        """Turns of each of so many callers."""
        return max(self.habits.turns, math.ceil(self.least_turns / callers))

    def turns_in_all(self) -> int:
        return sum(callers * self.turns(callers) for callers in self.callers) * (2 if self.beside else 1)


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
    command_beside = _command_beside(plan.beside) if plan.beside else []
    progress.stage("preparing speech")
    clips = await speech(plan, notes)
    async with AsyncExitStack() as stack:
        target = await reach(plan, stack, progress, room_for_all(plan))
        progress.stage("connecting")
        await time_connections(target, WARM_CONNECTIONS)
        connections_ms = await time_connections(target, plan.connections)
        idle = None
        if plan.sessions_to_weigh():
            progress.stage("weighing idle sessions")
            idle = await idle_memory(target, plan.sessions_to_weigh())
        beside = await _reach_beside(plan, command_beside, stack, progress) if command_beside else None
        runs = []
        for callers in plan.callers:
            for each, name in ((target, ""), (beside, BESIDE)):
                if each is not None:
                    progress.stage(f"{callers} at once {name}")
                    runs.append(await _run(plan, each, clips, callers, clock or WallClock(), progress, name))
    return make_report(
        runs,
        options=options_of(plan, clips),
        connections_ms=connections_ms,
        notes=notes,
        idle=idle,
        rule_ms=SCRIPTED_RULE_MS if plan.rule_ms is None and plan.is_scripted else plan.rule_ms,
    )


async def _run(
    plan: Plan, target: Target, clips: Sequence[Clip], callers: int, clock: Clock, progress: Progress, server: str
) -> RunReport:
    habits = msgspec.structs.replace(plan.habits, turns=plan.turns(callers))
    crowd = Crowd(target=target, clips=clips, habits=habits, callers=callers, arrivals=plan.arrivals, seed=plan.seed)
    run = await run_callers(
        crowd,
        clock=clock,
        processes=plan.processes,
        with_newcomers=plan.connections > 0,
        on_turn=progress.turn,
    )
    return report_run(run, server)


async def speech(plan: Plan, notes: list[str]) -> list[Clip]:
    """What the callers say."""
    source = plan.clips or find_clips((Path.cwd(), Path.cwd().parent))
    if source is not None:
        return _that_fit(plan, load_clips(source, plan.clip_set), notes)
    notes.append("no recordings were found: the callers spoke with espeak-ng's voice (give some with --clips)")
    return _that_fit(plan, await made_clips(plan.clip_set), notes)


def _that_fit(plan: Plan, clips: list[Clip], notes: list[str]) -> list[Clip]:
    """On a fixed schedule a turn, with its answer, has to be over before the next: clips that leave no time for an
    answer are left out. Raises ConfigError when that is all of them."""
    every_s = plan.habits.turns_every_s
    if every_s is None:
        return clips
    fit = [clip for clip in clips if clip.duration_s + SHORTEST_ANSWER_S <= every_s]
    if not fit:
        raise ConfigError(f"no clip leaves {SHORTEST_ANSWER_S:g} s for an answer in turns of {every_s:g} s")
    if len(fit) < len(clips):
        notes.append(f"{len(clips) - len(fit)} clips were left out: no time for an answer within {every_s:g} s")
    return fit


async def reach(
    plan: Plan, stack: AsyncExitStack, progress: Progress, settings: Mapping[str, str] | None = None
) -> Target:
    """The plan's server; one of our own, with ``settings`` that the plan's own go before, ends with ``stack``."""
    url, pid = plan.url, plan.server_pid
    if url is None:
        progress.stage(f"starting a server ({plan.profile})")
        environment = settings_environment({**(settings or {}), **plan.server_options})
        child = await stack.enter_async_context(started(serve_command(plan.profile), environment))
        url, pid = child.url, child.pid
    return Target(
        url=url, model=plan.model, api_key=plan.api_key, ca=plan.ca, turn_detection=plan.turn_detection, pid=pid
    )


def _command_beside(words: str) -> list[str]:
    """As a shell would split it. Raises ConfigError for what is no command: now, not when its turn has come."""
    try:
        command = shlex.split(words)
    except ValueError as error:
        raise ConfigError(f"--beside is no command line: {error}") from None
    if not command:
        raise ConfigError("--beside is empty: give the command that starts the other server")
    if shutil.which(command[0]) is None:
        raise ConfigError(f"--beside: there is no command {command[0]}")
    return command


async def _reach_beside(plan: Plan, command: Sequence[str], stack: AsyncExitStack, progress: Progress) -> Target:
    """The other server, warmed up. Raises WireError."""
    progress.stage("starting the server beside")
    try:
        child = await stack.enter_async_context(started(command))
        target = Target(url=child.url, turn_detection=plan.turn_detection, pid=child.pid)
        await time_connections(target, WARM_CONNECTIONS)
    except WireError as error:
        raise WireError(f"--beside: {error.message}") from None
    return target


def room_for_all(plan: Plan) -> dict[str, str]:
    """Limits that stand in nobody's way: a run is to show how so many are answered, well or badly. Whether the server
    would rather have refused some of them is what `overload` asks."""
    most = max(32, *plan.callers, plan.sessions_to_weigh()) + SPARE_SESSIONS
    return {"max_sessions": str(most), "admission_target_ms": "0"}


def _missing_extras() -> list[str]:
    try:
        word_errors(())
    except ConfigError as error:
        return [error.message]
    return []


def options_of(plan: Plan, clips: Sequence[Clip]) -> dict[str, Any]:
    """The plan as plain data, without the key and who vouches for the server; and which speech it came to."""
    options: dict[str, Any] = msgspec.to_builtins(plan, enc_hook=str)
    del options["api_key"], options["ca"]
    return options | {"clips": str(plan.clips) if plan.clips else None, "clip_names": [clip.name for clip in clips]}
