"""Answers from any server that speaks OpenAI's chat completions: Ollama, vLLM, llama.cpp, or a hosted one.

``POST /chat/completions`` with ``stream: true``, answered by server-sent events; ``openai_wire`` knows the bytes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from typing import TypeVar

import anyio
import httpx2

from duologue.engines.base import ChatDelta, ChatMessage, ChatRequest
from duologue.engines.chat.answer import Answer
from duologue.engines.chat.far_side import FarSide
from duologue.engines.chat.model_names import chat_models, is_listed
from duologue.engines.chat.openai_wire import Chunk, decode_models, encode_request
from duologue.engines.chat.retry import Passing, Retries, wait_asked_for
from duologue.engines.chat.sse import SseReader
from duologue.engines.http import host_of, is_own_machine, read_some
from duologue.errors import EngineError, EngineLost, EngineUnavailable
from duologue.options import ChatOptions

# After the last word the response is read to its end, so that the connection can serve the next turn; a server
# that dawdles there costs a reconnection instead.
_DRAIN_S = 0.5
# The tokens are counted right behind the last word. The answer's last phrase waits for them, so not for long.
_USAGE_S = 0.2
_KEEP_ALIVE_S = 300.0
_WARM_UP_S = 120.0
# Where a server refuses one of these by name, it does without it from then on.
_OPTIONAL_FIELDS = ("stream_options", "parallel_tool_calls")
_DEFAULTS = ChatOptions()

T = TypeVar("T")


class OpenAIChat:
    """A ChatModel behind HTTP. One client, its connections kept alive, serves all sessions.

    ``base_url`` ends in the API's root, as ``http://127.0.0.1:8000/v1``; ``model`` "" takes the server's first.
    ``extra``: more fields for every request, which the server may refuse by name. ``model_warning`` is set by
    ``start`` where the server does not list the model, and begins with ``note`` where there is one. Reasoning counts
    as a sign of life for the time-outs, but is never spoken. ``list_models``: who knows better than ``GET /models``
    which models can chat; it gives none where it cannot tell.
    """

    name = "openai"

    def __init__(
        self,
        base_url: str,
        model: str = "",
        api_key: str | None = None,
        *,
        options: ChatOptions = _DEFAULTS,
        connect_timeout_s: float = 5.0,
        between_tokens_timeout_s: float = 20.0,
        extra: Mapping[str, object] | None = None,
        note: str = "",
        list_models: Callable[[], Awaitable[list[str]]] | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self.model_warning: str | None = None
        self._note = note
        self._list_models = list_models
        self._listed: tuple[str, ...] = ()
        self._far = FarSide(self.base_url)
        self._options = options
        self._connect_s = connect_timeout_s
        self._between_s = between_tokens_timeout_s
        self._extra = dict(extra or {})
        self._refused_fields = {"max_tokens"} if host_of(base_url) == "api.openai.com" else set()
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx2.Timeout(None, connect=connect_timeout_s),
            limits=httpx2.Limits(max_connections=None, keepalive_expiry=_KEEP_ALIVE_S),
            # A proxy set for the outside world must not be asked for this machine's own server.
            trust_env=not is_own_machine(self.base_url),
        )

    @property
    def models(self) -> tuple[str, ...]:
        """Those that a request may name, the default first. Known after ``start``."""
        return self._listed or ((self.model,) if self.model else ())

    async def start(self) -> None:
        """Reach the server, learn its models and leave the connection warm. May be called again.

        Raises EngineUnavailable where nothing answers, the key is refused, or no model is named nor listed.
        """
        names = await self._listed_models()
        doubt = ""
        if not self.model:
            if not names:
                raise EngineUnavailable(f"the chat server at {self._far.url} lists no model: name one with --llm-model")
            self.model = names[0]
        elif names and not is_listed(self.model, names):
            doubt = f"{self._far.url} does not list a model {self.model!r}; it has {', '.join(names[:5])}"
        self.model_warning = "; ".join(filter(None, (self._note, doubt))) or None
        await self._list(names)

    async def relist(self) -> None:
        """Ask anew which models there are. Where nobody answers, they stay as they were."""
        with suppress(EngineUnavailable):
            if names := await self._listed_models():
                await self._list(names)

    async def _list(self, names: list[str]) -> None:
        if not self._options.choice:
            return
        known = await self._list_models() if self._list_models is not None else []
        self._listed = chat_models(self.model, known or names)

    async def _listed_models(self) -> list[str]:
        try:
            with anyio.fail_after(self._connect_s + self._options.first_token_timeout_s):
                response = await self._client.get(f"{self.base_url}/models")
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            raise EngineUnavailable(self._far.away()) from error
        if response.status_code in {401, 403}:
            raise self._far.refusal(response.status_code, response.content, self.model)
        # The list is optional: some servers only know the completions themselves.
        return decode_models(response.content) if response.status_code == 200 else []

    async def warm_up(self) -> None:
        """Ask for one word, so that a server that loads its model on demand does so before the first turn."""
        request = ChatRequest((ChatMessage("user", "Hello"),), max_tokens=1)
        async with aclosing(self._answer(request, _WARM_UP_S)) as deltas:
            async for _ in deltas:
                pass

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    @asynccontextmanager
    async def stream(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[ChatDelta]]:
        """The answer as it comes. Leaving the context closes the HTTP stream, on which the server stops.

        Until the first delta a refused or broken connection and the statuses 429 and 503 are tried again, at most
        ``options.retries`` times and within ``options.first_token_timeout_s``. Raises EngineLost when the server is
        away, busy, silent or breaks off, EngineUnavailable for a wrong key or model, EngineError when it refuses.
        """
        async with aclosing(self._answer(request, self._options.first_token_timeout_s)) as deltas:
            yield deltas

    def _model_for(self, request: ChatRequest) -> str:
        """What the request asks for, where that is there."""
        return request.model if request.model is not None and request.model in self._listed else self.model

    async def _answer(self, request: ChatRequest, first_s: float) -> AsyncGenerator[ChatDelta, None]:
        deadline = anyio.current_time() + first_s
        retries = Retries(self._options.retries)
        has_begun, is_first_try = False, True
        while True:
            try:
                async with aclosing(self._try(request, deadline, is_first=is_first_try)) as deltas:
                    async for delta in deltas:
                        has_begun = True
                        yield delta
                return
            except Passing as failure:
                pause_s = None if has_begun else retries.pause_after(failure)
                if pause_s is None or anyio.current_time() + pause_s >= deadline:
                    raise failure.error from failure.__cause__
            is_first_try = False
            await anyio.sleep(pause_s)

    async def _try(self, request: ChatRequest, deadline: float, *, is_first: bool) -> AsyncGenerator[ChatDelta, None]:
        async with AsyncExitStack() as stack:
            response = await self._send(request, deadline, stack, is_first=is_first)
            if response.status_code != 200:
                raise self._failure(response, await read_some(response), self._model_for(request))
            answer = Answer()
            chunks = await stack.enter_async_context(aclosing(self._chunks(response, deadline)))
            async for chunk in chunks:
                for delta in answer.feed(chunk):
                    yield delta
                if answer.is_over:
                    break
            if not answer.is_counted and "stream_options" not in self._refused_fields:
                await _count(chunks, answer)
            for delta in answer.end():
                yield delta
            await _drain(chunks)

    async def _send(
        self, request: ChatRequest, deadline: float, stack: AsyncExitStack, *, is_first: bool
    ) -> httpx2.Response:
        """Send the request and wait for the headers. A kept connection that was just closed costs no retry."""
        body = encode_request(
            request,
            model=self._model_for(request),
            temperature=self._options.temperature,
            extra=self._extra,
            without=self._refused_fields,
        )
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        try:
            with anyio.CancelScope(deadline=deadline):
                call = self._client.build_request(
                    "POST", f"{self.base_url}/chat/completions", content=body, headers=headers
                )
                response = await self._client.send(call, stream=True)
                stack.push_async_callback(response.aclose)
                return response
        except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError) as error:
            raise Passing(EngineLost(self._far.away()), is_free=is_first) from error
        except httpx2.ConnectError as error:
            raise Passing(EngineLost(self._far.away())) from error
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise EngineLost(self._far.away()) from error
        raise EngineLost(self._far.silent())

    async def _chunks(self, response: httpx2.Response, deadline: float) -> AsyncGenerator[Chunk, None]:
        """Decoded events up to "[DONE]" or the end; a server that ignored ``stream`` gives one."""
        if response.headers.get("content-type", "").startswith("application/json"):
            yield self._far.decode(await self._in_time(response.aread(), deadline))
            return
        reader = SseReader()
        async with aclosing(response.aiter_bytes()) as body:
            while True:
                data = await self._in_time(anext(body, None), deadline)
                is_done = False
                for payload in reader.feed(data) if data is not None else reader.end():
                    is_done = is_done or payload.strip() == "[DONE]"
                    if not is_done and payload.strip():
                        yield self._far.decode(payload)
                        deadline = anyio.current_time() + self._between_s
                if data is None:
                    return
                if is_done:
                    await _drain(body)
                    return

    async def _in_time(self, work: Awaitable[T], deadline: float) -> T:
        try:
            with anyio.CancelScope(deadline=deadline):
                return await work
        except httpx2.TransportError as error:
            raise Passing(EngineLost(self._far.broken_off())) from error
        raise EngineLost(self._far.silent())

    def _failure(self, response: httpx2.Response, body: bytes, model: str) -> Exception:
        """What a status other than 200 means. A field refused by name is left out from now on, and so is a model that
        a session has chosen and that is gone: the others' is still there."""
        status = response.status_code
        error = self._far.refusal(status, body, model)
        if status == 404 and model != self.model:
            self._listed = tuple(name for name in self._listed if name != model)
            return EngineError(error.message)
        if status in {400, 422} and (fields := self._fields_refused_in(body)):
            self._refused_fields |= fields
            return Passing(error, is_free=True)
        if status in {429, 503}:
            return Passing(error, wait_s=wait_asked_for(response.headers))
        return error

    def _fields_refused_in(self, body: bytes) -> set[str]:
        said = body.decode("utf-8", "replace")
        refused = {name for name in (*_OPTIONAL_FIELDS, *self._extra) if name in said}
        if "include_usage" in said:
            refused.add("stream_options")
        # A limit that is too high is refused by name as well; only a server that knows the newer name names that.
        if "max_completion_tokens" in said and "upported" in said:
            refused.add("max_tokens")
        return refused - self._refused_fields


async def _count(rest: AsyncIterator[Chunk], answer: Answer) -> None:
    """Read on until the answer's usage is known, if that is quick."""
    with anyio.move_on_after(_USAGE_S), suppress(Passing, EngineError):
        async for chunk in rest:
            answer.feed(chunk)
            if answer.is_counted:
                return


async def _drain(rest: AsyncIterator[object]) -> None:
    """Read to the end if that is quick; whatever goes wrong now is no longer part of the answer."""
    with anyio.move_on_after(_DRAIN_S), suppress(httpx2.TransportError, Passing, EngineError):
        async for _ in rest:
            pass
