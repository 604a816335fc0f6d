"""The turn machine's table: complete, and every way through it leads where it says."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from duologue.audio.frame import ms_to_samples
from duologue.items import TurnDetection
from duologue.session.budget import DUE_MS
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
    WeighAttempt,
    WordsKnown,
)
from duologue.session.interruption import Verdict
from duologue.session.states import TRANSITIONS, State
from duologue.session.turn import MAX_TURN_SAMPLES, TurnMachine

EVENTS = get_args(TurnEvent)
ASKING = TurnDetection()
LISTENING = TurnDetection(create_reply=False)
DEAF = TurnDetection(interrupt_reply=False)
LISTENING_ON = TurnDetection(create_reply=False, interrupt_reply=False)
KINDS = (ASKING, LISTENING, DEAF, LISTENING_ON)


def _at(ms: float) -> int:
    return ms_to_samples(ms)


def _clock(now: int) -> Clock:
    """The user is loud up to ``now``; where nobody is, that makes no difference."""
    return Clock(now, now)


def _take_all(machine: TurnMachine, *events: TurnEvent) -> list[TurnCommand]:
    return [command for event in events for command in machine.take(event)]


def _take(machine: TurnMachine, *events: TurnEvent) -> list[TurnCommand]:
    """What is done about the floor; what is thought of the pause has its own stories."""
    return [command for command in _take_all(machine, *events) if not isinstance(command, WeighAttempt)]


def _wait_ms(machine: TurnMachine, ended: int) -> float:
    """The silence after which the pause that began at ``ended`` ends the turn."""
    assert machine.clock_due is not None
    # The first moment that matters is when the end is near.
    machine.take(Clock(machine.clock_due, ended))
    assert machine.clock_due is not None
    return (machine.clock_due - ended) / _at(1)


def _state(machine: TurnMachine) -> State:
    return machine.state


def _machine(detection: TurnDetection = ASKING, *events: TurnEvent, speculates: bool = True) -> TurnMachine:
    machine = TurnMachine(detection, speculates=speculates)
    _take(machine, *events)
    return machine


SPOKE = (SpeechBegan(_at(0)), SpeechEnded(_at(1_000)))
COMMITTED = (*SPOKE, _clock(_at(9_000)))
# Ways into each state; the second kind of SPEAKING is contested by a detection that does not interrupt.
WAYS: dict[State, tuple[TurnEvent, ...]] = {
    State.IDLE: (),
    State.USER: SPOKE[:1],
    State.PAUSE: SPOKE,
    State.THINKING: COMMITTED,
    State.SPEAKING: (*COMMITTED, ReplyAudible()),
    State.SUSPECTING: (*COMMITTED, ReplyAudible(), SoundSuspected(_at(9_468))),
    State.CONTESTED: (*COMMITTED, ReplyAudible(), SpeechBegan(_at(9_500))),
    State.OVERLAPPED: (
        *COMMITTED,
        ReplyAudible(),
        SpeechBegan(_at(9_500)),
        _clock(_at(9_710)),
        OverlapHeard(_at(9_500), _at(9_710), ""),
        _clock(_at(10_010)),
    ),
}
BEGAN = _at(9_500)
SAMPLES: dict[type, tuple[TurnEvent, ...]] = {
    SpeechBegan: (SpeechBegan(_at(9_600)),),
    SpeechEnded: (SpeechEnded(_at(9_564)), SpeechEnded(_at(9_900)), SpeechEnded(_at(10_600))),
    SoundSuspected: (SoundSuspected(_at(9_468)),),
    SuspicionOver: (SuspicionOver(),),
    Clock: (
        _clock(_at(9_564)),
        _clock(_at(10_100)),
        _clock(MAX_TURN_SAMPLES + _at(9_900)),
        Clock(_at(9_600), _at(9_600), echo=1.0),
        Clock(_at(9_700), _at(9_700), echo=0.62),
    ),
    EndOfTurnKnown: (EndOfTurnKnown(1, 1.0), EndOfTurnKnown(99, 1.0)),
    WordsKnown: (WordsKnown(1, "hello."), WordsKnown(99, "hello.")),
    OverlapHeard: (
        OverlapHeard(BEGAN, _at(9_710), "Wait, stop."),
        OverlapHeard(BEGAN, _at(9_900), "Mm-hmm."),
        OverlapHeard(BEGAN, _at(10_600), "Mm-hmm."),
        OverlapHeard(BEGAN, _at(9_900), "as I was saying", 1.0, 0.5),
        OverlapHeard(BEGAN, _at(9_900), None),
        OverlapHeard(_at(1), _at(2), "Wait, stop."),
    ),
    ReplyWanted: (ReplyWanted(),),
    ReplyAudible: (ReplyAudible(),),
    ReplyOver: (ReplyOver(),),
    FloorReset: (FloorReset(),),
}
# One event more, and each state has another side: a sound that is over and whose words are awaited; one whose echo
# comes and goes.
FURTHER: tuple[tuple[TurnEvent, ...], ...] = (
    (*WAYS[State.SPEAKING], Clock(_at(9_600), BEGAN, echo=1.0)),
    (*WAYS[State.SUSPECTING], Clock(_at(9_600), BEGAN, echo=1.0)),
    (*WAYS[State.CONTESTED], SpeechEnded(_at(9_900))),
    (*WAYS[State.CONTESTED], SpeechEnded(_at(9_900)), Clock(_at(10_480), _at(9_900))),
    (*WAYS[State.CONTESTED], SpeechEnded(_at(9_640)), Clock(_at(10_130), _at(9_640))),
    (*WAYS[State.CONTESTED], _clock(_at(9_710)), OverlapHeard(BEGAN, _at(9_710), "Mm-hmm.")),
    (*WAYS[State.OVERLAPPED], SpeechEnded(_at(10_600))),
    (
        *WAYS[State.OVERLAPPED],
        Clock(_at(10_400), _at(10_400), left_ms=300.0),
        OverlapHeard(BEGAN, _at(10_400), "Yeah, okay."),
    ),
    (*WAYS[State.CONTESTED], Clock(_at(9_600), _at(9_600), echo=1.0)),
    (*WAYS[State.CONTESTED], Clock(_at(9_600), _at(9_600), echo=1.0), OverlapHeard(BEGAN, _at(9_590), "Wait, stop.")),
)


def test_every_pair_of_state_and_event_stands_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State)
    for row in TRANSITIONS.values():
        assert set(row) == set(EVENTS)


def test_every_state_can_be_left_and_reached() -> None:
    for state, row in TRANSITIONS.items():
        targets = {target for _, ends in row.values() for target in ends}
        assert targets - {state}
    reached = {target for row in TRANSITIONS.values() for _, ends in row.values() for target in ends}
    assert reached == set(State)


@pytest.mark.parametrize("state", list(State))
def test_the_ways_into_the_states_lead_there(state: State) -> None:
    assert _machine(ASKING, *WAYS[state]).state is state


@pytest.mark.parametrize(("state", "kind", "detection"), list(itertools.product(State, EVENTS, KINDS)))
def test_each_transition_leads_to_one_of_its_targets(state: State, kind: type, detection: TurnDetection) -> None:
    for event in SAMPLES[kind]:
        machine = _machine(ASKING, *WAYS[state])
        machine.detection = detection
        machine.take(event)
        assert machine.state in TRANSITIONS[state][kind][1]


def test_every_target_in_the_table_is_reached_by_some_way() -> None:
    reached: set[tuple[State, type, State]] = set()
    more_ways = [
        (ASKING, ()),
        (DEAF, (ReplyWanted(), SpeechBegan(_at(9_000)))),
        (DEAF, (ReplyWanted(), ReplyAudible(), SpeechBegan(_at(9_000)))),
        (DEAF, (ReplyWanted(), SpeechBegan(_at(9_000)), SpeechEnded(_at(9_100)))),
        (DEAF, (ReplyWanted(), ReplyAudible(), SpeechBegan(_at(9_000)), SpeechEnded(_at(9_100)))),
        (ASKING, (ReplyWanted(), SpeechBegan(_at(9_500)))),
    ]
    ways = [(ASKING, way) for way in (*WAYS.values(), *FURTHER)] + more_ways
    for (start, way), detection in itertools.product(ways, KINDS):
        for kind, events in SAMPLES.items():
            for event in events:
                machine = _machine(start, *way)
                machine.detection = detection
                state = machine.state
                machine.take(event)
                reached.add((state, kind, machine.state))
    listed = {(s, kind, t) for s, row in TRANSITIONS.items() for kind, (_, ends) in row.items() for t in ends}
    assert reached <= listed
    assert listed - reached == set()


def test_an_absent_pair_is_an_error_that_names_both() -> None:
    with pytest.raises(KeyError, match="IDLE on str"):
        TurnMachine(ASKING).take("nonsense")  # type: ignore[arg-type]


# --- stories ----------------------------------------------------------------------------------------------------


def test_a_turn_from_first_sound_to_silence() -> None:
    machine = TurnMachine(ASKING)
    assert _take(machine, SpeechBegan(_at(100))) == [OpenTurn(_at(100))]
    assert _take(machine, SpeechEnded(_at(1_100))) == [StartAttempt(1, _at(1_100))]
    assert _take(machine, EndOfTurnKnown(1, 1.0), _clock(_at(1_350))) == []
    assert _take(machine, _clock(_at(1_500))) == [CommitTurn(1, _at(1_100))]
    assert _take(machine, ReplyAudible()) == []
    assert _state(machine) is State.SPEAKING
    _take(machine, ReplyOver())
    assert _state(machine) is State.IDLE


def test_going_on_drops_the_attempt_and_learns_the_pause() -> None:
    machine = _machine(ASKING, *SPOKE)
    assert _take(machine, SpeechBegan(_at(1_900))) == [DropAttempt(1)]
    assert _take(machine, SpeechEnded(_at(2_500)), EndOfTurnKnown(2, 0.5)) == [StartAttempt(2, _at(2_500))]
    assert _take(machine, _clock(_at(3_690))) == []
    assert _take(machine, _clock(_at(3_720))) == [CommitTurn(2, _at(2_500))]


def _wait_after_going_on(gap_ms: int) -> float:
    """A turn is taken for over after 1 s, the speaker goes on ``gap_ms`` after its last word: the next wait."""
    machine = _machine(ASKING, *SPOKE, EndOfTurnKnown(1, 0.99), _clock(_at(1_500)))
    assert _state(machine) is State.THINKING
    begins = 1_000 + gap_ms
    _take(machine, SpeechBegan(_at(begins)), _clock(_at(begins + 200)))
    assert _state(machine) is State.USER
    _take(machine, SpeechEnded(_at(5_000)), EndOfTurnKnown(2, 0.5))
    return _wait_ms(machine, _at(5_000))


def test_who_was_cut_off_in_a_pause_is_given_longer_in_the_next() -> None:
    assert 1_050 < _wait_after_going_on(800) < 1_150


def test_who_interrupts_later_has_not_paused() -> None:
    assert _wait_after_going_on(3_000) < _wait_after_going_on(2_000) < _wait_after_going_on(800)


def test_who_speaks_at_once_has_not_paused_before() -> None:
    machine = _machine(ASKING, SpeechBegan(_at(100)), SpeechEnded(_at(1_000)), EndOfTurnKnown(1, 0.9))
    assert _wait_ms(machine, _at(1_000)) < 600


def test_an_attempt_is_told_how_likely_the_end_is_and_when_it_is_near() -> None:
    machine = _machine(ASKING, *SPOKE)
    [sound] = _take_all(machine, EndOfTurnKnown(1, 0.5))
    [both] = _take_all(machine, WordsKnown(1, "and"))
    assert isinstance(sound, WeighAttempt)
    assert isinstance(both, WeighAttempt)
    assert sound.attempt == both.attempt == 1
    assert both.prob is not None
    assert sound.prob is not None
    assert both.prob < sound.prob
    assert not sound.is_due
    assert machine.clock_due is not None
    near = machine.clock_due
    assert _take_all(machine, _clock(near - 1)) == []
    assert _take_all(machine, _clock(near)) == [WeighAttempt(1, both.prob, is_due=True)]
    assert _take_all(machine, _clock(near + 1)) == [], "once"
    assert machine.clock_due == near + _at(DUE_MS)


def test_what_is_learnt_late_puts_the_end_off_again() -> None:
    machine = _machine(ASKING, *SPOKE, EndOfTurnKnown(1, 1.0))
    assert machine.clock_due is not None
    [due] = _take_all(machine, _clock(machine.clock_due))
    [late] = _take_all(machine, WordsKnown(1, "and"))
    assert [due.is_due, late.is_due] == [True, False]  # type: ignore[union-attr]


def test_an_end_without_an_attempt_is_told_to_nobody() -> None:
    machine = _machine(ASKING, SPOKE[0], speculates=False)
    assert _take_all(machine, SPOKE[1], _clock(_at(1_700))) == []


def test_a_fixed_silence_of_less_than_an_answers_making_is_near_at_once() -> None:
    machine = _machine(TurnDetection(silence_ms=200), *SPOKE)
    assert _take_all(machine, _clock(_at(1_096))) == [WeighAttempt(1, None, is_due=True)]


def test_evidence_of_an_attempt_that_was_dropped_counts_for_nothing() -> None:
    machine = _machine(ASKING, *SPOKE, SpeechBegan(_at(1_500)), SpeechEnded(_at(2_000)))
    assert _take(machine, EndOfTurnKnown(1, 1.0), WordsKnown(1, "Yes."), _clock(_at(2_600))) == []


def test_without_speculation_a_pause_starts_nothing() -> None:
    machine = _machine(ASKING, SPOKE[0], speculates=False)
    assert _take(machine, SPOKE[1]) == []
    assert _take(machine, _clock(_at(9_000))) == [CommitTurn(None, _at(1_000))]


def test_a_turn_that_nobody_should_answer_leaves_the_floor_free() -> None:
    machine = _machine(LISTENING, *COMMITTED)
    assert _state(machine) is State.IDLE


def test_a_turn_that_nobody_answers_leaves_the_floor_to_a_sounding_answer() -> None:
    machine = _machine(LISTENING_ON, ReplyWanted(), ReplyAudible(), *COMMITTED)
    assert _state(machine) is State.SPEAKING
    _take(machine, ReplyOver())
    assert _state(machine) is State.IDLE
    _take(machine, SpeechBegan(_at(20_000)), FloorReset())
    assert _state(machine) is State.IDLE


def test_speech_without_end_is_taken_as_it_is() -> None:
    machine = _machine(ASKING, SPOKE[0])
    assert _take(machine, _clock(MAX_TURN_SAMPLES - 1)) == []
    # What follows is spoken over the answer.
    assert _take(machine, _clock(MAX_TURN_SAMPLES)) == [CommitTurn(None, MAX_TURN_SAMPLES), HoldReply()]
    assert machine.state is State.CONTESTED


def test_speech_without_end_that_nobody_answers_goes_on_as_the_next_turn() -> None:
    machine = _machine(TurnDetection(create_reply=False), SPOKE[0])
    assert _take(machine, _clock(MAX_TURN_SAMPLES)) == [CommitTurn(None, MAX_TURN_SAMPLES), OpenTurn(MAX_TURN_SAMPLES)]
    assert machine.state is State.USER


def _over_speech(*events: TurnEvent) -> list[TurnCommand]:
    """What is done about a sound that begins at ``BEGAN`` over an answer."""
    return _take(_machine(ASKING, *WAYS[State.SPEAKING]), SpeechBegan(BEGAN), *events)


def test_an_answer_is_lowered_before_it_is_certain_that_somebody_speaks() -> None:
    machine = _machine(ASKING, *WAYS[State.SPEAKING])
    assert _take(machine, SoundSuspected(_at(9_468))) == [LowerReply()]
    assert _take(machine, SuspicionOver()) == [ResumeReply()]
    assert _state(machine) is State.SPEAKING


def test_an_interruption_is_told_before_the_answer_is_stopped() -> None:
    machine = _machine(ASKING, *WAYS[State.SUSPECTING])
    assert _take(machine, SpeechBegan(BEGAN)) == []
    assert _take(machine, _clock(_at(9_650))) == [HoldReply()]
    assert _take(machine, _clock(_at(9_700))) == [AskOverlap(BEGAN, _at(9_700))]
    assert _take(machine, OverlapHeard(BEGAN, _at(9_700), "What is the")) == [
        TellVerdict(Verdict.INTERRUPT, BEGAN, _at(9_700)),
        OpenTurn(BEGAN),
        StopReply(),
    ]
    assert _state(machine) is State.USER


def test_words_that_do_not_come_do_not_keep_a_person_waiting() -> None:
    said = _over_speech(_clock(_at(9_710)), _clock(_at(9_990)), _clock(_at(10_010)))
    assert [type(command) for command in said] == [LowerReply, HoldReply, AskOverlap, TellVerdict, OpenTurn, StopReply]


@pytest.mark.parametrize("state", [State.THINKING, State.SPEAKING])
def test_a_click_is_a_false_alarm(state: State) -> None:
    machine = _machine(ASKING, *WAYS[state])
    quiet = HoldReply() if state is State.THINKING else LowerReply()
    told = TellVerdict(Verdict.NOISE, BEGAN, BEGAN)
    assert _take(machine, SpeechBegan(BEGAN), SpeechEnded(_at(9_564))) == [quiet, told, ResumeReply()]
    assert _state(machine) is state


def test_before_an_answer_is_heard_whoever_speaks_goes_on() -> None:
    machine = _machine(ASKING, *WAYS[State.THINKING])
    assert _take(machine, SpeechBegan(BEGAN)) == [HoldReply()]
    said = _take(machine, _clock(_at(9_600)))
    assert said == [TellVerdict(Verdict.INTERRUPT, BEGAN, _at(9_600)), OpenTurn(BEGAN), StopReply()]


def test_a_backchannel_is_noted_and_the_answer_goes_on() -> None:
    said = _over_speech(
        _clock(_at(9_710)),
        OverlapHeard(BEGAN, _at(9_710), "Mm-hmm."),
        SpeechEnded(_at(9_820)),
    )
    assert said == [
        LowerReply(),
        HoldReply(),
        AskOverlap(BEGAN, _at(9_710)),
        LowerReply(),
        TellVerdict(Verdict.BACKCHANNEL, BEGAN, _at(9_710)),
        ResumeReply(),
        NoteBackchannel("Mm-hmm."),
    ]


def test_the_words_of_a_sound_that_is_over_are_asked_for_once_more() -> None:
    said = _over_speech(
        _clock(_at(9_710)),
        OverlapHeard(BEGAN, _at(9_710), "So?"),
        SpeechEnded(_at(9_900)),
        OverlapHeard(BEGAN, _at(9_900), "So what?"),
    )
    assert said[-5:] == [
        AskOverlap(BEGAN, _at(9_900)),
        TellVerdict(Verdict.INTERRUPT, BEGAN, _at(9_710)),
        OpenTurn(BEGAN),
        StopReply(),
        StartAttempt(2, _at(9_900)),
    ]


def test_a_long_noise_is_watched_and_words_in_it_interrupt() -> None:
    machine = _machine(ASKING, *WAYS[State.OVERLAPPED])
    assert _take(machine, _clock(_at(10_300))) == []
    assert _take(machine, _clock(_at(10_460))) == [AskOverlap(BEGAN, _at(10_460), is_urgent=False)]
    said = _take(machine, OverlapHeard(BEGAN, _at(10_460), "Turn that off."))
    assert said == [TellVerdict(Verdict.INTERRUPT, BEGAN, _at(10_460)), OpenTurn(BEGAN), StopReply()]


def test_the_answers_own_echo_is_ignored_and_forgotten_with_it() -> None:
    machine = _machine(ASKING, *WAYS[State.SPEAKING], Clock(_at(9_564), _at(9_564), echo=0.95))
    assert _take(machine, SpeechBegan(BEGAN)) == [TellVerdict(Verdict.ECHO, BEGAN, _at(9_564))]
    assert _state(machine) is State.OVERLAPPED
    assert _take(machine, ReplyOver()) == [ForgetSound()]
    assert _state(machine) is State.IDLE


def test_a_voice_over_the_echo_is_heard() -> None:
    machine = _machine(ASKING, *WAYS[State.SPEAKING], Clock(_at(9_564), _at(9_564), echo=0.95))
    _take(machine, SpeechBegan(BEGAN))
    assert _take(machine, Clock(_at(10_500), _at(10_500), echo=0.2))[0] == LowerReply()
    assert _state(machine) is State.CONTESTED


def test_a_yeah_to_the_last_words_is_an_answer() -> None:
    machine = _machine(ASKING, *WAYS[State.CONTESTED], Clock(_at(9_710), _at(9_710), left_ms=300.0))
    _take(machine, OverlapHeard(BEGAN, _at(9_710), "Yeah."))
    assert OpenTurn(BEGAN) in _take(machine, SpeechEnded(_at(9_820)))
    assert _state(machine) is State.PAUSE


def test_a_first_sound_while_contested_is_not_forgotten() -> None:
    machine = _machine(ASKING, *COMMITTED, SpeechBegan(_at(9_500)), ReplyAudible())
    _take(machine, SpeechEnded(_at(9_564)))
    assert _state(machine) is State.SPEAKING


def test_the_answer_may_end_while_contested() -> None:
    machine = _machine(ASKING, *WAYS[State.CONTESTED])
    assert _take(machine, ReplyOver()) == [OpenTurn(_at(9_500))]
    assert _take(machine, SpeechEnded(_at(9_900)), _clock(_at(19_000)))[-1] == CommitTurn(2, _at(9_900))


def test_who_may_not_interrupt_waits_for_the_answer() -> None:
    machine = _machine(DEAF, *COMMITTED, ReplyAudible())
    said = _take(machine, SpeechBegan(_at(9_500)), SpeechEnded(_at(10_500)), _clock(_at(19_000)))
    assert said == [OpenTurn(_at(9_500)), StartAttempt(2, _at(10_500)), CommitTurn(2, _at(10_500))]
    assert _state(machine) is State.THINKING


@pytest.mark.parametrize(
    ("state", "after", "commands"),
    [
        (State.USER, State.IDLE, []),
        (State.PAUSE, State.IDLE, [DropAttempt(1)]),
        (State.THINKING, State.THINKING, []),
        (State.SPEAKING, State.SPEAKING, []),
        (State.SUSPECTING, State.SPEAKING, [ResumeReply()]),
        (State.CONTESTED, State.SPEAKING, [ResumeReply()]),
        (State.OVERLAPPED, State.SPEAKING, []),
    ],
)
def test_a_reset_forgets_the_user_and_not_the_answer(state: State, after: State, commands: list[TurnCommand]) -> None:
    machine = _machine(ASKING, *WAYS[state])
    assert machine.take(FloorReset()) == commands
    assert _state(machine) is after
