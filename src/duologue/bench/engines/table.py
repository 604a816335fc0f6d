"""The report on engines as tables in the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from duologue.bench.engines.measure import BatchFigures
from duologue.bench.engines.run import EngineReport, floor_key
from duologue.bench.stats import Summary


def render(report: EngineReport) -> RenderableType:
    """One table of loading, one of speed, then the machine and what was not measured."""
    machine = report.machine
    gpu = f"; {report.gpu.name}" if report.gpu else "; no GPU"
    lines = [
        f"{machine.cpus} CPUs, {machine.cpu_model}{gpu}; Python {machine.python}; duologue {machine.duologue}"
        + (f" at {machine.commit}" if machine.commit else ""),
        *(
            f"{p.device}: {p.gflops:.0f} GFLOP/s in a matrix product, {p.gb_per_s:.0f} GB/s copied"
            for p in report.peaks
        ),
    ]
    if report.has_random_weights:
        lines.append(
            "Whisper, Voxtral and Kokoro: made-up weights at full size; the same cost, no sense in the output."
        )
    lines += [f"not measured: {key}: {why}" for key, why in report.missing.items()]
    tables = [_loading(report), _speed(report)] if report.engines else []
    return Group(*tables, *(Text(line) for line in lines))


def _loading(report: EngineReport) -> Table:
    table = Table(title=f"Engines of the profile {report.profile}", title_justify="left")
    for heading in ("engine", "device", "load and warm-up, s", "memory, MiB", "on the GPU, MiB"):
        table.add_column(heading, justify="left" if heading in {"engine", "device"} else "right")
    for e in report.engines:
        gpu = "-" if e.gpu_mib is None else f"{e.gpu_mib:.0f}"
        table.add_row(f"{e.stage}.{e.engine}", e.device, f"{e.load_s:.1f}", f"{e.memory_mib:.0f}", gpu)
    return table


def _speed(report: EngineReport) -> Table:
    table = Table(title="First output and whole answer: p50 / p95 ms", title_justify="left")
    for heading in ("engine", "asked", "at once", "first", "floor", "whole", "rate"):
        table.add_column(heading, justify="left" if heading in {"engine", "asked"} else "right")
    for e in report.engines:
        for index, case in enumerate(e.cases):
            for row, figures in enumerate(case.batches):
                names = (f"{e.stage}.{e.engine}" if index == row == 0 else "", case.case if row == 0 else "")
                floor = report.floors.get(floor_key(e, case.case))
                table.add_row(*names, *_cells(figures, case.unit, floor), end_section=row == len(case.batches) - 1)
    return table


def _cells(figures: BatchFigures, unit: str, floor: float | None) -> list[str]:
    first = "-" if floor is None or figures.at_once != 1 else f"{floor:.0f}"
    failed = f" ({figures.failures} failed)" if figures.failures else ""
    rate = f"{figures.rate:.1f} {unit}/s{failed}"
    return [str(figures.at_once), _pair(figures.first_ms), first, _pair(figures.whole_ms), rate]


def _pair(summary: Summary) -> str:
    if summary.p50 is None or summary.p95 is None:
        return "-"
    places = 1 if summary.p95 < 10 else 0
    return f"{summary.p50:.{places}f} / {summary.p95:.{places}f}"
