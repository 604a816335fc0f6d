"""``duologue bench``: how fast, how patient and how exact a voice server is, with simulated callers.

``duologue bench engines`` measures the models by themselves (``cli/bench_engines.py``).
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from duologue.bench.plan import Plan
    from duologue.bench.report import Report

EXIT_UNANSWERED = 1
EXIT_UNREACHABLE = 2
EXIT_STOPPED = 130
WIDE = 200


_Url = Annotated[
    str | None, typer.Argument(help="The server, as http://host:port. Without it one is started for the bench.")
]
_Profile = Annotated[str, typer.Option(help="Profile of the server that is started.")]
_Callers = Annotated[str, typer.Option(help="People at once; several numbers are run in turn: 1,8,32.")]
_Processes = Annotated[int, typer.Option(min=1, help="Processes that the callers share, where there are CPUs for it.")]
_Arrivals = Annotated[
    Literal["spread", "at-once"], typer.Option(help="Callers call spread over three seconds, or all at once.")
]
_ServerOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--server-option",
        help="A setting of the server that is started, such as max_sessions=256; may be repeated.",
        metavar="K=V",
    ),
]
_Beside = Annotated[
    str,
    typer.Option(
        help="Command that starts another server of the protocol and prints its address: it has each run, too.",
        metavar="COMMAND",
    ),
]
_Turns = Annotated[int, typer.Option(min=1, help="Turns of each caller.")]
_LeastTurns = Annotated[
    int, typer.Option(min=0, help="Turns of all callers together, at least: few callers have more.")
]
_Clips = Annotated[
    Path | None, typer.Option(help="A folder of sound files, or a manifest.jsonl. Default: look nearby.")
]
_ClipSet = Annotated[
    Literal["commands", "turns", "all"],
    typer.Option("--set", help="Of a manifest: short commands, turns with hesitations and pauses, or all."),
]
_TurnsEvery = Annotated[
    float | None,
    typer.Option(
        min=0.1, help="Begin a turn every so many seconds instead of after the answer; longer clips are left out."
    ),
]
_Gap = Annotated[float, typer.Option(help="Seconds between an answer's end and the next turn.")]
_AnswerTimeout = Annotated[float, typer.Option(help="Seconds after which a turn is unanswered.")]
_InterruptShare = Annotated[
    float, typer.Option(min=0, max=1, help="Share of turns in which the caller talks over a long answer.")
]
_NoiseDbfs = Annotated[
    float | None, typer.Option(help="Room noise at this level, for example -60. Default: digital silence.")
]
_TurnDetection = Annotated[
    str, typer.Option(help="default, server_vad, semantic_vad, or a JSON object of the protocol.")
]
_Model = Annotated[str | None, typer.Option(help="Model to ask the server for.")]
_ApiKey = Annotated[str | None, typer.Option(envvar="DUOLOGUE_API_KEY", help="Key to show the server.")]
_Ca = Annotated[Path | None, typer.Option(help="Certificate (PEM) of a server that signed its own.")]
_ServerPid = Annotated[int | None, typer.Option(help="Process of a local server, to measure its CPU.")]
_Connections = Annotated[
    int, typer.Option(min=0, help="Extra connections, to time connecting before the run; with any, one a second in it.")
]
_IdleSessions = Annotated[
    int | None,
    typer.Option(min=0, help="Sessions opened to weigh them.  [default: 100 with the profile scripted, else 0]"),
]
_RuleMs = Annotated[
    float | None,
    typer.Option(help="Silence in ms that ends a turn at the server, to draw what is above it.  [scripted: 500]"),
]
_Seed = Annotated[int, typer.Option(help="Seed of clip order, starts and interruptions.")]
_JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures here.")]
_PlotFile = Annotated[Path | None, typer.Option("--plot", help="Draw them here (.png, .svg, .pdf).")]


# Options that a plan has under the same name.
_PLANNED = (
    *("url", "profile", "beside", "processes", "arrivals", "least_turns", "clips", "clip_set", "turn_detection"),
    *("model", "api_key", "ca", "server_pid", "connections", "idle_sessions", "rule_ms", "seed"),
)


def conversations(
    url: _Url = None,
    *,
    profile: _Profile = "embedded",
    callers: _Callers = "1",
    processes: _Processes = 1,
    arrivals: _Arrivals = "spread",
    server_option: _ServerOptions = None,
    beside: _Beside = "",
    turns: _Turns = 5,
    least_turns: _LeastTurns = 0,
    clips: _Clips = None,
    clip_set: _ClipSet = "commands",
    turns_every: _TurnsEvery = None,
    gap: _Gap = 1.0,
    answer_timeout: _AnswerTimeout = 10.0,
    interrupt_share: _InterruptShare = 0.0,
    noise_dbfs: _NoiseDbfs = None,
    turn_detection: _TurnDetection = "default",
    model: _Model = None,
    api_key: _ApiKey = None,
    ca: _Ca = None,
    server_pid: _ServerPid = None,
    connections: _Connections = 20,
    idle_sessions: _IdleSessions = None,
    rule_ms: _RuleMs = None,
    seed: _Seed = 0,
    json_file: _JsonFile = None,
    plot_file: _PlotFile = None,
) -> None:
    """Measure voice-to-voice delay, false cut-offs, interruptions and word errors.

    Exit code 1: a turn was not answered. 2: the server cannot be reached, or the bench cannot run.
    """
    given = dict(locals())
    habits = {
        "turns": turns,
        "gap_s": gap,
        "turns_every_s": turns_every,
        "answer_timeout_s": answer_timeout,
        "interrupt_share": interrupt_share,
        "noise_dbfs": noise_dbfs,
    }
    options = {name: given[name] for name in _PLANNED} | {"server_options": pairs(server_option or ())}
    _bench(callers, habits, options, json_file, plot_file)


def _bench(
    callers: str, habits: dict[str, Any], options: dict[str, Any], json_file: Path | None, plot_file: Path | None
) -> None:
    from duologue.bench.person import Habits
    from duologue.bench.plan import Plan
    from duologue.bench.plots import require_drawable
    from duologue.errors import DuologueError

    try:
        plan = Plan(callers=numbers(callers, "--callers"), habits=Habits(**habits), **options)
        require_folders(json_file, plot_file)
        if plot_file is not None:
            require_drawable(plot_file)
        report = _carry_out(plan)
        _write(report, json_file, plot_file)
    except DuologueError as error:
        typer.echo(f"duologue bench: {error.message}", err=True)
        raise typer.Exit(EXIT_UNREACHABLE) from None
    except KeyboardInterrupt:
        typer.echo("duologue bench: stopped", err=True)
        raise typer.Exit(EXIT_STOPPED) from None
    if any(run.turns_unanswered for run in report.runs):
        raise typer.Exit(EXIT_UNANSWERED)


def require_folders(*files: Path | None) -> None:
    """Raises ConfigError now rather than after the run, for a file that cannot be written then."""
    from duologue.errors import ConfigError

    for file in files:
        if file is not None and not file.absolute().parent.is_dir():
            raise ConfigError(f"{file} cannot be written: there is no folder {file.absolute().parent}")
        if file is not None and file.is_dir():
            raise ConfigError(f"{file} cannot be written: it is a folder")


def numbers(given: str, option: str) -> tuple[int, ...]:
    """Numbers from 1 by commas. Raises ConfigError."""
    from duologue.errors import ConfigError

    found = tuple(int(word) for word in given.split(",") if word.strip().isdigit())
    if not found or len(found) != given.count(",") + 1 or min(found) < 1:
        raise ConfigError(f"{option} wants numbers such as 1,8,32, not {given!r}")
    return found


def pairs(given: Sequence[str]) -> dict[str, str]:
    """``KEY=VALUE`` words as a table. One without "=" is a wrong command line."""
    found = [word.partition("=") for word in given]
    if any(not name or not sign for name, sign, _ in found):
        raise typer.BadParameter("--server-option wants a setting as KEY=VALUE, such as max_sessions=256")
    return {name: value for name, _, value in found}


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM is taken as Ctrl-C: the servers that the bench started are stopped, not left behind."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _carry_out(plan: Plan) -> Report:
    """Run the plan with a progress bar, and show the table."""
    import anyio
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from duologue.bench.groups import lone
    from duologue.bench.plan import Progress, carry_out
    from duologue.bench.table import render

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with ended_in_order(), Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=plan.turns_in_all())
        progress = Progress(stage=lambda words: bar.update(task, description=words), turn=lambda: bar.advance(task))
        try:
            report = anyio.run(carry_out, plan, progress)
        except BaseExceptionGroup as group:
            raise lone(group) from None
    # A table with a column for each run is cut to pieces at the 80 columns of a file or a pipe.
    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(render(report))
    return report


def _write(report: Report, json_file: Path | None, plot_file: Path | None) -> None:
    from duologue.bench.plots import draw

    write_json(report.to_json(), json_file)
    if plot_file is not None:
        draw(report, plot_file)


def write_json(figures: bytes, file: Path | None) -> None:
    """Raises ConfigError for a file that cannot be written."""
    from duologue.errors import ConfigError

    if file is not None:
        try:
            file.write_bytes(figures)
        except OSError as error:
            raise ConfigError(f"the figures cannot be written to {file}: {error.strerror}") from None
