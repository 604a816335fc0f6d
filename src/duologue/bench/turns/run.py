"""The benchmark of conversation from beginning to end: material, curves, server, one part after the other, report."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec

from duologue.audio.frame import Int16
from duologue.bench.caller import Call
from duologue.bench.clips import Clip, read_audio
from duologue.bench.clock import Clock, WallClock
from duologue.bench.crowd import Outcome
from duologue.bench.machine import this_machine
from duologue.bench.person import Habits, Person, room_tone
from duologue.bench.plan import Plan, Progress, reach, room_for_all
from duologue.bench.report import report_run
from duologue.bench.run import Run, time_connections
from duologue.bench.stats import summarise
from duologue.bench.turns.calls import Held, Line, hold_all
from duologue.bench.turns.curve import curves
from duologue.bench.turns.figures import alone, effects, interruptions, remembered
from duologue.bench.turns.heard import Memory, judge, word_times
from duologue.bench.turns.material import Material, gather
from duologue.bench.turns.pauses import conversations, decision_points
from duologue.bench.turns.report import Part, TurnsReport, TurnsUnder
from duologue.bench.turns.room import Echo
from duologue.bench.turns.scene import Account, Act, Guest, Seen
from duologue.bench.turns.sounds import SPEECH_DBFS, Sound, bed
from duologue.bench.turns.voices import word_clock
from duologue.bench.wire import WireError
from duologue.config import load_profile
from duologue.errors import ConfigError

PARTS = ("curve", "turns", "backchannels", "noise", "echo", "interruptions")
WARM_CONNECTIONS = 2
# A call of so many acts has a history that is no burden, and leaves little undone where it is dropped.
ACTS_A_CALL = 12
TURNS_A_CALL = 15
# A quiet room: no microphone gives digital silence.
ROOM_DBFS = -66.0
WAIT_S = (0.8, 2.5)
ECHO_LISTENS_S = 6.0
LATEST_INTERRUPTION_S = 6.0
# The room behind the caller when turns are spoken under noise.
BACKGROUND = "noise/office_ambience_88s.ogg"
OBEYING: tuple[Account, ...] = ("truncate", "reports", "clock")
PLAIN: tuple[Account, ...] = ("truncate", "clock")


class TurnsPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be measured: ``parts`` of `PARTS` with the ``server`` of an ordinary plan, by ``callers`` at once.

    Counts None: everything there is, once. ``tts``: the server's synthesizer, where it is not one of our own profiles.
    """

    server: Plan = Plan()
    parts: tuple[str, ...] = PARTS
    callers: int = 1
    is_plain: bool = False
    ami: Path | None = None
    turns: int | None = 30
    backchannels: int | None = None
    noises: int | None = None
    interruptions: int = 20
    noise_dbfs: tuple[float, ...] = (-30.0,)
    snr_db: tuple[float, ...] = (10.0,)
    echo_db: tuple[float, ...] = (-40.0, -30.0, -20.0, -10.0)
    echo_delay_ms: tuple[float, ...] = (60.0, 180.0)
    tts: str | None = None
    cache: Path | None = None


class _Bench:
    """What the parts share while they run."""

    def __init__(self, plan: TurnsPlan, material: Material, line: Line, progress: Progress) -> None:
        self.plan, self.material, self.line, self.progress = plan, material, line, progress
        self.parts: list[Part] = []
        self._done = 0
        self.rng = random.Random(plan.server.seed)

    async def play(self, name: str, acts: Sequence[Act], accounts: Sequence[Account] = ("truncate",)) -> list[Seen]:
        """All acts, shared among calls; what came of them, in no order."""
        guests = [
            Guest(
                share,
                account=accounts[number % len(accounts)],
                room=room_tone(ROOM_DBFS, number),
                seed=self.plan.server.seed + number,
                on_act=self._counter(name, len(acts)),
            )
            for number, share in enumerate(_shares(acts, max(len(accounts), self._calls(len(acts)))))
        ]
        self._note(name, await hold_all(self.line, guests, self.plan.callers, lambda: None))
        return [seen for guest in guests for seen in guest.seen]

    async def talk(self, name: str, clips: Sequence[Clip], room: Int16) -> list[Person]:
        """All turns, shared among calls."""
        people = [
            Person(
                share,
                Habits(turns=len(share), keeps_order=True),
                room=room,
                reports=not self.line.is_plain,
                on_turn=self._counter(name, len(clips)),
            )
            for share in _shares(clips, max(self.plan.callers, -(-len(clips) // TURNS_A_CALL)))
        ]
        self._note(name, await hold_all(self.line, people, self.plan.callers, lambda: None))
        return people

    def _calls(self, acts: int) -> int:
        return max(self.plan.callers, -(-acts // ACTS_A_CALL))

    def _counter(self, name: str, total: int) -> Callable[[], None]:
        """Tells how far the part is."""
        self._done = 0

        def count() -> None:
            self._done += 1
            self.progress.stage(f"{name}: {self._done} of {total}")

        return count

    def _note(self, name: str, held: Held) -> None:
        part = Part(
            name=name,
            talked_s=round(held.talked_s, 1),
            caller_late_ms=summarise(held.late_ms),
            troubles=held.troubles,
        )
        self.parts.append(part)


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
    spoken = await anyio.to_thread.run_sync(conversations, material.source, ("turns", "commands"))
    points = await anyio.to_thread.run_sync(partial(decision_points, spoken, plan.cache))
    progress.stage("curve: sweeping")
    found = await anyio.to_thread.run_sync(curves, points)
    pauses = sum(point.goes_on for point in points)
    return {"curves": found, "pauses": pauses, "ends": len(points) - pauses}


async def _live(plan: TurnsPlan, material: Material, progress: Progress, clock: Clock) -> dict[str, Any]:
    """Everything that wants a server."""
    found: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        target = await reach(plan.server, stack, progress, room_for_all(plan.server))
        await time_connections(target, WARM_CONNECTIONS)
        line = Line(target=target, clock=clock, is_plain=plan.is_plain)
        bench = _Bench(plan, material, line, progress)
        for name in (part for part in PARTS[1:] if part in plan.parts):
            found |= await _PARTS[name](bench)
        found["parts"] = bench.parts
        if not any(part.talked_s for part in bench.parts):
            words = next((words for part in bench.parts for words in part.troubles), "nobody got in")
            raise WireError(words)
    return found


# --- the parts --------------------------------------------------------------------------------------------------------


async def _turns(bench: _Bench) -> dict[str, Any]:
    """Whole turns in a quiet room, those with a pause put in, and under noise."""
    plan, material = bench.plan, bench.material
    turns = _some(material.turns, plan.turns, bench.rng)
    made = _some(material.made_turns, plan.turns and max(1, plan.turns // 3), bench.rng)
    quiet = room_tone(ROOM_DBFS, plan.server.seed)
    under = [("recorded, quiet room", turns, quiet), ("a pause put in, quiet room", made, quiet)]
    for snr_db in plan.snr_db:
        noise = _background(material, SPEECH_DBFS - snr_db)
        under.append((f"recorded, {snr_db:g} dB over background", _some(turns, len(made), bench.rng), noise))
    found = []
    for what, clips, room in under:
        if clips:
            people = await bench.talk(f"turns, {what}", clips, room)
            found.append(TurnsUnder(what=what, run=report_run(_as_run(people, len(clips), bench.parts[-1]))))
    return {"turns": found}


async def _backchannels(bench: _Bench) -> dict[str, Any]:
    sounds = bench.material.backchannels[: bench.plan.backchannels]
    acts = [Act(part="backchannels", sound=sound, wait_s=bench.rng.uniform(*WAIT_S)) for sound in sounds]
    return {"backchannels": effects(await bench.play("backchannels", acts))}


async def _noise(bench: _Bench) -> dict[str, Any]:
    sounds = bench.material.noises[: bench.plan.noises]
    over = [Act(part="noise", sound=sound, wait_s=bench.rng.uniform(*WAIT_S)) for sound in sounds]
    by_itself = [Act(part="alone", place="alone", sound=sound, wait_s=0.2) for sound in sounds]
    return {
        "noise": effects(await bench.play("noise over an answer", over)),
        "alone": alone(await bench.play("noise alone", by_itself)),
    }


async def _echo(bench: _Bench) -> dict[str, Any]:
    plan = bench.plan
    acts = [
        Act(part="echo", echo=Echo(level_db, delay_ms), wait_s=0.0, listen_s=ECHO_LISTENS_S)
        for level_db in plan.echo_db
        for delay_ms in plan.echo_delay_ms
    ]
    return {"echo": effects(await bench.play("echo", acts))}


async def _interruptions(bench: _Bench) -> dict[str, Any]:
    """At random moments, with everything that interrupts in turn; then what the server remembers."""
    sounds = _repeated(bench.material.interruptions, bench.plan.interruptions)
    acts = [
        Act(part="interruptions", sound=sound, wait_s=bench.rng.uniform(0.3, LATEST_INTERRUPTION_S), remembers=True)
        for sound in sounds
    ]
    seen = await bench.play("interruptions", acts, PLAIN if bench.plan.is_plain else OBEYING)
    memories = await compare(seen, _tts(bench.plan))
    return {
        "interruptions": interruptions(seen),
        "memories": memories,
        "remembered": remembered(seen, memories),
    }


_PARTS = {
    "turns": _turns,
    "backchannels": _backchannels,
    "noise": _noise,
    "echo": _echo,
    "interruptions": _interruptions,
}


async def compare(seen: Sequence[Seen], tts: str) -> list[Memory]:
    """What is remembered of each answer that was cut off beside what was heard of it."""
    memories = []
    async with word_clock(tts) as clock:
        for each in seen:
            if each.cut is not None and each.said is not None and each.remembered is not None:
                words = await word_times(each.said, clock)
                memory = judge(
                    words,
                    each.remembered,
                    each.cut.heard_ms,
                    item_id=each.cut.item_id,
                    account=each.account,
                    is_estimate=clock is None,
                )
                memories.append(memory)
    return memories


def _tts(plan: TurnsPlan) -> str:
    """The synthesizer of the server."""
    if plan.tts is not None or plan.server.url is not None:
        return plan.tts or ""
    return plan.server.server_options.get("tts") or load_profile(plan.server.profile).engines.tts or ""


def _background(material: Material, dbfs: float) -> Int16:
    """Distant babble where it is recorded, white noise elsewhere."""
    file = material.source / BACKGROUND if material.source is not None else None
    return bed(read_audio(file), dbfs) if file is not None and file.is_file() else room_tone(dbfs, 0)


def _as_run(people: Sequence[Person], planned: int, part: Part) -> Run:
    """The people's turns as a run of the ordinary bench."""
    outcomes = [
        Outcome(
            turns=person.turns,
            complaints=person.ears.complaints,
            call=Call(duration_s=part.talked_s / len(people)),
            gap_ms=person.ears.speaker.gap_ms,
        )
        for person in people
    ]
    return Run(callers=1, turns_planned=planned, outcomes=outcomes)


def _some(clips: Sequence[Clip], count: int | None, rng: random.Random) -> list[Clip]:
    """All of them, or so many, drawn."""
    return list(clips) if count is None or count >= len(clips) else rng.sample(list(clips), count)


def _repeated(sounds: Sequence[Sound], count: int) -> list[Sound]:
    return [sounds[number % len(sounds)] for number in range(count)] if sounds else []


def _shares(things: Sequence[Any], calls: int) -> list[list[Any]]:
    """Every call has some of everything; no call is empty."""
    return [share for first in range(calls) if (share := list(things[first::calls]))]


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
