"""``duologue bench turns``: when the server speaks and when it stops, in simulated conversations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from duologue.cli.bench import EXIT_STOPPED, EXIT_UNREACHABLE, WIDE, ended_in_order, pairs, require_folders, write_json

if TYPE_CHECKING:
    from duologue.bench.turns.plan import TurnsPlan
    from duologue.bench.turns.report import TurnsReport

EXIT_MISSED = 1
QUICK_CALLERS = 16
FULL_CLAIM = 500

_Url = Annotated[
    str | None, typer.Argument(help="The server, as http://host:port. Without it one is started for the bench.")
]
_Profile = Annotated[str, typer.Option(help="Profile of the server that is started.")]
_ServerOptions = Annotated[
    list[str] | None,
    typer.Option("--server-option", help="A setting of the server that is started; may be repeated.", metavar="K=V"),
]
_Parts = Annotated[
    str, typer.Option(help="Which of curve, turns, backchannels, noise, echo, interruptions.  [default: all]")
]
_Callers = Annotated[int, typer.Option(min=1, help="Callers at once, who share what is to be said.")]
_Plain = Annotated[
    bool, typer.Option("--plain", help="As any client of the protocol: not told to lower, hold and resume answers.")
]
_Clips = Annotated[
    Path | None, typer.Option(help="A folder of recorded speech with a manifest.jsonl. Default: look nearby.")
]
_Ami = Annotated[Path | None, typer.Option(help="A folder of AMI meeting excerpts, for more backchannels.")]
_Turns = Annotated[int, typer.Option(min=0, help="Recorded turns, drawn; 0: all there are.")]
_Backchannels = Annotated[int, typer.Option(min=0, help="Backchannels; 0: all there are.")]
_Noises = Annotated[int, typer.Option(min=0, help="Noises; 0: all there are.")]
_Interruptions = Annotated[int, typer.Option(min=1, help="Interruptions at random moments.")]
_NoiseLevels = Annotated[str, typer.Option(help="How loud noises are in the microphone, dBFS.")]
_Snrs = Annotated[str, typer.Option(help="Speech over background noise, dB.")]
_Echoes = Annotated[str, typer.Option(help="The caller's own loudspeaker in its microphone, dB.")]
_EchoDelays = Annotated[str, typer.Option(help="How much later it is heard there, ms.")]
_QuickHistory = Annotated[
    bool,
    typer.Option(
        "--quick-history",
        help=f"Only interruptions, {FULL_CLAIM}, by {QUICK_CALLERS} callers at once, of a server without models.",
    ),
]
_Tts = Annotated[
    str | None, typer.Option(help="The server's synthesizer, to know when it says which word (espeak, scripted).")
]
_TurnDetection = Annotated[
    str, typer.Option(help="default, server_vad, semantic_vad, or a JSON object of the protocol.")
]
_Cache = Annotated[Path | None, typer.Option(help="Keep here what models make of recordings, for the next curve.")]
_Model = Annotated[str | None, typer.Option(help="Model to ask the server for.")]
_ApiKey = Annotated[str | None, typer.Option(envvar="DUOLOGUE_API_KEY", help="Key to show the server.")]
_Ca = Annotated[Path | None, typer.Option(help="Certificate (PEM) of a server that signed its own.")]
_Seed = Annotated[int, typer.Option(help="Seed of what is drawn, and of when it is said.")]
_JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures here.")]
_Plots = Annotated[Path | None, typer.Option(help="Draw them into this folder.")]
_Check = Annotated[bool, typer.Option("--check", help="Exit code 1 where a promise is missed.")]


def turns(
    url: _Url = None,
    *,
    profile: _Profile = "embedded",
    server_option: _ServerOptions = None,
    parts: _Parts = "",
    callers: _Callers = 1,
    plain: _Plain = False,
    clips: _Clips = None,
    ami: _Ami = None,
    turns: _Turns = 30,
    backchannels: _Backchannels = 0,
    noises: _Noises = 0,
    interruptions: _Interruptions = 20,
    noise_levels: _NoiseLevels = "-30",
    snrs: _Snrs = "10",
    echoes: _Echoes = "-40,-30,-20,-10",
    echo_delays: _EchoDelays = "60,180",
    quick_history: _QuickHistory = False,
    tts: _Tts = None,
    turn_detection: _TurnDetection = "default",
    cache: _Cache = None,
    model: _Model = None,
    api_key: _ApiKey = None,
    ca: _Ca = None,
    seed: _Seed = 0,
    json_file: _JsonFile = None,
    plots: _Plots = None,
    check: _Check = False,
) -> None:
    """Measure conversation: false cut-offs against wait, backchannels, noise, echo, interruptions, and whether what is
    remembered of an answer is what was heard of it.

    Exit code 1: a promise is missed (with --check). 2: the server cannot be reached, or the bench cannot run.
    """
    from duologue.errors import DuologueError

    given = dict(locals())
    try:
        report = _measure(_plan(given), json_file, plots)
    except DuologueError as error:
        typer.echo(f"duologue bench turns: {error.message}", err=True)
        raise typer.Exit(EXIT_UNREACHABLE) from None
    except KeyboardInterrupt:
        typer.echo("duologue bench turns: stopped", err=True)
        raise typer.Exit(EXIT_STOPPED) from None
    if check and any(each.is_kept is False for each in report.checks()):
        raise typer.Exit(EXIT_MISSED)


def levels(given: str, option: str) -> tuple[float, ...]:
    """Numbers by commas, of any sign; "" is none. Raises ConfigError."""
    from duologue.errors import ConfigError

    try:
        return tuple(float(word) for word in given.split(",") if word.strip())
    except ValueError:
        raise ConfigError(f"{option} wants numbers such as -30,-20, not {given!r}") from None


def _plan(given: dict[str, Any]) -> TurnsPlan:
    """What the command line asks for. Raises ConfigError."""
    from duologue.bench.plan import Plan
    from duologue.bench.turns.plan import PARTS, TurnsPlan

    server = {
        name: given[name] for name in ("url", "profile", "clips", "turn_detection", "model", "api_key", "ca", "seed")
    }
    server["server_options"] = pairs(given["server_option"] or ())
    asked = {name: given[name] for name in ("callers", "ami", "interruptions", "tts", "cache")}
    asked |= {name: given[name] or None for name in ("turns", "backchannels", "noises")}
    named = tuple(name.strip() for name in given["parts"].split(",") if name.strip()) or PARTS
    if given["quick_history"]:
        named = ("interruptions",)
        asked["callers"] = max(asked["callers"], QUICK_CALLERS)
        asked["interruptions"] = max(asked["interruptions"], FULL_CLAIM)
        if server["url"] is None:
            server["profile"] = "scripted"
            # It can tell a story that is long enough to be interrupted.
            server["server_options"] = {"chat": "scripted-tools"} | server["server_options"]
    return TurnsPlan(
        server=Plan(**server, callers=(asked["callers"],), idle_sessions=0),
        parts=named,
        is_plain=given["plain"],
        noise_dbfs=levels(given["noise_levels"], "--noise-levels"),
        snr_db=levels(given["snrs"], "--snrs"),
        echo_db=levels(given["echoes"], "--echoes"),
        echo_delay_ms=levels(given["echo_delays"], "--echo-delays"),
        **asked,
    )


def _measure(plan: TurnsPlan, json_file: Path | None, plots: Path | None) -> TurnsReport:
    """Measure with a line that says how far it is, show the tables, write and draw."""
    import anyio
    from rich.console import Console

    from duologue.bench.groups import lone
    from duologue.bench.plan import Progress
    from duologue.bench.turns.plots import draw, require_folder
    from duologue.bench.turns.run import measure
    from duologue.bench.turns.table import render

    require_folders(json_file)
    if plots is not None:
        require_folder(plots, ".svg")
    with ended_in_order(), Console(stderr=True).status("starting") as status:
        try:
            report = anyio.run(measure, plan, Progress(stage=status.update))
        except BaseExceptionGroup as group:
            raise lone(group) from None
    # Tables with many columns are cut to pieces at the 80 columns of a file or a pipe.
    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(render(report))
    write_json(report.to_json(), json_file)
    if plots is not None:
        draw(report, plots)
    return report
