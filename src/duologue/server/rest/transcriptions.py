"""``POST /v1/audio/transcriptions``: sound of any length to words, whole or as they are heard."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from io import BytesIO
from typing import Annotated, Any, BinaryIO, Literal, cast

import msgspec
from anyio import to_thread
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from duologue.engines.speech.sound_fetch import fetch
from duologue.engines.speech.sound_file import SoundFile, on_disk
from duologue.engines.speech.sound_input import from_base64
from duologue.errors import ClientError
from duologue.server.problems import problem
from duologue.server.rest.body import read_fields
from duologue.server.rest.long_audio import Ask, LongTranscription, Passage, Position, language_code
from duologue.server.rest.quoted import quoted
from duologue.server.rest.sse import MEDIA_TYPE, event
from duologue.server.rest.transcripts import FORMATS, as_json, as_text, as_verbose_json, text_of, usage
from duologue.server.rest.work import Chunks, Job, Work, half_the_cores

# 100 MiB of Opus can be half a day.
LONGEST_S = 12 * 3600.0
_TYPES = {"srt": "application/x-subrip", "vtt": "text/vtt"}


class Fields(msgspec.Struct, kw_only=True):
    """What is looked at of a request. ``url`` and ``audio`` (base64 or a data URI) in place of a file are ours.

    ``model``, ``prompt``, ``temperature``, ``include`` and ``chunking_strategy`` have no effect: there is one model,
    it is not prompted, and long sound is always cut at pauses.
    """

    response_format: str = "json"
    language: str | None = None
    timestamp_granularities: Annotated[list[Literal["word", "segment"]], msgspec.Meta(max_length=8)] | None = None
    stream: bool | None = None
    url: str | None = None
    audio: str | None = None


class Asked(msgspec.Struct, frozen=True):
    """One transcription. ``file`` is open and at its start."""

    file: Any
    kind: str
    language: str | None
    words: bool
    segments: bool
    streams: bool

    @property
    def wants_words(self) -> bool:
        """Subtitles are cut between words."""
        return self.words or self.kind in {"srt", "vtt"}


async def _read(job: Job) -> Asked:
    fields, upload = await read_fields(job, Fields, job.state.settings.max_upload_mib)
    _check(fields)
    granularities = fields.timestamp_granularities or ["segment"]
    language = language_code(fields.language)
    return Asked(
        file=await _file(job, fields, upload),
        kind=fields.response_format,
        language=language,
        words="word" in granularities,
        segments="segment" in granularities,
        streams=bool(fields.stream),
    )


def _check(fields: Fields) -> None:
    kind = fields.response_format
    if kind == "diarized_json":
        raise ClientError("speakers are not told apart here: use json or verbose_json", param="response_format")
    if kind not in FORMATS:
        raise ClientError(f"response_format {quoted(kind)} is none of {', '.join(FORMATS)}", param="response_format")
    if fields.stream and kind in {"srt", "vtt", "verbose_json"}:
        raise ClientError(f"{kind} is not streamed: leave out stream, or use json", param="stream")
    if "word" in (fields.timestamp_granularities or []) and kind != "verbose_json":
        raise ClientError("times of words come with response_format verbose_json only", param="timestamp_granularities")


async def _file(job: Job, fields: Fields, upload: UploadFile | None) -> BinaryIO:
    """Open until the job is over. Raises ClientError unless exactly one of file, url and audio was given."""
    given = [name for name, value in (("file", upload), ("url", fields.url), ("audio", fields.audio)) if value]
    if not given:
        message = "there is no sound: send a file, or a url, or audio as base64"
        raise ClientError(message, code="missing_required_parameter", param="file")
    if len(given) > 1:
        raise ClientError(f"give one of {' and '.join(given)}, not more", param=given[1])
    if upload is not None:
        return upload.file
    sound = partial(_decoded, fields.audio) if fields.audio else partial(_fetched, job, cast("str", fields.url))
    # It may wait long for its turn, and not in memory.
    return job.cleanup.enter_context(await to_thread.run_sync(lambda: on_disk(BytesIO(sound()))))


def _decoded(audio: str) -> bytes:
    try:
        return from_base64(audio.partition(",")[2] if audio[:5].lower() == "data:" else audio)
    except ClientError as error:
        if error.code == "audio_too_large":
            raise
        raise ClientError("audio is not base64, nor a data URI with base64", param="audio") from error


def _fetched(job: Job, url: str) -> bytes:
    if not job.state.settings.allow_url_fetch:
        raise ClientError(
            "sound is not fetched from URLs here: send the file (or set allow_url_fetch on the server)",
            code="url_fetch_disabled",
            param="url",
        )
    try:
        return fetch(url)
    except ClientError as error:
        raise ClientError(error.message, code=error.code, param="url") from error


async def _answer(job: Job, asked: Asked) -> Response:
    run = _Run(job, asked)
    if asked.streams:
        events = await job.cleanup.enter_async_context(aclosing(run.events()))
        return Chunks(await anext(events), events, MEDIA_TYPE)
    passages = [passage async for passage in run.passages()]
    # Half a day of subtitles takes a second.
    return await to_thread.run_sync(_whole, passages, run.duration_s, asked)


def _whole(passages: list[Passage], duration_s: float, asked: Asked) -> Response:
    if asked.kind == "json":
        return JSONResponse(as_json(passages, duration_s))
    if asked.kind == "verbose_json":
        return JSONResponse(
            as_verbose_json(passages, duration_s, asked.language, words=asked.words, segments=asked.segments)
        )
    text = as_text(passages, cast("Literal['text', 'srt', 'vtt']", asked.kind))
    return PlainTextResponse(text, media_type=_TYPES.get(asked.kind, "text/plain"))


class _Run:
    """One file on its way through the engines. ``duration_s`` is known at its end."""

    def __init__(self, job: Job, asked: Asked) -> None:
        self._job, self._asked = job, asked
        self.duration_s = 0.0

    async def passages(self) -> AsyncGenerator[Passage, None]:
        """Raises ClientError for what is no sound, EngineError."""
        sound = await to_thread.run_sync(lambda: SoundFile(self._asked.file, longest_s=LONGEST_S))
        with sound:
            ask = Ask(self._asked.language, self._asked.wants_words)
            work = LongTranscription(self._job.state.engines, ask, self._job.room.queue)
            async with aclosing(work.run(sound)) as results:
                async for result in results:
                    if isinstance(result, Position):
                        self.duration_s = result.at_s
                    else:
                        yield result

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The deltas join to the text."""
        passages: list[Passage] = []
        async with aclosing(self.passages()) as found:
            async for passage in found:
                delta = passage.text if not passages else f" {passage.text}"
                passages.append(passage)
                yield event("transcript.text.delta", delta=delta)
        yield event("transcript.text.done", text=text_of(passages), usage=usage(self.duration_s))


async def _translations(_request: Request) -> Response:
    message = "Nothing is translated here: transcribe, and give the text to a chat model."
    # OpenAI's SDKs ask again after any 5xx, but not after this.
    return problem(501, "not_implemented", message, headers={"X-Should-Retry": "false"})


ROUTES: list[BaseRoute] = [
    Route("/v1/audio/transcriptions", Work("transcriptions", half_the_cores(), _read, _answer), methods=["POST"]),
    Route("/v1/audio/translations", _translations, methods=["POST"]),
]
