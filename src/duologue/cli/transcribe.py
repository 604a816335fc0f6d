"""``duologue transcribe``: sound files to text, subtitles or JSON, on this machine or by a running server."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from duologue.cli.hearers import Hearer
    from duologue.cli.progress import Progress

EXIT_FAILED = 1
EXIT_STOPPED = 130
STDOUT = Path("-")


class Format(StrEnum):
    """What is written, and how such a file's name ends."""

    text = "text"
    srt = "srt"
    vtt = "vtt"
    json = "json"
    verbose_json = "verbose-json"

    @property
    def suffix(self) -> str:
        return {"text": ".txt", "verbose-json": ".json"}.get(self.value, f".{self.value}")


_Files = Annotated[list[str], typer.Argument(help="Sound files, or https URLs.", metavar="FILE...")]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="A file, a folder, or - for the terminal.", metavar="PATH")
]
_Server = Annotated[
    str | None, typer.Option(help="Let this server do it, as http://host:port.  [default: this machine]", metavar="URL")
]
_Options = Annotated[
    list[str] | None, typer.Option("--set", help="An engine's option: whisper.model=whisper-small.", metavar="K=V")
]


def transcribe(
    files: _Files,
    format_: Annotated[Format, typer.Option("--format", "-f", help="What to write.")] = Format.text,
    output: _Output = None,
    language: Annotated[str | None, typer.Option(help="Spoken language, as en; else it is found out.")] = None,
    words: Annotated[bool, typer.Option("--words", help="Times of words, too: in verbose-json.")] = False,
    profile: Annotated[str | None, typer.Option(help="Whose transcriber.  [default: embedded]")] = None,
    asr: Annotated[str | None, typer.Option(help="Engine for speech to text.", metavar="NAME")] = None,
    options: _Options = None,
    server: _Server = None,
    api_key: Annotated[str | None, typer.Option(envvar="DUOLOGUE_API_KEY", help="Key to show the server.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificate (PEM) of a server that signed its own.")] = None,
) -> None:
    """Write down what is said in sound files of any length.

    One file's words go to the terminal. Those of several go to files beside them, or into the folder of --output. Exit
    code 1: a file could not be transcribed; the others were. 130: stopped by Ctrl-C.
    """
    import os

    # As the server does: the runner steps engines side by side.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import anyio

    from duologue.bench.groups import lone
    from duologue.cli.hearers import Wanted, at_server, on_this_machine
    from duologue.cli.log import configure_logging
    from duologue.config import read_options
    from duologue.errors import ConfigError, DuologueError
    from duologue.server.rest.long_audio import language_code

    configure_logging("warning")
    try:
        if words and format_ is not Format.verbose_json:
            raise ConfigError("--words are written with --format verbose-json only.")
        wanted = Wanted(format_.value.replace("-", "_"), language_code(language), words)
        targets = targets_of(files, format_, output)
        here = {"profile": profile, "asr": asr, **read_options(options or [])}
        hearer = on_this_machine(here, wanted) if server is None else at_server(server, api_key, ca, wanted)
        failed = anyio.run(_transcribe_all, hearer, files, targets)
    except KeyboardInterrupt:
        typer.echo("duologue transcribe: stopped", err=True)
        raise typer.Exit(EXIT_STOPPED) from None
    except (DuologueError, BaseExceptionGroup) as raised:
        error = lone(raised)
        if not isinstance(error, DuologueError):
            raise
        typer.echo(f"duologue transcribe: {error.message}", err=True)
        raise typer.Exit(EXIT_FAILED) from None
    if failed:
        raise typer.Exit(EXIT_FAILED)


def targets_of(files: Sequence[str], kind: Format, output: Path | None) -> list[Path]:
    """Where the words of each file go. Raises ConfigError for what cannot be written so."""
    from duologue.errors import ConfigError

    if output == STDOUT or (output is None and len(files) == 1):
        return [STDOUT] * len(files)
    if output is not None and len(files) == 1 and not output.is_dir():
        if not output.parent.is_dir():
            raise ConfigError(f"--output {output}: there is no folder {output.parent}: make it first.")
        return [output]
    if output is not None and not output.is_dir():
        raise ConfigError(f"--output {output}: for several files name a folder that is there, or -.")
    targets: list[Path] = []
    for file in files:
        name = Path(file.partition("?")[0].rsplit("/", 1)[-1] if _is_url(file) else file)
        folder = output or (Path() if _is_url(file) else name.parent)
        target = folder / f"{name.stem}{kind.suffix}"
        # talk.mp3 beside talk.wav, and what would write over the sound itself.
        if target in targets or target == Path(file):
            target = folder / f"{name.name}{kind.suffix}"
        targets.append(target)
    return targets


def _is_url(file: str) -> bool:
    return file.lower().startswith(("https://", "http://"))


async def _transcribe_all(hearer: Hearer, files: Sequence[str], targets: Sequence[Path]) -> int:
    """Each file by itself; how many failed."""
    from duologue.cli.progress import progress
    from duologue.errors import DuologueError

    failed = 0
    with progress() as shown:
        async with hearer as ready:
            for file, target in zip(files, targets, strict=True):
                try:
                    await _transcribe_one(ready, file, target, shown)
                except DuologueError as error:
                    failed += 1
                    shown.say(f"{file}: {error.message}")
    return failed


async def _transcribe_one(hearer: Hearer, file: str, target: Path, shown: Progress) -> None:
    from anyio import to_thread

    with shown.file(file) as bar:
        text = await hearer.hear(file, bar)
    if target == STDOUT:
        shown.out(text)
        return
    await to_thread.run_sync(_write, text, target)
    shown.say(f"{file}: written to {target}")


def _write(text: str, target: Path) -> None:
    from duologue.errors import ConfigError

    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}") from None
