"""The turn machine: who has the floor. Its states and its table stand in ``states``.

Moments are samples on the session's input clock. The machine does no I/O and knows no other time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from duologue.audio.frame import SESSION_RATE_HZ, ms_to_samples
from duologue.items import TurnDetection
from duologue.session.budget import DUE_MS
from duologue.session.contest import Contest
from duologue.session.endpointing import Evidence, combined_prob, wait_ms
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
    TellVerdict,
    TurnCommand,
    TurnEvent,
    WeighAttempt,
    WordsKnown,
)
from duologue.session.interruption import Verdict
from duologue.session.pauses import STRANGER
from duologue.session.states import TRANSITIONS, State

# A turn this long is taken as it is: memory and the transcriber are bounded, and nobody should wait for ever.
MAX_TURN_SAMPLES = 120 * SESSION_RATE_HZ
# Who speaks again so soon after the end of a turn had only paused, and is one who pauses: that is learnt, as a pause
# within a turn is; a quarter fewer pauses of recorded turns are cut off for it. Later it may be an interruption; who is
# silent for longer still had finished.
RESUMED_MS, FINISHED_MS = 1200.0, 2500.0
_DUE_SAMPLES = ms_to_samples(DUE_MS)


class Loudness(Enum):
    """How the listener hears the answer."""

    FULL = "full"
    LOWERED = "lowered"
    HELD = "held"


_LOUDNESS_COMMANDS: dict[Loudness, Callable[[], TurnCommand]] = {
    Loudness.FULL: ResumeReply,
    Loudness.LOWERED: LowerReply,
    Loudness.HELD: HoldReply,
}


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
        self._is_due = False
        self._evidence = Evidence()
        self._began = 0
        self._ended = -MAX_TURN_SAMPLES
        self._own = STRANGER
        self._has_reply = False
        self._is_audible = False
        self._was_answered = False
        self._loudness = Loudness.FULL
        self._suspected = 0
        self._has_echo = False
        self._contest: Contest | None = None
        self._clock = Clock(0, 0)
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
            return self._commits_at if self._attempt is None or self._is_due else self._commits_at - _DUE_SAMPLES
        if self.state is State.USER:
            return self._began + MAX_TURN_SAMPLES
        return 0 if self.state in (State.CONTESTED, State.OVERLAPPED) else None

    # Each method below is one transition: it may add commands and says where to go.

    def _stay(self, _event: TurnEvent) -> State:
        return self.state

    def _open_turn(self, event: SpeechBegan) -> State:
        self._began = event.at
        self._open()
        return State.USER

    def _open(self) -> None:
        pause_ms = _ms(self._began - self._ended)
        if pause_ms <= RESUMED_MS and not self._was_answered:
            self._own = self._own.went_on(pause_ms)
        elif pause_ms >= FINISHED_MS and self._ended >= 0:
            self._own = self._own.ended()
        self._was_answered = False
        self._out.append(OpenTurn(self._began))

    def _pause(self, event: SpeechEnded) -> State:
        self._ended = event.at
        self._evidence = Evidence(own=self._own)
        if self.speculates:
            self._attempts += 1
            self._attempt, self._is_due = self._attempts, False
            self._out.append(StartAttempt(self._attempt, event.at))
        return State.PAUSE

    def _go_on(self, event: SpeechBegan) -> State:
        self._own = self._own.went_on(_ms(event.at - self._ended))
        self._drop_attempt()
        return State.USER

    def _weigh_sound(self, event: EndOfTurnKnown) -> State:
        if event.attempt == self._attempt:
            self._weigh(replace(self._evidence, end_of_turn_prob=event.prob))
        return self.state

    def _weigh_words(self, event: WordsKnown) -> State:
        if event.attempt == self._attempt:
            self._weigh(replace(self._evidence, text=event.text))
        return self.state

    def _weigh(self, evidence: Evidence, *, is_due: bool = False) -> None:
        """Of the present attempt this is known."""
        assert self._attempt is not None, "there is nothing to weigh"
        self._evidence, self._is_due = evidence, is_due
        self._out.append(WeighAttempt(self._attempt, combined_prob(evidence), is_due))

    @property
    def _commits_at(self) -> int:
        """When the turn is over, unless the user goes on."""
        return self._ended + ms_to_samples(wait_ms(self._evidence, self.detection))

    def _end_pause(self, event: Clock) -> State:
        if event.now >= self._commits_at:
            return self._commit(self._ended)
        if self._attempt is not None and not self._is_due and event.now >= self._commits_at - _DUE_SAMPLES:
            self._weigh(self._evidence, is_due=True)
        return State.PAUSE

    def _end_long_turn(self, event: Clock) -> State:
        """Committed, though the user speaks on: what follows is the next turn, over the answer if there is one."""
        if event.now - self._began < MAX_TURN_SAMPLES:
            return State.USER
        self._commit(event.now)
        goes_on = SpeechBegan(event.now)
        return self._open_contest(goes_on) if self.detection.create_reply else self._open_turn(goes_on)

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

    # --- sound over an answer ---------------------------------------------------------------------------------------

    def _suspect(self, event: SoundSuspected) -> State:
        if not self.detection.interrupt_reply:
            return State.SPEAKING
        self._suspected = event.at
        self._be(Loudness.LOWERED)
        return State.SUSPECTING

    def _calm(self, _event: TurnEvent) -> State:
        self._be(Loudness.FULL)
        return State.SPEAKING

    def _keep_time(self, event: Clock) -> State:
        """What the sound is like is known before it is known to be a voice."""
        self._clock = event
        return self.state

    def _open_contest(self, event: SpeechBegan) -> State:
        if not self.detection.interrupt_reply:
            self._be(Loudness.FULL)
            return self._open_turn(event)
        suspected = self._suspected if self.state is State.SUSPECTING else event.at
        self._contest = Contest(min(suspected, event.at), event.at, self._is_audible, self._has_echo)
        if self._clock.now >= event.at:
            self._contest.tick(self._clock)
        return self._weigh_overlap()

    def _tick_contest(self, event: Clock) -> State:
        self._clock = event
        self._contested.tick(event)
        return self._weigh_overlap()

    def _end_sound(self, event: SpeechEnded) -> State:
        self._contested.end(event.at)
        return self._weigh_overlap()

    def _go_on_over(self, _event: SpeechBegan) -> State:
        self._contested.go_on()
        return self.state

    def _hear_overlap(self, event: OverlapHeard) -> State:
        self._contested.hear(event)
        return self._weigh_overlap()

    @property
    def _contested(self) -> Contest:
        assert self._contest is not None, "sound over an answer is weighed in a contest"
        return self._contest

    def _weigh_overlap(self) -> State:
        """Judge the sound anew, and do what follows."""
        contest, before = self._contested, self._contested.verdict
        verdict = contest.judge()
        if before is not None and verdict is Verdict.INTERRUPT and not contest.words:
            # What was taken for no interruption becomes one by its words, not by lasting.
            verdict = contest.verdict = before
        self._has_echo |= verdict is Verdict.ECHO
        if verdict is not before and not verdict.is_open:
            self._out.append(TellVerdict(verdict, contest.began, contest.now))
        if verdict is Verdict.INTERRUPT:
            return self._interrupt()
        if contest.has_ended and not verdict.is_open:
            return self._settle(verdict)
        if verdict.is_open and before is None:
            is_held = verdict is Verdict.HOLD or not self._is_audible
            self._be(Loudness.HELD if is_held else Loudness.LOWERED)
        else:
            self._be(Loudness.FULL)
        until = contest.ask()
        if until is not None:
            self._out.append(AskOverlap(contest.began, until, is_urgent=contest.verdict is None))
        return State.CONTESTED if contest.verdict is None else State.OVERLAPPED

    def _settle(self, verdict: Verdict) -> State:
        """The sound is over and was no interruption."""
        self._be(Loudness.FULL)
        if verdict is Verdict.BACKCHANNEL:
            self._out.append(NoteBackchannel(self._contested.words))
        return self._leave_turn()

    def _interrupt(self) -> State:
        contest = self._contested
        # Clients cut their playback on the start of speech, so it is told before the end of the reply.
        self._began = contest.turn_began
        self._open()
        if self.detection.interrupt_reply:
            self._stop_reply()
        else:
            self._be(Loudness.FULL)
        return self._pause(SpeechEnded(contest.loud_until)) if contest.has_ended else State.USER

    def _be(self, loudness: Loudness) -> None:
        if self._loudness is not loudness:
            self._loudness = loudness
            self._out.append(_LOUDNESS_COMMANDS[loudness]())

    def _uncontested(self, _event: ReplyOver) -> State:
        """The answer has ended by itself: what was said over it is a turn, unless it was no speech."""
        contest = self._contested
        self._forget_reply()
        if contest.verdict is Verdict.ECHO:
            self._out.append(ForgetSound())
            return State.IDLE
        if contest.has_ended and contest.verdict is not None:
            return State.IDLE
        # Who said "yeah" so far may have been beginning; the end of some music was not.
        is_users = contest.verdict in (None, Verdict.BACKCHANNEL)
        self._began = contest.turn_began if is_users else contest.now
        self._open()
        return self._pause(SpeechEnded(contest.loud_until)) if contest.has_ended else State.USER

    def _reset_contested(self, _event: FloorReset) -> State:
        self._be(Loudness.FULL)
        return self._leave_turn()

    def _want_reply(self, _event: ReplyWanted) -> State:
        self._has_reply = True
        return State.THINKING

    def _want_reply_meanwhile(self, _event: ReplyWanted) -> State:
        self._has_reply = True
        return self.state

    def _hear_reply(self, _event: ReplyAudible) -> State:
        self._is_audible = True
        self._clock = Clock(0, 0)
        return State.SPEAKING if self.state is State.THINKING else self.state

    def _fall_idle(self, _event: ReplyOver) -> State:
        # Who heard the answer out and speaks then has not merely paused.
        self._was_answered = self._is_audible
        self._forget_reply()
        return State.IDLE

    def _lose_reply_meanwhile(self, _event: ReplyOver) -> State:
        self._forget_reply()
        return self.state

    def _reset(self, _event: FloorReset) -> State:
        self._drop_attempt()
        return self._leave_turn()

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
        self._loudness = Loudness.FULL


def _ms(samples: int) -> float:
    return samples * 1000 / SESSION_RATE_HZ
