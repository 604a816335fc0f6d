"""A server for ``/v1/audio/transcriptions`` and ``/v1/audio/speech`` whose every word the test decides."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.engines.standins.multipart import form_of
from tests.engines.standins.serving import client_left, serving


@dataclass
class OpenAIAudio:
    """``transcript``: the answer, or statuses to refuse with before it; ``sound``: the bytes of speech, sent in pieces
    of ``piece``; ``then``: what comes after them: "", "hang" or "break off"."""

    transcript: dict[str, Any] | str = field(default_factory=lambda: {"text": " Hello there."})
    refusals: list[int] = field(default_factory=list)
    refused_fields: tuple[str, ...] = ()
    sound: bytes = b""
    piece: int = 4096
    media_type: str = "audio/pcm"
    then: str = ""
    voices: list[str] | None = None
    url: str = ""
    forms: list[dict[str, Any]] = field(default_factory=list)
    phrases: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    hangs: anyio.Event = field(default_factory=anyio.Event)
    aborted: anyio.Event = field(default_factory=anyio.Event)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/models", self._models),
                Route("/v1/audio/voices", self._voices),
                Route("/v1/audio/transcriptions", self._transcription, methods=["POST"]),
                Route("/v1/audio/speech", self._speech, methods=["POST"]),
            ]
        )

    async def _models(self, request: Request) -> Response:
        return JSONResponse({"data": [{"id": "whisper-1"}, {"id": "kokoro"}]})

    async def _voices(self, request: Request) -> Response:
        return Response(status_code=404) if self.voices is None else JSONResponse({"voices": self.voices})

    async def _transcription(self, request: Request) -> Response:
        form = form_of(request.headers["content-type"], await request.body())
        self.forms.append(form)
        self.headers.append(dict(request.headers))
        if refusal := self._refusal(form):
            return refusal
        if self.then == "hang":
            self.hangs.set()
            await client_left(request)
            self.aborted.set()
        if isinstance(self.transcript, str):
            return Response(self.transcript, media_type="text/html")
        return JSONResponse(self.transcript)

    async def _speech(self, request: Request) -> Response:
        body = json.loads(await request.body())
        self.phrases.append(body)
        self.headers.append(dict(request.headers))
        return self._refusal(body) or StreamingResponse(self._pieces(), media_type=self.media_type)

    async def _pieces(self) -> AsyncIterator[bytes]:
        try:
            for at in range(0, len(self.sound), self.piece):
                yield self.sound[at : at + self.piece]
            if self.then == "hang":
                self.hangs.set()
                await anyio.sleep_forever()
            if self.then == "break off":
                raise ConnectionError("the stand-in breaks off")
        except anyio.get_cancelled_exc_class():
            self.aborted.set()
            raise

    def _refusal(self, asked: dict[str, Any]) -> Response | None:
        unknown = [name for name in self.refused_fields if name in asked or asked.get("response_format") == name]
        status = 400 if unknown else self.refusals.pop(0) if self.refusals else 0
        if not status:
            return None
        message = f"unknown: {unknown}" if unknown else "not now"
        return JSONResponse({"error": {"message": message, "type": "invalid_request_error"}}, status)


@asynccontextmanager
async def openai_audio(**settings: Any) -> AsyncIterator[OpenAIAudio]:
    """It, serving."""
    server = OpenAIAudio(**settings)
    async with serving(server.app()) as server.url:
        yield server
