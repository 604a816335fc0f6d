"""The attempts at answers of one conversation, from the pause that starts one to the turn that takes it.

At most one is for the present pause, and at most one is put aside: its user has gone on, perhaps only with an "um".
When the words of the next pause are there and say no more than before, its answer is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import anyio

from duologue.audio.frame import Float32, ms_to_samples
from duologue.engines.client import EngineClient, StageStats
from duologue.engines.meter import Meter
from duologue.events import AttemptEnded, Event
from duologue.items import TurnDetection
from duologue.session.answers import Answers
from duologue.session.attempt import Attempt, Basis, Post
from duologue.session.budget import ASIDE_S, Level, Pause, may_keep, most_level
from duologue.session.conversation import Conversation
from duologue.session.floor import WeighAttempt
from duologue.session.replies import Replies, Ways
from duologue.session.reply import Reply
from duologue.session.timer import Timer
from duologue.session.transcribe import Transcription
from duologue.session.users_turn import UsersTurn
from duologue.session.words import same_but_for_fillers

# What follows the last speech window in a transcriber's input: it hears that the last word ended.
TAIL_SAMPLES = ms_to_samples(96)
# What a request costs on average changes slowly, and to ask for it takes 0.4 ms of the loop.
STATS_FRESH_S = 10.0


@dataclass(frozen=True, slots=True)
class AsideOver:
    """The user has spoken for so long that there are words in it."""


class Attempts:
    """``detection``: the one in force; ``sound``: the user's, from one sample to another; ``say``: to the client;
    ``post``: to the session's inbox, of what is found out."""

    def __init__(
        self,
        engines: EngineClient,
        conversation: Conversation,
        replies: Replies,
        answers: Answers,
        ways: Ways,
        detection: Callable[[], TurnDetection],
        sound: Callable[[int, int], Float32],
        say: Callable[[Event], None],
        post: Post,
    ) -> None:
        self._engines = engines
        self._conversation = conversation
        self._replies = replies
        self._answers = answers
        self._ways = ways
        self._detection = detection
        self._sound = sound
        self._say = say
        self._post = post
        self._attempt: Attempt | None = None
        self._aside: Attempt | None = None
        self._aside_over = Timer(lambda: post(AsideOver()))
        self._turn_id = ""
        # Attempts of this turn that were dropped after their text was begun.
        self._dropped = 0
        self._stats: Mapping[str, StageStats] = {}
        self._stats_at_s: float | None = None

    # --- a pause ------------------------------------------------------------------------------------------------

    def begin(self, number: int, turn: UsersTurn, until: int) -> None:
        """``turn`` has paused at ``until``: prepare an answer to it, unheard, as far as the budget goes."""
        self._aside_over.stop()
        if turn.item_id != self._turn_id:
            self._turn_id, self._dropped = turn.item_id, 0
        attempt = self._attempt = self._make(number, turn, until, is_answered=self._may_write())
        sound = attempt.transcription.sound if self._detection().silence_ms is None else None
        self._replies.tasks.start_soon(attempt.weigh, sound, self._post)

    def of(self, number: int) -> Attempt | None:
        """The attempt of that number, if it is still the present one."""
        attempt = self._attempt
        return attempt if attempt is not None and attempt.number == number else None

    def on_words_known(self, number: int) -> None:
        """What was said up to the present pause."""
        attempt = self.of(number)
        if attempt is not None:
            self._decide_aside(attempt)
            self._go_on(attempt)

    def weigh(self, odds: WeighAttempt) -> None:
        """The machine has learnt something about the present pause."""
        attempt = self.of(odds.attempt)
        if attempt is not None:
            attempt.prob, attempt.is_due = odds.prob, odds.is_due
            self._go_on(attempt)

    def _go_on(self, attempt: Attempt) -> None:
        """As far as the budget goes now."""
        # Whether what was put aside will do is known with the words, and the model is not asked before.
        if attempt.reply is None and self._aside is None and self._may_write(attempt):
            self._answer(attempt)
        if attempt.reply is not None:
            attempt.reply.may_speak(1 if self._most_level(attempt) >= Level.SOUND else 0)

    # --- what becomes of it -------------------------------------------------------------------------------------

    def put_aside(self) -> None:
        """The user goes on. An answer that may still do is kept for the next pause, the rest never was."""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        if not self._may_keep(attempt):
            self._end(attempt, is_kept=False)
        else:
            self._drop_aside()
            attempt.scope.cancel()
            self._aside = attempt
        if self._aside is not None:
            self._aside_over.start(ASIDE_S)

    def on_aside_over(self) -> None:
        """Nobody says "um" for so long."""
        if self._attempt is None:
            self._drop_aside()

    def give_up(self) -> None:
        """Nobody is to be answered."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            self._end(attempt, is_kept=False)
        self._drop_aside()

    def abandon(self) -> None:
        """The session is over: nobody is told any more."""
        self._aside_over.stop()
        for attempt in (self._attempt, self._aside):
            if attempt is not None:
                attempt.drop()

    def take(self, turn: UsersTurn, until: int) -> tuple[Transcription, Reply | None]:
        """``turn`` is over: its words, and the answer to let out, None if none is wanted; made now where no attempt
        made them."""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            attempt = self._make(0, turn, until, is_answered=self._detection().create_reply)
        elif attempt.transcription.known.is_set():
            self._decide_aside(attempt)
        self._drop_aside()
        attempt.scope.cancel()
        was_begun = attempt.reply is not None
        if attempt.reply is not None and not self._is_fresh(attempt):
            attempt.drop_reply()
        if attempt.number:
            self._tell(attempt, is_kept=not was_begun or attempt.reply is not None)
        if attempt.reply is None and self._detection().create_reply:
            self._answer(attempt)
        if attempt.reply is not None:
            attempt.reply.may_speak()
        return attempt.transcription, attempt.reply

    # --- what was put aside -------------------------------------------------------------------------------------

    def _may_keep(self, attempt: Attempt) -> bool:
        """Whether its answer might be the next pause's as well, and may be kept for that."""
        reply = attempt.reply
        if reply is None or not attempt.transcription.text or not self._is_fresh(attempt):
            return False
        return may_keep(self._ways.pressure.level, self._dropped, is_written=reply.writing.is_done)

    def _decide_aside(self, attempt: Attempt) -> None:
        """The words of ``attempt`` are known: if they are those of the one before it, so is the answer."""
        aside, self._aside = self._aside, None
        if aside is None:
            return
        if aside.reply is None or aside.reply.failure is not None or not self._says_the_same(aside, attempt):
            self._end(aside, is_kept=False)
            return
        attempt.drop_reply()
        attempt.reply, attempt.made_from = aside.reply, aside.made_from
        attempt.meters += aside.meters

    def _says_the_same(self, aside: Attempt, attempt: Attempt) -> bool:
        before, now = aside.transcription.text, attempt.transcription.text
        return bool(before and now) and self._is_fresh(aside) and same_but_for_fillers(before or "", now or "")

    def _drop_aside(self) -> None:
        self._aside_over.stop()
        aside, self._aside = self._aside, None
        if aside is not None:
            self._end(aside, is_kept=False)

    # --- the work -----------------------------------------------------------------------------------------------

    def _make(self, number: int, turn: UsersTurn, until: int, *, is_answered: bool) -> Attempt:
        """The transcript of the turn up to ``until``, begun, and the answer to it."""
        meter = Meter(self._engines)
        sound = self._sound(turn.start, until + TAIL_SAMPLES)
        words = self._replies.transcribe(sound, turn.item_id, is_answered=is_answered, engines=meter)
        attempt = Attempt(number, until, words, [meter])
        # A model that hears tells the words itself, so that it is asked in any case.
        if is_answered and (self._aside is None or self._ways.hears):
            self._answer(attempt)
        return attempt

    def _answer(self, attempt: Attempt) -> None:
        unfinished = [] if self._detection().interrupt_reply else self._answers.unfinished()
        attempt.made_from = self._basis()
        attempt.reply = self._replies.to_turn(attempt.transcription, unfinished, attempt.meters[0])

    def _is_fresh(self, attempt: Attempt) -> bool:
        """Whether its answer is to the conversation as it is, and wanted."""
        return attempt.made_from == self._basis() and self._detection().create_reply

    def _basis(self) -> Basis:
        return self._conversation.history.version, self._replies.config

    def _may_write(self, attempt: Attempt | None = None) -> bool:
        return self._detection().create_reply and self._most_level(attempt) >= Level.TEXT

    def _most_level(self, attempt: Attempt | None) -> Level:
        """Of a pause of which nothing is known yet where there is no attempt."""
        prob, is_due = (None, False) if attempt is None else (attempt.prob, attempt.is_due)
        return most_level(self._ways.pressure.level, Pause(prob, is_due, self._dropped))

    # --- the account --------------------------------------------------------------------------------------------

    def _end(self, attempt: Attempt, *, is_kept: bool) -> None:
        """It is not let out."""
        self._dropped += attempt.level >= Level.TEXT
        self._tell(attempt, is_kept=is_kept)
        attempt.drop()

    def _tell(self, attempt: Attempt, *, is_kept: bool) -> None:
        now_s = anyio.current_time()
        if self._stats_at_s is None or now_s - self._stats_at_s > STATS_FRESH_S:
            self._stats, self._stats_at_s = self._engines.stats(), now_s
        spent_s = attempt.spent_s(self._stats)
        self._say(AttemptEnded(is_kept=is_kept, level=attempt.level.name.lower(), compute_s=spent_s))
