"""``duologue serve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from duologue.config import Settings


_Options = Annotated[
    list[str] | None, typer.Option("--set", help="An engine's option: whisper.model=whisper-small.", metavar="K=V")
]
_Key = Annotated[
    str | None,
    typer.Option(
        help="Key that clients must show. It can be seen in the list of processes: rather set DUOLOGUE_API_KEY, or "
        "use --api-key-file.",
        metavar="KEY",
    ),
]
_AllowNoKey = Annotated[bool | None, typer.Option("--allow-no-key", help="Listen beyond this machine without a key.")]
_Origins = Annotated[
    list[str] | None,
    typer.Option("--allowed-origin", help="Origin of a web page that may connect; may be repeated.", metavar="ORIGIN"),
]
_SelfSigned = Annotated[
    bool | None, typer.Option("--tls-self-signed", help="Https with a certificate of the server's own making.")
]


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
    options: _Options = None,
    llm: Annotated[str | None, typer.Option(help="URL of an OpenAI-compatible chat server.", metavar="URL")] = None,
    llm_model: Annotated[str | None, typer.Option(help="Name of the model there.", metavar="NAME")] = None,
    max_sessions: Annotated[int | None, typer.Option(help="Conversations at once.  [default: 256]")] = None,
    api_key: _Key = None,
    api_key_file: Annotated[str | None, typer.Option(help="File of such keys, one a line.", metavar="FILE")] = None,
    allow_no_key: _AllowNoKey = None,
    allowed_origins: _Origins = None,
    tls_cert: Annotated[str | None, typer.Option(help="Certificate (PEM) for https.", metavar="FILE")] = None,
    tls_key: Annotated[str | None, typer.Option(help="Its private key.", metavar="FILE")] = None,
    tls_self_signed: _SelfSigned = None,
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
    from duologue.server.loop import LOOP
    from duologue.server.run import serve as run

    given["allowed_origins"] = given["allowed_origins"] or None
    settings = load_settings(given | read_options(given.pop("options") or []))
    setup_of(settings)
    _say_who_comes_in(settings)
    configure_logging(settings.log_level)
    typer.echo(f"Starting Duologue, profile {settings.profile} ...", err=True)
    anyio.run(run, settings, _announce, backend_options=LOOP)


def _say_who_comes_in(settings: Settings) -> None:
    """What a person needs to know to connect. Raises ConfigError where it cannot be served so."""
    from duologue.server.auth import check_access, is_loopback
    from duologue.server.tls import tls_files

    check_access(settings)
    tls = tls_files(settings)
    if tls is not None and tls.is_self_signed:
        typer.echo(f"Certificate of this server: {tls.certificate}", err=True)
        typer.echo(
            f"  to trust it: NODE_EXTRA_CA_CERTS={tls.certificate}, or duologue talk --ca {tls.certificate}", err=True
        )
        typer.echo(f"  SHA-256: {tls.fingerprint}", err=True)
    if tls is None and not is_loopback(settings.host):
        typer.echo(
            "Beyond this machine browsers give a page the microphone on https only: --tls-self-signed, or --tls-cert.",
            err=True,
        )


def _announce(url: str, engines: dict[str, str]) -> None:
    typer.echo(f"Duologue is ready: {url}")
    if engines["chat"].split(", ")[-1] == "builtin" and "speech" not in engines:
        typer.echo("Answers come from the built-in responder. Attach a model: --llm URL --llm-model NAME", err=True)
    elif engines["chat"].endswith(", builtin"):
        typer.echo("While the model is away the built-in responder answers. Attach another: --llm URL", err=True)
