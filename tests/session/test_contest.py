"""A sound over an answer: when its words are asked for, and what is known of it."""

from __future__ import annotations

from duologue.audio.frame import ms_to_samples
from duologue.session.contest import Contest
from duologue.session.floor import Clock, OverlapHeard
from duologue.session.interruption import Verdict

BEGAN = ms_to_samples(5_000)


def _at(ms: int) -> int:
    return BEGAN + ms_to_samples(ms)


def _clock(ms: int, echo: float = 0.0) -> Clock:
    return Clock(_at(ms), _at(ms), echo)


def _asked(contest: Contest, *moments_ms: int) -> list[int]:
    """The moments at which the words are asked for, where each answer is there at once and empty."""
    asked = []
    for moment_ms in moments_ms:
        contest.tick(_clock(moment_ms))
        contest.judge()
        if (until := contest.ask()) is not None:
            asked.append(moment_ms)
            contest.hear(OverlapHeard(BEGAN, until, ""))
    return asked


def test_words_are_asked_for_early_and_of_what_goes_on_now_and_then() -> None:
    contest = Contest(BEGAN, BEGAN, is_audible=True)
    assert _asked(contest, *range(0, 3_000, 20)) == [160, 260, 360, 460, 1_220, 2_080]


def test_one_question_at_a_time() -> None:
    contest = Contest(BEGAN, BEGAN, is_audible=True)
    contest.tick(_clock(250))
    assert contest.ask() == _at(250)
    contest.tick(_clock(450))
    assert contest.ask() is None
    contest.hear(OverlapHeard(BEGAN, _at(250), None))
    assert contest.ask() == _at(450)


def test_at_the_end_all_of_it_is_asked_for_once() -> None:
    contest = Contest(BEGAN, BEGAN, is_audible=True)
    assert _asked(contest, 210) == [210]
    contest.end(_at(600))
    assert contest.ask() == _at(600)
    contest.hear(OverlapHeard(BEGAN, _at(600), "Mm."))
    assert contest.ask() is None


def test_what_was_heard_of_nearly_all_is_enough() -> None:
    contest = Contest(BEGAN, BEGAN, is_audible=True)
    assert _asked(contest, 210) == [210]
    contest.end(_at(300))
    assert contest.ask() is None


def test_before_the_answer_is_heard_nobody_asks() -> None:
    assert _asked(Contest(BEGAN, BEGAN, is_audible=False), *range(0, 1_000, 20)) == []


def test_the_words_of_an_earlier_sound_are_none_of_this_one() -> None:
    contest = Contest(BEGAN, BEGAN, is_audible=True)
    contest.tick(_clock(250))
    contest.hear(OverlapHeard(BEGAN - 1, _at(250), "Stop."))
    assert contest.judge().is_open


def test_an_echo_that_ends_opens_the_question_again() -> None:
    contest = Contest(BEGAN, BEGAN, is_audible=True)
    contest.tick(_clock(100, echo=0.95))
    assert contest.judge() is Verdict.ECHO
    contest.tick(_clock(2_000, echo=0.6))
    assert contest.verdict is Verdict.ECHO
    contest.tick(_clock(2_100, echo=0.5))
    assert contest.verdict is Verdict.ECHO, "once may be chance"
    contest.tick(_clock(2_200, echo=0.5))
    assert contest.verdict is None
    assert contest.judge() is Verdict.LOWER
    assert contest.turn_began == _at(1_950), "what came before was the assistant"


def test_how_long_it_was_loud_is_not_how_long_it_is_ago() -> None:
    contest = Contest(BEGAN - ms_to_samples(64), BEGAN, is_audible=True)
    contest.tick(Clock(_at(400), _at(300)))
    assert contest.lasted_ms == 300
    contest.end(_at(320))
    contest.tick(Clock(_at(900), _at(900)))
    assert contest.lasted_ms == 320


def test_an_echo_that_is_gone_by_far_is_not_waited_for() -> None:
    contest = Contest(BEGAN, BEGAN, is_audible=True)
    contest.tick(_clock(100, echo=0.95))
    assert contest.judge() is Verdict.ECHO
    contest.tick(_clock(300, echo=0.1))
    assert contest.verdict is None


def test_an_echo_that_only_the_words_showed_is_not_lost_by_the_waveform() -> None:
    contest = Contest(BEGAN, BEGAN, is_audible=True)
    contest.tick(_clock(250))
    contest.hear(OverlapHeard(BEGAN, _at(250), "the weather in Paris", 1.0, 0.5))
    assert contest.judge() is Verdict.ECHO
    contest.tick(_clock(270, echo=0.5))
    assert contest.verdict is Verdict.ECHO
