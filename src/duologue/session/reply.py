"""History and turn -> the answer: text as the chat model gives it, phrase by phrase into sound.

A reply runs from the moment that it is started, whether or not anyone may hear it yet. What it has made waits in
a stream, whose bound is how far an answer is prepared ahead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from duologue.engines.base import ChatMessage, ChatRequest, SpeakRequest
from duologue.engines.client import CHAT, EngineClient
from duologue.errors import CapacityError, DuologueError, EngineError
from duologue.events import Modality, ReplyOptions, SessionConfig
from duologue.session.phrase import Phraser, is_speakable
from duologue.session.speak import Piece, speak, watched

# 64 pieces of 100 ms: a prepared answer costs at most 300 kB and six seconds of speech to make.
PIECES_AHEAD = 64
# Text is cheap and its model is quicker than any voice: it never waits for the speech.
PHRASES_AHEAD = 4_096
CHAT_PATIENCE_S = 30.0

Prompt = Callable[[], Awaitable[tuple[ChatMessage, ...] | None]]


class Manner(msgspec.Struct, frozen=True):
    """How an answer is given."""

    modality: Modality = "audio"
    voice: str = ""
    speed: float = 1.0
    max_tokens: int | None = None

    @classmethod
    def of(cls, config: SessionConfig, options: ReplyOptions) -> Manner:
        """As the session has it, but for what ``options`` says."""
        return cls(
            modality=options.modality or config.modality,
            voice=options.voice or config.voice,
            speed=config.speed,
            max_tokens=options.max_output_tokens or config.max_output_tokens,
        )


class Reply:
    """One answer in the making.

    What ``take`` gives ends when all has been said, on a failure and on cancelling alike; ``failure`` and
    ``was_cut_short`` (the model reached its limit of tokens) then tell which. ``text`` is all that the chat model
    has said so far.
    With a ``script`` no model is asked: the reply is these words.
    """

    def __init__(self, engines: EngineClient, prompt: Prompt, manner: Manner, script: str | None = None) -> None:
        self._engines = engines
        self._prompt = prompt
        self._script = script
        self.manner = manner
        self._send, self._pieces = anyio.create_memory_object_stream[Piece](PIECES_AHEAD)
        self.scope = anyio.CancelScope()
        self._is_taken = False
        self.failure: DuologueError | None = None
        self.was_cut_short = False
        self.text = ""
        self.prompt_words = 0

    async def run(self) -> None:
        """Make the answer; ends without an exception, see ``failure``."""
        with self.scope, self._send:
            async with anyio.create_task_group() as tg:
                phrases_in, phrases = anyio.create_memory_object_stream[str](PHRASES_AHEAD)
                tg.start_soon(self._write, phrases_in)
                with phrases:
                    is_first = True
                    async for phrase in phrases:
                        if not await self._say(phrase, is_first):
                            tg.cancel_scope.cancel()
                            return
                        is_first = False

    def cancel(self) -> None:
        """Stop making it, from outside and without waiting. Whoever took ``pieces`` sees them end."""
        self.scope.cancel()
        if not self._is_taken:
            self._pieces.close()

    def take(self) -> MemoryObjectReceiveStream[Piece]:
        """The pieces as they are made, to be closed by the one who takes them."""
        self._is_taken = True
        return self._pieces

    async def _write(self, phrases: MemoryObjectSendStream[str]) -> None:
        """The chat model's text into phrases."""
        phraser = Phraser()

        async def take(delta: str) -> None:
            self.text += delta
            for phrase in phraser.push(delta):
                await phrases.send(phrase)

        with phrases:
            try:
                await self._ask(take)
            except (EngineError, CapacityError) as error:
                self.failure = error
            for phrase in phraser.flush():
                await phrases.send(phrase)

    async def _ask(self, take: Callable[[str], Awaitable[None]]) -> None:
        """Every delta of the answer's text into ``take``; none if there is nothing to answer."""
        if self._script is not None:
            await take(self._script)
            return
        messages = await self._prompt()
        if messages is None:
            return
        self.prompt_words = sum(len(m.content.split()) for m in messages)
        request = ChatRequest(messages, self.manner.max_tokens)
        async with self._engines.stream(CHAT, request, deadline_s=anyio.current_time()) as deltas:
            async for delta in watched(deltas, CHAT_PATIENCE_S, "The chat model"):
                self.was_cut_short |= delta.finish == "length"
                await take(delta.text)

    async def _say(self, phrase: str, is_first: bool) -> bool:
        """One phrase into pieces; False if the voice failed."""
        if self.manner.modality == "text" or not is_speakable(phrase):
            await self._send.send(Piece(phrase))
            return True
        request = SpeakRequest(phrase, self.manner.voice, self.manner.speed)
        try:
            await speak(self._engines, request, self._send, is_first=is_first)
        except (EngineError, CapacityError) as error:
            self.failure = error
            return False
        return True
