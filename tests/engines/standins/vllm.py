"""A vLLM without a model: it takes and refuses what vLLM 0.32 with Voxtral was seen to take and refuse.

Seen, and kept here: a system message beside sound and more than five sounds in a prompt are refused; a transcription
without a limit runs on for as long as its model repeats itself; closing a stream aborts its request; a realtime turn
begins with ``commit``, gives one delta for each 80 ms of sound and, on ``final``, 17 more.
"""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import json
import math
import wave
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.engines.standins.multipart import form_of
from tests.engines.standins.serving import client_left, serving

MODEL = "mistralai/Voxtral-Mini-3B-2507"
MAX_MODEL_LEN = 32_768
PAD_TOKENS = 17
TOKEN_SAMPLES = 1280


@dataclass
class Turn:
    """What one realtime connection went through."""

    model: str | None = None
    events: list[str] = field(default_factory=list)
    samples: int = 0
    is_done: bool = False
    close_code: int | None = None
    closed: anyio.Event = field(default_factory=anyio.Event)


@dataclass
class Vllm:
    """``answer`` and ``words``: tokens that are said; ``loops``: it says them over and over.

    ``faults``: path -> what goes wrong there, once: "hang", "hang midway", "break off", "garbage", "fail midway",
    or a status.
    """

    answer: list[str] = field(default_factory=lambda: ["It", " is", " four", ".", " Really", "."])
    words: list[str] = field(default_factory=lambda: [" What", " is", " two", " and", " two", "?"])
    loops: bool = False
    faults: dict[str, str] = field(default_factory=dict)
    url: str = ""
    chats: list[dict[str, Any]] = field(default_factory=list)
    forms: list[dict[str, Any]] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    aborted: dict[str, anyio.Event] = field(default_factory=dict)
    is_dead: bool = False

    def __post_init__(self) -> None:
        self.aborted = {"chat": anyio.Event(), "transcription": anyio.Event()}

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/models", self._models),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/audio/transcriptions", self._transcription, methods=["POST"]),
                WebSocketRoute("/v1/realtime", self._realtime),
            ]
        )

    async def _models(self, request: Request) -> Response:
        card = {"id": MODEL, "object": "model", "created": 1, "owned_by": "vllm", "max_model_len": MAX_MODEL_LEN}
        return JSONResponse({"object": "list", "data": [card]})

    # --- chat -------------------------------------------------------------------------------------------------

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.chats.append(body)
        self.log.append("chat asked")
        fault = self.faults.pop("chat", "")
        if refusal := await self._early(request, fault, "chat") or _chat_refusal(body):
            return refusal
        limit = body.get("max_completion_tokens") or MAX_MODEL_LEN
        return StreamingResponse(self._completion(body, limit, fault), media_type="text/event-stream")

    async def _completion(self, body: dict[str, Any], limit: int, fault: str) -> AsyncIterator[bytes]:
        def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
            head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
            return _sse(head | {"choices": choices} | more)

        def choice(delta: dict[str, str], finish: str | None = None) -> list[dict[str, Any]]:
            return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish, "token_ids": None}]

        said = 0
        async with self._abortable("chat"):
            yield chunk(choice({"role": "assistant", "content": ""}))
            for token in self._tokens(self.answer, limit):
                said += 1
                yield chunk(choice({"content": token}))
                if said == 2 and fault:
                    async for data in _midway(fault):
                        yield data
                await anyio.lowlevel.checkpoint()
            finish = "length" if said == limit else "stop"
            yield chunk(choice({"content": ""}, finish))
            if body.get("stream_options", {}).get("include_usage"):
                usage = {"prompt_tokens": 400, "completion_tokens": said, "total_tokens": 400 + said}
                yield chunk([], usage=usage | {"prompt_tokens_details": None})
            yield b"data: [DONE]\n\n"
            self.log.append("chat ended")

    # --- transcriptions ---------------------------------------------------------------------------------------

    async def _transcription(self, request: Request) -> Response:
        form = form_of(request.headers["content-type"], await request.body())
        form["samples"] = _sound(form.pop("file"))
        self.forms.append(form)
        self.log.append("transcription asked")
        fault = self.faults.pop("transcription", "")
        if refusal := await self._early(request, fault, "transcription"):
            return refusal
        if form["model"] != MODEL:
            return _error(404, f"The model `{form['model']}` does not exist.", "NotFoundError", "model")
        if form["response_format"] == "verbose_json":
            return _error(400, f"Currently do not support verbose_json for {MODEL}")
        limit = int(form.get("max_completion_tokens", MAX_MODEL_LEN))
        if form.get("stream") == "true":
            return StreamingResponse(self._pieces(limit, fault), media_type="text/event-stream")
        text = "".join(self._tokens(self.words, limit))
        seconds = math.ceil(len(form["samples"]) / 16_000)
        return JSONResponse({"text": text, "usage": {"type": "duration", "seconds": seconds}})

    async def _pieces(self, limit: int, fault: str) -> AsyncIterator[bytes]:
        head = {"id": "transcribe-1", "object": "transcription.chunk", "created": 1, "model": MODEL}
        async with self._abortable("transcription"):
            for said, token in enumerate(self._tokens(self.words, limit), 1):
                yield _sse(head | {"choices": [{"delta": {"content": token}}]})
                if said == 2 and fault:
                    async for data in _midway(fault):
                        yield data
                await anyio.lowlevel.checkpoint()
            yield _sse(head | {"choices": [{"delta": {"content": ""}, "finish_reason": "stop", "stop_reason": None}]})
            yield b"data: [DONE]\n\n"

    # --- realtime ---------------------------------------------------------------------------------------------

    async def _realtime(self, socket: WebSocket) -> None:
        fault = self.faults.pop("realtime", "")
        if fault == "no endpoint":
            await socket.close()
            return
        await socket.accept()
        if fault == "hang":
            await socket.receive()
            return
        turn = Turn()
        self.turns.append(turn)
        await socket.send_json({"type": "session.created", "id": "sess-1", "created": 1})
        audio: asyncio.Queue[int | None] = asyncio.Queue()
        async with anyio.create_task_group() as group:
            try:
                while True:
                    event = await socket.receive_json()
                    await self._take(event, turn, socket, group, audio, fault)
            except WebSocketDisconnect as gone:
                turn.close_code = gone.code
                # The real one was seen to die of a connection that broke off under a transcription.
                self.is_dead = self.is_dead or (gone.code != 1000 and not turn.is_done)
            group.cancel_scope.cancel()
        turn.closed.set()

    async def _take(
        self,
        event: dict[str, Any],
        turn: Turn,
        socket: WebSocket,
        group: anyio.abc.TaskGroup,
        audio: asyncio.Queue[int | None],
        fault: str,
    ) -> None:
        kind = event["type"]
        turn.events.append(kind + (" final" if event.get("final") else ""))
        if kind == "session.update":
            turn.model = event["model"]
        elif kind == "input_audio_buffer.append":
            samples = len(base64.b64decode(event["audio"], validate=True)) // 2
            if not samples:
                await socket.send_json({"type": "error", "error": "Invalid audio data", "code": "invalid_audio"})
                return
            turn.samples += samples
            audio.put_nowait(samples)
        elif kind == "input_audio_buffer.commit" and turn.model is None:
            message = "Model not validated. Make sure to validate the model by sending a session.update event."
            await socket.send_json({"type": "error", "error": message, "code": "model_not_validated"})
        elif kind == "input_audio_buffer.commit" and event.get("final"):
            audio.put_nowait(None)
        elif kind == "input_audio_buffer.commit":
            group.start_soon(self._generate, turn, socket, audio, fault)
        else:
            message = f"Unknown event type: {kind}"
            await socket.send_json({"type": "error", "error": message, "code": "unknown_event"})

    async def _generate(self, turn: Turn, socket: WebSocket, audio: asyncio.Queue[int | None], fault: str) -> None:
        """A word each fourth token, six tokens after its sound; no delta before the first sound."""
        if fault == "hang midway":
            return
        script = deque(["", "", "", "", "", ""])
        for word in self.words:
            script += [word, "", "", ""]
        given, pending, said = 0, 0, ""
        while True:
            samples = await audio.get()
            pending += samples or 0
            tokens = PAD_TOKENS + 4 * len(self.words) if samples is None else pending // TOKEN_SAMPLES
            pending %= TOKEN_SAMPLES
            for _ in range(tokens):
                delta = script.popleft() if script else ""
                said += delta
                given += 1
                await socket.send_json({"type": "transcription.delta", "delta": delta})
            if given and fault == "break off":
                await socket.close(1011)
                return
            if given and fault == "fail midway":
                await socket.send_json({"type": "error", "error": "EngineCore died", "code": "processing_error"})
                return
            if given and fault == "garbage":
                await socket.send_text("<html>")
                return
            if samples is None:
                break
        usage = {"prompt_tokens": 39, "completion_tokens": given, "total_tokens": 39 + given}
        turn.is_done = True
        await socket.send_json({"type": "transcription.done", "text": said, "usage": usage})

    # --- all --------------------------------------------------------------------------------------------------

    def _tokens(self, said: list[str], limit: int) -> Iterable[str]:
        return itertools.islice(itertools.cycle(said) if self.loops else said, limit)

    async def _early(self, request: Request, fault: str, what: str) -> Response | None:
        if fault == "hang":
            await client_left(request)
            self.aborted[what].set()
            return Response(status_code=499)
        if fault.isdecimal():
            return _error(int(fault), "EngineCore encountered an issue.", "InternalServerError")
        if fault == "garbage":
            return Response("<html>It works!</html>", media_type="text/event-stream")
        return None

    @asynccontextmanager
    async def _abortable(self, what: str) -> AsyncIterator[None]:
        try:
            yield
        except (anyio.get_cancelled_exc_class(), GeneratorExit):
            self.log.append(f"{what} aborted")
            self.aborted[what].set()
            raise


def _chat_refusal(body: dict[str, Any]) -> Response | None:
    if body["model"] != MODEL:
        return _error(404, f"The model `{body['model']}` does not exist.", "NotFoundError", "model")
    roles = [message["role"] for message in body["messages"]]
    heard = [index for index, message in enumerate(body["messages"]) if sounds_of(message)]
    system = [index for index, role in enumerate(roles) if role == "system"]
    if system and heard:
        return _error(
            400,
            f"Found system messages at indexes {system} and audio chunks in messages at indexes {heard}. "
            "This is not allowed prior to the tokenizer version 13.",
        )
    if sum(len(sounds_of(message)) for message in body["messages"]) > 5:
        return _error(400, "At most 5 audio(s) may be provided in one prompt.", param="audio")
    if roles[0] not in {"system", "user"} or roles[-1] != "user":
        return _error(400, f"Expected last role User or Tool for serving but got {roles[-1]}")
    return None


def sounds_of(message: dict[str, Any]) -> list[np.ndarray]:
    """The sounds in one message, as int16 at 16 kHz."""
    parts = message["content"] if isinstance(message["content"], list) else []
    return [
        _sound(base64.b64decode(part["input_audio"]["data"], validate=True))
        for part in parts
        if part["type"] == "input_audio"
    ]


def texts_of(message: dict[str, Any]) -> list[str]:
    """The texts in one message."""
    if isinstance(message["content"], str):
        return [message["content"]]
    return [part["text"] for part in message["content"] if part["type"] == "text"]


def _sound(data: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def _error(status: int, message: str, kind: str = "BadRequestError", param: str | None = None) -> Response:
    return JSONResponse({"error": {"message": message, "type": kind, "param": param, "code": status}}, status)


def _sse(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


async def _midway(fault: str) -> AsyncIterator[bytes]:
    if fault == "hang midway":
        await anyio.sleep_forever()
    if fault == "break off":
        raise ConnectionError("the stand-in breaks off")
    if fault == "fail midway":
        yield _sse({"error": {"message": "EngineCore died", "type": "InternalServerError", "param": None, "code": 500}})
    if fault == "garbage midway":
        yield b"data: <html>\n\n"


@asynccontextmanager
async def vllm(**settings: Any) -> AsyncIterator[Vllm]:
    """It, serving."""
    server = Vllm(**settings)
    async with serving(server.app()) as server.url:
        yield server
