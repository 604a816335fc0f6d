"""The answer's text -> phrases -> sound.

A reply runs from the moment that it is started, whether or not anyone may hear it yet; what it has made waits in a
stream. How far it makes ahead, and how urgent each phrase is, comes from the playout clock: a phrase is due when the
listener, who has the sound before it to hear, would fall silent. A phrase is taken from the synthesizer as fast as it
comes, since others wait for it.

Of an attempt at an answer the text is made at once and the voice waits to be let, phrase by phrase, until the turn is
committed.
"""

from __future__ import annotations

import math
from contextlib import suppress

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream

from duologue.audio.frame import VOICE_RATE_HZ
from duologue.engines.base import SpeakRequest
from duologue.engines.client import EngineClient
from duologue.errors import CapacityError, DuologueError, EngineError
from duologue.events import ReplyManner
from duologue.items import ReplyOptions, SessionConfig
from duologue.session.phrase import Phraser, is_speakable
from duologue.session.playout import Playout
from duologue.session.speak import Piece, speak
from duologue.session.writing import Call, Growth, Writing

# A first phrase later than this is noticed.
FIRST_DUE_S = 0.1
# Before the listener falls silent the sound has to be made, sent, and to survive a network's pauses.
RESERVE_S = 0.25
# The next phrase is asked for when so much is left to hear: one that is interrupted was made in vain. A voice that
# takes its time is asked earlier, by a multiple of it since phrases differ in length.
LEAST_AHEAD_S = 3.0
MOST_AHEAD_S = 8.0
AHEAD_PER_WAIT = 4.0
# Text that has gathered is cut into phrases a page at a time: an hour of it, which takes 0.1 s, would keep everybody
# waiting.
MOST_AT_ONCE_CHARS = 2_000
# Looking again is not free, and a clock does not hit its mark exactly.
_LEAST_SLEEP_S = 0.02


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
    ``asked_at_s``, ``sounded_at_s``: when the synthesizer was given the first phrase, and when its first sound came.
    ``may_speak``: as its method.
    """

    def __init__(
        self,
        engines: EngineClient,
        writing: Writing,
        manner: ReplyManner,
        speed: float = 1.0,
        start: int = 0,
        calls: int = 0,
        may_speak: float = math.inf,
    ) -> None:
        self._engines = engines
        self._send, self._pieces = anyio.create_memory_object_stream[Piece | Call](math.inf)
        self._playout: Playout | None = None
        self._taken = anyio.Event()
        self._may_speak = may_speak
        self._let = Growth()
        self._spoken = 0
        self._made_ms = 0.0
        self._asked_s = 0.0
        self._longest_wait_s = 0.0
        self.asked_at_s: float | None = None
        self.sounded_at_s: float | None = None
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
        at, calls = self.start, self.calls
        phraser = Phraser()
        while True:
            found = await self.writing.next(at, calls)
            if isinstance(found, str) and len(found) > MOST_AT_ONCE_CHARS:
                found = found[:MOST_AT_ONCE_CHARS]
                await anyio.lowlevel.checkpoint()
            for phrase in phraser.push(found) if isinstance(found, str) else phraser.flush():
                await self._say(phrase)
            if isinstance(found, Call):
                calls += 1
                self._put(found)
            elif found is None:
                return
            else:
                at += len(found)

    async def _say(self, phrase: str) -> None:
        if self.manner.modality == "text" or not is_speakable(phrase):
            self._put(Piece(phrase))
            return
        while self._spoken >= self._may_speak:
            await self._let.next()
        self._spoken += 1
        await self._until_wanted()
        self._asked_s = anyio.current_time()
        if self.asked_at_s is None:
            self.asked_at_s = self._asked_s
        due_s = max(self._asked_s + FIRST_DUE_S, self._silent_at_s(self._asked_s) - RESERVE_S)
        request = SpeakRequest(phrase, self.manner.voice, self._speed)
        await speak(self._engines, request, self._put_sound, due_s=due_s)

    def _put_sound(self, piece: Piece) -> None:
        assert piece.pcm is not None, "a voice gives sound"
        self._count(piece, len(piece.pcm))
        self._put(piece)

    def _put(self, piece: Piece | Call) -> None:
        # Nobody takes it any more: this has been hushed, which the next wait will raise.
        with suppress(anyio.BrokenResourceError):
            self._send.send_nowait(piece)

    def _count(self, piece: Piece, samples: int) -> None:
        self._made_ms += samples * 1000 / VOICE_RATE_HZ
        if piece.text:
            now_s = anyio.current_time()
            self._longest_wait_s = max(self._longest_wait_s, now_s - self._asked_s)
            if self.sounded_at_s is None:
                self.sounded_at_s = now_s

    async def _until_wanted(self) -> None:
        """Until so little of what was made is left to hear that the next phrase should be asked for."""
        ahead_s = min(MOST_AHEAD_S, LEAST_AHEAD_S + AHEAD_PER_WAIT * self._longest_wait_s)
        while (early_s := self._silent_at_s(now_s := anyio.current_time()) - now_s - ahead_s) > 0:
            if self._playout is None:
                await self._taken.wait()
            else:
                await anyio.sleep(max(early_s, _LEAST_SLEEP_S))

    def _silent_at_s(self, now_s: float) -> float:
        """When the listener would fall silent; of an answer that nobody hears yet, if it were heard from now on."""
        if self._playout is None:
            return now_s + self._made_ms / 1000
        return self._playout.silent_at_s(self._made_ms, now_s)

    def may_speak(self, phrases: float = math.inf) -> None:
        """The voice may say so many phrases in all, and then waits to be let say more. Those that are begun go on."""
        self._may_speak = phrases
        self._let.happened()

    def take(self, playout: Playout) -> MemoryObjectReceiveStream[Piece | Call]:
        """The pieces as they are made, to be closed by the one who takes them and sends them at ``playout``'s pace."""
        self._playout = playout
        self._taken.set()
        return self._pieces

    def hush(self) -> None:
        """Stop the voice, from outside and without waiting; the text goes on. Whoever took the pieces sees them end."""
        self.scope.cancel()
        if self._playout is None:
            self._pieces.close()

    def drop(self) -> None:
        """Stop the voice and the text."""
        self.hush()
        self.writing.scope.cancel()


async def next_of(pieces: MemoryObjectReceiveStream[Piece | Call]) -> Piece | Call | None:
    """What comes next, without a pass through the loop where it is there already; None at the end."""
    try:
        return pieces.receive_nowait()
    except anyio.EndOfStream:
        return None
    except anyio.WouldBlock:
        pass
    try:
        return await pieces.receive()
    except anyio.EndOfStream:
        return None
