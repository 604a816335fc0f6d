"""From the logs of a run to figures: JSON for machines, a table for people. `stats` says how percentiles are taken.

The JSON's ``schema`` is "duologue-bench/1"; the number goes up when a field changes its meaning or goes away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from duologue.bench.crowd import Outcome
from duologue.bench.footprint import Usage
from duologue.bench.idle import IdleMemory
from duologue.bench.machine import Machine, this_machine
from duologue.bench.run import Run
from duologue.bench.stats import Summary, summarise
from duologue.bench.timeline import CutOff, TurnLog, Waterfall, cut_off, is_answered, waterfall
from duologue.bench.words import WordErrors, word_errors
from duologue.errors import ConfigError

SCHEMA = "duologue-bench/1"
# What runs with another server than the one that is measured are called.
BESIDE = "beside"
# The caller's own lateness is in every figure: above this the figures are not to be trusted.
LATE_P95_MS = 20.0

STAGES = ("endpointing_ms", "thinking_ms", "first_audio_ms", "delivery_ms", "leading_silence_ms")


class CutOffs(msgspec.Struct, frozen=True, kw_only=True):
    """False cut-offs: turns in which the floor was taken before the true end, of all turns spoken; and inner
    pauses of 200 ms or more that were taken for the end, of all such pauses."""

    turns: int
    cut: int
    rate: float | None
    pauses: int
    pauses_cut: int
    early_ms: Summary


class TurnReport(msgspec.Struct, frozen=True, kw_only=True):
    """One turn, for those who want to look closer."""

    caller: int
    clip: str
    is_answered: bool
    waterfall: Waterfall | None
    cut_off: CutOff
    text: str | None
    heard: str


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """One run with so many callers. Times in ms; a stage's ``n`` tells how many turns had it.

    ``server``: "" for the one that is measured, "beside" for another. ``p95_over_first_ms``: voice-to-voice p95 less
    that of its server's first run. ``newcomer_connection_ms``: from the TCP connect to ``session.created``, of those
    who called while the others talked. ``callers_cpu_percent``: of one core, what it took to be all these callers.
    With ``is_caller_late`` the figures are not valid.
    """

    server: str
    callers: int
    turns_planned: int
    turns_spoken: int
    turns_answered: int
    turns_unanswered: int
    voice_to_voice_ms: Summary
    p95_over_first_ms: float | None
    endpointing_ms: Summary
    words_ms: Summary
    transcript_ms: Summary
    thinking_ms: Summary
    first_audio_ms: Summary
    delivery_ms: Summary
    leading_silence_ms: Summary
    interruption_stop_ms: Summary
    interruption_outcomes: dict[str, int]
    cut_offs: CutOffs
    word_errors: WordErrors
    word_errors_beside_baseline: WordErrors
    baseline_word_errors: WordErrors
    answer_gap_ms: float
    newcomer_connection_ms: Summary
    newcomers_refused: int
    caller_late_ms: Summary
    callers_cpu_percent: float | None
    is_caller_late: bool
    usage: Usage | None
    refused: list[str]
    dropped: list[str]
    complaints: dict[str, int]
    turns: list[TurnReport]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole bench. ``rule_ms``: the silence that ends a turn there, where nothing else does."""

    made_at: str
    machine: Machine
    options: dict[str, Any]
    connection_ms: Summary
    idle: IdleMemory | None = None
    rule_ms: float | None = None
    runs: list[RunReport]
    notes: list[str]
    schema: str = SCHEMA

    def to_json(self) -> bytes:
        """The report as indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


def make_report(
    runs: Sequence[RunReport],
    *,
    options: dict[str, Any],
    connections_ms: Sequence[float],
    notes: Sequence[str],
    idle: IdleMemory | None = None,
    rule_ms: float | None = None,
) -> Report:
    """Put the runs together with what they were measured on."""
    return Report(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=this_machine(),
        options=options,
        connection_ms=summarise(connections_ms),
        idle=idle,
        rule_ms=rule_ms,
        runs=[_over(run, next(first for first in runs if first.server == run.server)) for run in runs],
        notes=list(notes),
    )


def _over(run: RunReport, first: RunReport) -> RunReport:
    """``run``, with what sets it apart from the first of its server."""
    now, then = run.voice_to_voice_ms.p95, first.voice_to_voice_ms.p95
    over = round(now - then, 2) if now is not None and then is not None else None
    return msgspec.structs.replace(run, p95_over_first_ms=over)


def report_run(run: Run, server: str = "") -> RunReport:
    """All figures of one run."""
    logs = [log for outcome in run.outcomes for log in outcome.turns]
    answered = sum(is_answered(log) for log in logs)
    falls = [waterfall(log) for log in logs]
    stops = [each for outcome in run.outcomes for each in outcome.interruptions]
    late = summarise(late for outcome in run.outcomes for late in outcome.call.late_ms)
    heard, beside, baseline = _count_words(logs)
    return RunReport(
        server=server,
        callers=run.callers,
        turns_planned=run.turns_planned,
        turns_spoken=len(logs),
        turns_answered=answered,
        turns_unanswered=run.turns_planned - answered,
        p95_over_first_ms=None,
        **{stage: _stage(falls, stage) for stage in ("voice_to_voice_ms", "words_ms", "transcript_ms", *STAGES)},
        interruption_stop_ms=summarise(each.stop_ms for each in stops),
        interruption_outcomes=dict(Counter(each.ended for each in stops)),
        cut_offs=_cut_offs(logs),
        word_errors=heard,
        word_errors_beside_baseline=beside,
        baseline_word_errors=baseline,
        answer_gap_ms=round(sum(outcome.gap_ms for outcome in run.outcomes), 1),
        newcomer_connection_ms=summarise(run.newcomers.connect_ms),
        newcomers_refused=run.newcomers.refused,
        callers_cpu_percent=round(100 * run.callers_cpu_s / run.duration_s, 1) if run.duration_s else None,
        caller_late_ms=late,
        is_caller_late=late.p95 is not None and late.p95 > LATE_P95_MS,
        usage=run.usage,
        refused=[outcome.refused for outcome in run.outcomes if outcome.refused],
        dropped=[outcome.call.ended_early for outcome in run.outcomes if outcome.call.ended_early],
        complaints=dict(Counter(words for outcome in run.outcomes for words in outcome.complaints)),
        turns=[turn for number, outcome in enumerate(run.outcomes) for turn in _turns(number, outcome)],
    )


def faults(run: RunReport) -> list[str]:
    """What makes a run a failure or its figures doubtful, in words for a person."""
    said = []
    if run.turns_unanswered:
        said.append(f"{run.turns_unanswered} of {run.turns_planned} turns were not answered")
    said += [f"a caller was turned away: {words}" for words in sorted(set(run.refused))]
    said += [f"a caller was dropped: {words}" for words in sorted(set(run.dropped))]
    said += [f"the server complained ({count}x): {words}" for words, count in run.complaints.items()]
    if run.is_caller_late:
        late = f"{run.caller_late_ms.p95:.0f} ms"
        said.append(f"not valid: the callers themselves were late (p95 {late}); this machine is too busy to tell")
    return said


def _stage(falls: Sequence[Waterfall | None], stage: str) -> Summary:
    return summarise(getattr(fall, stage) for fall in falls if fall is not None)


def _cut_offs(logs: Sequence[TurnLog]) -> CutOffs:
    each = [cut_off(log) for log in logs]
    cut = [one for one in each if one.is_cut_off]
    return CutOffs(
        turns=len(each),
        cut=len(cut),
        rate=round(len(cut) / len(each), 4) if each else None,
        pauses=sum(one.pauses for one in each),
        pauses_cut=sum(one.pauses_cut for one in each),
        early_ms=summarise(one.early_ms for one in cut),
    )


def _count_words(logs: Sequence[TurnLog]) -> tuple[WordErrors, WordErrors, WordErrors]:
    """Ours over all turns for which a transcript came; ours, and the baseline's, over those where it has one."""
    counted = [log for log in logs if log.text and any(take.transcript_at is not None for take in log.takes)]
    both = [log for log in counted if log.baseline_text is not None]
    try:
        return (
            word_errors((log.text or "", log.heard_text) for log in counted),
            word_errors((log.text or "", log.heard_text) for log in both),
            word_errors((log.text or "", log.baseline_text or "") for log in both),
        )
    except ConfigError:
        return WordErrors(), WordErrors(), WordErrors()


def _turns(caller: int, outcome: Outcome) -> list[TurnReport]:
    return [
        TurnReport(
            caller=caller,
            clip=log.clip,
            is_answered=is_answered(log),
            waterfall=waterfall(log),
            cut_off=cut_off(log),
            text=log.text,
            heard=log.heard_text,
        )
        for log in outcome.turns
    ]
