"""The report as a picture: where the time goes, and how voice-to-voice spreads, for each number of callers; the curves
over the number of callers where there is more than one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from duologue.bench.curves import caption, draw_cpu, draw_delay, draw_unanswered
from duologue.bench.report import STAGES, Report
from duologue.errors import ConfigError

SUFFIXES = (".png", ".svg", ".pdf")
_STAGE_COLOURS = ("#4c72b0", "#55a868", "#c44e52", "#8172b2", "#ccb974")


def require_drawable(path: Path) -> None:
    """Raises ConfigError where the picture cannot be drawn to ``path``; asked before a bench, not after it."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--plot: .png, .svg or .pdf, not {path.name}")
    require_matplotlib()


def require_matplotlib() -> None:
    """Raises ConfigError with what to install."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ConfigError('drawing needs matplotlib: pip install "matplotlib>=3.10"') from None


def draw(report: Report, path: Path) -> None:
    """Write the plot; the kind follows from the suffix (.png, .svg, .pdf). Raises ConfigError."""
    require_matplotlib()
    from matplotlib.figure import Figure

    if len(report.runs) > 1:
        figure = Figure(figsize=(13, 10), layout="constrained")
        halves: Any = figure.subfigures(2, 1, height_ratios=(3, 2))
        top, bottom = halves
        delay, cpu = top.subplots(1, 2)
        draw_delay(delay, report)
        draw_cpu(cpu, report)
        top.supxlabel(caption(report), fontsize="x-small")
        bars, curves, unanswered = bottom.subplots(1, 3)
        draw_unanswered(unanswered, report)
    else:
        figure = Figure(figsize=(11, 4.5), layout="constrained")
        bars, curves = figure.subplots(1, 2)
    _draw_stages(bars, report)
    _draw_spread(curves, report)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the plot cannot be written to {path}: {error}") from None


def _draw_stages(axes: Any, report: Report) -> None:
    """Stacked bars of each stage's p50. Medians do not add up exactly: the dot is voice-to-voice's own."""
    names = [f"{run.callers} {run.server}".strip() for run in report.runs]
    lefts = [0.0] * len(names)
    for stage, colour in zip(STAGES, _STAGE_COLOURS, strict=True):
        widths = [getattr(run, stage).p50 or 0.0 for run in report.runs]
        axes.barh(
            names, widths, height=0.5, left=lefts, color=colour, label=stage.removesuffix("_ms").replace("_", " ")
        )
        lefts = [left + max(0.0, width) for left, width in zip(lefts, widths, strict=True)]
    medians = [run.voice_to_voice_ms.p50 or 0.0 for run in report.runs]
    axes.plot(medians, names, "ko", label="voice to voice, p50")
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.set(xlabel="ms after the true end of speech (p50 of each stage)", ylabel="callers at once")
    axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)


def _draw_spread(axes: Any, report: Report) -> None:
    for run in report.runs:
        values = sorted(turn.waterfall.voice_to_voice_ms for turn in run.turns if turn.waterfall is not None)
        shares = [rank / len(values) for rank in range(len(values) + 1)] if values else []
        axes.step(
            [*values[:1], *values], shares, where="post", label=f"{run.callers} at once {run.server}, n={len(values)}"
        )
    axes.set(xlabel="voice-to-voice, ms", ylabel="share of turns", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="lower right")
