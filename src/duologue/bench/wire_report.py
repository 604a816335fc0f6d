"""The figures of ``duologue bench wire``, and their tables in the terminal."""

from __future__ import annotations

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from duologue.bench.machine import Machine
from duologue.bench.protocol_cost import GOAL_IN_US, GOAL_OUT_US, IN_MS, OUT_MS, Cost
from duologue.bench.socket_cost import SocketCost

_SERVERS = {
    "websockets": "bare websockets",
    "starlette": "bare uvicorn and Starlette",
    "protocol": "Duologue, to the session's door",
    "duologue": "Duologue, engines without work",
}
_WAYS = {"in": f"in, {IN_MS} ms", "out": f"out, {OUT_MS} ms"}


class WireReport(msgspec.Struct, frozen=True, kw_only=True):
    """``sdk``: its version, or why it was not measured. ``no_sockets``: why there are no figures of servers."""

    machine: Machine
    rounds: int
    sdk: str
    protocol: list[Cost]
    sockets: list[SocketCost] = []
    no_sockets: str | None = None
    goal_in_us: float = GOAL_IN_US
    goal_out_us: float = GOAL_OUT_US

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


def render(report: WireReport) -> RenderableType:
    """The protocol by itself, whole servers, then the machine and what was not measured."""
    machine = report.machine
    lines = [
        f"{machine.cpus} CPUs, {machine.cpu_model}; Python {machine.python}; duologue {machine.duologue}"
        + (f" at {machine.commit}" if machine.commit else "")
        + f"; SDK: {report.sdk}",
        *([f"no figures of whole servers: {report.no_sockets}"] if report.no_sockets else []),
    ]
    tables = [_protocol(report), *([_sockets(report)] if report.sockets else [])]
    return Group(*tables, *(Text(line) for line in lines))


def _protocol(report: WireReport) -> Table:
    title = f"The protocol alone: CPU \u00b5s a frame ({IN_MS} ms in, {OUT_MS} ms out)"
    table = Table(title=title, title_justify="left")
    for heading in ("frame", "by", "least", "median", "to json", "goal", "reached"):
        table.add_column(heading, justify="left" if heading in {"frame", "by"} else "right")
    for index, cost in enumerate(costs := in_order(report.protocol)):
        is_first = index == 0 or costs[index - 1].frame != cost.frame
        is_last = index + 1 == len(costs) or costs[index + 1].frame != cost.frame
        table.add_row(cost.frame if is_first else "", cost.by, *_cells(cost), end_section=is_last)
    return table


def _cells(cost: Cost) -> list[str]:
    goal = cost.goal_us
    ratio = "-" if cost.to_json is None else f"{cost.to_json:.2f}"
    judged = ["", ""] if goal is None else [f"{goal:.0f}", "yes" if cost.median_us <= goal else "no"]
    return [f"{cost.least_us:.1f}", f"{cost.median_us:.1f}", ratio, *judged]


def in_order(costs: list[Cost]) -> list[Cost]:
    """By frame, in the order that the frames came."""
    frames = list(dict.fromkeys(cost.frame for cost in costs))
    return sorted(costs, key=lambda cost: frames.index(cost.frame))


def _sockets(report: WireReport) -> Table:
    table = Table(title="A whole server process: CPU \u00b5s a frame, the kernel's part included", title_justify="left")
    for heading in ("frame", "server", "least", "median", "adds", "frames a round"):
        table.add_column(heading, justify="left" if heading in {"frame", "server"} else "right")
    below: SocketCost | None = None
    for cost in report.sockets:
        if below is not None and below.way != cost.way:
            table.add_section()
            below = None
        # What this layer adds to the one below it.
        adds = "" if below is None else f"{cost.median_us - below.median_us:.0f}"
        figures = (f"{cost.least_us:.0f}", f"{cost.median_us:.0f}", adds, str(cost.frames))
        table.add_row(_WAYS[cost.way] if below is None else "", _SERVERS.get(cost.server, cost.server), *figures)
        below = cost
    return table
