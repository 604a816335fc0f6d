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
from duologue.items import ReplyOptions, TurnDetection, new_id
from duologue.session import floor
from duologue.session.answers import Answers
from duologue.session.attempts import Attempts
from duologue.session.contest import LONGEST_SAMPLES
from duologue.session.conversation import Conversation
from duologue.session.given import Turned
from duologue.session.hearing import IDLE_KEEP_SAMPLES, Heard, Hearing, Marked
from duologue.session.interruption import NEARLY_OVER_MS
from duologue.session.overlaps import Overlaps
from duologue.session.prompts import SILENCE
from duologue.session.replies import AS_CONFIGURED, Replies, Ways
from duologue.session.reply import Reply
from duologue.session.rest import Rest
from duologue.session.states import State
from duologue.session.timer import Timer
from duologue.session.transcribe import Partials, Transcription
from duologue.session.turn import TurnMachine
from duologue.session.users_turn import Idle, UsersTurn, WordsIn
from duologue.session.vad import Calmed, Onset, Pause, Suspected

SHORTEST_COMMIT_SAMPLES = ms_to_samples(100)
LONGEST_UNCOMMITTED_SAMPLES = ms_to_samples(15 * 60 * 1000)
# Of a sound over an answer: what is transcribed of it, or becomes a turn, and the padding before.
OVERLAP_KEEP_SAMPLES = LONGEST_SAMPLES + ms_to_samples(1_000)
_OVER_ANSWER = (State.SPEAKING, State.SUSPECTING, State.CONTESTED, State.OVERLAPPED)
_QUIET = (State.IDLE, State.THINKING)
_NOT_IN_TURN = (State.IDLE, State.THINKING, State.SPEAKING)
_FLOOR_EVENTS: dict[type, Callable[[int], floor.TurnEvent]] = {
    Onset: floor.SpeechBegan,
    Pause: floor.SpeechEnded,
    Suspected: floor.SoundSuspected,
    Calmed: lambda _at: floor.SuspicionOver(),
}


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
        self.attempts = Attempts(
            engines,
            conversation,
            replies,
            answers,
            ways,
            lambda: self._machine.detection,
            self.hearing.sound,
            say,
            post,
        )
        self._overlaps = Overlaps(engines, self.hearing, answers, lambda: replies.config.language, post)
        self._rest = Rest()
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
            elif detection is not None:
                self._uncommitted = self.hearing.now
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
        return self._machine.state not in _NOT_IN_TURN

    @property
    def is_wary(self) -> bool:
        """An answer sounds, and is lowered as soon as somebody may be cutting in."""
        return self._machine.state in (State.SPEAKING, State.SUSPECTING)

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
        if self._turn is not None:
            return self._turn.start
        return now - (OVERLAP_KEEP_SAMPLES if self._machine.state in _OVER_ANSWER else IDLE_KEEP_SAMPLES)

    # --- a turn, from its first sound to its last ---------------------------------------------------------------

    def on_heard(self, heard: Heard) -> None:
        """The user's sound has been looked at."""
        self._machine.speculates = self._ways.speculates and self._ways.pressure.allows_attempts
        for found in heard.found:
            self.take(self._clock(found.at, found.at))
            is_quiet = self._machine.state in _QUIET or not self._machine.detection.interrupt_reply
            if not self._overlaps.explains(found, is_quiet=is_quiet):
                self.take(_FLOOR_EVENTS[type(found)](found.at))
        # Who may just have gone on is not cut off before that is known, a window later.
        if self._machine.state is not State.PAUSE or self.hearing.gate.is_idle:
            self.take(self._clock(heard.now, heard.loud_until))
        is_by_hand = not self.hearing.detects_speech and self._turn_by_hand is None
        if is_by_hand and heard.now > self._uncommitted:
            self._turn_by_hand = self._new_turn(max(self._uncommitted, self.hearing.oldest))

    def _clock(self, now: int, loud_until: int) -> floor.Clock:
        if self._machine.state not in _OVER_ANSWER:
            return floor.Clock(now, loud_until)
        echo = self._overlaps.echo(is_watched=self._machine.state is State.OVERLAPPED)
        return floor.Clock(now, loud_until, echo, self._answers.left_ms())

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
        self.attempts.begin(command.attempt, self._turn, command.until)

    def on_words_known(self, event: floor.WordsKnown) -> None:
        """What was said up to a pause."""
        attempt, turn = self.attempts.of(event.attempt), self._turn
        if attempt is not None and turn is not None and self._shows_words:
            turn.partials.settle(event.text, attempt.until - turn.start)
        self.attempts.on_words_known(event.attempt)
        self.take(event)

    def _commit_turn(self, command: floor.CommitTurn) -> None:
        turn = self._close_turn(command.until)
        words, reply = self.attempts.take(turn, command.until)
        self._rest = turn.rest
        self._commit_item(turn.item_id, words, turn.partials)
        if reply is not None:
            ended_at_s = self.hearing.moment_s(command.until)
            turned = Turned(turn.item_id, words, command.until, ended_at_s, anyio.current_time())
            was_echo = not turn.rest and self._overlaps.was_echo(turn.began, command.until)
            is_answer = (lambda _words: False) if was_echo else turn.rest.is_over
            self._answers.begin(self.tasks, reply, self._words_to_await(words), turn=turned, is_answer=is_answer)
        else:
            self._rest.forget()

    def _words_to_await(self, words: Transcription) -> Transcription | None:
        """A model that hears need not be kept waiting for the words, unless it may be none that stopped an answer."""
        is_needed = not words.is_fed or words.known.is_set() or bool(self._rest)
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
        if text and self._rest.is_over(text):
            self._rest.forget()

    # --- the answer that was interrupted ------------------------------------------------------------------------

    def _stop_reply(self, _command: floor.StopReply) -> None:
        turn = self._turn
        onset_at_s = None if turn is None else self.hearing.moment_s(turn.began)
        is_long = self._answers.left_ms() >= NEARLY_OVER_MS
        rest = self._rest.or_else(Rest(self._answers.stop("turn_detected", onset_at_s), is_long=is_long))
        if turn is not None:
            turn.rest = rest

    def on_answer_over(self, *, said_nothing: bool) -> None:
        """An answer has been heard to its end or has failed; ``said_nothing``: there were no words to answer, so that
        what interrupted the one before was not speech, and the rest of that is said."""
        if said_nothing and self._rest:
            for unheard in self._rest.take():
                reply = self._replies.voice(unheard.writing, start=unheard.start, calls=unheard.calls)
                self._answers.begin(self.tasks, reply)
            return
        # Where the turn's words never came, the rest of the answer that it interrupted is still being made.
        self._rest.forget()
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
        self.attempts.give_up()
        self.hearing.reset()
        by_hand, self._turn_by_hand = self._turn_by_hand, None
        self._conversation.announced_id = None
        if by_hand is not None:
            by_hand.partials.scope.cancel()
        if self._turn is not None:
            self._close_turn(self.hearing.now).rest.forget()

    def _end_words(self, turn: UsersTurn | None) -> None:
        """Of a turn that will not be committed: clients wait for an end where words were shown."""
        if turn is not None and turn.partials.has_said:
            message = "The sound was given up before it was committed."
            self._say(TranscriptFailed(item_id=turn.item_id, code="input_audio_buffer_cleared", message=message))

    def abandon(self) -> None:
        """The session is over: let go of what nobody will need."""
        self.attempts.abandon()


_PERFORMERS: dict[type, Callable[[Turns, Any], None]] = {
    floor.OpenTurn: Turns._open_turn,
    floor.StartAttempt: Turns._start_attempt,
    floor.WeighAttempt: lambda turns, command: turns.attempts.weigh(command),
    floor.DropAttempt: lambda turns, _command: turns.attempts.put_aside(),
    floor.CommitTurn: Turns._commit_turn,
    floor.LowerReply: lambda turns, _command: turns._answers.lower(),
    floor.HoldReply: lambda turns, _command: turns._answers.hold(),
    floor.ResumeReply: lambda turns, _command: turns._answers.resume(),
    floor.StopReply: Turns._stop_reply,
    floor.AskOverlap: lambda turns, command: turns._overlaps.ask(turns.tasks, command),
    floor.TellVerdict: lambda turns, command: turns._say(command.as_event()),
    floor.NoteBackchannel: lambda turns, command: turns._answers.note_backchannel(command.words),
    floor.ForgetSound: lambda turns, _command: turns.hearing.reset(),
}
