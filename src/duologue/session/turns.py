"""The user's turns: what the turn machine wants done, done.

``Turns`` takes what ``hearing`` finds, asks the machine (``turn``) what it means and performs its commands, each in
its own method: a turn opens, a pause starts an ``Attempt``, a turn that is over is committed and its answer let out.
What an interruption cut off is kept until its words are known: if there are none, the rest is said after all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from anyio.abc import TaskGroup

from duologue.audio.frame import ms_to_samples, samples_to_ms
from duologue.engines.client import EngineClient
from duologue.errors import ClientError
from duologue.events import (
    AudioCleared,
    ClearAudio,
    Event,
    IdleTimeout,
    SpeechStarted,
    SpeechStopped,
    TranscriptDelta,
    TranscriptFailed,
)
from duologue.items import ReplyOptions, SessionConfig, TurnDetection, new_id
from duologue.session import floor
from duologue.session.answers import Answers
from duologue.session.attempt import Attempt
from duologue.session.conversation import Conversation
from duologue.session.given import Turned, Unheard
from duologue.session.hearing import IDLE_KEEP_SAMPLES, Heard, Hearing, Marked
from duologue.session.prompts import SILENCE
from duologue.session.replies import AS_CONFIGURED, Replies, Ways
from duologue.session.reply import Reply
from duologue.session.timer import Timer
from duologue.session.transcribe import Partials, Transcription
from duologue.session.turn import State, TurnMachine
from duologue.session.users_turn import Idle, UsersTurn, WordsIn
from duologue.session.vad import Onset

SHORTEST_COMMIT_SAMPLES = ms_to_samples(100)
LONGEST_UNCOMMITTED_SAMPLES = ms_to_samples(15 * 60 * 1000)
# What follows the last speech window in a transcriber's input: it hears that the last word ended.
TAIL_SAMPLES = ms_to_samples(96)

_USERS_TURN = (State.USER, State.PAUSE, State.CONTESTED)


class Turns:
    """``say``: to the client; ``post``: to the session's own inbox, of what is found beside it."""

    def __init__(
        self,
        engines: EngineClient,
        conversation: Conversation,
        replies: Replies,
        answers: Answers,
        ways: Ways,
        detection: TurnDetection,
        say: Callable[[Event], None],
        post: Callable[[object], None],
    ) -> None:
        self.hearing = Hearing(engines, detection.threshold, self, post)
        self._engines = engines
        self._conversation = conversation
        self._replies = replies
        self._answers = answers
        self._ways = ways
        self._say = say
        self._post = post
        self._machine = TurnMachine(detection, speculates=ways.speculates)
        self.idle = Timer(lambda: post(Idle()))
        self._turn: UsersTurn | None = None
        # What the client will commit: in it nobody knows of speech, but words are shown all the same.
        self._turn_by_hand: UsersTurn | None = None
        self._attempt: Attempt | None = None
        self._unheard: list[Unheard] = []
        self._uncommitted = 0
        self.tasks: TaskGroup

    @property
    def is_idle(self) -> bool:
        """Nobody has the floor, and nobody is about to take it."""
        return self._machine.state is State.IDLE and self._answers.is_empty

    def configure(self, detection: TurnDetection | None) -> None:
        """None: the client commits by hand from now on, and what was not committed is left to it."""
        if (detection is not None) != self.hearing.detects_speech:
            turn, by_hand = self._turn, self._turn_by_hand
            self._give_up_turn()
            if turn is not None:
                # It is the client's to commit now, under the id that was told.
                self._turn_by_hand, self._uncommitted = turn, turn.start
                self._conversation.announced_id = turn.item_id
            self._end_words(by_hand)
        self.hearing.detects_speech = detection is not None
        if detection is None or detection.idle_timeout_ms != self._machine.detection.idle_timeout_ms:
            self.idle.stop()
        if detection is not None:
            self._machine.detection = detection
            self.hearing.gate.threshold = detection.threshold

    def take(self, event: floor.TurnEvent) -> None:
        """Something has happened to the floor: do what the machine makes of it."""
        for command in self._machine.take(event):
            _PERFORMERS[type(command)](self, command)
        if self.idle.is_running and self._machine.state is not State.IDLE:
            self.idle.stop()

    def answer(
        self,
        reply: Reply,
        options: ReplyOptions | None = None,
        *,
        is_filler: bool = False,
        is_follow_up: bool = False,
    ) -> None:
        """Let out an answer that is to no turn of the user's: see ``Answers.begin``."""
        if reply.manner.in_conversation:
            self.take(floor.ReplyWanted())
        self._answers.begin(self.tasks, reply, None, options, is_filler=is_filler, is_follow_up=is_follow_up)

    @property
    def _shows_words(self) -> bool:
        return self._replies.config.show_transcript

    # --- what the ears want to know ---------------------------------------------------------------------------------

    @property
    def is_in_turn(self) -> bool:
        """The user is in the middle of something."""
        return self._machine.state in _USERS_TURN

    @property
    def clock_due(self) -> int | None:
        """The moment at which it matters what the time is."""
        if self.hearing.detects_speech or self._turn_by_hand is not None:
            return self._machine.clock_due
        return self._uncommitted + 1

    def needed_since(self, now: int) -> int:
        """The first sample that may still be asked for."""
        if not self.hearing.detects_speech:
            return now - LONGEST_UNCOMMITTED_SAMPLES
        return now - IDLE_KEEP_SAMPLES if self._turn is None else self._turn.start

    # --- a turn, from its first sound to its last ---------------------------------------------------------------

    def on_heard(self, heard: Heard) -> None:
        """The user's sound has been looked at."""
        self._machine.speculates = self._ways.speculates and self._ways.pressure.allows_attempts
        for found in heard.found:
            self.take(floor.Clock(found.at, found.at))
            self.take(floor.SpeechBegan(found.at) if isinstance(found, Onset) else floor.SpeechEnded(found.at))
        self.take(floor.Clock(heard.now, heard.loud_until))
        is_by_hand = not self.hearing.detects_speech and self._turn_by_hand is None
        if is_by_hand and heard.now > self._uncommitted:
            self._turn_by_hand = self._new_turn(max(self._uncommitted, self.hearing.oldest))

    def _open_turn(self, command: floor.OpenTurn) -> None:
        start = max(command.at - ms_to_samples(self._machine.detection.prefix_padding_ms), self._uncommitted)
        self._turn = turn = self._new_turn(start)
        turn.began = command.at
        self._conversation.announced_id = turn.item_id
        self._say(SpeechStarted(item_id=turn.item_id, at_ms=samples_to_ms(start)))
        self.tasks.start_soon(self._replies.prepare)

    def _new_turn(self, start: int) -> UsersTurn:
        """With words as they are said, where they are wanted."""
        item_id = new_id("item")
        partials = Partials(
            self._engines,
            lambda offset: self.hearing.sound(start + offset, self.hearing.now),
            self._replies.config.language,
            item_id,
            lambda text: self._say(TranscriptDelta(item_id=item_id, text=text)),
            self._ways.pressure,
        )
        if self._shows_words and self._ways.has_partials:
            self.tasks.start_soon(partials.run)
        return UsersTurn(item_id, start, partials)

    def _start_attempt(self, command: floor.StartAttempt) -> None:
        assert self._turn is not None, "an attempt is of an open turn"
        attempt = self._attempt = self._attempt_at(self._turn, command.until, command.attempt)
        is_judged = self._machine.detection.silence_ms is None
        sound = self.hearing.sound(self._turn.start, command.until + TAIL_SAMPLES) if is_judged else None
        self.tasks.start_soon(attempt.weigh, self._engines, sound, self._post)

    def _attempt_at(self, turn: UsersTurn, until: int, number: int = 0) -> Attempt:
        """Transcript and reply for the turn up to ``until``, begun."""
        sound = self.hearing.sound(turn.start, until + TAIL_SAMPLES)
        is_answered = self._machine.detection.create_reply
        transcription = self._replies.transcribe(sound, turn.item_id, is_answered=is_answered)
        reply = self._reply_to(transcription) if is_answered else None
        return Attempt(number, until, transcription, reply, self._basis())

    def _reply_to(self, turn: Transcription) -> Reply:
        waits = not self._machine.detection.interrupt_reply
        return self._replies.to_turn(turn, self._answers.unfinished() if waits else [])

    def on_words_known(self, event: floor.WordsKnown) -> None:
        """What was said up to a pause."""
        attempt, turn = self._attempt, self._turn
        if attempt is not None and turn is not None and attempt.number == event.attempt and self._shows_words:
            turn.partials.settle(event.text, attempt.until - turn.start)
        self.take(event)

    def _drop_attempt(self, _command: floor.DropAttempt) -> None:
        if self._attempt is not None:
            self._attempt.drop()
            self._attempt = None

    def _commit_turn(self, command: floor.CommitTurn) -> None:
        turn = self._close_turn(command.until)
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            attempt = self._attempt_at(turn, command.until)
        attempt.scope.cancel()
        reply = self._fresh_reply(attempt)
        self._unheard = turn.unheard
        self._commit_item(turn.item_id, attempt.transcription, turn.partials)
        if reply is not None:
            words = self._words_to_await(attempt.transcription)
            self._answers.begin(self.tasks, reply, words, turn=self._turned(turn, attempt.transcription, command.until))
        else:
            self._forget_unheard()

    def _turned(self, turn: UsersTurn, words: Transcription, until: int) -> Turned:
        now_s = anyio.current_time()
        ended_at_s = now_s - samples_to_ms(self.hearing.now - until) / 1000
        return Turned(turn.item_id, words, ended_at_s, now_s)

    def _fresh_reply(self, attempt: Attempt) -> Reply | None:
        """The attempt's reply, or a new one if the conversation has changed under it; None if none is wanted."""
        is_fresh = attempt.made_from == self._basis()
        if attempt.reply is not None and is_fresh and self._machine.detection.create_reply:
            return attempt.reply
        if attempt.reply is not None:
            attempt.reply.drop()
        return self._reply_to(attempt.transcription) if self._machine.detection.create_reply else None

    def _basis(self) -> tuple[int, SessionConfig]:
        """What an answer is made from, besides the turn."""
        return self._conversation.history.version, self._replies.config

    def _words_to_await(self, words: Transcription) -> Transcription | None:
        """A model that hears need not be kept waiting for the words, unless it may be none that stopped an answer."""
        is_needed = not words.is_fed or words.known.is_set() or bool(self._unheard)
        return words if is_needed else None

    def _close_turn(self, until: int) -> UsersTurn:
        assert self._turn is not None, "only an open turn can end"
        turn, self._turn = self._turn, None
        self._conversation.announced_id = None
        turn.partials.scope.cancel()
        self._uncommitted = until
        self._say(SpeechStopped(item_id=turn.item_id, at_ms=samples_to_ms(until)))
        return turn

    # --- what was said ------------------------------------------------------------------------------------------

    def _commit_item(self, item_id: str, words: Transcription, partials: Partials | None) -> None:
        entry = self._conversation.commit(item_id)
        self.await_words(WordsIn(entry, words, is_shown=self._shows_words, partials=partials))

    def await_words(self, words: WordsIn) -> None:
        """Their entry gets them as soon as they are known."""
        if self._ways.hears:
            self._conversation.history.keep_sound(words.entry, words.transcription.sound)
        if words.transcription.known.is_set():
            self.on_words_in(words)
        else:
            self.tasks.start_soon(self._post_words, words)

    async def _post_words(self, words: WordsIn) -> None:
        await words.transcription.known.wait()
        self._post(words)

    def on_words_in(self, words: WordsIn) -> None:
        text = words.transcription.text
        if text and words.partials is not None and words.partials.has_said:
            # What is shown bit by bit is in the end all of it, even if the turn was over before the words were known.
            words.partials.settle(text, 0)
        self._conversation.set_words(words.entry, words.transcription, show=words.is_shown)
        if text:
            self._forget_unheard()

    # --- the answer that was interrupted ------------------------------------------------------------------------

    def _stop_reply(self, _command: floor.StopReply) -> None:
        turn, now_s = self._turn, anyio.current_time()
        onset_at_s = None if turn is None else now_s - samples_to_ms(self.hearing.now - turn.began) / 1000
        unheard = self._answers.stop("turn_detected", onset_at_s)
        if self._unheard:
            for left in unheard:
                left.drop()
            # What was stopped was still to find out whether the rest of an earlier answer is to be said.
            unheard, self._unheard = self._unheard, []
        if turn is not None:
            turn.unheard = unheard

    def _forget_unheard(self) -> None:
        for unheard in self._unheard:
            unheard.drop()
        self._unheard = []

    def on_answer_over(self, *, said_nothing: bool) -> None:
        """An answer has been heard to its end or has failed; ``said_nothing``: there were no words to answer, so that
        what interrupted the one before was not speech, and the rest of that is said."""
        if said_nothing and self._unheard:
            left, self._unheard = self._unheard, []
            for unheard in left:
                reply = self._replies.voice(unheard.writing, start=unheard.start, calls=unheard.calls)
                self._answers.begin(self.tasks, reply)
            return
        # Where the turn's words never came, the rest of the answer that it interrupted is still being made.
        self._forget_unheard()
        if self._answers.is_empty:
            self.take(floor.ReplyOver())
            self._await_user()

    def _await_user(self) -> None:
        """The idle timeout counts from the end of what sounded last."""
        timeout_ms = self._machine.detection.idle_timeout_ms
        if timeout_ms is not None and self.hearing.detects_speech and self._machine.state is State.IDLE:
            self.idle.start(timeout_ms / 1000)

    def on_idle(self, _idle: Idle) -> None:
        """The user has been silent for so long that the assistant takes the floor."""
        if not self.is_idle:
            return
        item_id, start, now = new_id("item"), self._uncommitted, self.hearing.now
        self._uncommitted = now
        self._say(IdleTimeout(item_id=item_id, start_ms=samples_to_ms(start), end_ms=samples_to_ms(now)))
        self._conversation.commit(item_id, "")
        self.answer(self._replies.to_history(AS_CONFIGURED, note=SILENCE))

    # --- turns by hand ------------------------------------------------------------------------------------------

    def on_marked(self, marked: Marked) -> None:
        """The client ends the turn itself, or wants it forgotten. Raises ClientError where there is no sound yet."""
        turn = self._turn or self._turn_by_hand
        if isinstance(marked.event, ClearAudio):
            self._give_up_turn()
            self._uncommitted = marked.now
            self._end_words(turn)
            self._say(AudioCleared())
            return
        start = max(turn.start if turn else self._uncommitted, self.hearing.oldest)
        if marked.now - start < SHORTEST_COMMIT_SAMPLES:
            raise ClientError(
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but "
                f"buffer only has {max(0, marked.now - start) / 16:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        item_id = turn.item_id if turn else new_id("item")
        self._give_up_turn()
        self._uncommitted = marked.now
        sound = self.hearing.sound(start, marked.now)
        words = self._replies.transcribe(sound, item_id, is_answered=False)
        self._commit_item(item_id, words, turn.partials if turn else None)

    def _give_up_turn(self) -> None:
        """The user's open turn is not to be answered: the client takes over, or forgets it."""
        self.take(floor.FloorReset())
        self.hearing.reset()
        by_hand, self._turn_by_hand = self._turn_by_hand, None
        self._conversation.announced_id = None
        if by_hand is not None:
            by_hand.partials.scope.cancel()
        if self._turn is not None:
            self._unheard = self._close_turn(self.hearing.now).unheard
            self._forget_unheard()

    def _end_words(self, turn: UsersTurn | None) -> None:
        """Of a turn that will not be committed: clients wait for an end where words were shown."""
        if turn is not None and turn.partials.has_said:
            message = "The sound was given up before it was committed."
            self._say(TranscriptFailed(item_id=turn.item_id, code="input_audio_buffer_cleared", message=message))

    def abandon(self) -> None:
        """The session is over: let go of what nobody will need."""
        if self._attempt is not None:
            self._attempt.drop()


_PERFORMERS: dict[type, Callable[[Turns, Any], None]] = {
    floor.OpenTurn: Turns._open_turn,
    floor.StartAttempt: Turns._start_attempt,
    floor.DropAttempt: Turns._drop_attempt,
    floor.CommitTurn: Turns._commit_turn,
    floor.HoldReply: lambda turns, _command: turns._answers.hold(),
    floor.ResumeReply: lambda turns, _command: turns._answers.resume(),
    floor.StopReply: Turns._stop_reply,
}
