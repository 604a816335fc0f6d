"""The report as a table in the terminal: one column a run, one row a figure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from duologue.bench.report import Report, RunReport, faults
from duologue.bench.stats import Summary
from duologue.bench.words import WordErrors

_STAGE_NAMES = {
    "endpointing_ms": "  endpointing",
    "thinking_ms": "  to response.created",
    "first_audio_ms": "  to first audio",
    "delivery_ms": "  queued at the client",
    "leading_silence_ms": "  leading silence",
    "words_ms": "all words shown after speech",
    "transcript_ms": "transcript final after speech",
}
_WORD_ERRORS, _BESIDE_BASELINE, _OF_BASELINE = "word errors", "  where there is a baseline", "  of that baseline"
_OF_WORDS = {_WORD_ERRORS, _BESIDE_BASELINE, _OF_BASELINE, _STAGE_NAMES["words_ms"]}


def render(report: Report) -> RenderableType:
    """The table, then the connection time, the machine, and what went wrong."""
    table = Table(title="Duologue bench: p50 / p95 ms unless it says otherwise", title_justify="left")
    table.add_column("callers at once")
    for run in report.runs:
        table.add_column(_heading(run), justify="right")
    is_scripted = report.options.get("url") is None and report.options.get("profile") == "scripted"
    for name, cells in _rows(report.runs):
        # What the scripted transcriber hears is not what was said.
        if not (is_scripted and name in _OF_WORDS):
            table.add_row(name, *cells)
    machine = report.machine
    lines = [
        f"connect to session.created: {pair(report.connection_ms)} ms (n={report.connection_ms.n})",
        *_idle(report),
        f"{machine.cpus} CPUs, {machine.cpu_model}; Python {machine.python}; duologue {machine.duologue}"
        + (f" at {machine.commit}" if machine.commit else ""),
        *report.notes,
    ]
    bad = [f"{_heading(run)}: {words}" for run in report.runs for words in faults(run)]
    return Group(table, *(Text(line) for line in lines), *(Text(line, style="bold red") for line in bad))


def _heading(run: RunReport) -> str:
    return " ".join([str(run.callers), *([run.server] if run.server else []), *(["(!)"] if run.is_caller_late else [])])


def _rows(runs: Sequence[RunReport]) -> list[tuple[str, list[str]]]:
    rows = [
        ("turns answered", [f"{run.turns_answered} of {run.turns_planned}" for run in runs]),
        ("voice to voice", [(pair if len(runs) > 1 else _pair_of)(run.voice_to_voice_ms) for run in runs]),
    ]
    if len(runs) > 1:
        rows.insert(1, ("turns unanswered", [str(run.turns_unanswered) for run in runs]))
        rows.append((f"  p95, than with {runs[0].callers}", [_signed(run.p95_over_first_ms) for run in runs]))
    for stage, name in _STAGE_NAMES.items():
        summaries = [getattr(run, stage) for run in runs]
        if any(summary.n for summary in summaries):
            rows.append((name, [pair(summary) for summary in summaries]))
    if any(run.interruption_outcomes for run in runs):
        rows.append(("interruption stop", [_pair_of(run.interruption_stop_ms) for run in runs]))
        rows.append(("interruptions by outcome", [_outcomes(run.interruption_outcomes) for run in runs]))
    rows += [
        ("false cut-offs, turns", [f"{run.cut_offs.cut} of {run.cut_offs.turns}" for run in runs]),
        ("false cut-offs, inner pauses", [f"{run.cut_offs.pauses_cut} of {run.cut_offs.pauses}" for run in runs]),
        (_WORD_ERRORS, [_words(run.word_errors) for run in runs]),
    ]
    if any(run.baseline_word_errors.turns for run in runs):
        rows.append((_BESIDE_BASELINE, [_words(run.word_errors_beside_baseline) for run in runs]))
        rows.append((_OF_BASELINE, [_words(run.baseline_word_errors) for run in runs]))
    rows += [
        ("gaps in answers, ms in all", [f"{run.answer_gap_ms:.0f}" for run in runs]),
        ("caller's own lateness", [pair(run.caller_late_ms) for run in runs]),
        ("callers' CPU, % of a core", [_percent(run.callers_cpu_percent) for run in runs]),
    ]
    if any(run.newcomer_connection_ms.n or run.newcomers_refused for run in runs):
        rows.append(("connecting meanwhile", [_newcomers(run) for run in runs]))
    if any(run.usage for run in runs):
        rows.append(("CPU ms a session-second", [_usage(run, "cpu_ms_per_session_second") for run in runs]))
        rows.append(("MiB a session / in all", [_memory(run) for run in runs]))
    return rows


def pair(summary: Summary) -> str:
    """p50 / p95, or "-"."""
    if summary.p50 is None or summary.p95 is None:
        return "-"
    places = 1 if summary.p95 < 10 else 0
    return f"{summary.p50:.{places}f} / {summary.p95:.{places}f}"


def _pair_of(summary: Summary) -> str:
    return f"{pair(summary)} (n={summary.n})" if summary.n else "-"


def _signed(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:+.0f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0f}"


def _newcomers(run: RunReport) -> str:
    refused = f", {run.newcomers_refused} refused" if run.newcomers_refused else ""
    return _pair_of(run.newcomer_connection_ms) + refused


def _idle(report: Report) -> list[str]:
    idle = report.idle
    if idle is None:
        return []
    asked = "" if idle.sessions == idle.asked else f" (of {idle.asked} asked for; the others were refused)"
    return [
        f"memory of an idle session: {idle.kb_per_session:.0f} kB, over {idle.sessions} of them{asked}; the server "
        f"holds {idle.before_mib:.0f} MiB without them"
    ]


def _outcomes(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {ended}" for ended, count in sorted(counts.items())) or "-"


def _words(counted: WordErrors) -> str:
    return "-" if counted.wer is None else f"{counted.wer:.1%} of {counted.words}"


def _usage(run: RunReport, name: str) -> str:
    return f"{getattr(run.usage, name):.1f}" if run.usage else "-"


def _memory(run: RunReport) -> str:
    usage = run.usage
    return f"{usage.memory_mib_per_session:.1f} / {usage.memory_peak_mib:.0f}" if usage else "-"
