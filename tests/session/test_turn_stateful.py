"""Any order of events at all: the machine never raises, never has two replies, never loses the floor for ever."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from duologue.audio.frame import SESSION_RATE_HZ
from duologue.items import TurnDetection
from duologue.session.floor import (
    AskOverlap,
    Clock,
    CommitTurn,
    DropAttempt,
    EndOfTurnKnown,
    FloorReset,
    ForgetSound,
    HoldReply,
    LowerReply,
    NoteBackchannel,
    OpenTurn,
    OverlapHeard,
    ReplyAudible,
    ReplyOver,
    ReplyWanted,
    ResumeReply,
    SoundSuspected,
    SpeechBegan,
    SpeechEnded,
    StartAttempt,
    StopReply,
    SuspicionOver,
    TellVerdict,
    TurnCommand,
    TurnEvent,
    WordsKnown,
)
from duologue.session.interruption import DECIDE_MS, Verdict
from duologue.session.states import State
from duologue.session.turn import Loudness, TurnMachine

OVER_ANSWER = (State.SUSPECTING, State.CONTESTED, State.OVERLAPPED)
# Speech is found when it has lasted for two windows.
ONSET_SAMPLES = 1_024
LEFT_MS = st.sampled_from([float("inf"), 300.0])
ECHO = st.sampled_from([0.0, 0.0, 0.0, 0.5, 0.9])

detections = st.builds(
    TurnDetection,
    silence_ms=st.sampled_from([None, 300, 2_000]),
    create_reply=st.booleans(),
    interrupt_reply=st.sampled_from([True, True, False]),
)


class Floor(RuleBasedStateMachine):
    """A turn machine, and what its commands have made of the world."""

    @initialize(detection=detections, speculates=st.booleans(), has_answer=st.booleans())
    def begin(self, detection: TurnDetection, speculates: bool, has_answer: bool) -> None:
        self.machine = TurnMachine(detection, speculates=speculates)
        self.now = self.loud_until = 0
        self.echo, self.left_ms = 0.0, float("inf")
        self.is_speaking = False
        self.is_open = False
        self.loudness = Loudness.FULL
        self.has_reply = False
        self.attempt: int | None = None
        self.began = 0
        self.contested_since: int | None = None
        self.told: TellVerdict | None = None
        self.asked: AskOverlap | None = None
        if has_answer:
            self.an_answer_is_heard()

    def _take(self, event: TurnEvent) -> None:
        before = self.machine.state
        if isinstance(event, SpeechBegan) and before not in (State.CONTESTED, State.OVERLAPPED):
            self.began = event.at
        commands = self.machine.take(event)
        for command in commands:
            self._perform(command)
        self._check_together(before, commands)
        if self.machine.state is not State.CONTESTED:
            self.contested_since = None
        elif self.contested_since is None:
            self.contested_since = self.now

    def _tick(self) -> None:
        if self.is_speaking:
            self.loud_until = self.now
        self._take(Clock(self.now, self.loud_until, self.echo, self.left_ms))
        self._check_doubt()

    def _check_doubt(self) -> None:
        """Nobody is in doubt for long: of a sound that has ended the words may still come."""
        if self.contested_since is not None:
            doubt_ms = (self.now - self.contested_since) / 16
            sound_ms = max(0, self.loud_until - self.began) / 16
            assert doubt_ms <= DECIDE_MS + (0 if self.is_speaking else sound_ms), "still contested"

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
            case AskOverlap(began, until):
                assert began <= until <= self.now, "asked for the words of what was not said yet"
                self.asked = command
            case StopReply():
                assert self.has_reply, "stopped nothing"
                self.has_reply, self.loudness = False, Loudness.FULL
            case LowerReply() | HoldReply() | ResumeReply():
                self._be_heard(command)

    def _be_heard(self, command: LowerReply | HoldReply | ResumeReply) -> None:
        wanted = {LowerReply: Loudness.LOWERED, HoldReply: Loudness.HELD, ResumeReply: Loudness.FULL}[type(command)]
        assert self.has_reply, f"{type(command).__name__} of nothing"
        assert wanted is not self.loudness, "told what is so already"
        self.loudness = wanted

    def _check_together(self, before: State, commands: list[TurnCommand]) -> None:
        """What belongs together, in the order that clients need."""
        kinds = [type(command) for command in commands]
        for told in (command for command in commands if isinstance(command, TellVerdict)):
            self._check_verdict(told, kinds, before)
        if self.machine.state not in (State.CONTESTED, State.OVERLAPPED):
            self.told = None
        if NoteBackchannel in kinds:
            assert self.machine.state is State.SPEAKING, "noted a backchannel, and the floor is not the assistant's"
        if ForgetSound in kinds:
            assert (before, self.machine.state) == (State.OVERLAPPED, State.IDLE), "forgot what was no echo"

    def _check_verdict(self, told: TellVerdict, kinds: list[type[TurnCommand]], before: State) -> None:
        assert not told.verdict.is_open, "a verdict that is none was told"
        is_news = before is not State.OVERLAPPED or self.told is None or told.verdict is not self.told.verdict
        assert is_news, f"{told.verdict} was told twice"
        self.told = told
        if told.verdict is Verdict.INTERRUPT and self.machine.detection.interrupt_reply:
            assert kinds.index(TellVerdict) < kinds.index(OpenTurn) < kinds.index(StopReply)

    @rule(ms=st.integers(0, 3_000))
    def time_passes(self, ms: int) -> None:
        self.now += ms * 16
        self._tick()

    @rule(frames=st.integers(1, 40))
    def time_passes_frame_by_frame(self, frames: int) -> None:
        for _ in range(frames):
            self.now += 320
            self._tick()

    @rule(ms=st.integers(64, 500))
    def speech_begins_or_ends(self, ms: int) -> None:
        self.now += ms * 16
        self._tick()
        self.is_speaking = not self.is_speaking
        self.loud_until = self.now
        self._take(SpeechBegan(self.now - ONSET_SAMPLES) if self.is_speaking else SpeechEnded(self.now))

    @precondition(lambda self: not self.is_speaking)
    @rule()
    def there_may_be_a_voice(self) -> None:
        self._take(SoundSuspected(max(0, self.now - ONSET_SAMPLES // 2)))

    @precondition(lambda self: not self.is_speaking)
    @rule()
    def there_is_none(self) -> None:
        self._take(SuspicionOver())

    @rule(echo=ECHO, left_ms=LEFT_MS)
    def it_sounds_like(self, echo: float, left_ms: float) -> None:
        self.echo, self.left_ms = echo, left_ms

    @precondition(lambda self: self.machine.state is State.SPEAKING)
    @rule(ms=st.integers(64, 900), text=st.sampled_from(["", "Mm-hm.", "Yeah.", "Please stop.", None]))
    def somebody_says_something_over_the_answer(self, ms: int, text: str | None) -> None:
        self.somebody_begins_to_speak_over_it(ms, True)
        self.words_of_the_overlap_come(text, 0.0, False)
        self.speech_begins_or_ends(96)

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

    @precondition(lambda self: self.asked is not None)
    @rule(
        text=st.sampled_from([None, "", "the", "Mm-hm.", "Yeah.", "Please stop."]),
        said_share=st.sampled_from([0.0, 1.0]),
        is_asked_still=st.booleans(),
    )
    def words_of_the_overlap_come(self, text: str | None, said_share: float, is_asked_still: bool) -> None:
        if self.asked is not None:
            self._take(OverlapHeard(self.asked.began, self.asked.until, text, said_share))
        if not is_asked_still:
            self.asked = None

    @precondition(lambda self: self.machine.state in (State.IDLE, State.THINKING))
    @rule()
    def an_answer_is_heard(self) -> None:
        self.is_quiet()
        if not self.has_reply:
            self.the_client_wants_a_reply()
        self.the_reply_is_audible()

    @precondition(lambda self: self.machine.state is State.SPEAKING)
    @rule(ms=st.integers(1, 900), is_suspected=st.booleans())
    def somebody_begins_to_speak_over_it(self, ms: int, is_suspected: bool) -> None:
        self.is_quiet()
        if is_suspected:
            self.there_may_be_a_voice()
        self.speech_begins_or_ends(64)
        self.time_passes_frame_by_frame(ms // 20)

    def is_quiet(self) -> None:
        if self.is_speaking:
            self.speech_begins_or_ends(96)

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
        self.has_reply, self.loudness = False, Loudness.FULL
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
        if self.machine.state in (State.THINKING, State.SPEAKING, *OVER_ANSWER):
            assert self.has_reply

    @invariant()
    def only_an_answer_in_doubt_is_lowered_or_held(self) -> None:
        state = self.machine.state
        assert (self.loudness is not Loudness.FULL) == (state in (State.SUSPECTING, State.CONTESTED)), self.loudness
        assert self.loudness is not Loudness.HELD or state is State.CONTESTED

    @invariant()
    def time_is_told_where_it_matters(self) -> None:
        if self.machine.state in (State.CONTESTED, State.OVERLAPPED, State.USER, State.PAUSE):
            assert self.machine.clock_due is not None

    def teardown(self) -> None:
        """After quiet the floor is free again."""
        if not hasattr(self, "machine"):
            return
        self.now += SESSION_RATE_HZ
        self.is_speaking = False
        self._take(SpeechEnded(self.now))
        self._take(SuspicionOver())
        # What interrupts at the very end is a turn, and has an answer.
        for _ in range(2):
            self.now += 60 * SESSION_RATE_HZ
            self._tick()
            self.only_an_answer_in_doubt_is_lowered_or_held()
            if self.has_reply:
                self.the_reply_is_over()
        assert self.machine.state is State.IDLE


Floor.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestFloor = Floor.TestCase
