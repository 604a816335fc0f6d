"""The curves over the number of callers: delay, unanswered turns, CPU; with other servers' points where they can be
compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from duologue.bench.peers import Peer, load_peers
from duologue.bench.report import BESIDE, Report, RunReport

_OURS, _BESIDE = "#c44e52", "#1f1f1f"
_PEER_COLOURS = ("#4c72b0", "#55a868", "#8172b2", "#ccb974", "#64b5cd", "#8c8c8c")
# Voice activity alone is late by its own lag; nobody's figure lies below, and a log scale needs a floor.
_LEAST_MS = 10.0


def draw_delay(axes: Any, report: Report) -> None:
    """p50 and p95 against callers. With a rule, what is above it, and the peers' beside it."""
    rule_ms = report.rule_ms or 0.0
    callers = [run.callers for run in report.runs]
    if report.rule_ms is not None:
        for peer, colour in zip(load_peers().server, _PEER_COLOURS, strict=True):
            axes.plot(peer.callers, peer.over_p95_ms, "o--", color=colour, ms=4, lw=1, label=_named(peer))
            axes.plot(peer.callers, peer.over_p50_ms, ":", color=colour, lw=1)
    for name, colour, runs in _servers(report):
        heard = [run for run in runs if run.voice_to_voice_ms.n]
        p50 = [_above(run.voice_to_voice_ms.p50, rule_ms) for run in heard]
        p95 = [_above(run.voice_to_voice_ms.p95, rule_ms) for run in heard]
        axes.plot([run.callers for run in heard], p95, "o-", color=colour, lw=2, label=f"{name} p95")
        axes.plot([run.callers for run in heard], p50, "o:", color=colour, lw=2, ms=4, label=f"{name} p50")
        for run, height in zip(heard, p95, strict=True):
            _mark(axes, run, height)
    what = f"ms above the {rule_ms:g} ms rule, log" if report.rule_ms is not None else "voice-to-voice, ms, log"
    _scales(axes, callers, report, ylabel=what, log=True)


def draw_cpu(axes: Any, report: Report) -> None:
    """CPU time a session-second against callers."""
    callers = [run.callers for run in report.runs]
    if report.rule_ms is not None:
        for peer, colour in zip(load_peers().server, _PEER_COLOURS, strict=True):
            axes.plot(peer.callers, peer.cpu_ms, "o--", color=colour, ms=4, lw=1, label=peer.name)
    for name, colour, runs in _servers(report):
        costs = [(run.callers, run.usage.cpu_ms_per_session_second) for run in runs if run.usage]
        axes.plot([at for at, _ in costs], [cost for _, cost in costs], "o-", color=colour, lw=2, label=name)
    _scales(axes, callers, report, ylabel="server's CPU ms a session-second, log", log=True)


def draw_unanswered(axes: Any, report: Report) -> None:
    """Share of turns without an answer against callers."""
    most = 5.0
    for name, colour, runs in _servers(report):
        shares = [100 * run.turns_unanswered / run.turns_planned for run in runs]
        axes.plot([run.callers for run in runs], shares, "o-", color=colour, lw=2, label=name)
        most = max(most, *shares)
    _scales(axes, [run.callers for run in report.runs], report, ylabel="turns unanswered, %", log=False)
    axes.set_ylim(-0.5, most * 1.1)


def caption(report: Report) -> str:
    """What a reader must know to compare."""
    ours = "Crossed points are not valid: the callers themselves were late."
    if report.rule_ms is None:
        return ours
    return (
        f"Others: {load_peers().source}; dashes: p95 to the first byte of sound, dots: p50.\n"
        f"Duologue: this run, to the first audible sample, voice-to-voice less {report.rule_ms:g} ms. {ours}"
    )


def _servers(report: Report) -> Iterator[tuple[str, str, list[RunReport]]]:
    """Name, colour and runs of the server that was measured, then of one beside it."""
    for server, name, colour in (("", "Duologue", _OURS), (BESIDE, "server beside, in this run,", _BESIDE)):
        runs = [run for run in report.runs if run.server == server]
        if runs:
            yield name, colour, runs


def _named(peer: Peer) -> str:
    return f"{peer.name} p95 (holds {peer.holds})"


def _above(ms: float | None, rule_ms: float) -> float:
    """A recording that fades out can be answered sooner than the rule after its labelled end."""
    return max(_LEAST_MS, (ms or 0.0) - rule_ms)


def _mark(axes: Any, run: RunReport, height: float) -> None:
    if run.is_caller_late:
        axes.plot([run.callers], [height], "kx", ms=10)
    if run.turns_unanswered:
        words = f"{run.turns_unanswered} unanswered"
        axes.annotate(words, (run.callers, height), textcoords="offset points", xytext=(4, 6), fontsize="x-small")


def _scales(axes: Any, callers: Sequence[int], report: Report, *, ylabel: str, log: bool) -> None:
    ticks = sorted({*callers, *((1, 8, 32, 128) if report.rule_ms is not None else ())})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="callers at once", ylabel=ylabel)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small")
