"""From what came of each act to figures. Pure; times in ms, each with its count. `stats` says how percentiles are
taken."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from duologue.bench.stats import Summary, summarise
from duologue.bench.turns.heard import Memory
from duologue.bench.turns.scene import Outcome, Seen

# From the least to the most that can be done to an answer.
EFFECTS: tuple[Outcome, ...] = ("ignored", "lowered", "held", "cut", "stopped")


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What sounds of one kind did to the answers that they were made over: so many were ``ignored``; ``lowered`` and
    brought back; ``held`` and resumed; ``cut`` off and taken up again; ``stopped`` for good. ``silent_ms``: for how
    long, where the answer came back. ``seconds``: how long the sounds were, together. ``unusable``: the answer ended by
    itself, or never came."""

    kind: str
    source: str
    n: int
    counts: dict[str, int]
    unusable: int
    seconds: float
    silent_ms: Summary
    lowered_ms: Summary
    verdicts: dict[str, int]

    def share(self, *outcomes: str) -> float | None:
        """Of all that could be told."""
        return sum(self.counts.get(each, 0) for each in outcomes) / self.n if self.n else None


class Alone(msgspec.Struct, frozen=True, kw_only=True):
    """Noise of one kind while nobody spoke: ``onsets``: how often the server said that somebody did; ``turns`` that it
    took for over, ``answers`` that it gave."""

    kind: str
    n: int
    seconds: float
    onsets: int
    turns: int
    answers: int


class ActReport(msgspec.Struct, frozen=True, kw_only=True):
    """One act, for those who want to look closer; times from the sound's true onset. ``heard``: what the server wrote
    down since."""

    part: str
    sound: str
    kind: str
    source: str
    outcome: str
    duck_ms: float | None
    silence_ms: float | None
    verdict_ms: float | None
    verdicts: list[str]
    heard: str


class Interruptions(msgspec.Struct, frozen=True, kw_only=True):
    """``n`` interruptions of an answer that was being heard; ``missed``: it went on. From the true onset of the
    interrupter's voice: until the answer was heard lower, until it fell silent, until the server's verdict. A client of
    the plain protocol is told once, so that all three are one.."""

    n: int
    missed: int
    unusable: int
    duck_ms: Summary
    silence_ms: Summary
    verdict_ms: Summary
    verdicts: dict[str, int]
    by_words: dict[str, str]


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What the server remembers of interrupted answers, by how it learns what was heard. ``n`` answers were compared;
    ``with_unheard`` have ``unheard_words``; ``lost_words``: heard to their end, and forgotten; ``not_a_beginning``:
    what is remembered is not how the answer began; ``not_told``: the server did not answer when it was asked."""

    account: str
    n: int
    with_unheard: int
    unheard_words: int
    lost_words: int
    not_a_beginning: int
    not_told: int
    by: dict[str, int]


def effects(seen: Iterable[Seen], labels: Sequence[tuple[str, str]] | None = None) -> list[Effect]:
    """By kind and source, in the order of their first sound; ``labels`` in place of the sounds' own."""
    groups: dict[tuple[str, str], list[Seen]] = {}
    for index, each in enumerate(seen):
        groups.setdefault(labels[index] if labels else _label(each), []).append(each)
    return [_effect(kind, source, group) for (kind, source), group in groups.items()]


def _label(seen: Seen) -> tuple[str, str]:
    sound = seen.act.sound
    if sound is not None:
        return sound.kind, sound.source
    echo = seen.act.echo
    return (f"{echo.level_db:g} dB, {echo.delay_ms:g} ms", "echo") if echo else ("nothing", "")


def _effect(kind: str, source: str, group: Sequence[Seen]) -> Effect:
    told = [each for each in group if each.outcome in EFFECTS]
    return Effect(
        kind=kind,
        source=source,
        n=len(told),
        counts=dict(Counter(each.outcome for each in told)),
        unusable=len(group) - len(told),
        seconds=round(sum(each.end_at - each.onset_at for each in told), 1),
        silent_ms=summarise(silent_ms(each) for each in told if each.outcome in {"held", "cut"}),
        lowered_ms=summarise(lowered_ms(each) for each in told if each.outcome in {"lowered", "held"}),
        verdicts=_verdicts(told),
    )


def silent_ms(seen: Seen) -> float:
    """How long nothing was heard of an answer that came back."""
    total, since = 0.0, None
    for change in seen.changes:
        if change.what in {"held", "flushed"} and since is None:
            since = change.at
        elif change.what in {"resumed", "lowered"} and since is not None:
            total, since = total + change.at - since, None
    if since is not None:
        total += max(0.0, (seen.taken_up_at or seen.until) - since)
    return total * 1000


def lowered_ms(seen: Seen) -> float:
    """How long the answer was lower than it should have been, but heard."""
    total, since = 0.0, None
    for change in seen.changes:
        if since is not None:
            total, since = total + change.at - since, None
        if change.what == "lowered":
            since = change.at
    return total * 1000


def alone(seen: Iterable[Seen]) -> list[Alone]:
    """By kind."""
    groups: dict[str, list[Seen]] = {}
    for each in seen:
        groups.setdefault(_label(each)[0], []).append(each)
    return [
        Alone(
            kind=kind,
            n=len(group),
            seconds=round(sum(each.end_at - each.onset_at for each in group), 1),
            onsets=sum(each.onsets for each in group),
            turns=sum(each.commits for each in group),
            answers=sum(each.answers for each in group),
        )
        for kind, group in groups.items()
    ]


def per_hour(count: int, seconds: float) -> float | None:
    """None where nothing was heard."""
    return round(count * 3600 / seconds, 1) if seconds else None


def interruptions(seen: Sequence[Seen]) -> Interruptions:
    """Of those who meant to interrupt."""
    told = [each for each in seen if each.outcome in EFFECTS]
    stopped = [each for each in told if each.outcome == "stopped"]
    by_words: dict[str, list[bool]] = {}
    for each in told:
        words = each.act.sound.words if each.act.sound else ""
        by_words.setdefault(words or "(noise)", []).append(each.outcome == "stopped")
    return Interruptions(
        n=len(told),
        missed=len(told) - len(stopped),
        unusable=len(seen) - len(told),
        duck_ms=summarise(first_ms(each, "lowered", "held", "flushed") for each in stopped),
        silence_ms=summarise(first_ms(each, "held", "flushed") for each in stopped),
        verdict_ms=summarise(verdict_ms(each) for each in stopped),
        verdicts=_verdicts(told),
        by_words={words: f"{sum(hits)} of {len(hits)}" for words, hits in sorted(by_words.items())},
    )


def first_ms(seen: Seen, *what: str) -> float | None:
    """From the onset to the first such change that was not taken back before the answer was stopped: all are by
    ``resumed``, a hold also by ``lowered``."""
    first = None
    for change in seen.changes:
        if change.what == "resumed" or (change.what == "lowered" and "lowered" not in what):
            first = None
        elif first is None and change.what in what:
            first = change.at
    return None if first is None or math.isnan(seen.onset_at) else (first - seen.onset_at) * 1000


def verdict_ms(seen: Seen) -> float | None:
    """From the onset until the server told its verdict; where it tells none, until the answer was flushed."""
    said = next((v.at for v in seen.verdicts if v.verdict == "interruption"), None)
    said = said if said is not None else (seen.cut.at if seen.cut is not None else None)
    return None if said is None else (said - seen.onset_at) * 1000


def act_report(seen: Seen) -> ActReport:
    """One act in figures."""
    kind, source = _label(seen)
    return ActReport(
        part=seen.act.part,
        sound=seen.act.sound.name if seen.act.sound else "",
        kind=kind,
        source=source,
        outcome=seen.outcome,
        duck_ms=first_ms(seen, "lowered", "held", "flushed"),
        silence_ms=first_ms(seen, "held", "flushed"),
        verdict_ms=verdict_ms(seen) if seen.verdicts or seen.cut else None,
        verdicts=[verdict.verdict for verdict in seen.verdicts],
        heard=seen.heard_words,
    )


def remembered(seen: Iterable[Seen], memories: Sequence[Memory]) -> list[Remembered]:
    """By account."""
    asked = Counter(each.account for each in seen if each.cut is not None and each.act.remembers)
    told = {account: [memory for memory in memories if memory.account == account] for account in asked}
    return [
        Remembered(
            account=account,
            n=len(told[account]),
            with_unheard=sum(memory.unheard > 0 for memory in told[account]),
            unheard_words=sum(memory.unheard for memory in told[account]),
            lost_words=sum(memory.lost for memory in told[account]),
            not_a_beginning=sum(not memory.is_prefix for memory in told[account]),
            not_told=count - len(told[account]),
            by=dict(Counter(memory.by for memory in told[account])),
        )
        for account, count in asked.items()
    ]


def _verdicts(seen: Iterable[Seen]) -> dict[str, int]:
    return dict(Counter(verdict.verdict for each in seen for verdict in each.verdicts))
