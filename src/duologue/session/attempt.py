"""One try at answering: transcript, end-of-turn probability, reply and first sound, before the floor is ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio
import numpy as np

from duologue.audio.frame import Float32, ms_to_samples
from duologue.engines.base import TurnRequest
from duologue.engines.client import CHAT, SPEECH, TTS, TURN, StageStats
from duologue.engines.meter import Meter
from duologue.errors import CapacityError, EngineError
from duologue.items import SessionConfig
from duologue.session.budget import Level
from duologue.session.floor import EndOfTurnKnown, WordsKnown
from duologue.session.reply import Reply
from duologue.session.transcribe import Transcription

# The end-of-turn model is asked at once, and its answer is wanted before the shortest wait is over.
TURN_DUE_S = 0.15
# The model is sure of an end only where some silence follows, which nobody waits for here: with this much put behind
# the sound it tells 80 % of pairs of an end and a pause apart at once, without it 78.
SILENCE_BEHIND_SAMPLES = ms_to_samples(400)

Post = Callable[[object], None]
# The version of the conversation, and the settings.
Basis = tuple[int, SessionConfig]


@dataclass(slots=True)
class Attempt:
    """Work on one pause. Dropped, it leaves no trace; committed, what is ready is let out at once.

    ``until``: the sample at which speech paused. ``meters``: through which its engines were asked, its own first.
    ``reply`` None: not begun yet, or turns are not answered by themselves. ``made_from``: what the reply was made from,
    besides the turn; where that is another at commit, the reply is stale. ``prob``: that the turn is over, None while
    unknown; ``is_due``: it is about to be taken for over. ``scope`` holds what only matters while it is undecided
    whether the turn is over.
    """

    number: int
    until: int
    transcription: Transcription
    meters: list[Meter]
    reply: Reply | None = None
    made_from: Basis | None = None
    prob: float | None = None
    is_due: bool = False
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def level(self) -> Level:
        """How far it has got."""
        if any(meter.has_asked(TTS) for meter in self.meters):
            return Level.SOUND
        if any(meter.has_asked(CHAT) or meter.has_asked(SPEECH) for meter in self.meters):
            return Level.TEXT
        return Level.WORDS

    def spent_s(self, stats: Mapping[str, StageStats]) -> float:
        """What its engines have cost until now, see ``Meter``."""
        return sum(meter.spent_s(stats) for meter in self.meters)

    def drop(self) -> None:
        self.scope.cancel()
        self.transcription.scope.cancel()
        self.drop_reply()

    def drop_reply(self) -> None:
        if self.reply is not None:
            self.reply.drop()
            self.reply = None

    async def weigh(self, sound: Float32 | None, post: Post) -> None:
        """Find out, while it matters, whether the turn is over: from its words and, given ``sound``, from that."""
        with self.scope:
            async with anyio.create_task_group() as tg:
                if sound is not None:
                    tg.start_soon(self._judge, sound, post)
                await self.transcription.known.wait()
                post(WordsKnown(self.number, self.transcription.text or ""))

    async def _judge(self, sound: Float32, post: Post) -> None:
        """Ask the end-of-turn model. Without its answer silence and words decide, so a failure is no matter."""
        due_s = anyio.current_time() + TURN_DUE_S
        try:
            result = await self.meters[0].call(TURN, TurnRequest(as_ended(sound)), deadline_s=due_s)
        except (EngineError, CapacityError):
            return
        post(EndOfTurnKnown(self.number, result.end_of_turn_prob))


def as_ended(sound: Float32) -> Float32:
    """float32 [n] at 16 kHz as the end-of-turn model hears it, with silence behind it."""
    return np.pad(sound, (0, SILENCE_BEHIND_SAMPLES))
