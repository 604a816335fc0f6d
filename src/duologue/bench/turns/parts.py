"""The parts of the benchmark that want a server: who calls, what they do, and what is made of it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from duologue.audio.frame import Int16
from duologue.bench.caller import Call
from duologue.bench.clips import Clip, read_audio
from duologue.bench.crowd import Outcome
from duologue.bench.person import Habits, Person, room_tone
from duologue.bench.plan import Progress
from duologue.bench.report import report_run
from duologue.bench.run import Run
from duologue.bench.stats import summarise
from duologue.bench.turns.calls import Held, Line, hold_all
from duologue.bench.turns.figures import ActReport, act_report, alone, effects, interruptions, per_hour, remembered
from duologue.bench.turns.heard import Memory, judge, word_times
from duologue.bench.turns.material import Material
from duologue.bench.turns.plan import TurnsPlan
from duologue.bench.turns.report import Part, TurnsUnder
from duologue.bench.turns.room import Echo
from duologue.bench.turns.scene import Account, Act, Guest, Seen
from duologue.bench.turns.sounds import SPEECH_DBFS, Sound, bed
from duologue.bench.turns.voices import word_clock
from duologue.config import load_profile

# A call of so many acts has a history that is no burden, and leaves little undone where it is dropped.
ACTS_A_CALL = 12
TURNS_A_CALL = 15
# A quiet room: no microphone gives digital silence.
ROOM_DBFS = -66.0
WAIT_S = (0.8, 2.5)
ECHO_LISTENS_S = 6.0
ECHO_LISTENS = 2
LATEST_INTERRUPTION_S = 6.0
# The room behind the caller when turns are spoken under noise.
BACKGROUND = "noise/office_ambience_88s.ogg"
OBEYING: tuple[Account, ...] = ("truncate", "reports", "clock")
PLAIN: tuple[Account, ...] = ("truncate", "clock")


class LiveBench:
    """What the parts share while they run."""

    def __init__(self, plan: TurnsPlan, material: Material, line: Line, progress: Progress) -> None:
        self.plan, self.material, self.line, self.progress = plan, material, line, progress
        self.parts: list[Part] = []
        self.acts: list[ActReport] = []
        self._done = 0
        self.rng = random.Random(plan.server.seed)

    async def play(self, name: str, acts: Sequence[Act], accounts: Sequence[Account] = ("truncate",)) -> list[Seen]:
        """All acts, shared among calls; what came of them, in no order."""
        return await self.play_calls(name, _shares(acts, max(len(accounts), self._calls(len(acts)))), accounts)

    async def play_calls(
        self, name: str, calls: Sequence[Sequence[Act]], accounts: Sequence[Account] = ("truncate",)
    ) -> list[Seen]:
        """Each of ``calls`` is one call."""
        on_act = self._counter(name, sum(map(len, calls)))
        guests = [
            Guest(
                acts,
                account=accounts[number % len(accounts)],
                room=room_tone(ROOM_DBFS, number),
                seed=self.plan.server.seed + number,
                on_act=on_act,
            )
            for number, acts in enumerate(calls)
        ]
        self._note(name, await hold_all(self.line, guests, self.plan.callers, lambda: None))
        seen = [each for guest in guests for each in guest.seen]
        self.acts += map(act_report, seen)
        return seen

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
            attempts=held.attempts,
        )
        self.parts.append(part)


async def _turns(bench: LiveBench) -> dict[str, Any]:
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


async def _backchannels(bench: LiveBench) -> dict[str, Any]:
    sounds = bench.material.backchannels[: bench.plan.backchannels]
    acts = [Act(part="backchannels", sound=sound, wait_s=bench.rng.uniform(*WAIT_S)) for sound in sounds]
    return {"backchannels": effects(await bench.play("backchannels", acts))}


async def _noise(bench: LiveBench) -> dict[str, Any]:
    sounds = bench.material.noises[: bench.plan.noises]
    over = [Act(part="noise", sound=sound, wait_s=bench.rng.uniform(*WAIT_S)) for sound in sounds]
    by_itself = [Act(part="alone", place="alone", sound=sound, wait_s=0.2) for sound in sounds]
    found = effects(await bench.play("noise over an answer", over))
    stopped = sum(effect.counts.get(each, 0) for effect in found for each in ("stopped", "cut"))
    return {
        "noise": found,
        "noise_an_hour": per_hour(stopped, sum(effect.seconds for effect in found)),
        "alone": alone(await bench.play("noise alone", by_itself)),
    }


async def _echo(bench: LiveBench) -> dict[str, Any]:
    """Each echo in a call of its own: a server may have to learn it. At the end somebody interrupts over it."""
    plan, calls = bench.plan, []
    echoes = [Echo(level_db, delay_ms) for level_db in plan.echo_db for delay_ms in plan.echo_delay_ms]
    for echo, sound in zip(echoes, _repeated(bench.material.interruptions, len(echoes)), strict=False):
        listens = [Act(part="echo", echo=echo, wait_s=0.0, listen_s=ECHO_LISTENS_S) for _ in range(ECHO_LISTENS)]
        calls.append([*listens, Act(part="over echo", echo=echo, sound=sound, wait_s=bench.rng.uniform(*WAIT_S))])
    seen = await bench.play_calls("echo", calls)
    return {
        "echo": effects(each for each in seen if each.act.sound is None),
        "over_echo": interruptions([each for each in seen if each.act.sound is not None]),
    }


async def _interruptions(bench: LiveBench) -> dict[str, Any]:
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


LIVE_PARTS: Mapping[str, Callable[[LiveBench], Awaitable[dict[str, Any]]]] = {
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
