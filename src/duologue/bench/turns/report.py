"""The report of the benchmark of conversation: what was asked for, figures with their counts, and whether they reach
what Duologue promises. The JSON's ``schema`` is "duologue-bench-turns/1"."""

from __future__ import annotations

from typing import Any

import msgspec

from duologue.bench.machine import Machine
from duologue.bench.report import LATE_P95_MS, RunReport
from duologue.bench.stats import Summary
from duologue.bench.turns.calls import Attempts
from duologue.bench.turns.curve import Curve
from duologue.bench.turns.figures import ActReport, Alone, Effect, Interruptions, Remembered
from duologue.bench.turns.heard import Memory

SCHEMA = "duologue-bench-turns/1"

# What is promised on two cores to one caller.
FEWER_THAN_MODEL = 1 / 3
AT_MEAN_WAIT_MS = 300.0
MOST_CUT = 0.10
V2V_P50_MS, V2V_P95_MS = 400.0, 900.0
MOST_STOPPED_BACKCHANNELS = 0.10
DUCK_P95_MS, SILENCE_P95_MS = 120.0, 300.0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """How the callers of one part were. With a p95 of their own lateness over 20 ms its times are not valid."""

    name: str
    talked_s: float
    caller_late_ms: Summary
    troubles: dict[str, int]
    attempts: Attempts = msgspec.field(default_factory=Attempts)

    @property
    def is_late(self) -> bool:
        return self.caller_late_ms.p95 is not None and self.caller_late_ms.p95 > LATE_P95_MS


class TurnsUnder(msgspec.Struct, frozen=True, kw_only=True):
    """Whole turns: ``what`` they were, and under which noise. The run's callers are the same as in `bench`."""

    what: str
    run: RunReport


class CurveSet(msgspec.Struct, frozen=True, kw_only=True):
    """The curves over ``pauses`` silences within and ``ends`` at the end of turns: silence alone, the model alone,
    ours. ``what``: whose turns."""

    what: str
    pauses: int
    ends: int
    curves: list[Curve]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One promise: what it is, what was measured, and whether that is enough; None where it was not measured."""

    promise: str
    measured: str
    is_kept: bool | None


class TurnsReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. A part that was not asked for is empty. ``noise_an_hour``: answers that were
    stopped, or cut off and taken up again, in an hour of noise over answers; ``over_echo``: interruptions while the own
    loudspeaker was in the microphone."""

    made_at: str
    machine: Machine
    options: dict[str, Any]
    is_plain: bool
    curves: list[CurveSet] = []
    turns: list[TurnsUnder] = []
    backchannels: list[Effect] = []
    noise: list[Effect] = []
    noise_an_hour: float | None = None
    alone: list[Alone] = []
    echo: list[Effect] = []
    over_echo: Interruptions | None = None
    interruptions: Interruptions | None = None
    remembered: list[Remembered] = []
    memories: list[Memory] = []
    acts: list[ActReport] = []
    parts: list[Part] = []
    notes: list[str] = []
    schema: str = SCHEMA

    def to_json(self) -> bytes:
        """As indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    def checks(self) -> list[Check]:
        """Each promise, and what was measured."""
        return [*_of_curves(self), *_of_turns(self), *_of_overlaps(self), *_of_interruptions(self)]


def _of_curves(report: TurnsReport) -> list[Check]:
    checks = []
    for each in report.curves:
        _, model, ours = (curve.cut_share_at(AT_MEAN_WAIT_MS) for curve in each.curves)
        is_known = ours is not None and model is not None
        check = Check(
            promise=f"pauses cut at a mean wait of {AT_MEAN_WAIT_MS:.0f} ms, {each.what}: a third fewer than the model",
            measured=f"{ours:.1%} against {model:.1%} of {each.pauses}" if is_known else "not so quick",
            is_kept=ours <= model * (1 - FEWER_THAN_MODEL) if ours is not None and model is not None else None,
        )
        checks.append(check)
    return checks


def _of_turns(report: TurnsReport) -> list[Check]:
    quiet = next((each.run for each in report.turns), None)
    if quiet is None:
        return []
    times, cut = quiet.voice_to_voice_ms, quiet.cut_offs
    cut_share = cut.pauses_cut / cut.pauses if cut.pauses else None
    return [
        _at_most("voice to voice p50", times.p50, V2V_P50_MS, times.n),
        _at_most("voice to voice p95", times.p95, V2V_P95_MS, times.n),
        Check(
            promise=f"pauses cut in the same run: at most {MOST_CUT:.0%}",
            measured="-" if cut_share is None else f"{cut.pauses_cut} of {cut.pauses}",
            is_kept=None if cut_share is None else cut_share <= MOST_CUT,
        ),
    ]


def _of_overlaps(report: TurnsReport) -> list[Check]:
    checks = []
    for effects, promise, most in (
        (
            report.backchannels,
            f"backchannels that stop an answer: under {MOST_STOPPED_BACKCHANNELS:.0%}",
            MOST_STOPPED_BACKCHANNELS,
        ),
        (report.noise, "noises that stop an answer for good: none", 0.0),
    ):
        n = sum(effect.n for effect in effects)
        stopped = sum(effect.counts.get("stopped", 0) for effect in effects)
        if effects:
            is_kept = None if not n else stopped == 0 if not most else stopped / n < most
            checks.append(Check(promise=promise, measured=f"{stopped} of {n}", is_kept=is_kept))
    return checks


def _of_interruptions(report: TurnsReport) -> list[Check]:
    checks = []
    if (found := report.interruptions) is not None:
        # A client of the plain protocol cannot be told to lower an answer.
        if not report.is_plain:
            checks.append(_at_most("interruption to lowered p95", found.duck_ms.p95, DUCK_P95_MS, found.duck_ms.n))
        checks.append(_at_most("interruption to silence p95", found.silence_ms.p95, SILENCE_P95_MS, found.silence_ms.n))
    if report.remembered:
        words, n = sum(each.unheard_words for each in report.remembered), sum(each.n for each in report.remembered)
        checks.append(
            Check(
                promise="unheard words in history: none",
                measured=f"{words} after {n} interruptions",
                is_kept=words == 0 if n else None,
            )
        )
    return checks


def _at_most(what: str, ms: float | None, most_ms: float, n: int) -> Check:
    return Check(
        promise=f"{what}: at most {most_ms:.0f} ms",
        measured="-" if ms is None else f"{ms:.0f} ms (n={n})",
        is_kept=None if ms is None else ms <= most_ms,
    )
