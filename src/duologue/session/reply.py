"""The answer's text -> phrases -> sound.

A reply runs from the moment that it is started, whether or not anyone may hear it yet. What it has made waits in a
stream, whose bound is how far an answer is prepared ahead.
"""

from __future__ import annotations

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from duologue.engines.base import SpeakRequest
from duologue.engines.client import EngineClient
from duologue.errors import CapacityError, DuologueError, EngineError
from duologue.events import ReplyManner
from duologue.items import ReplyOptions, SessionConfig
from duologue.session.phrase import Phraser, is_speakable
from duologue.session.speak import Piece, speak
from duologue.session.writing import Call, Writing

# 64 pieces of 100 ms: a prepared answer costs at most 300 kB and six seconds of speech to make.
PIECES_AHEAD = 64


def manner_of(config: SessionConfig, options: ReplyOptions) -> ReplyManner:
    """As the session has it, but for what ``options`` says."""
    return ReplyManner(
        modality=options.modality or config.modality,
        voice=options.voice or config.voice,
        output_format=options.output_format or config.output_format,
        max_output_tokens=_most_tokens(config, options),
        metadata=options.metadata,
        in_conversation=options.in_conversation,
    )


def _most_tokens(config: SessionConfig, options: ReplyOptions) -> int | None:
    if options.max_output_tokens is None:
        return config.max_output_tokens
    return None if options.max_output_tokens == "inf" else options.max_output_tokens


class Reply:
    """``writing``, from its letter ``start`` and its call ``calls`` on, being spoken.

    What ``take`` gives ends when all has been said, on a failure and on cancelling alike; ``failure`` tells which.
    """

    def __init__(
        self,
        engines: EngineClient,
        writing: Writing,
        manner: ReplyManner,
        speed: float = 1.0,
        start: int = 0,
        calls: int = 0,
    ) -> None:
        self._engines = engines
        self._send, self._pieces = anyio.create_memory_object_stream[Piece | Call](PIECES_AHEAD)
        self._is_taken = False
        self._voice_failure: DuologueError | None = None
        self.writing = writing
        self.manner = manner
        self._speed = speed
        self.start = start
        self.calls = calls
        self.scope = anyio.CancelScope()

    @property
    def failure(self) -> DuologueError | None:
        """What went wrong, with the voice or with the text."""
        return self._voice_failure or self.writing.failure

    async def run(self) -> None:
        """Make the answer; ends without an exception."""
        with self.scope, self._send:
            try:
                await self._read_out()
            except (EngineError, CapacityError) as error:
                self._voice_failure = error

    async def _read_out(self) -> None:
        at, calls, is_first = self.start, self.calls, True
        phraser = Phraser()
        while True:
            found = await self.writing.next(at, calls)
            for phrase in phraser.push(found) if isinstance(found, str) else phraser.flush():
                await self._say(phrase, is_first)
                is_first = False
            if isinstance(found, Call):
                calls += 1
                await self._send.send(found)
            elif found is None:
                return
            else:
                at += len(found)

    async def _say(self, phrase: str, is_first: bool) -> None:
        if self.manner.modality == "text" or not is_speakable(phrase):
            await self._send.send(Piece(phrase))
            return
        request = SpeakRequest(phrase, self.manner.voice, self._speed)
        await speak(self._engines, request, self._send, is_first=is_first)

    def take(self) -> MemoryObjectReceiveStream[Piece | Call]:
        """The pieces as they are made, to be closed by the one who takes them."""
        self._is_taken = True
        return self._pieces

    def hush(self) -> None:
        """Stop the voice, from outside and without waiting; the text goes on. Whoever took the pieces sees them end."""
        self.scope.cancel()
        if not self._is_taken:
            self._pieces.close()

    def drop(self) -> None:
        """Stop the voice and the text."""
        self.hush()
        self.writing.scope.cancel()
