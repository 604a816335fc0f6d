"""``duologue serve``."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.  [default: 8710]")] = None,
    profile: Annotated[str | None, typer.Option(help="Which engines; see `doctor`.  [default: embedded]")] = None,
    vad: Annotated[str | None, typer.Option(help="Engine for voice activity.", metavar="NAME")] = None,
    turn: Annotated[str | None, typer.Option(help="Engine for the end of a turn.", metavar="NAME")] = None,
    asr: Annotated[str | None, typer.Option(help="Engine for speech to text.", metavar="NAME")] = None,
    speech: Annotated[str | None, typer.Option(help="Engine that hears and answers.", metavar="NAME")] = None,
    chat: Annotated[str | None, typer.Option(help="Engine for answers.", metavar="NAME")] = None,
    tts: Annotated[str | None, typer.Option(help="Engine for text to speech.", metavar="NAME")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", help="An engine's option: whisper.model=whisper-small.", metavar="K=V")
    ] = None,
    llm: Annotated[str | None, typer.Option(help="URL of an OpenAI-compatible chat server.", metavar="URL")] = None,
    llm_model: Annotated[str | None, typer.Option(help="Name of the model there.", metavar="NAME")] = None,
    max_sessions: Annotated[int | None, typer.Option(help="Conversations at once.  [default: 32]")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.  [default: info]")] = None,
) -> None:
    """Start the server and print its URL.

    Exit code 1: a setting cannot work or an engine is missing. 130, 143: stopped by Ctrl-C, by SIGTERM.
    """
    given = dict(locals())
    import os

    # One thread each: the runner steps several models side by side, and more threads only get in each other's way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    import anyio

    from duologue.cli.log import configure_logging
    from duologue.config import load_settings, read_options, setup_of
    from duologue.server.run import serve as run

    settings = load_settings(given | read_options(given.pop("options") or []))
    setup_of(settings)
    configure_logging(settings.log_level)
    typer.echo(f"Starting Duologue, profile {settings.profile} ...", err=True)
    anyio.run(run, settings, _announce)


def _announce(url: str, engines: dict[str, str]) -> None:
    typer.echo(f"Duologue is ready: {url}")
    if engines["chat"].split(", ")[-1] == "builtin" and "speech" not in engines:
        typer.echo("Answers come from the built-in responder. Attach a model: --llm URL --llm-model NAME", err=True)
    elif engines["chat"].endswith(", builtin"):
        typer.echo("While the model is away the built-in responder answers. Attach another: --llm URL", err=True)
