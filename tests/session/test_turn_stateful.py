"""Any order of events at all: the machine never raises, never has two replies, never loses the floor for ever."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from duologue.audio.frame import SESSION_RATE_HZ
from duologue.items import TurnDetection
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
from duologue.session.turn import State, TurnMachine

detections = st.builds(
    TurnDetection,
    silence_ms=st.sampled_from([None, 300, 2_000]),
    create_reply=st.booleans(),
    interrupt_reply=st.booleans(),
)


class Floor(RuleBasedStateMachine):
    """A turn machine, and what its commands have made of the world."""

    @initialize(detection=detections, speculates=st.booleans())
    def begin(self, detection: TurnDetection, speculates: bool) -> None:
        self.machine = TurnMachine(detection, speculates=speculates)
        self.now = self.loud_until = 0
        self.is_speaking = False
        self.is_open = False
        self.is_held = False
        self.has_reply = False
        self.attempt: int | None = None

    def _take(self, event: TurnEvent) -> None:
        for command in self.machine.take(event):
            self._perform(command)

    def _tick(self) -> None:
        if self.is_speaking:
            self.loud_until = self.now
        self._take(Clock(self.now, self.loud_until))

    def _perform(self, command: TurnCommand) -> None:
        match command:
            case OpenTurn(at):
                assert not self.is_open, "a turn in a turn"
                assert at <= self.now
                self.is_open = True
            case StartAttempt(attempt, until):
                assert self.is_open, "an attempt at nothing"
                assert self.attempt is None, "two attempts at once"
                assert until <= self.now
                self.attempt = attempt
            case DropAttempt(attempt):
                assert attempt == self.attempt, "dropped what was not there"
                self.attempt = None
            case CommitTurn(attempt, until):
                assert self.is_open, "the end of no turn"
                assert attempt == self.attempt, "committed another attempt than the one alive"
                assert until <= self.now
                self.is_open, self.attempt = False, None
                self.has_reply |= self.machine.detection.create_reply
            case HoldReply():
                assert self.has_reply, "held nothing"
                self.is_held = True
            case ResumeReply():
                assert self.is_held, "resumed what was not held"
                self.is_held = False
            case StopReply():
                assert self.has_reply, "stopped nothing"
                self.has_reply = self.is_held = False

    @rule(ms=st.integers(0, 3_000))
    def time_passes(self, ms: int) -> None:
        self.now += ms * 16
        self._tick()

    @rule(ms=st.integers(32, 500))
    def speech_begins_or_ends(self, ms: int) -> None:
        self.now += ms * 16
        self._tick()
        self.is_speaking = not self.is_speaking
        self.loud_until = self.now
        self._take(SpeechBegan(self.now) if self.is_speaking else SpeechEnded(self.now))

    @precondition(lambda self: not self.is_speaking)
    @rule()
    def a_whole_turn_is_taken(self) -> None:
        self.speech_begins_or_ends(500)
        self.speech_begins_or_ends(500)
        self.time_passes(9_000)

    @rule(back=st.integers(0, 2), prob=st.floats(0, 1))
    def the_end_is_judged(self, back: int, prob: float) -> None:
        self._take(EndOfTurnKnown((self.attempt or 0) - back, prob))

    @rule(back=st.integers(0, 2), text=st.sampled_from(["", "and", "Yes."]))
    def words_come(self, back: int, text: str) -> None:
        self._take(WordsKnown((self.attempt or 0) - back, text))

    @rule()
    def the_client_wants_a_reply(self) -> None:
        if not self.has_reply:
            self.has_reply = True
            self._take(ReplyWanted())

    @precondition(lambda self: self.has_reply)
    @rule()
    def the_reply_is_audible(self) -> None:
        self._take(ReplyAudible())

    @precondition(lambda self: self.has_reply)
    @rule()
    def the_reply_is_over(self) -> None:
        self.has_reply = self.is_held = False
        self._take(ReplyOver())

    @rule()
    def the_client_takes_over(self) -> None:
        self.is_open = False
        self.is_speaking = False
        self._take(FloorReset())

    @rule(detection=detections)
    def the_client_configures(self, detection: TurnDetection) -> None:
        self.machine.detection = detection

    @invariant()
    def a_turn_is_open_exactly_in_its_states(self) -> None:
        assert self.is_open == (self.machine.state in (State.USER, State.PAUSE))

    @invariant()
    def only_a_pause_has_an_attempt(self) -> None:
        assert self.attempt is None or self.machine.state is State.PAUSE

    @invariant()
    def the_assistant_has_the_floor_only_with_a_reply(self) -> None:
        if self.machine.state in (State.THINKING, State.SPEAKING, State.CONTESTED):
            assert self.has_reply

    @invariant()
    def only_a_contested_reply_is_held(self) -> None:
        assert self.is_held == (self.machine.state is State.CONTESTED)

    def teardown(self) -> None:
        """After quiet the floor is free again."""
        if not hasattr(self, "machine"):
            return
        self.now += SESSION_RATE_HZ
        self.is_speaking = False
        self._take(SpeechEnded(self.now))
        self.now += 60 * SESSION_RATE_HZ
        self._tick()
        if self.has_reply:
            self.has_reply = self.is_held = False
            self._take(ReplyOver())
        if self.machine.state is State.USER:  # the reply was contested: what contested it is a turn, and it ends
            self._take(SpeechEnded(self.now))
            self.now += 60 * SESSION_RATE_HZ
            self._tick()
        assert self.machine.state is State.IDLE


Floor.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestFloor = Floor.TestCase
