"""``duologue bench wire``: what the protocol and the socket cost, beside ``json``, the SDK and bare servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from duologue.bench.socket_cost import Feed
    from duologue.bench.wire_report import WireReport

EXIT_NOT_MEASURED = 2
EXIT_STOPPED = 130
# A round of the protocol takes 0.1 s; one of the servers takes some 25 s.
PROTOCOL_ROUNDS_EACH = 7
# The barest first, each with one layer more; `socket_servers` has them.
SERVERS = ("websockets", "starlette", "protocol", "duologue")

_Rounds = Annotated[int, typer.Option(min=1, help="Rounds of each measurement; a first one more warms up.")]
_Sockets = Annotated[bool, typer.Option("--sockets/--no-sockets", help="Measure whole servers, too.")]
_Callers = Annotated[int, typer.Option(min=1, help="Callers at once of the whole servers.")]
_Seconds = Annotated[float, typer.Option(min=0.1, help="How long each caller sends sound in a round.")]
_Answer = Annotated[float, typer.Option(min=0.1, help="Seconds of sound of each answer.")]
_SdkPython = Annotated[
    str | None,
    typer.Option(envvar="DUOLOGUE_SDK_PYTHON", help="A Python that has `openai`, when this one has not."),
]
_JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures here.")]


def wire(
    rounds: _Rounds = 3,
    sockets: _Sockets = True,
    callers: _Callers = 20,
    seconds: _Seconds = 2.0,
    answer: _Answer = 6.0,
    sdk_python: _SdkPython = None,
    json_file: _JsonFile = None,
) -> None:
    """Measure the CPU that a frame of sound costs: the protocol beside json and the SDK's types, and whole servers.

    Exit code 2: the servers could not be measured; the protocol's figures are shown all the same.
    """
    from duologue.bench.socket_cost import Feed
    from duologue.errors import DuologueError

    feed = Feed(callers=callers, seconds=seconds, rounds=rounds) if sockets else None
    try:
        report = _measure(rounds, feed, answer, sdk_python, json_file)
    except DuologueError as error:
        typer.echo(f"duologue bench wire: {error.message}", err=True)
        raise typer.Exit(EXIT_NOT_MEASURED) from None
    except KeyboardInterrupt:
        typer.echo("duologue bench wire: stopped", err=True)
        raise typer.Exit(EXIT_STOPPED) from None
    if sockets and report.no_sockets:
        raise typer.Exit(EXIT_NOT_MEASURED)


def _measure(
    rounds: int, feed: Feed | None, answer_s: float, sdk_python: str | None, json_file: Path | None
) -> WireReport:
    """Measure, show, write."""
    import sys

    from rich.console import Console

    from duologue.bench.machine import this_machine
    from duologue.bench.protocol_cost import measure, plain_cases, sdk_cases
    from duologue.bench.wire_report import WireReport, render
    from duologue.cli.bench import require_folders, write_json

    require_folders(json_file)
    with Console(stderr=True).status("starting") as status:
        with sdk_cases(sdk_python or sys.executable) as (from_sdk, sdk):
            costs = measure([*plain_cases(), *from_sdk], rounds * PROTOCOL_ROUNDS_EACH, status.update)
        report = WireReport(machine=this_machine(), rounds=rounds, sdk=sdk, protocol=costs)
        report = _with_sockets(report, feed, answer_s, status.update)
    Console(width=None if sys.stdout.isatty() else 120).print(render(report))
    write_json(report.to_json(), json_file)
    return report


def _with_sockets(report: WireReport, feed: Feed | None, answer_s: float, told: Callable[[str], None]) -> WireReport:
    import sys
    from functools import partial

    import anyio
    from msgspec import structs

    from duologue.bench.socket_cost import measure_sockets
    from duologue.bench.wire import WireError

    if feed is None:
        return structs.replace(report, no_sockets="not asked for")
    module = "duologue.cli.socket_servers"
    commands = {name: [sys.executable, "-m", module, name, str(answer_s)] for name in SERVERS}
    try:
        costs = anyio.run(partial(measure_sockets, commands, feed, told))
    except WireError as error:
        return structs.replace(report, no_sockets=error.message)
    return structs.replace(report, sockets=costs)
