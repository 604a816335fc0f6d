"""The turn machine: who has the floor.

Two laws. Every pair of state and event stands in ``TRANSITIONS``; one that does not is a fault in the caller and
is named in the error. A transition only ever leads to a state that the table lists for it.

Moments are samples on the session's input clock. The machine does no I/O and knows no other time.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from duologue.audio.frame import SESSION_RATE_HZ, ms_to_samples
from duologue.items import TurnDetection
from duologue.session.endpointing import Evidence, wait_ms
from duologue.session.floor import (
    Clock,
    CommitTurn,
    DropAttempt,
    EndOfTurnKnown,
    FloorReset,
    HoldReply,
    OpenTurn,
    ReplyAudible,
    ReplyOver,
    ReplyWanted,
    ResumeReply,
    SpeechBegan,
    SpeechEnded,
    StartAttempt,
    StopReply,
    TurnCommand,
    TurnEvent,
    WordsKnown,
)
from duologue.session.interruption import Verdict, judge

# A turn this long is taken as it is: memory and the transcriber are bounded, and nobody should wait for ever.
MAX_TURN_SAMPLES = 120 * SESSION_RATE_HZ
# Who speaks again so soon after the end of a turn had only paused, and is one who pauses: that is learnt, as a pause
# within a turn is; a quarter fewer pauses of recorded turns are cut off for it. Later it may be an interruption.
RESUMED_MS = 1200.0


class State(Enum):
    IDLE = "idle"
    """Nobody speaks."""
    USER = "user"
    """The user speaks."""
    PAUSE = "pause"
    """The user has stopped, perhaps for good; an attempt at an answer is prepared."""
    THINKING = "thinking"
    """The turn is the assistant's; nothing of the answer is audible yet."""
    SPEAKING = "speaking"
    """The answer is being heard."""
    CONTESTED = "contested"
    """There is sound over the answer; the answer is held until it is known what it is."""


class TurnMachine:
    """One session's floor. ``take`` an event, carry out the commands that it returns, in order.

    ``speculates``: whether a pause starts an attempt, or the work waits for the end of the turn.
    """

    def __init__(self, detection: TurnDetection, *, speculates: bool = True) -> None:
        self.state = State.IDLE
        self.detection = detection
        self.speculates = speculates
        self._attempts = 0
        self._attempt: int | None = None
        self._evidence = Evidence()
        self._began = 0
        self._ended = -MAX_TURN_SAMPLES
        self._longest_pause_ms = 0.0
        self._has_reply = False
        self._is_audible = False
        self._out: list[TurnCommand] = []

    def take(self, event: TurnEvent) -> list[TurnCommand]:
        """The commands that ``event`` causes. Raises KeyError, naming both, for a pair that is not in the table."""
        transition = TRANSITIONS[self.state].get(type(event))
        if transition is None:
            raise KeyError(f"no transition from {self.state.name} on {type(event).__name__}")
        method, targets = transition
        self._out = []
        target = getattr(self, method)(event)
        if target not in targets:
            raise AssertionError(f"{method} led from {self.state.name} to {target.name}: not in the table")
        self.state = target
        return self._out

    @property
    def clock_due(self) -> int | None:
        """The first moment at which a ``Clock`` could change anything; None while none could."""
        if self.state is State.PAUSE:
            return self._ended + ms_to_samples(wait_ms(self._evidence, self.detection))
        if self.state is State.USER:
            return self._began + MAX_TURN_SAMPLES
        return 0 if self.state is State.CONTESTED else None

    # Each method below is one transition: it may add commands and says where to go.

    def _stay(self, _event: TurnEvent) -> State:
        return self.state

    def _open_turn(self, event: SpeechBegan) -> State:
        self._began = event.at
        self._open()
        return State.USER

    def _open(self) -> None:
        pause_ms = _ms(self._began - self._ended)
        self._longest_pause_ms = max(pause_ms, self._longest_pause_ms) if pause_ms <= RESUMED_MS else 0.0
        self._out.append(OpenTurn(self._began))

    def _pause(self, event: SpeechEnded) -> State:
        self._ended = event.at
        self._evidence = Evidence(longest_pause_ms=self._longest_pause_ms)
        if self.speculates:
            self._attempts += 1
            self._attempt = self._attempts
            self._out.append(StartAttempt(self._attempt, event.at))
        return State.PAUSE

    def _go_on(self, event: SpeechBegan) -> State:
        self._longest_pause_ms = max(self._longest_pause_ms, _ms(event.at - self._ended))
        self._drop_attempt()
        return State.USER

    def _weigh_sound(self, event: EndOfTurnKnown) -> State:
        if event.attempt == self._attempt:
            self._evidence = replace(self._evidence, end_of_turn_prob=event.prob)
        return self.state

    def _weigh_words(self, event: WordsKnown) -> State:
        if event.attempt == self._attempt:
            self._evidence = replace(self._evidence, text=event.text)
        return self.state

    def _end_pause(self, event: Clock) -> State:
        if event.now - self._ended < ms_to_samples(wait_ms(self._evidence, self.detection)):
            return State.PAUSE
        return self._commit(self._ended)

    def _end_long_turn(self, event: Clock) -> State:
        """Committed, though the user speaks on: what follows is the next turn, over the answer if there is one."""
        if event.now - self._began < MAX_TURN_SAMPLES:
            return State.USER
        self._commit(event.now)
        goes_on = SpeechBegan(event.now)
        return self._contest(goes_on) if self.detection.create_reply else self._open_turn(goes_on)

    def _commit(self, until: int) -> State:
        if self.detection.interrupt_reply:
            self._stop_reply()
        self._out.append(CommitTurn(self._attempt, until))
        self._attempt = None
        if not self.detection.create_reply:
            return self._leave_turn()
        self._has_reply = True
        return State.THINKING

    def _leave_turn(self) -> State:
        """Nobody is to answer the user: back to the reply that may still be going on, or to nothing."""
        if not self._has_reply:
            return State.IDLE
        return State.SPEAKING if self._is_audible else State.THINKING

    def _contest(self, event: SpeechBegan) -> State:
        if not self.detection.interrupt_reply:
            return self._open_turn(event)
        self._began = event.at
        self._out.append(HoldReply())
        return State.CONTESTED

    def _judge_ongoing(self, event: Clock) -> State:
        return self._act_on(judge(_ms(event.loud_until - self._began), has_ended=False))

    def _judge_ended(self, event: SpeechEnded) -> State:
        verdict = judge(_ms(event.at - self._began), has_ended=True)
        state = self._act_on(verdict)
        return self._pause(event) if verdict is Verdict.INTERRUPT else state

    def _act_on(self, verdict: Verdict) -> State:
        if verdict is Verdict.WAIT:
            return State.CONTESTED
        if verdict is Verdict.FALSE_ALARM:
            self._out.append(ResumeReply())
            return self._leave_turn()
        # Clients cut their playback on the start of speech, so it is told before the end of the reply.
        self._open()
        self._stop_reply()
        return State.USER

    def _uncontested(self, _event: ReplyOver) -> State:
        self._forget_reply()
        self._open()
        return State.USER

    def _want_reply(self, _event: ReplyWanted) -> State:
        self._has_reply = True
        return State.THINKING

    def _want_reply_meanwhile(self, _event: ReplyWanted) -> State:
        self._has_reply = True
        return self.state

    def _hear_reply(self, _event: ReplyAudible) -> State:
        self._is_audible = True
        return State.SPEAKING if self.state is State.THINKING else self.state

    def _fall_idle(self, _event: ReplyOver) -> State:
        self._forget_reply()
        return State.IDLE

    def _lose_reply_meanwhile(self, _event: ReplyOver) -> State:
        self._forget_reply()
        return self.state

    def _reset(self, _event: FloorReset) -> State:
        self._drop_attempt()
        return self._leave_turn()

    def _reset_contested(self, _event: FloorReset) -> State:
        return self._act_on(Verdict.FALSE_ALARM)

    def _drop_attempt(self) -> None:
        if self._attempt is not None:
            self._out.append(DropAttempt(self._attempt))
            self._attempt = None

    def _stop_reply(self) -> None:
        if self._has_reply:
            self._out.append(StopReply())
        self._forget_reply()

    def _forget_reply(self) -> None:
        self._has_reply = False
        self._is_audible = False


def _ms(samples: int) -> float:
    return samples * 1000 / SESSION_RATE_HZ


Transition = tuple[str, tuple[State, ...]]
_S = State

TRANSITIONS: dict[State, dict[type, Transition]] = {
    _S.IDLE: {
        SpeechBegan: ("_open_turn", (_S.USER,)),
        SpeechEnded: ("_stay", (_S.IDLE,)),
        Clock: ("_stay", (_S.IDLE,)),
        EndOfTurnKnown: ("_stay", (_S.IDLE,)),
        WordsKnown: ("_stay", (_S.IDLE,)),
        ReplyWanted: ("_want_reply", (_S.THINKING,)),
        ReplyAudible: ("_stay", (_S.IDLE,)),
        ReplyOver: ("_fall_idle", (_S.IDLE,)),
        FloorReset: ("_stay", (_S.IDLE,)),
    },
    _S.USER: {
        SpeechBegan: ("_stay", (_S.USER,)),
        SpeechEnded: ("_pause", (_S.PAUSE,)),
        Clock: ("_end_long_turn", (_S.USER, _S.CONTESTED)),
        EndOfTurnKnown: ("_stay", (_S.USER,)),
        WordsKnown: ("_stay", (_S.USER,)),
        ReplyWanted: ("_want_reply_meanwhile", (_S.USER,)),
        ReplyAudible: ("_hear_reply", (_S.USER,)),
        ReplyOver: ("_lose_reply_meanwhile", (_S.USER,)),
        FloorReset: ("_reset", (_S.IDLE, _S.THINKING, _S.SPEAKING)),
    },
    _S.PAUSE: {
        SpeechBegan: ("_go_on", (_S.USER,)),
        SpeechEnded: ("_stay", (_S.PAUSE,)),
        Clock: ("_end_pause", (_S.PAUSE, _S.IDLE, _S.THINKING, _S.SPEAKING)),
        EndOfTurnKnown: ("_weigh_sound", (_S.PAUSE,)),
        WordsKnown: ("_weigh_words", (_S.PAUSE,)),
        ReplyWanted: ("_want_reply_meanwhile", (_S.PAUSE,)),
        ReplyAudible: ("_hear_reply", (_S.PAUSE,)),
        ReplyOver: ("_lose_reply_meanwhile", (_S.PAUSE,)),
        FloorReset: ("_reset", (_S.IDLE, _S.THINKING, _S.SPEAKING)),
    },
    _S.THINKING: {
        SpeechBegan: ("_contest", (_S.CONTESTED, _S.USER)),
        SpeechEnded: ("_stay", (_S.THINKING,)),
        Clock: ("_stay", (_S.THINKING,)),
        EndOfTurnKnown: ("_stay", (_S.THINKING,)),
        WordsKnown: ("_stay", (_S.THINKING,)),
        ReplyWanted: ("_stay", (_S.THINKING,)),
        ReplyAudible: ("_hear_reply", (_S.SPEAKING,)),
        ReplyOver: ("_fall_idle", (_S.IDLE,)),
        FloorReset: ("_stay", (_S.THINKING,)),
    },
    _S.SPEAKING: {
        SpeechBegan: ("_contest", (_S.CONTESTED, _S.USER)),
        SpeechEnded: ("_stay", (_S.SPEAKING,)),
        Clock: ("_stay", (_S.SPEAKING,)),
        EndOfTurnKnown: ("_stay", (_S.SPEAKING,)),
        WordsKnown: ("_stay", (_S.SPEAKING,)),
        ReplyWanted: ("_stay", (_S.SPEAKING,)),
        ReplyAudible: ("_stay", (_S.SPEAKING,)),
        ReplyOver: ("_fall_idle", (_S.IDLE,)),
        FloorReset: ("_stay", (_S.SPEAKING,)),
    },
    _S.CONTESTED: {
        SpeechBegan: ("_stay", (_S.CONTESTED,)),
        SpeechEnded: ("_judge_ended", (_S.THINKING, _S.SPEAKING, _S.PAUSE)),
        Clock: ("_judge_ongoing", (_S.CONTESTED, _S.USER)),
        EndOfTurnKnown: ("_stay", (_S.CONTESTED,)),
        WordsKnown: ("_stay", (_S.CONTESTED,)),
        ReplyWanted: ("_stay", (_S.CONTESTED,)),
        ReplyAudible: ("_hear_reply", (_S.CONTESTED,)),
        ReplyOver: ("_uncontested", (_S.USER,)),
        FloorReset: ("_reset_contested", (_S.THINKING, _S.SPEAKING)),
    },
}
