"""A GGUF chat model on a llama.cpp server that is started beside Duologue and stopped with it.

The server is asked over its OpenAI-compatible API, like any other (``openai_chat``). Flags, variables and end points
are those of llama.cpp's tools/server/README.md.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import httpx2

from duologue.engines.base import ChatDelta, ChatRequest
from duologue.engines.chat.llama_process import (
    HOST,
    LlamaProcess,
    arguments,
    environment,
    find_model,
    find_program,
    free_port,
)
from duologue.engines.chat.openai_chat import OpenAIChat
from duologue.errors import EngineLost, EngineUnavailable
from duologue.options import ChatOptions, LlamaServerOptions

# A model of tens of gigabytes on a slow disk.
_LOADING_S = 300.0
_POLL_S = 0.1
_BREAK_S = 0.3
# A server that dies again so soon would only be loaded to die once more.
_RESTART_EVERY_S = 60.0
_DEFAULTS = LlamaServerOptions()
_CHAT_DEFAULTS = ChatOptions()


class LlamaServer:
    """A ChatModel. ``model`` is the name under which the server lists it, "" before ``start``.

    A server that has died is started again at the next request, once a minute at most; that request waits for it as
    long as for a first word.
    """

    name = "llama-server"

    def __init__(self, options: LlamaServerOptions = _DEFAULTS, chat_options: ChatOptions = _CHAT_DEFAULTS) -> None:
        self._options = options
        self._first_s = chat_options.first_token_timeout_s
        self._key = secrets.token_urlsafe(24)
        self._chat_options = chat_options
        self._chat: OpenAIChat | None = None
        self._process: LlamaProcess | None = None
        self._command: list[str] = []
        self._url = ""
        self._starting = anyio.Lock()
        self._is_ready = False
        self._restarted_at_s: float | None = None

    @property
    def model(self) -> str:
        return self._chat.model if self._chat is not None else ""

    @property
    def models(self) -> tuple[str, ...]:
        """The one that there is, () before ``start``."""
        return (self.model,) if self.model else ()

    async def relist(self) -> None:
        """It stays the one."""

    @property
    def process_id(self) -> int | None:
        """The server's process, None before ``start``."""
        return self._process.process_id if self._process is not None else None

    async def start(self) -> None:
        """Start the server and wait until it has loaded its model.

        Raises EngineUnavailable where the program or the model is missing, or with what the server said when it
        could not load the model.
        """
        program = await anyio.to_thread.run_sync(find_program, self._options.binary)
        model = await anyio.to_thread.run_sync(find_model, self._options.model)
        is_up = False
        try:
            port = free_port()
            self._url = f"http://{HOST}:{port}"
            self._command = arguments(program, model, port, self._options)
            self._chat = OpenAIChat(
                f"{self._url}/v1", "", self._key, options=self._chat_options, extra={"cache_prompt": True}
            )
            await self._live_chat(_LOADING_S)
            await self._chat.start()
            is_up = True
        except EngineLost as error:
            raise EngineUnavailable(error.message) from error
        finally:
            if not is_up:
                await self.aclose()

    async def warm_up(self) -> None:
        """Answer one word, so that the first turn finds everything in memory."""
        if self._chat is not None:
            await self._chat.warm_up()

    @asynccontextmanager
    async def stream(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[ChatDelta]]:
        """The answer as it comes; leaving the context stops the server's work on it.

        Raises EngineLost where the server dies meanwhile, or died twice within a minute.
        """
        chat = await self._live_chat(self._first_s)
        try:
            async with chat.stream(request) as deltas:
                yield deltas
        except EngineLost as error:
            if self._process is None or not await self._process.has_ended(_BREAK_S):
                raise
            raise EngineLost(self._process.ending()) from error

    async def aclose(self) -> None:
        """Stop the server; what it is answering ends."""
        chat, self._chat = self._chat, None
        with anyio.CancelScope(shield=True):
            if self._process is not None:
                await self._process.stop()
            if chat is not None:
                await chat.aclose()

    async def _live_chat(self, within_s: float) -> OpenAIChat:
        """The way to a server that is ready. A wait that is given up leaves the server loading. Raises EngineLost."""
        async with self._starting:
            if self._chat is None:
                raise EngineLost("llama-server is not started")
            if self._process is None or not self._process.is_running:
                self._is_ready = False
                self._count_restart()
                self._process = LlamaProcess(self._command, environment(self._key))
            if not self._is_ready:
                await self._until_ready(self._process, within_s)
                self._is_ready = True
            return self._chat

    def _count_restart(self) -> None:
        if self._process is None:
            return
        now_s = anyio.current_time()
        if self._restarted_at_s is not None and now_s - self._restarted_at_s < _RESTART_EVERY_S:
            raise EngineLost(f"{self._process.ending()}; it is not started again for a minute")
        self._restarted_at_s = now_s

    async def _until_ready(self, process: LlamaProcess, within_s: float) -> None:
        """Ask for its health, which it refuses with 503 while it loads the model."""
        with anyio.move_on_after(within_s):
            async with httpx2.AsyncClient(timeout=_POLL_S * 20, trust_env=False) as client:
                while process.is_running:
                    if await _is_healthy(client, f"{self._url}/health") and process.is_running:
                        return
                    await anyio.sleep(_POLL_S)
        if process.is_running:
            raise EngineLost(f"llama-server has not loaded its model within {within_s:.0f} s; try again")
        raise EngineLost(process.ending())


async def _is_healthy(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except httpx2.TransportError:
        return False
