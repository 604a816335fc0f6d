"""Who transcribes a file: engines in this process, or a running server."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, cast

import httpx2
import msgspec
from anyio import to_thread

from duologue.bench.wire import trust
from duologue.config import Setup, load_settings, setup_of
from duologue.engines import registry
from duologue.engines.fallback import Fallback
from duologue.engines.local import LocalEngines
from duologue.engines.speech.faces import SpeechTranscriber
from duologue.engines.speech.sound_fetch import fetch
from duologue.engines.speech.sound_file import SoundFile, on_disk
from duologue.errors import ClientError, ConfigError, DuologueError
from duologue.server.rest.long_audio import Ask, LongTranscription, Passage, Position
from duologue.server.rest.transcripts import as_json, as_text, as_verbose_json

if TYPE_CHECKING:
    from duologue.cli.progress import Bar

# A week of sound.
_LONGEST_S = 7 * 86_400.0
# A server begins to answer when it has heard all.
_SERVER_PATIENCE_S = 3600.0
_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """``kind``: a format of the API. ``words``: their times, in verbose_json."""

    kind: str
    language: str | None
    words: bool


class Hearer(Protocol):
    """Ready between entering and leaving it. ``hear`` gives the text to write, and raises DuologueError."""

    async def __aenter__(self) -> Hearer: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def hear(self, file: str, bar: Bar) -> str: ...


def on_this_machine(flags: Mapping[str, Any], wanted: Wanted) -> Hearer:
    """Raises ConfigError for settings that cannot work, EngineUnavailable for what is not here."""
    return _Engines(engines_of(setup_of(load_settings(flags))), wanted)


def at_server(url: str, api_key: str | None, ca: Path | None, wanted: Wanted) -> Hearer:
    """``url``: as http://host:port; ``ca``: whom to trust besides those whom all do. Raises ConfigError for what is no
    URL, WireError for what is no certificate."""
    if not url.lower().startswith(("http://", "https://")):
        raise ConfigError(f"--server {url}: write a URL such as http://127.0.0.1:8710.")
    return _Server(url.rstrip("/").removesuffix("/v1"), api_key, None if ca is None else trust(ca), wanted)


def engines_of(setup: Setup) -> LocalEngines:
    """Of a setup's engines those that a file needs: voice activity and the transcriber."""
    names = [name.strip() for name in setup.engines.asr.split(",") if name.strip()]
    transcribers = [_transcriber(name, setup) for name in names]
    asr = transcribers[-1]
    for preferred in reversed(transcribers[:-1]):
        asr = Fallback(preferred, asr)
    return LocalEngines({"vad": registry.make("vad", setup.engines.vad, setup), "asr": asr})


def _transcriber(name: str, setup: Setup) -> Any:
    if name != "speech":
        return registry.make("asr", name, setup)
    return SpeechTranscriber(registry.make("speech", (setup.engines.speech or "").split(",")[0].strip(), setup))


class _Engines:
    def __init__(self, engines: LocalEngines, wanted: Wanted) -> None:
        self._engines, self._wanted = engines, wanted

    async def __aenter__(self) -> Hearer:
        await self._engines.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._engines.aclose()

    async def hear(self, file: str, bar: Bar) -> str:
        opened = await to_thread.run_sync(_opened, file)
        with opened, await to_thread.run_sync(lambda: SoundFile(opened, longest_s=_LONGEST_S)) as sound:
            passages: list[Passage] = []
            at_s = 0.0
            async with aclosing(LongTranscription(self._engines, self._ask()).run(sound)) as results:
                async for result in results:
                    if isinstance(result, Position):
                        at_s = result.at_s
                        bar.to(at_s, sound.duration_s)
                    else:
                        passages.append(result)
        return self._written(passages, at_s)

    def _ask(self) -> Ask:
        wanted = self._wanted
        wants_words = wanted.words or wanted.kind in {"srt", "vtt"}
        return Ask(wanted.language, wants_words, at_once=max(1, os.cpu_count() or 1))

    def _written(self, passages: list[Passage], duration_s: float) -> str:
        wanted = self._wanted
        if wanted.kind == "json":
            return _json(as_json(passages, duration_s))
        if wanted.kind == "verbose_json":
            return _json(as_verbose_json(passages, duration_s, wanted.language, words=wanted.words, segments=True))
        return as_text(passages, cast("Literal['text', 'srt', 'vtt']", wanted.kind))


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _opened(file: str) -> BinaryIO:
    """Raises ClientError. URLs are those of whoever runs the command, and are fetched with the same care."""
    if file.lower().startswith(("https://", "http://")):
        return BytesIO(fetch(file))
    try:
        path = Path(file)
        if not path.is_fifo():
            return path.open("rb")
        with path.open("rb") as pipe:
            return on_disk(pipe)
    except OSError as error:
        raise ClientError(f"it cannot be read: {error.strerror}") from None
    except ValueError:
        raise ClientError("it has no name that a file can have") from None


class _Problem(msgspec.Struct):
    message: str = ""


class _Refused(msgspec.Struct):
    error: _Problem


class _Server:
    def __init__(self, url: str, api_key: str | None, trusted: ssl.SSLContext | None, wanted: Wanted) -> None:
        self._url, self._wanted = url, wanted
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        timeout = httpx2.Timeout(_SERVER_PATIENCE_S, connect=_CONNECT_S)
        self._http = httpx2.AsyncClient(
            base_url=f"{url}/v1", headers=headers, timeout=timeout, verify=True if trusted is None else trusted
        )

    async def __aenter__(self) -> Hearer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def hear(self, file: str, bar: Bar) -> str:
        with await to_thread.run_sync(_opened, file) as opened:
            try:
                response = await self._http.post(
                    "/audio/transcriptions", files={"file": (Path(file).name, opened)}, data=self._form()
                )
            except httpx2.HTTPError as error:
                raise DuologueError(
                    f"the server at {self._url} does not answer: {error or type(error).__name__}"
                ) from None
        if response.status_code != 200:
            raise DuologueError(f"the server says: {_reason(response)}")
        text = response.text
        return _json(msgspec.json.decode(text)) if "json" in self._wanted.kind else text

    def _form(self) -> dict[str, Any]:
        wanted = self._wanted
        form: dict[str, Any] = {"model": "duologue", "response_format": wanted.kind}
        if wanted.language:
            form["language"] = wanted.language
        if wanted.kind == "verbose_json":
            form["timestamp_granularities[]"] = ["segment", "word"] if wanted.words else ["segment"]
        return form


def _reason(response: httpx2.Response) -> str:
    try:
        return msgspec.json.decode(response.content, type=_Refused).error.message
    except msgspec.MsgspecError:
        return f"status {response.status_code}"
