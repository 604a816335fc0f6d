"""``duologue talk``: speak with a server from the terminal, by microphone or with sound files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from duologue.bench.person import Person
    from duologue.bench.sound_card import SoundCard
    from duologue.bench.wire import ServerEvent, Wire

DEFAULT_URL = "http://127.0.0.1:8710"
# Fast enough that a question takes no time, slow enough that the server's own work keeps up with it.
FAST = 6.0
LONGEST_ANSWER_S = 300.0
REPORT_EVERY_S = 0.1
REPORT = "duologue.output_audio.played"

EXIT_UNANSWERED = 1
EXIT_UNREACHABLE = 2
EXIT_STOPPED = 130


def talk(
    url: Annotated[str, typer.Argument(help="The server, as http://host:port.")] = DEFAULT_URL,
    *,
    questions: Annotated[
        list[Path] | None, typer.Option("--in", help="A sound file to speak; several are several turns.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With --in: write the answers here, as 24 kHz WAV.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="With --in: faster than real speech.")] = False,
    model: Annotated[str | None, typer.Option(help="Model to ask the server for.")] = None,
    voice: Annotated[str | None, typer.Option(help="Voice to ask the server for.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="DUOLOGUE_API_KEY", help="Key to show the server.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificate (PEM) of a server that signed its own.")] = None,
    timeout: Annotated[float, typer.Option(help="With --in: seconds to wait for an answer.")] = 30.0,
    no_echo_cancelling: Annotated[
        bool, typer.Option("--no-echo-cancelling", help="Leave what the microphone hears as it is.")
    ] = False,
) -> None:
    """Talk with a server: by microphone and loudspeaker, or with --in question.wav --out answer.wav.

    The answer is taken out of what the microphone hears; without that, wear headphones. Ctrl-C ends the talk. Exit
    code 1: no answer came, or the server hung up. 2: the server cannot be reached, or there is no sound card or file.
    130: stopped while files were being spoken.
    """
    import anyio

    from duologue.bench.groups import lone
    from duologue.errors import DuologueError

    call = _Talk(url=url, model=model, voice=voice, api_key=api_key, ca=ca)
    try:
        if questions:
            answered = anyio.run(call.with_files, questions, out, FAST if fast else 1.0, timeout)
        else:
            answered = anyio.run(call.aloud, not no_echo_cancelling)
    except KeyboardInterrupt:
        call.screen.end("goodbye")
        # A talk with the microphone ends like this; one from files was cut off.
        raise typer.Exit(EXIT_STOPPED if questions else 0) from None
    except (DuologueError, BaseExceptionGroup) as raised:
        error = lone(raised)
        if not isinstance(error, DuologueError):
            raise
        call.screen.end()
        typer.echo(f"duologue talk: {error.message}", err=True)
        raise typer.Exit(EXIT_UNREACHABLE) from None
    if not answered:
        raise typer.Exit(EXIT_UNANSWERED)


class Screen:
    """Both sides' words and the state of the talk, as they come. Also a `bench.caller.Listener`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_line_open = False

    def on_event(self, event: ServerEvent) -> None:
        """Show what an event says to a person, if anything."""
        match event.type:
            case "input_audio_buffer.speech_started":
                self.end()
                self._state("listening")
            case "input_audio_buffer.speech_stopped":
                self._state("thinking")
            case "conversation.item.input_audio_transcription.completed" if event.transcript:
                self.end()
                self._console.print(f"[bold cyan]you:[/] {_plain(event.transcript.strip())}", highlight=False)
            case "response.output_audio_transcript.delta" | "response.output_text.delta":
                self._say(event.delta or "")
            case "response.done":
                self.end()
                if event.response is not None and event.response.status == "failed":
                    self.complain(event.complaint())
            case "error":
                self.complain(event.complaint())

    def complain(self, words: str) -> None:
        """Something went wrong, but the talk goes on."""
        self.end()
        self._console.print(f"[red]{_plain(words)}[/]", highlight=False)

    def end(self, words: str = "") -> None:
        """End the answer's open line; then ``words``, if any."""
        if self._is_line_open:
            self._console.print()
        self._is_line_open = False
        if words:
            self._state(words)

    def _say(self, words: str) -> None:
        if not self._is_line_open:
            self._console.print("[bold green]answer:[/] ", end="")
            words = words.lstrip()
        self._is_line_open = True
        self._console.print(_plain(words), end="", highlight=False, soft_wrap=True)

    def _state(self, words: str) -> None:
        """States are for a person who watches; a log has no use for them."""
        if self._console.is_terminal:
            self._console.print(f"[dim]({words})[/]", highlight=False)


class _Talk:
    """One talk with one server."""

    def __init__(self, *, url: str, model: str | None, voice: str | None, api_key: str | None, ca: Path | None) -> None:
        from rich.console import Console

        self._url, self._voice = url, voice
        self._shown: dict[str, Any] = {"model": model, "api_key": api_key, "ca": ca}
        self._reports = True
        self.screen = Screen(Console())

    async def with_files(self, questions: Sequence[Path], out: Path | None, speed: float, timeout_s: float) -> bool:
        """Speak the files in order, each after the answer to the one before; True when all were answered."""
        from duologue.bench.caller import hold_call
        from duologue.bench.clips import make_clip, read_audio
        from duologue.bench.clock import WallClock
        from duologue.bench.person import Habits, Person
        from duologue.bench.timeline import is_answered
        from duologue.bench.wire import dial

        clips = [make_clip(path.name, read_audio(path)) for path in questions]
        habits = Habits(
            turns=len(clips),
            gap_s=0.5,
            answer_timeout_s=timeout_s * speed,
            longest_answer_s=LONGEST_ANSWER_S,
            keeps_order=True,
            hangs_up_early=True,
        )
        person = Person(clips, habits, keeps_audio=True)
        async with dial(self._url, **self._shown) as wire:
            await wire.session_created()
            call = await hold_call(wire, person, WallClock(speed), update=self._session_update(), listener=self.screen)
        unanswered = len(clips) - sum(is_answered(log) for log in person.turns)
        if call.ended_early:
            self.screen.complain(f"the server hung up: {call.ended_early}")
        elif unanswered:
            self.screen.complain(f"{unanswered} of {len(clips)} questions had no answer within {timeout_s:g} s")
        self._write(out, person)
        return not unanswered

    async def aloud(self, cancel_echo: bool) -> bool:
        """Microphone and loudspeaker, until Ctrl-C; False when the server hangs up first."""
        import anyio

        from duologue.bench.sound_card import open_sound_card
        from duologue.bench.wire import OBEYS_PLAYOUT, dial

        with open_sound_card(cancel_echo=cancel_echo) as card:
            async with dial(self._url, asks=OBEYS_PLAYOUT, **self._shown) as wire:
                await wire.session_created()
                await wire.send(self._session_update())
                self.screen.end(f"connected: speak, Ctrl-C ends; {_about_echo(card, cancel_echo)}")
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_send_microphone, wire, card)
                    tasks.start_soon(self._report, wire, card)
                    await self._hear(wire, card)
                    tasks.cancel_scope.cancel()
                self.screen.complain(f"the server hung up: {wire.close_words}")
        return False

    async def _hear(self, wire: Wire, card: SoundCard) -> None:
        """Play what comes, as the server wants it; fall silent when the user speaks, and tell what was heard."""
        while (event := await wire.receive()) is not None:
            match event.type:
                case "response.output_audio.delta":
                    card.queue.play(event.item_id or "", event.audio())
                case "duologue.output_audio.lowered":
                    card.queue.lower(1.0 if event.gain is None else event.gain)
                case "duologue.output_audio.held":
                    card.queue.hold()
                case "duologue.output_audio.resumed":
                    card.queue.resume()
                case "error" if REPORT in event.complaint():
                    # Another server of the protocol, which wants none.
                    self._reports = False
                    continue
                case "input_audio_buffer.speech_started" if (cut := card.flush()) is not None:
                    await wire.send(
                        {
                            "type": "conversation.item.truncate",
                            "item_id": cut.item_id,
                            "content_index": 0,
                            "audio_end_ms": cut.heard_ms,
                        }
                    )
            self.screen.on_event(event)

    async def _report(self, wire: Wire, card: SoundCard) -> None:
        """Tell the server how far the answer has been heard: it cannot know the card's delay."""
        import anyio

        told = None
        while self._reports:
            await anyio.sleep(REPORT_EVERY_S)
            heard = card.reached()
            if heard is not None and heard != told:
                told = heard
                await wire.send({"type": REPORT, "item_id": heard.item_id, "audio_end_ms": heard.heard_ms})

    def _session_update(self) -> dict[str, object]:
        from duologue.bench.caller import session_update

        return session_update(voice=self._voice)

    def _write(self, out: Path | None, person: Person) -> None:
        """The answers, one after the other, as they were heard."""
        if out is None:
            return
        import wave

        from duologue.audio.frame import VOICE_RATE_HZ
        from duologue.errors import ConfigError

        try:
            with wave.open(str(out), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(VOICE_RATE_HZ)
                file.writeframes(person.ears.speaker.recording().astype("<i2").tobytes())
        except OSError as error:
            raise ConfigError(f"the answer cannot be written to {out}: {error.strerror}") from None


async def _send_microphone(wire: Wire, card: SoundCard) -> None:
    from duologue.bench.wire import encode_append

    async for pcm in card.microphone:
        await wire.send_encoded(encode_append(pcm))


def _about_echo(card: SoundCard, wanted: bool) -> str:
    from duologue.bench.echo_canceller import HOW_TO_GET_IT

    if card.cancels_echo:
        return "the answer is taken out of what the microphone hears"
    how = f" ({HOW_TO_GET_IT})" if wanted else ""
    return f"headphones keep the answer out of the microphone{how}"


def _plain(words: str) -> str:
    """What was said may hold brackets: they are no markup."""
    from rich.markup import escape

    return escape(words)
