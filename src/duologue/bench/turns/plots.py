"""The report of the benchmark of conversation as pictures: the curves, the strip of what sounds did to answers, and how
soon interruptions were felt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from duologue.bench.plots import SUFFIXES, require_matplotlib
from duologue.bench.stats import Summary
from duologue.bench.turns.curve import CUT_SHARES
from duologue.bench.turns.figures import EFFECTS, Effect, Interruptions
from duologue.bench.turns.report import AT_MEAN_WAIT_MS, DUCK_P95_MS, SILENCE_P95_MS, CurveSet, TurnsReport
from duologue.errors import ConfigError

_OURS = "#c44e52"
_COLOURS = ("#8c8c8c", "#4c72b0", _OURS)
# From what nobody minds to what ends an answer.
_EFFECT_COLOURS = dict(zip(EFFECTS, ("#55a868", "#a1c9a9", "#ccb974", "#dd8452", "#c44e52"), strict=True))
LONGEST_WAIT_MS = 1600.0


def require_folder(folder: Path, suffix: str) -> None:
    """Raises ConfigError where pictures cannot be drawn there; asked before a bench, not after it."""
    if suffix not in SUFFIXES:
        raise ConfigError(f"pictures are {', '.join(SUFFIXES)}, not {suffix}")
    require_matplotlib()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made: {error.strerror}") from None


def draw(report: TurnsReport, folder: Path, suffix: str = ".svg") -> list[Path]:
    """Write what there is to be drawn into ``folder``; gives the files. Raises ConfigError."""
    require_folder(folder, suffix)
    from matplotlib.figure import Figure

    overlaps = [*report.backchannels, *report.noise, *report.echo]
    drawn = []
    if report.curves:
        figure = Figure(figsize=(7 * len(report.curves), 5), layout="constrained")
        grid = figure.subplots(1, len(report.curves), squeeze=False)
        for axes, found in zip(grid[0], report.curves, strict=True):
            draw_curves(axes, found)
        drawn.append(_save(figure, folder / f"curve{suffix}"))
    if overlaps:
        figure = Figure(figsize=(9, 1.5 + 0.3 * len(overlaps)), layout="constrained")
        draw_effects(figure.subplots(), overlaps)
        drawn.append(_save(figure, folder / f"overlaps{suffix}"))
    if report.interruptions is not None and report.interruptions.n:
        figure = Figure(figsize=(8, 3), layout="constrained")
        draw_interruptions(figure.subplots(), report.interruptions)
        drawn.append(_save(figure, folder / f"interruptions{suffix}"))
    return drawn


def draw_curves(axes: Any, found: CurveSet) -> None:
    """Share of pauses cut against mean wait: lower and further left is better."""
    for curve, colour in zip(found.curves, _COLOURS, strict=False):
        shown = [setting for setting in curve.settings if setting.mean_wait_ms <= LONGEST_WAIT_MS]
        waits = [setting.mean_wait_ms for setting in shown]
        axes.step(
            waits, [100 * setting.cut_share for setting in shown], where="post", color=colour, label=curve.detector
        )
    for share in CUT_SHARES:
        axes.axhline(100 * share, color="#bbbbbb", lw=0.8, ls=":")
    axes.axvline(AT_MEAN_WAIT_MS, color="#bbbbbb", lw=0.8, ls=":")
    axes.set(
        title=found.what,
        xlabel=f"mean wait at {found.ends} true ends, ms",
        ylabel=f"of {found.pauses} pauses taken for the end, %",
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def draw_effects(axes: Any, effects: Sequence[Effect]) -> None:
    """A strip a kind: what was left alone, lowered, held, cut and stopped."""
    names = [f"{effect.kind}, {effect.source} (n={effect.n})" for effect in effects]
    places = list(range(len(names)))
    lefts = [0.0] * len(names)
    for outcome in EFFECTS:
        shares = [100 * (effect.share(outcome) or 0.0) for effect in effects]
        axes.barh(places, shares, left=lefts, color=_EFFECT_COLOURS[outcome], label=outcome)
        lefts = [left + share for left, share in zip(lefts, shares, strict=True)]
    axes.set_yticks(places, names, fontsize="small")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set(xlabel="of sounds over an answer, %", xlim=(0, 100))
    axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=len(EFFECTS), frameon=False)


def draw_interruptions(axes: Any, found: Interruptions) -> None:
    """From the onset: the middle half is not known, but the median, the 95th percentile and the worst are."""
    rows: list[tuple[str, Summary, float | None]] = [
        ("lowered", found.duck_ms, DUCK_P95_MS),
        ("silent", found.silence_ms, SILENCE_P95_MS),
        ("verdict", found.verdict_ms, None),
    ]
    for place, (_, times, most_ms) in enumerate(rows):
        if times.p50 is None:
            continue
        axes.plot([times.p50, times.max], [place, place], color="#8c8c8c", lw=1)
        axes.plot([times.p50, times.p95], [place, place], color=_OURS, lw=5, solid_capstyle="butt")
        axes.plot([times.p50], [place], "ko")
        if most_ms is not None:
            axes.plot([most_ms], [place], "k|", ms=16)
    axes.set_yticks(range(len(rows)), [f"{name} (n={times.n})" for name, times, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set(
        xlabel="ms from the interrupter's onset: p50, bar to p95, line to the worst; | promised p95", xlim=(0, None)
    )
    axes.grid(alpha=0.3, axis="x")


def _save(figure: Any, path: Path) -> Path:
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the plot cannot be written to {path}: {error}") from None
    return path
