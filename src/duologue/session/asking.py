"""The question put to the model that answers, and its answer as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import anyio

from duologue.engines.base import ChatDelta, ChatMessage, ChatRequest, SpeechRequest, TranscribeRequest
from duologue.engines.client import ASR, CHAT, SPEECH, EngineClient
from duologue.errors import EngineLost, EngineUnavailable
from duologue.session.transcribe import FINAL_DUE_S, Transcription
from duologue.session.watch import watched

PATIENCE_S = 30.0

# None asks for nothing. A message with sound goes to a model that hears.
Prompt = Callable[[], Awaitable[tuple[ChatMessage, ...] | None]]


class Asking:
    """One question. ``conversation`` names whose it is; ``turn``: the user's words, which a model that hears the turn
    tells along with its answer. ``prompt_words``: how long the question was, once it is asked.
    """

    def __init__(
        self,
        engines: EngineClient,
        prompt: Prompt,
        max_tokens: int | None,
        conversation: str = "",
        turn: Transcription | None = None,
    ) -> None:
        self._engines = engines
        self._prompt = prompt
        self._max_tokens = max_tokens
        self._conversation = conversation
        self._turn = turn
        self.prompt_words = 0

    async def deltas(self) -> AsyncGenerator[ChatDelta, None]:
        """The answer; nothing where nothing is asked. Where the model that hears is away, words are asked instead.

        Raises EngineError, CapacityError.
        """
        messages = await self._prompt()
        if messages is not None and any(message.audio is not None for message in messages):
            has_begun = False
            try:
                async with aclosing(self._hear(messages)) as heard:
                    async for delta in heard:
                        has_begun = True
                        yield delta
                return
            except (EngineLost, EngineUnavailable):
                if has_begun:
                    raise
            messages = await self._in_words(messages)
        if messages is None:
            return
        self.prompt_words = sum(len(message.content.split()) for message in messages)
        request = ChatRequest(messages, self._max_tokens)
        async with self._engines.stream(CHAT, request, deadline_s=anyio.current_time()) as answer:
            async for delta in watched(answer, PATIENCE_S, "The chat model"):
                yield delta

    async def _hear(self, messages: tuple[ChatMessage, ...]) -> AsyncGenerator[ChatDelta, None]:
        """The answer to the turn as sound; what it hears goes to the turn's words."""
        turn = self._turn if self._turn is not None and self._turn.is_fed else None
        request = SpeechRequest(
            messages,
            conversation=self._conversation,
            max_tokens=self._max_tokens,
            language=turn.language if turn is not None else None,
            wants="answer" if turn is None else "both",
        )
        try:
            async with self._engines.stream(SPEECH, request, deadline_s=anyio.current_time()) as deltas:
                async for delta in watched(deltas, PATIENCE_S, "The model that hears"):
                    if turn is not None:
                        turn.hear(delta.heard, is_whole=delta.is_heard)
                    if delta.text or delta.finish is not None:
                        yield ChatDelta(delta.text, delta.finish, usage=delta.usage)
        finally:
            if turn is not None:
                turn.feed_ended()

    async def _in_words(self, messages: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...] | None:
        """``messages`` with all sound as words; None where the last was none. Raises what transcribing raises."""
        written: list[ChatMessage] = []
        for message in messages:
            text = message.content if message.audio is None else await self._words_of(message)
            if text:
                written.append(ChatMessage(message.role, text))
        return tuple(written) if written and written[-1].role == "user" else None

    async def _words_of(self, message: ChatMessage) -> str:
        if self._turn is not None and message.audio is self._turn.sound:
            await self._turn.known.wait()
            if self._turn.failure is not None:
                raise self._turn.failure
            return self._turn.text or ""
        assert message.audio is not None, "only a spoken message lacks words"
        due_s = anyio.current_time() + FINAL_DUE_S
        return (await self._engines.call(ASR, TranscribeRequest(message.audio), deadline_s=due_s)).text
