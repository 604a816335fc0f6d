"""Answers from any server that speaks OpenAI's chat completions: Ollama, vLLM, llama.cpp, or a hosted one.

Wire format: ``POST /chat/completions`` with ``stream: true``, answered by server-sent events
(platform.openai.com/docs/api-reference/chat/streaming).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

import anyio
import httpx2
import msgspec

from duologue.engines.base import ChatDelta, ChatMessage, ChatRequest
from duologue.engines.chat.spoken import SpokenText
from duologue.engines.chat.sse import SseReader
from duologue.errors import EngineError, EngineLost, EngineUnavailable

_MAX_ERROR_BODY_BYTES = 16_384
_MAX_ERROR_CHARS = 200
# After the last word the response is read to its end, so that the connection can serve the next turn; a server
# that dawdles there costs a reconnection instead.
_DRAIN_S = 0.5
_KEEP_ALIVE_S = 300.0
_WARM_UP_S = 120.0


class _Text(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Text | None = None
    message: _Text | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    error: msgspec.Raw | None = None


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model] | None = None


class OpenAIChat:
    """A ChatModel behind HTTP. One client, its connections kept alive, serves all sessions.

    ``base_url`` ends in the API's root, as ``http://127.0.0.1:8000/v1``; ``model`` "" takes the server's first.
    ``model_warning`` is set by ``start`` where the server does not list the model. Reasoning counts as a sign of
    life for the time-outs, but is never spoken.
    """

    name = "openai"

    def __init__(
        self,
        base_url: str,
        model: str = "",
        api_key: str | None = None,
        *,
        connect_timeout_s: float = 5.0,
        first_token_timeout_s: float = 20.0,
        between_tokens_timeout_s: float = 20.0,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self.model_warning: str | None = None
        self._connect_s = connect_timeout_s
        self._first_s = first_token_timeout_s
        self._between_s = between_tokens_timeout_s
        host = urlsplit(self.base_url).hostname or ""
        self._limit_field = "max_completion_tokens" if host == "api.openai.com" else "max_tokens"
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx2.Timeout(None, connect=connect_timeout_s),
            limits=httpx2.Limits(max_connections=None, keepalive_expiry=_KEEP_ALIVE_S),
            # A proxy set for the outside world must not be asked for this machine's own server.
            trust_env=host not in {"127.0.0.1", "localhost", "::1"},
        )

    async def start(self) -> None:
        """Reach the server, learn its models and leave the connection warm. May be called again.

        Raises EngineUnavailable where nothing answers, the key is refused, or no model is named nor listed.
        """
        names = await self._listed_models()
        self.model_warning = None
        if not self.model:
            if not names:
                raise EngineUnavailable(f"the chat server at {self.base_url} lists no model: name one with --llm-model")
            self.model = names[0]
        elif names and not _is_listed(self.model, names):
            known = ", ".join(names[:5])
            self.model_warning = f"{self.base_url} does not list a model {self.model!r}; it has {known}"

    async def _listed_models(self) -> list[str]:
        try:
            with anyio.fail_after(self._connect_s + self._first_s):
                response = await self._client.get(f"{self.base_url}/models")
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            raise EngineUnavailable(self._away()) from error
        if response.status_code in {401, 403}:
            raise EngineUnavailable(self._refusal(response.status_code, response.content))
        if response.status_code != 200:
            return []  # the list is optional: some servers only know the completions themselves
        try:
            models = msgspec.json.decode(response.content, type=_Models)
        except msgspec.MsgspecError:
            return []
        return [model.id for model in models.data or []]

    async def warm_up(self) -> None:
        """Ask for one word, so that a server that loads its model on demand does so before the first turn."""
        request = ChatRequest((ChatMessage("user", "Hello"),), max_tokens=1)
        async with self._stream(request, first_s=_WARM_UP_S) as deltas:
            async for _ in deltas:
                pass

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def stream(self, request: ChatRequest) -> AbstractAsyncContextManager[AsyncIterator[ChatDelta]]:
        """The answer as it comes. Leaving the context closes the HTTP stream, on which the server stops.

        Raises EngineLost when the server is away, silent or breaks off, EngineError when it refuses.
        """
        return self._stream(request, first_s=self._first_s)

    @asynccontextmanager
    async def _stream(self, request: ChatRequest, *, first_s: float) -> AsyncIterator[AsyncIterator[ChatDelta]]:
        deadline = anyio.current_time() + first_s
        async with AsyncExitStack() as stack:
            response = await self._open(request, deadline, stack)
            if response.status_code != 200:
                raise EngineError(self._refusal(response.status_code, await _read_some(response)))
            yield await stack.enter_async_context(aclosing(self._deltas(response, deadline)))

    async def _open(self, request: ChatRequest, deadline: float, stack: AsyncExitStack) -> httpx2.Response:
        """Send the request and wait for the headers. One fresh try where a kept connection was just closed."""
        for is_last_try in (False, True):
            try:
                with anyio.CancelScope(deadline=deadline):
                    call = self._client.build_request(
                        "POST",
                        f"{self.base_url}/chat/completions",
                        content=self._body(request),
                        headers={"Content-Type": "application/json", "Accept": "text/event-stream"},
                    )
                    response = await self._client.send(call, stream=True)
                    stack.push_async_callback(response.aclose)
                    return response
            except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError) as error:
                if is_last_try:
                    raise EngineLost(self._away()) from error
            except (httpx2.TransportError, httpx2.InvalidURL) as error:
                raise EngineLost(self._away()) from error
            else:
                break
        raise EngineLost(self._silent())

    def _body(self, request: ChatRequest) -> bytes:
        body: dict[str, object] = {
            "model": self.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "stream": True,
        }
        if request.max_tokens is not None:
            body[self._limit_field] = request.max_tokens
        return msgspec.json.encode(body)

    async def _deltas(self, response: httpx2.Response, deadline: float) -> AsyncGenerator[ChatDelta, None]:
        spoken = SpokenText()
        finish: Literal["stop", "length"] = "stop"
        async with aclosing(self._chunks(response, deadline)) as chunks:
            async for chunk in chunks:
                choice = chunk.choices[0] if chunk.choices else _Choice()
                text = choice.delta or choice.message
                if text and text.content and (said := spoken.feed(text.content)):
                    yield ChatDelta(said)
                if choice.finish_reason:
                    finish = "length" if choice.finish_reason == "length" else "stop"
                    break
            yield ChatDelta(spoken.end(), finish)
            await _drain(chunks)

    async def _chunks(self, response: httpx2.Response, deadline: float) -> AsyncGenerator[_Chunk, None]:
        """Decoded events up to "[DONE]" or the end; a server that ignored ``stream`` gives one."""
        if response.headers.get("content-type", "").startswith("application/json"):
            yield self._decode((await self._read_whole(response, deadline)).decode("utf-8", "replace"))
            return
        reader = SseReader()
        async with aclosing(response.aiter_bytes()) as body:
            while True:
                data = await self._next_bytes(body, deadline)
                is_done = False
                for payload in reader.feed(data) if data is not None else reader.end():
                    is_done = is_done or payload.strip() == "[DONE]"
                    if not is_done and payload.strip():
                        yield self._decode(payload)
                        deadline = anyio.current_time() + self._between_s
                if data is None:
                    return
                if is_done:
                    await _drain(body)
                    return

    async def _next_bytes(self, body: AsyncIterator[bytes], deadline: float) -> bytes | None:
        try:
            with anyio.CancelScope(deadline=deadline):
                return await anext(body, None)
        except httpx2.TransportError as error:
            raise EngineLost(f"the chat server at {self.base_url} broke off its answer; is it still up?") from error
        raise EngineLost(self._silent())

    async def _read_whole(self, response: httpx2.Response, deadline: float) -> bytes:
        try:
            with anyio.CancelScope(deadline=deadline):
                return await response.aread()
        except httpx2.TransportError as error:
            raise EngineLost(f"the chat server at {self.base_url} broke off its answer; is it still up?") from error
        raise EngineLost(self._silent())

    def _decode(self, payload: str) -> _Chunk:
        try:
            chunk = msgspec.json.decode(payload, type=_Chunk)
        except msgspec.MsgspecError as error:
            raise EngineError(f"{self.base_url} sent no chat completion: {_shorten(payload)}") from error
        if chunk.error is not None and bytes(chunk.error) != b"null":
            raise EngineError(f"{self.base_url} failed: {_error_text(payload.encode())}")
        return chunk

    def _away(self) -> str:
        return f"no chat server answers at {self.base_url}: start it, or give its address with --llm"

    def _silent(self) -> str:
        return f"the chat server at {self.base_url} sent no token in time: it may be loading its model, or be busy"

    def _refusal(self, status: int, body: bytes) -> str:
        said = _error_text(body)
        if status in {401, 403}:
            return f"{self.base_url} refuses the key ({status}): set OPENAI_API_KEY. It says: {said}"
        if status == 404:
            return f"{self.base_url} knows no model {self.model!r} (404): check --llm and --llm-model. It says: {said}"
        if status == 429:
            return f"{self.base_url} takes no more requests now (429): wait, or raise its limit. It says: {said}"
        return f"{self.base_url} answered with status {status}. It says: {said}"


def _is_listed(model: str, names: list[str]) -> bool:
    """Ollama lists "name:latest" for what may be asked for as "name"."""
    return model in names or f"{model}:latest" in names


async def _drain(rest: AsyncIterator[object]) -> None:
    """Read to the end if that is quick; whatever goes wrong now is no longer part of the answer."""
    with anyio.move_on_after(_DRAIN_S):
        try:
            async for _ in rest:
                pass
        except (httpx2.TransportError, EngineError):
            return


async def _read_some(response: httpx2.Response) -> bytes:
    body = b""
    with anyio.move_on_after(_DRAIN_S * 4):
        try:
            async for data in response.aiter_bytes():
                body += data
                if len(body) > _MAX_ERROR_BODY_BYTES:
                    break
        except httpx2.TransportError:
            return body
    return body


def _error_text(body: bytes) -> str:
    """The message of ``{"error": {"message": ...}}`` and its relatives, else the body itself; shortened."""
    try:
        found = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        found = body.decode("utf-8", "replace")
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(key):
            found = found[key]
    return _shorten(found if isinstance(found, str) else str(found))


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_ERROR_CHARS else f"{line[: _MAX_ERROR_CHARS - 3]}..."
