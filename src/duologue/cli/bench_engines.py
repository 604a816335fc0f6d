"""``duologue bench engines``: the models by themselves, beside what the hardware allows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_NOTHING_RAN = 2
EXIT_STOPPED = 130

_Profile = Annotated[str, typer.Option(help="Whose engines.")]
_Stages = Annotated[str, typer.Option("--stages", help="Which stages: vad, turn, asr, speech, chat, tts.")]
_Batches = Annotated[str, typer.Option("--at-once", help="Requests at once; several numbers are run in turn.")]
_Random = Annotated[
    bool, typer.Option("--random-weights", help="Made-up weights of the real size: the same cost, nothing to download.")
]
_Asr = Annotated[str | None, typer.Option(help="Engine for speech to text, in place of the profile's.")]
_Speech = Annotated[str | None, typer.Option(help="Engine that hears and answers, in place of the profile's.")]
_Chat = Annotated[str | None, typer.Option(help="Engine for answers, in place of the profile's.")]
_Tts = Annotated[str | None, typer.Option(help="Engine for text to speech, in place of the profile's.")]
_Options = Annotated[
    list[str] | None, typer.Option("--set", help="An engine's option: kokoro.threads=2.", metavar="K=V")
]
_JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures here.")]


def engines(
    profile: _Profile = "embedded",
    stages: _Stages = "vad,turn,asr,speech,chat,tts",
    at_once: _Batches = "1,2,4,8,16,32",
    random_weights: _Random = False,
    asr: _Asr = None,
    speech: _Speech = None,
    chat: _Chat = None,
    tts: _Tts = None,
    options: _Options = None,
    json_file: _JsonFile = None,
) -> None:
    """Measure each engine by itself: load time, memory, first output and rate with 1 to 32 requests at once.

    Exit code 2: no engine could be measured, or an option cannot work.
    """
    from duologue.errors import DuologueError

    chosen = {"profile": profile, "asr": asr, "speech": speech, "chat": chat, "tts": tts}
    try:
        has_run = _measure(chosen, options or [], stages, at_once, random_weights, json_file)
    except DuologueError as error:
        typer.echo(f"duologue bench engines: {error.message}", err=True)
        raise typer.Exit(EXIT_NOTHING_RAN) from None
    except KeyboardInterrupt:
        typer.echo("duologue bench engines: stopped", err=True)
        raise typer.Exit(EXIT_STOPPED) from None
    if not has_run:
        raise typer.Exit(EXIT_NOTHING_RAN)


def _measure(
    chosen: dict[str, str | None],
    options: list[str],
    stages: str,
    at_once: str,
    random_weights: bool,
    json_file: Path | None,
) -> bool:
    """Measure, show, write; whether anything was measured."""
    import os
    import sys
    from functools import partial

    # As the server does: the runner steps engines side by side.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    import anyio
    from rich.console import Console

    from duologue.bench.engines.run import carry_out
    from duologue.bench.engines.table import render
    from duologue.cli.bench import numbers, require_folders, write_json
    from duologue.cli.log import configure_logging
    from duologue.config import load_settings, read_options, setup_of

    configure_logging("warning")
    require_folders(json_file)
    setup = setup_of(load_settings({**chosen, **read_options(options)}))
    work = partial(carry_out, setup, _stages(stages), numbers(at_once, "--at-once"), random_weights=random_weights)
    with Console(stderr=True).status("starting") as status:
        report = anyio.run(partial(work, told=status.update))
    # Into a file or a pipe, so that no column is cut.
    Console(width=None if sys.stdout.isatty() else 160).print(render(report))
    write_json(report.to_json(), json_file)
    return bool(report.engines)


def _stages(given: str) -> list[str]:
    from duologue.bench.engines.run import STAGES
    from duologue.errors import ConfigError

    named = [name.strip() for name in given.split(",") if name.strip()]
    unknown = [name for name in named if name not in STAGES]
    if unknown or not named:
        raise ConfigError(f"--stages wants some of {', '.join(STAGES)}, not {given!r}")
    return [stage for stage in STAGES if stage in named]
