"""The report of the benchmark of conversation as tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from duologue.bench.stats import Summary
from duologue.bench.table import pair
from duologue.bench.turns.curve import CUT_SHARES, MEAN_WAITS_MS
from duologue.bench.turns.figures import EFFECTS, Alone, Effect, Interruptions, Remembered, per_hour
from duologue.bench.turns.report import Check, CurveSet, Part, TurnsReport, TurnsUnder

_MARKS = {True: ("kept", "green"), False: ("MISSED", "bold red"), None: ("not measured", "dim")}


def render(report: TurnsReport) -> RenderableType:
    """One table a part, the promises, and what went wrong."""
    tables: list[RenderableType] = []
    tables += [_curves(curves) for curves in report.curves]
    if report.turns:
        tables.append(_turns(report.turns))
    for title, effects in (
        ("Backchannels over a long answer", report.backchannels),
        ("Noise over a long answer", report.noise),
        ("The caller's own loudspeaker in its microphone", report.echo),
    ):
        if effects:
            tables.append(_effects(title, effects))
    if report.noise_an_hour is not None:
        tables.append(Text(f"false interruptions an hour of noise over answers: {report.noise_an_hour:.1f}"))
    if report.alone:
        tables.append(_alone(report.alone))
    if report.interruptions is not None:
        plain = " (plain protocol)" if report.is_plain else ""
        tables.append(_interruptions(f"Interruptions{plain}", report.interruptions))
    if report.over_echo is not None and report.over_echo.n:
        tables.append(_interruptions("Interruptions over an echo", report.over_echo))
    if report.remembered:
        tables.append(_remembered(report.remembered))
    tables.append(_promises(report.checks()))
    machine = report.machine
    lines = [
        f"{machine.cpus} CPUs, {machine.cpu_model}; Python {machine.python}; duologue {machine.duologue}"
        + (f" at {machine.commit}" if machine.commit else ""),
        *(line for part in report.parts if (line := _attempts(part))),
        *report.notes,
    ]
    bad = [f"{part.name}: not valid: the callers themselves were late" for part in report.parts if part.is_late]
    bad += [f"{part.name}: {count}x {words}" for part in report.parts for words, count in part.troubles.items()]
    return Group(*tables, *(Text(line) for line in lines), *(Text(line, style="bold red") for line in bad))


def _table(title: str, first: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _curves(found: CurveSet) -> Table:
    title = (
        f"Pauses taken for the end, by mean wait at true ends ({found.what}: {found.pauses} pauses, {found.ends} ends)"
    )
    columns = [f"{wait:.0f} ms" for wait in MEAN_WAITS_MS] + [f"wait at {share:.0%}" for share in CUT_SHARES]
    table = _table(title, "end of turn by", columns)
    for curve in found.curves:
        shares = [_percent(curve.cut_share_at(wait)) for wait in MEAN_WAITS_MS]
        waits = [curve.wait_at(share) for share in CUT_SHARES]
        table.add_row(curve.detector, *shares, *("-" if wait is None else f"{wait:.0f} ms" for wait in waits))
    return table


def _turns(turns: Sequence[TurnsUnder]) -> Table:
    title = "Whole turns: p50 / p95 ms"
    table = _table(title, "what", ("answered", "voice to voice", "turns cut", "pauses cut", "word errors"))
    for each in turns:
        run, cut = each.run, each.run.cut_offs
        wer = run.word_errors.wer
        table.add_row(
            each.what,
            f"{run.turns_answered} of {run.turns_planned}",
            _with_n(run.voice_to_voice_ms),
            f"{cut.cut} of {cut.turns}",
            f"{cut.pauses_cut} of {cut.pauses}",
            "-" if wer is None else f"{wer:.1%} of {run.word_errors.words}",
        )
    return table


def _effects(title: str, effects: Sequence[Effect]) -> Table:
    table = _table(title, "kind", ("source", "n", *EFFECTS, "silent ms", "lowered ms", "taken for"))
    for effect in effects:
        _effect_row(table, effect)
    if len(effects) > 1:
        table.add_section()
        counts = {each: sum(effect.counts.get(each, 0) for effect in effects) for each in EFFECTS}
        cells = [str(counts[each] or "") for each in EFFECTS]
        table.add_row("together", "", str(sum(effect.n for effect in effects)), *cells, "", "", "")
    return table


def _effect_row(table: Table, effect: Effect) -> None:
    table.add_row(
        effect.kind,
        effect.source,
        str(effect.n),
        *(str(effect.counts.get(each) or "") for each in EFFECTS),
        _with_n(effect.silent_ms),
        _with_n(effect.lowered_ms),
        _counted(effect.verdicts),
    )


def _alone(noises: Sequence[Alone]) -> Table:
    columns = ("n", "seconds", "onsets", "an hour", "turns", "an hour", "answers")
    table = _table("Noise while nobody speaks", "kind", columns)
    for each in noises:
        onsets, turns = _rate(each.onsets, each.seconds), _rate(each.turns, each.seconds)
        cells = (each.n, f"{each.seconds:.0f}", each.onsets, onsets, each.turns, turns, each.answers)
        table.add_row(each.kind, *map(str, cells))
    seconds = sum(each.seconds for each in noises)
    onsets, turns, answers = (sum(getattr(each, name) for each in noises) for name in ("onsets", "turns", "answers"))
    table.add_section()
    table.add_row(
        "together",
        str(sum(each.n for each in noises)),
        f"{seconds:.0f}",
        str(onsets),
        _rate(onsets, seconds),
        str(turns),
        _rate(turns, seconds),
        str(answers),
    )
    return table


def _interruptions(what: str, found: Interruptions) -> Table:
    title = f"{what}, ms from the true onset: p50 / p95"
    table = _table(title, "n", ("missed", "to lowered", "to silence", "to verdict", "taken for", "unusable"))
    table.add_row(
        str(found.n),
        str(found.missed),
        _with_n(found.duck_ms),
        _with_n(found.silence_ms),
        _with_n(found.verdict_ms),
        _counted(found.verdicts),
        str(found.unusable),
    )
    return table


def _remembered(found: Sequence[Remembered]) -> Table:
    title = "What is remembered of interrupted answers, beside what was heard (the word being spoken may be in or out)"
    columns = (
        "answers",
        "with unheard words",
        "unheard words",
        "heard words lost",
        "no beginning",
        "not told",
        "times by",
    )
    table = _table(title, "the server knows by", columns)
    for each in found:
        cells = (each.n, each.with_unheard, each.unheard_words, each.lost_words, each.not_a_beginning, each.not_told)
        table.add_row(each.account, *map(str, cells), _counted(each.by))
    return table


def _attempts(part: Part) -> str:
    """What was prepared in pauses, kept or in vain; "" where the server tells nothing of it."""
    found = part.attempts
    count = found.kept + found.dropped
    if not count:
        return ""
    return (
        f"{part.name}: {found.kept} of {count} attempts at an answer kept ({_counted(found.levels)}); engine time "
        f"{found.kept_ms / 1000:.1f} s on those kept, {found.dropped_ms / 1000:.1f} s on those dropped"
    )


def _promises(checks: Sequence[Check]) -> Table:
    table = _table("Promises", "promise", ("measured", ""))
    for check in checks:
        words, style = _MARKS[check.is_kept]
        table.add_row(check.promise, check.measured, Text(words, style=style))
    return table


def _with_n(summary: Summary) -> str:
    return f"{pair(summary)} (n={summary.n})" if summary.n else ""


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _rate(count: int, seconds: float) -> str:
    rate = per_hour(count, seconds)
    return "-" if rate is None else f"{rate:.0f}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
