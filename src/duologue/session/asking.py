"""The question put to the model that answers, and its answer as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import anyio
import msgspec

from duologue.engines.base import ChatDelta, ChatMessage, ChatRequest, SpeechRequest, Tool, TranscribeRequest
from duologue.engines.client import ASR, CHAT, SPEECH, EngineClient
from duologue.errors import CapacityError, EngineError, EngineLost, EngineUnavailable
from duologue.session.transcribe import FINAL_DUE_S, Transcription
from duologue.session.watch import watched

PATIENCE_S = 30.0

# None asks for nothing. A message with sound goes to a model that hears.
Prompt = Callable[[], Awaitable[tuple[ChatMessage, ...] | None]]


class Offer(msgspec.Struct, frozen=True):
    """The tools that the model may call; see ChatRequest."""

    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    parallel: bool = True


NO_TOOLS = Offer()


async def _no_tools() -> Offer:
    return NO_TOOLS


class Asking:
    """One question. ``conversation`` names whose it is; ``turn``: the user's words, which a model that hears the turn
    tells along with its answer; ``offer``: the tools, which only a model that is asked in words can call; ``model``:
    which of the chat models, None for the default.
    ``prompt_words``: how long the question was, once it is asked.
    """

    def __init__(
        self,
        engines: EngineClient,
        prompt: Prompt,
        max_tokens: int | None,
        conversation: str = "",
        turn: Transcription | None = None,
        offer: Callable[[], Awaitable[Offer]] = _no_tools,
        model: str | None = None,
    ) -> None:
        self._engines = engines
        self._prompt = prompt
        self._max_tokens = max_tokens
        self._conversation = conversation
        self._turn = turn
        self._offer = offer
        self._model = model
        self._fed = turn if turn is not None and turn.is_fed else None
        if self._fed is not None:
            self._fed.feed_begins()
        self.prompt_words = 0

    async def deltas(self) -> AsyncGenerator[ChatDelta, None]:
        """The answer; nothing where nothing is asked. Where the model that hears is away, words are asked instead.

        Raises EngineError, CapacityError.
        """
        try:
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
                self._end_feed()
                messages = await self._in_words(messages)
            if messages is not None:
                async with aclosing(self._ask(messages)) as answer:
                    async for delta in answer:
                        yield delta
        finally:
            self._end_feed()

    async def _ask(self, messages: tuple[ChatMessage, ...]) -> AsyncGenerator[ChatDelta, None]:
        """The answer to what is all words."""
        self.prompt_words = _count_words(messages)
        offer = await self._offer()
        request = ChatRequest(messages, self._max_tokens, offer.tools, offer.choice, offer.parallel, self._model)
        async with self._engines.stream(CHAT, request, deadline_s=anyio.current_time()) as answer:
            async for delta in watched(answer, PATIENCE_S, "The chat model"):
                yield delta

    async def _hear(self, messages: tuple[ChatMessage, ...]) -> AsyncGenerator[ChatDelta, None]:
        """The answer to the turn as sound; what it hears goes to the turn's words. Once the answer is whole a failure
        is only the words': they are transcribed then."""
        turn = self._fed if self._fed is not None and not self._fed.known.is_set() else None
        self.prompt_words = _count_words(messages)
        request = SpeechRequest(
            messages,
            conversation=self._conversation,
            max_tokens=self._max_tokens,
            language=turn.language if turn is not None else None,
            wants="answer" if turn is None else "both",
        )
        words, is_whole = "", False
        try:
            async with self._engines.stream(SPEECH, request, deadline_s=anyio.current_time()) as deltas:
                async for delta in watched(deltas, PATIENCE_S, "The model that hears"):
                    words += delta.heard
                    if turn is not None and delta.is_heard:
                        turn.hear(words)
                    if delta.text or delta.finish is not None:
                        is_whole = delta.finish is not None
                        yield ChatDelta(delta.text, delta.finish, usage=delta.usage)
        except (EngineError, CapacityError):
            if not is_whole:
                raise

    def _end_feed(self) -> None:
        """The turn's words do not come from here any more."""
        fed, self._fed = self._fed, None
        if fed is not None:
            fed.feed_ended()

    async def _in_words(self, messages: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...] | None:
        """``messages`` with all sound as words; None where the last has none. Raises what transcribing raises."""
        written: list[ChatMessage] = []
        text = ""
        for message in messages:
            text = message.content if message.audio is None else await self._words_of(message)
            if message.audio is None:
                written.append(message)
            elif text:
                written.append(ChatMessage(message.role, text))
        return tuple(written) if text else None

    async def _words_of(self, message: ChatMessage) -> str:
        if self._turn is not None and message.audio is self._turn.sound:
            await self._turn.known.wait()
            if self._turn.failure is not None:
                raise self._turn.failure
            return self._turn.text or ""
        assert message.audio is not None, "only a spoken message lacks words"
        due_s = anyio.current_time() + FINAL_DUE_S
        return (await self._engines.call(ASR, TranscribeRequest(message.audio), deadline_s=due_s)).text


def _count_words(messages: tuple[ChatMessage, ...]) -> int:
    return sum(len(message.content.split()) for message in messages)
