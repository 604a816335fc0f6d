"""``POST /v1/audio/speech``: text to sound, sent while it is made, from the first phrase on."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Literal, cast

import anyio
import msgspec
from anyio import to_thread
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from duologue.engines.base import SpeakRequest, SpeechChunk
from duologue.engines.client import TTS
from duologue.errors import ClientError, EngineLost
from duologue.server.rest.body import read_json
from duologue.server.rest.encode import FORMATS, MEDIA_TYPES, Encoder, SpeechFormat, encoder
from duologue.server.rest.sse import MEDIA_TYPE, event
from duologue.server.rest.tempo import SLOWEST, Tempo
from duologue.server.rest.voices import choose, voices_of
from duologue.server.rest.work import Chunks, Job, Work
from duologue.session.phrase import Phraser, is_speakable
from duologue.session.watch import watched

MAX_CHARACTERS = 4096
_MIN_SPEED, _MAX_SPEED = 0.25, 4.0
# 4,096 characters are 16 KiB at most as UTF-8, and six times as many bytes where all is escaped.
_BODY_BYTES = 128 * 1024
# Later than any live phrase, which is due within 2 s.
_DUE_S = 10.0
_PATIENCE_S = 60.0
_STEPS = 2


class VoiceId(msgspec.Struct):
    id: str


class Fields(msgspec.Struct, kw_only=True):
    """What is looked at of a request. ``model`` and ``instructions`` have no effect."""

    input: str
    voice: str | VoiceId = ""
    response_format: str = "mp3"
    speed: float = 1.0
    stream_format: Literal["audio", "sse"] = "audio"


class Asked(msgspec.Struct, frozen=True):
    """One text to be spoken."""

    phrases: list[str]
    voice: str
    speed: float
    kind: SpeechFormat
    is_sse: bool


async def _read(job: Job) -> Asked:
    fields = await read_json(job.request, Fields, _BODY_BYTES)
    if len(fields.input) > MAX_CHARACTERS:
        raise ClientError(
            f"input has {len(fields.input)} characters, and {MAX_CHARACTERS} are taken: send it in parts",
            code="string_above_max_length",
            param="input",
        )
    if fields.response_format not in FORMATS:
        raise ClientError(f"response_format must be one of {', '.join(FORMATS)}", param="response_format")
    if not _MIN_SPEED <= fields.speed <= _MAX_SPEED:
        raise ClientError(f"speed must be from {_MIN_SPEED:g} to {_MAX_SPEED:g}", param="speed")
    voice = fields.voice if isinstance(fields.voice, str) else fields.voice.id
    phrases = await to_thread.run_sync(phrases_of, fields.input)
    if not phrases:
        raise ClientError("there is nothing in input that can be spoken", param="input")
    return Asked(
        phrases=phrases,
        voice=choose(voice, voices_of(job.state)),
        speed=fields.speed,
        kind=cast("SpeechFormat", fields.response_format),
        is_sse=fields.stream_format == "sse",
    )


def phrases_of(text: str) -> list[str]:
    """As an answer is cut: a short one first, then sentences."""
    phraser = Phraser()
    # No voice says control characters, and some take them for commands.
    plain = "".join(char if char.isprintable() else " " for char in text)
    return [phrase for phrase in (*phraser.push(plain), *phraser.flush()) if is_speakable(phrase)]


async def _answer(job: Job, asked: Asked) -> Response:
    body = _events(job, asked) if asked.is_sse else _encoded(job, asked)
    await job.cleanup.enter_async_context(aclosing(body))
    return Chunks(await anext(body), body, MEDIA_TYPE if asked.is_sse else MEDIA_TYPES[asked.kind])


async def _events(job: Job, asked: Asked) -> AsyncGenerator[bytes, None]:
    """``speech.audio.delta`` with the bytes of the file in base64. Tokens are not counted here."""
    async with aclosing(_encoded(job, asked)) as pieces:
        async for piece in pieces:
            yield event("speech.audio.delta", audio=base64.b64encode(piece).decode("ascii"))
    yield event("speech.audio.done", usage={"input_tokens": 0, "output_tokens": 0, "total_tokens": 0})


async def _encoded(job: Job, asked: Asked) -> AsyncGenerator[bytes, None]:
    """The file, piece by piece, none empty. Raises EngineError."""
    file: Encoder = await to_thread.run_sync(encoder, asked.kind)
    tempo = Tempo(min(1.0, asked.speed / SLOWEST))
    try:
        async with aclosing(_spoken(job, asked)) as chunks:
            async for chunk in chunks:
                if piece := await to_thread.run_sync(lambda pcm: file.push(tempo.push(pcm)), chunk.pcm):
                    yield piece
        if piece := await to_thread.run_sync(lambda: file.push(tempo.finish()) + file.finish()):
            yield piece
    finally:
        file.close()


async def _spoken(job: Job, asked: Asked) -> AsyncGenerator[SpeechChunk, None]:
    """One phrase after the other. Each is taken from the synthesizer as fast as that gives it, so that a client that
    reads slowly keeps nobody from it: a phrase is a MB at most."""
    for phrase in asked.phrases:
        chunks: asyncio.Queue[SpeechChunk | None] = asyncio.Queue()
        request = SpeakRequest(phrase, asked.voice, max(asked.speed, SLOWEST))
        speaking = asyncio.create_task(_speak(job, request, chunks))
        try:
            while (chunk := await chunks.get()) is not None:
                yield chunk
            await speaking
        finally:
            speaking.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.gather(speaking, return_exceptions=True)


async def _speak(job: Job, request: SpeakRequest, out: asyncio.Queue[SpeechChunk | None]) -> None:
    """A synthesizer lost before its first sound is asked again, once."""
    has_begun = False
    try:
        async with job.room.queue():
            for is_last_try in (False, True):
                try:
                    async with aclosing(_once(job, request)) as chunks:
                        async for chunk in chunks:
                            has_begun = True
                            out.put_nowait(chunk)
                except EngineLost:
                    if is_last_try or has_begun:
                        raise
                else:
                    return
    finally:
        out.put_nowait(None)


async def _once(job: Job, request: SpeakRequest) -> AsyncGenerator[SpeechChunk, None]:
    due_s = anyio.current_time() + _DUE_S
    async with job.state.engines.stream(TTS, request, deadline_s=due_s) as chunks:
        sound: AsyncIterator[SpeechChunk] = watched(chunks, _PATIENCE_S, "The synthesizer")
        async for chunk in sound:
            yield chunk


ROUTES: list[BaseRoute] = [
    Route("/v1/audio/speech", Work("speech", _STEPS, _read, _answer), methods=["POST"]),
]
