"""``duologue bench overload`` and ``bench fairness``: what too many, and what one too rude, do to the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from duologue.cli.bench import EXIT_STOPPED, EXIT_UNREACHABLE, WIDE, ended_in_order, pairs, require_folders, write_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from duologue.bench.plan import Plan, Progress

_Url = Annotated[
    str | None, typer.Argument(help="The server, as http://host:port. Without it one is started for the bench.")
]
_Profile = Annotated[str, typer.Option(help="Profile of the server that is started.")]
_ServerOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--server-option",
        help="A setting of the server that is started, such as max_sessions=16; may be repeated.",
        metavar="K=V",
    ),
]
_Turns = Annotated[int, typer.Option(min=1, help="Turns of each caller.")]
_Clips = Annotated[
    Path | None, typer.Option(help="A folder of sound files, or a manifest.jsonl. Default: look nearby.")
]
_TurnsEvery = Annotated[
    float | None, typer.Option(min=0.1, help="Begin a turn every so many seconds instead of after the answer.")
]
_Processes = Annotated[int, typer.Option(min=1, help="Processes that the callers share.")]
_ApiKey = Annotated[str | None, typer.Option(envvar="DUOLOGUE_API_KEY", help="Key to show the server.")]
_Seed = Annotated[int, typer.Option(help="Seed of clip order and starts.")]
_JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures here.")]


def overload(
    url: _Url = None,
    *,
    profile: _Profile = "scripted",
    capacity: Annotated[
        int | None, typer.Option(min=1, help="Conversations that the server bears.  [default: what its /readyz says]")
    ] = None,
    times: Annotated[float, typer.Option(min=1, help="So many times as many call.")] = 2.0,
    server_option: _ServerOptions = None,
    turns: _Turns = 4,
    turns_every: _TurnsEvery = None,
    clips: _Clips = None,
    processes: _Processes = 1,
    api_key: _ApiKey = None,
    seed: _Seed = 0,
    json_file: _JsonFile = None,
) -> None:
    """Let twice as many call at once as the server bears: who gets in, how soon the others are told, and whether those
    inside are answered as quickly as without them.

    Exit code 2: the server cannot be reached, or the bench cannot run.
    """
    from duologue.bench.crowd_tables import render_overload
    from duologue.bench.overload import overload as measure

    plan = _plan(url, profile, server_option, turns, turns_every, clips, processes, api_key, seed)
    carry_out(lambda it, how: measure(it, how, times=times, capacity=capacity), plan, render_overload, json_file)


def fairness(
    url: _Url = None,
    *,
    profile: _Profile = "scripted",
    callers: Annotated[int, typer.Option(min=1, help="Well-behaved callers.")] = 8,
    server_option: _ServerOptions = None,
    turns: _Turns = 5,
    turns_every: _TurnsEvery = None,
    clips: _Clips = None,
    processes: _Processes = 1,
    api_key: _ApiKey = None,
    seed: _Seed = 0,
    json_file: _JsonFile = None,
) -> None:
    """Measure callers alone, and beside one who talks without pause, sends sound 20 times too fast, or asks for huge
    answers. With the profile scripted, chat is `scripted-tools`, which can tell a long story.

    Exit code 2: the server cannot be reached, or the bench cannot run.
    """
    from duologue.bench.crowd_tables import render_fairness
    from duologue.bench.fairness import fairness as measure

    talkative = ["chat=scripted-tools"] if profile == "scripted" else []
    options = [*talkative, *(server_option or ())]
    plan = _plan(url, profile, options, turns, turns_every, clips, processes, api_key, seed, callers=callers)
    carry_out(measure, plan, render_fairness, json_file)


def _plan(
    url: str | None,
    profile: str,
    server_option: Sequence[str] | None,
    turns: int,
    turns_every: float | None,
    clips: Path | None,
    processes: int,
    api_key: str | None,
    seed: int,
    callers: int = 1,
) -> Plan:
    from duologue.bench.person import Habits
    from duologue.bench.plan import Plan

    return Plan(
        url=url,
        profile=profile,
        server_options=pairs(server_option or ()),
        callers=(callers,),
        processes=processes,
        clips=clips,
        habits=Habits(turns=turns, turns_every_s=turns_every),
        api_key=api_key,
        idle_sessions=0,
        seed=seed,
    )


class _Written(Protocol):
    def to_json(self) -> bytes: ...


_Report = TypeVar("_Report", bound=_Written)


def carry_out(
    measure: Callable[[Plan, Progress], Awaitable[_Report]],
    plan: Plan,
    render: Callable[[_Report], RenderableType],
    json_file: Path | None,
) -> None:
    """Measure with a line that says how far it is, show the table, write the figures. Ends the command on an error."""
    import anyio
    from rich.console import Console

    from duologue.bench.groups import lone
    from duologue.bench.plan import Progress
    from duologue.errors import DuologueError

    try:
        require_folders(json_file)
        with ended_in_order(), Console(stderr=True).status("starting") as status:
            progress = Progress(stage=status.update)
            report: Any = anyio.run(measure, plan, progress)
        console = Console()
        (console if console.is_terminal else Console(width=WIDE)).print(render(report))
        write_json(report.to_json(), json_file)
    except (DuologueError, BaseExceptionGroup) as raised:
        error = lone(raised)
        if not isinstance(error, DuologueError):
            raise
        typer.echo(f"duologue bench: {error.message}", err=True)
        raise typer.Exit(EXIT_UNREACHABLE) from None
    except KeyboardInterrupt:
        typer.echo("duologue bench: stopped", err=True)
        raise typer.Exit(EXIT_STOPPED) from None
