"""What the chat model says, kept as it comes.

The text is made apart from the voice that reads it: a voice can be stopped and another can go on from the same
letter, without asking the model again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import anyio

from duologue.engines.base import ChatDelta, ChatMessage, ChatRequest
from duologue.engines.client import CHAT, EngineClient
from duologue.errors import CapacityError, DuologueError, EngineError
from duologue.session.speak import watched

CHAT_PATIENCE_S = 30.0
# An hour of speech. A model that has not ended by then never will.
LONGEST_TEXT_CHARS = 60_000

Prompt = Callable[[], Awaitable[tuple[ChatMessage, ...] | None]]


class Writing:
    """One answer's text in the making.

    ``is_done`` once there is no more to come; ``failure`` and ``was_cut_short`` (the model reached its limit of
    tokens) then tell why. A prompt that asks for nothing gives an empty text.
    """

    def __init__(self, engines: EngineClient, prompt: Prompt, max_tokens: int | None) -> None:
        self._engines = engines
        self._prompt = prompt
        self._max_tokens = max_tokens
        self._has_grown = anyio.Event()
        self.scope = anyio.CancelScope()
        self.text = ""
        self.is_done = False
        self.failure: DuologueError | None = None
        self.was_cut_short = False
        self.prompt_words = 0

    async def run(self) -> None:
        """Ask the model and keep what it says; ends without an exception, see ``failure``."""
        with self.scope:
            try:
                await self._ask()
            except (EngineError, CapacityError) as error:
                self.failure = error
        self.is_done = True
        self._has_grown.set()

    async def _ask(self) -> None:
        messages = await self._prompt()
        if messages is None:
            return
        self.prompt_words = sum(len(message.content.split()) for message in messages)
        request = ChatRequest(messages, self._max_tokens)
        async with self._engines.stream(CHAT, request, deadline_s=anyio.current_time()) as deltas:
            await self._keep(watched(deltas, CHAT_PATIENCE_S, "The chat model"))

    async def _keep(self, deltas: AsyncIterator[ChatDelta]) -> None:
        async for delta in deltas:
            self.text += delta.text
            self.was_cut_short |= delta.finish == "length" or len(self.text) > LONGEST_TEXT_CHARS
            self._has_grown.set()
            self._has_grown = anyio.Event()
            if self.was_cut_short:
                return

    async def more(self, start: int) -> str:
        """The text from ``start`` on, as soon as there is any; "" when there is no more to come."""
        while len(self.text) <= start and not self.is_done:
            await self._has_grown.wait()
        return self.text[start:]

    def has_more(self, start: int) -> bool:
        """Whether there is, or may yet be, something to say from ``start`` on."""
        return not self.is_done or bool(self.text[start:].strip())
