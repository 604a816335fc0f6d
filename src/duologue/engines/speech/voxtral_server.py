"""Voxtral on a vLLM server: a SpeechModel by HTTP.

The answer is a chat completion whose user message holds the sound (``input_audio``: a base64 WAV file); the user's
words are a second request, to ``/audio/transcriptions``, which starts when the first clause of the answer is out, so
that it does not delay it. Closing either stream makes vLLM stop its work within 0.15 s (seen on 0.32).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal

import anyio
import msgspec
import numpy as np
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from duologue import telemetry
from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.asr.transcriptions import stream_words
from duologue.engines.base import ChatMessage, ChatUsage, SpeechDelta, SpeechRequest
from duologue.engines.chat.openai_wire import Chunk, usage_of
from duologue.engines.http import HttpServer, is_error
from duologue.engines.speech.heard import Heard
from duologue.engines.speech.voxtral_server_prompt import MAX_SOUNDS, chat_messages
from duologue.errors import EngineError
from duologue.options import VoxtralServerOptions

log = structlog.get_logger(__name__)

_ADVICE = (
    "start it with `vllm serve mistralai/Voxtral-Mini-3B-2507 --tokenizer-mode mistral --config-format mistral "
    "--load-format mistral`, or set url of [voxtral_server] (DUOLOGUE_VOXTRAL_SERVER__URL)"
)
_FIRST_TOKEN_S = 15.0
_BETWEEN_TOKENS_S = 10.0
_WARM_UP_S = 120.0
# About six minutes of talk: a model that repeats itself would go on to the end of its context.
_MAX_TOKENS = 1024
# As Voxtral's authors recommend for conversation.
_SAMPLING = {"temperature": 0.2, "top_p": 0.95}
_CLAUSE_END = re.compile(r"\w[^\w\s]*[,.;:!?\u2026][^\w\s]*\s")
_CLAUSE_MAX_CHARS = 80


class VoxtralServer:
    """A SpeechModel on a server. One client serves all conversations; the server keeps the context of each.

    ``model_warning`` is set by ``start`` where the server does not list the model. In what it gives, ``is_heard`` comes
    only where the words are complete: when the transcription fails the answer still comes, and the failure is logged.
    """

    name = "voxtral-server"

    def __init__(self, options: VoxtralServerOptions) -> None:
        self._options = options
        self._server = HttpServer(options.url, what="Voxtral's server", advice=_ADVICE)
        self._heard = Heard()
        self.model_warning: str | None = None

    async def start(self) -> None:
        """Reach the server. Raises EngineUnavailable where nothing answers or the key is refused."""
        self.model_warning = await self._server.probe(self._options.model)

    async def warm_up(self) -> None:
        """One word on half a second of silence: the server's first sound is its slowest."""
        silence = np.zeros(SESSION_RATE_HZ // 2, np.float32)
        request = SpeechRequest((ChatMessage("user", "", audio=silence),), max_tokens=1)
        async with aclosing(self._answer(request, first_s=_WARM_UP_S)) as deltas:
            async for _ in deltas:
                pass

    async def aclose(self) -> None:
        """Close all connections."""
        await self._server.aclose()

    @asynccontextmanager
    async def stream(self, request: SpeechRequest) -> AsyncIterator[AsyncIterator[SpeechDelta]]:
        """The answer, the user's words, or both, as they come. Leaving the context ends both on the server.

        "nothing" asks for nothing: the server works out a prompt's beginning when it first meets it. Raises EngineLost
        when the server is away, silent or breaks off, EngineUnavailable for a wrong key or model, EngineError when it
        refuses.
        """
        sound = _last_sound(request)
        is_answered = request.wants in {"answer", "both"}
        is_heard = request.wants == "transcript" or (request.wants == "both" and self._options.transcript)
        if is_answered and is_heard and sound is not None:
            async with self._both(request, sound) as deltas:
                yield deltas
            return
        alone = _nothing()
        if is_answered:
            alone = self._answer(request)
        elif is_heard and sound is not None:
            alone = self._words(sound, request.language)
        async with aclosing(alone) as deltas:
            yield deltas

    @asynccontextmanager
    async def _both(self, request: SpeechRequest, sound: Float32) -> AsyncIterator[AsyncIterator[SpeechDelta]]:
        """Answer and words side by side, in one stream."""
        send, receive = anyio.create_memory_object_stream[SpeechDelta | EngineError](16)
        try:
            async with receive, anyio.create_task_group() as group:
                is_clause_out = anyio.Event()
                group.start_soon(self._send_answer, request, is_clause_out, send.clone())
                group.start_soon(self._send_words, sound, request.language, is_clause_out, send)
                async with aclosing(_received(receive)) as deltas:
                    yield deltas
                group.cancel_scope.cancel()
        except BaseExceptionGroup as together:
            # The tasks keep their errors to themselves: this is the one that came out of the context.
            raise together.exceptions[0] from None

    async def _send_answer(
        self,
        request: SpeechRequest,
        is_clause_out: anyio.Event,
        send: MemoryObjectSendStream[SpeechDelta | EngineError],
    ) -> None:
        async with send:
            said = ""
            try:
                async with aclosing(self._answer(request)) as deltas:
                    async for delta in deltas:
                        await send.send(delta)
                        said += delta.text
                        if _CLAUSE_END.search(said) or len(said) > _CLAUSE_MAX_CHARS:
                            is_clause_out.set()
            except EngineError as error:
                await send.send(error)
                return
            is_clause_out.set()

    async def _send_words(
        self,
        sound: Float32,
        language: str | None,
        is_clause_out: anyio.Event,
        send: MemoryObjectSendStream[SpeechDelta | EngineError],
    ) -> None:
        async with send:
            if self._heard.words(sound) is None:
                await is_clause_out.wait()
            try:
                async with aclosing(self._words(sound, language)) as deltas:
                    async for delta in deltas:
                        await send.send(delta)
            except EngineError as error:
                log.warning(telemetry.TRANSCRIPT_FAILED, engine=self.name, reason=error.code)

    async def _answer(
        self, request: SpeechRequest, *, first_s: float | None = None
    ) -> AsyncGenerator[SpeechDelta, None]:
        deadline_s = anyio.current_time() + (first_s or _FIRST_TOKEN_S)
        finish: Literal["stop", "length"] = "stop"
        usage: ChatUsage | None = None
        async with aclosing(self._chunks(self._body(request), deadline_s)) as chunks:
            async for chunk in chunks:
                usage = usage_of(chunk) or usage
                if chunk.choice is None:
                    continue
                said = chunk.choice.delta or chunk.choice.message
                if said is not None and said.text:
                    yield SpeechDelta(said.text)
                if chunk.choice.finish_reason == "length":
                    finish = "length"
        yield SpeechDelta(finish=finish, usage=usage)

    def _body(self, request: SpeechRequest) -> dict[str, Any]:
        sound_turns = min(self._options.audio_turns, MAX_SOUNDS)
        return {
            "model": self._options.model,
            "messages": chat_messages(request.messages, sound_turns, self._heard.words),
            "max_completion_tokens": min(request.max_tokens or _MAX_TOKENS, _MAX_TOKENS),
            "stream": True,
            "stream_options": {"include_usage": True},
            **_SAMPLING,
        }

    async def _chunks(self, body: dict[str, Any], deadline_s: float) -> AsyncGenerator[Chunk, None]:
        server = self._server
        async with server.post("chat/completions", deadline_s=deadline_s, json=body) as response:
            if response.headers.get("content-type", "").startswith("application/json"):
                whole = await server.whole(response, deadline_s=deadline_s)
                yield self._chunk(whole.decode("utf-8", "replace"))
                return
            events = server.events(response, deadline_s=deadline_s, between_s=_BETWEEN_TOKENS_S)
            async with aclosing(events):
                async for payload in events:
                    yield self._chunk(payload)

    def _chunk(self, payload: str) -> Chunk:
        try:
            chunk = msgspec.json.decode(payload, type=Chunk)
        except msgspec.MsgspecError as error:
            raise self._server.garbage(payload) from error
        if is_error(chunk.error):
            raise self._server.failed(payload)
        return chunk

    async def _words(self, sound: Float32, language: str | None) -> AsyncGenerator[SpeechDelta, None]:
        """The words as they come, then ``is_heard``; at once for a sound that has been heard before."""
        known = self._heard.words(sound)
        if known is not None:
            yield SpeechDelta(heard=known, is_heard=True)
            return
        heard = ""
        async with aclosing(stream_words(self._server, self._options.model, sound, language)) as pieces:
            async for piece in pieces:
                fresh = piece if heard else piece.lstrip()
                heard += fresh
                if fresh:
                    yield SpeechDelta(heard=fresh)
        self._heard.remember(sound, heard.strip())
        yield SpeechDelta(is_heard=True)


async def _nothing() -> AsyncGenerator[SpeechDelta, None]:
    return
    yield


async def _received(
    receive: MemoryObjectReceiveStream[SpeechDelta | EngineError],
) -> AsyncGenerator[SpeechDelta, None]:
    async for item in receive:
        if isinstance(item, EngineError):
            raise item
        yield item


def _last_sound(request: SpeechRequest) -> Float32 | None:
    """The user's turn, where the prompt ends in one that is sound."""
    users = [message for message in request.messages if message.role == "user"]
    return users[-1].audio if users else None
