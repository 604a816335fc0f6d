"""The reports of `overload` and `fairness` as tables in the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from duologue.bench.fairness import FairnessReport
from duologue.bench.overload import OverloadReport
from duologue.bench.report import RunReport, faults
from duologue.bench.rude import Rudeness
from duologue.bench.table import pair


def render_overload(report: OverloadReport) -> RenderableType:
    """Who got in, how soon the others knew, and how those inside were answered."""
    table = Table(title=f"{report.callers} callers at once, capacity {report.capacity}", title_justify="left")
    for heading in ("", f"{report.capacity} at once", f"{report.callers} at once"):
        table.add_column(heading, justify="right" if heading else "left")
    refused = ", ".join(f"{count} {word}" for word, count in sorted(report.refused.items())) or "0"
    wait = report.refusal_ms
    table.add_row("admitted", str(report.full.callers), str(report.admitted))
    table.add_row("queued", "-", str(report.queued))
    table.add_row("refused", str(len(report.full.refused)), refused)
    table.add_row("told so after, p50 / p95 ms", "-", pair(wait))
    table.add_row("  at the latest, ms", "-", "-" if wait.max is None else f"{wait.max:.0f}")
    for name, field in (("voice to voice, p50 / p95 ms", "voice_to_voice_ms"), ("caller's lateness", "caller_late_ms")):
        table.add_row(name, *(pair(getattr(run, field)) for run in (report.full, report.crowded)))
    table.add_row("turns unanswered", str(report.full.turns_unanswered), str(report.crowded.turns_unanswered))
    table.add_row("p95, times that without the surplus", "1", _times(report.p95_ratio))
    return Group(table, *_faults((report.full, "full"), (report.crowded, "crowded")))


def render_fairness(report: FairnessReport) -> RenderableType:
    """One row a kind of rude caller."""
    table = Table(title=f"{report.callers} callers beside a rude one: voice-to-voice, ms", title_justify="left")
    for heading in ("beside one who", "p50 / p95", "mean", "p95 times", "mean times", "unanswered", "rude calls"):
        table.add_column(heading, justify="left" if heading == "beside one who" else "right")
    for run, name in zip(report.alone, ("(nobody)", "(nobody, again)"), strict=True):
        table.add_row(name, pair(run.voice_to_voice_ms), _mean(run), "", "", str(run.turns_unanswered), "")
    for each in report.beside:
        cells = (_times(each.p95_ratio), _times(each.mean_ratio), str(each.run.turns_unanswered))
        heard = pair(each.run.voice_to_voice_ms)
        table.add_row(each.kind, heard, _mean(each.run), *cells, str(each.rudeness.calls))
    ends = [Text(f"{each.kind}: {words}") for each in report.beside for words in _ends(each.rudeness)]
    runs = [(run, "alone") for run in report.alone] + [(each.run, each.kind) for each in report.beside]
    return Group(table, *ends, *_faults(*runs))


def _ends(rudeness: Rudeness) -> list[str]:
    return [f"was hung up on {count} times: {words}" for words, count in rudeness.ended.items()]


def _mean(run: RunReport) -> str:
    mean = run.voice_to_voice_ms.mean
    return "-" if mean is None else f"{mean:.0f}"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _faults(*runs: tuple[RunReport, str]) -> list[Text]:
    return [Text(f"{name}: {words}", style="bold red") for run, name in runs for words in faults(run)]
