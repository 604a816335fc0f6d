"""One turn's sound -> its words, by ``POST /audio/transcriptions`` of any server that has it.

Wire format: a form with the sound as a WAV file (platform.openai.com/docs/api-reference/audio/createTranscription),
answered by JSON, or by server-sent events: vLLM's ``transcription.chunk`` or OpenAI's ``transcript.text.delta``.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import msgspec

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.http import HttpServer, host_of, is_error
from duologue.engines.wav import to_wav
from duologue.errors import EngineError

# What OpenAI and vLLM take: 13.6 minutes.
_MAX_WAV_BYTES = 25 * 1_048_576
# Quick speech has 5 tokens a second. Without a cap a model that repeats itself goes on to the end of its context,
# two minutes and more.
_TOKENS_PER_S = 8
_TOKENS_MORE = 16
_PATIENCE_S = 10.0
_PATIENCE_PER_S = 0.5
_BETWEEN_S = 5.0


class Word(msgspec.Struct):
    """A word and when it sounds, as ``verbose_json`` gives it."""

    word: str
    start: float
    end: float


class Transcript(msgspec.Struct):
    """A whole answer. ``language``: a name or a code, as the server pleases."""

    text: str
    language: str | None = None
    words: list[Word] | None = None


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None


class _Chunk(msgspec.Struct):
    """vLLM's chunk or OpenAI's event; only one of the two has each field."""

    choices: list[_Choice] | None = None
    type: str = ""
    delta: str | None = None
    error: msgspec.Raw = msgspec.Raw()

    @property
    def text(self) -> str:
        if self.choices:
            return (self.choices[0].delta or _Delta()).content or ""
        return self.delta or "" if self.type == "transcript.text.delta" else ""


def token_cap(audio: Float32) -> int:
    """Tokens that the words of ``audio`` may take."""
    return math.ceil(len(audio) / SESSION_RATE_HZ * _TOKENS_PER_S) + _TOKENS_MORE


async def transcribe(
    server: HttpServer, model: str, audio: Float32, language: str | None, *, wants_words: bool = False
) -> Transcript:
    """The words of ``audio`` (float32 [n] at 16 kHz). Raises EngineLost, EngineUnavailable, EngineError."""
    form = _form(server, model, audio, language, "verbose_json" if wants_words else "json")
    if wants_words:
        form["timestamp_granularities[]"] = "word"
    deadline_s = _deadline_s(audio)
    async with server.post("audio/transcriptions", deadline_s=deadline_s, form=form, file=_file(audio)) as response:
        return _whole(server, await server.whole(response, deadline_s=deadline_s))


async def stream_words(
    server: HttpServer, model: str, audio: Float32, language: str | None
) -> AsyncGenerator[str, None]:
    """The words of ``audio`` as they come; from a server that does not stream, all at once."""
    form = _form(server, model, audio, language, "json") | {"stream": "true"}
    deadline_s = _deadline_s(audio)
    async with server.post("audio/transcriptions", deadline_s=deadline_s, form=form, file=_file(audio)) as response:
        if response.headers.get("content-type", "").startswith("application/json"):
            yield _whole(server, await server.whole(response, deadline_s=deadline_s)).text
            return
        async with aclosing(server.events(response, deadline_s=deadline_s, between_s=_BETWEEN_S)) as events:
            async for payload in events:
                if text := _chunk(server, payload).text:
                    yield text


def _form(server: HttpServer, model: str, audio: Float32, language: str | None, kind: str) -> dict[str, str]:
    form = {"model": model, "response_format": kind, "temperature": "0"}
    if language:
        form["language"] = language
    # The hosted API is the one that refuses a field that it does not know.
    if host_of(server.url) != "api.openai.com":
        form["max_completion_tokens"] = str(token_cap(audio))
    return form


def _file(audio: Float32) -> tuple[str, bytes, str]:
    wav = to_wav(audio)
    if len(wav) > _MAX_WAV_BYTES:
        raise EngineError("a turn of more than 13 minutes cannot be transcribed in one piece: commit it sooner")
    return "turn.wav", wav, "audio/wav"


def _deadline_s(audio: Float32) -> float:
    return anyio.current_time() + _PATIENCE_S + _PATIENCE_PER_S * len(audio) / SESSION_RATE_HZ


def _whole(server: HttpServer, body: bytes) -> Transcript:
    try:
        return msgspec.json.decode(body, type=Transcript)
    except msgspec.MsgspecError as error:
        raise server.garbage(body.decode("utf-8", "replace")) from error


def _chunk(server: HttpServer, payload: str) -> _Chunk:
    try:
        chunk = msgspec.json.decode(payload, type=_Chunk)
    except msgspec.MsgspecError as error:
        raise server.garbage(payload) from error
    if is_error(chunk.error):
        raise server.failed(payload)
    return chunk
