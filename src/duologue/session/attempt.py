"""One try at answering: transcript, end-of-turn probability, reply and first sound, before the floor is ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from duologue.audio.frame import Float32
from duologue.engines.base import TurnRequest
from duologue.engines.client import TURN, EngineClient
from duologue.errors import CapacityError, EngineError
from duologue.items import SessionConfig
from duologue.session.floor import EndOfTurnKnown, WordsKnown
from duologue.session.reply import Reply
from duologue.session.transcribe import Transcription

# The end-of-turn model is asked at once, and its answer is wanted before the shortest wait is over.
TURN_DUE_S = 0.15

Post = Callable[[EndOfTurnKnown | WordsKnown], None]


@dataclass(slots=True)
class Attempt:
    """Work on one pause. Dropped, it leaves no trace; committed, what is ready is let out at once.

    ``until``: the sample at which speech paused.
    ``reply`` None: turns are not answered by themselves. ``scope`` holds what only matters while it is undecided
    whether the turn is over. ``made_from``: the version of the conversation, and the settings, that the reply was made
    from; others at commit make it stale.
    """

    number: int
    until: int
    transcription: Transcription
    reply: Reply | None
    made_from: tuple[int, SessionConfig]
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def drop(self) -> None:
        self.scope.cancel()
        self.transcription.scope.cancel()
        if self.reply is not None:
            self.reply.drop()

    async def weigh(self, engines: EngineClient, sound: Float32 | None, post: Post) -> None:
        """Find out, while it matters, whether the turn is over: from its words and, given ``sound``, from that."""
        with self.scope:
            async with anyio.create_task_group() as tg:
                if sound is not None:
                    tg.start_soon(self._judge, engines, sound, post)
                await self.transcription.known.wait()
                post(WordsKnown(self.number, self.transcription.text or ""))

    async def _judge(self, engines: EngineClient, sound: Float32, post: Post) -> None:
        """Ask the end-of-turn model. Without its answer silence and words decide, so a failure is no matter."""
        due_s = anyio.current_time() + TURN_DUE_S
        try:
            result = await engines.call(TURN, TurnRequest(sound), deadline_s=due_s)
        except (EngineError, CapacityError):
            return
        post(EndOfTurnKnown(self.number, result.end_of_turn_prob))
