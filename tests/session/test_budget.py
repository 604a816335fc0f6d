"""How far an attempt at an answer may go: a table of cases."""

from __future__ import annotations

import itertools

import pytest

from duologue.engines.pressure import ADMISSION, ATTEMPTS, PARTIALS
from duologue.session.budget import LIKELY_PROB, MOST_DROPPED, Level, Pause, may_keep, most_level
from duologue.session.endpointing import CERTAIN_PROB

HARDLY, LIKELY, CERTAIN = LIKELY_PROB - 0.01, LIKELY_PROB, CERTAIN_PROB
WORDS, TEXT, SOUND = Level.WORDS, Level.TEXT, Level.SOUND

# (pressure, what is known of the pause, how far its attempt may go)
CASES = [
    # Nobody waits for anything: the text at once, the voice with a likely end or just before the turn is over.
    (0, Pause(None), TEXT),
    (0, Pause(0.0), TEXT),
    (0, Pause(HARDLY), TEXT),
    (0, Pause(LIKELY), SOUND),
    (0, Pause(CERTAIN), SOUND),
    (0, Pause(0.0, is_due=True), SOUND),
    (0, Pause(None, is_due=True), SOUND),
    # Somebody who pauses and goes on: after some answers begun in vain no more of them, until the end is likely.
    (0, Pause(None, dropped=MOST_DROPPED - 1), TEXT),
    (0, Pause(None, dropped=MOST_DROPPED), WORDS),
    (0, Pause(HARDLY, dropped=MOST_DROPPED), WORDS),
    (0, Pause(LIKELY, dropped=MOST_DROPPED), SOUND),
    (0, Pause(HARDLY, is_due=True, dropped=MOST_DROPPED), SOUND),
    # Threads are short: one answer a turn, and its voice only where the end is all but certain.
    (PARTIALS, Pause(None), TEXT),
    (PARTIALS, Pause(LIKELY), TEXT),
    (PARTIALS, Pause(LIKELY, is_due=True), TEXT),
    (PARTIALS, Pause(CERTAIN), SOUND),
    (PARTIALS, Pause(None, dropped=1), WORDS),
    (PARTIALS, Pause(CERTAIN, dropped=1), WORDS),
    # Work that people wait for is late: nothing ahead of its time.
    (ATTEMPTS, Pause(CERTAIN, is_due=True), Level.NOTHING),
    (ADMISSION, Pause(CERTAIN, is_due=True), Level.NOTHING),
]


@pytest.mark.parametrize(("pressure", "pause", "level"), CASES)
def test_how_far_an_attempt_may_go(pressure: int, pause: Pause, level: Level) -> None:
    assert most_level(pressure, pause) is level


PROBS = [None, 0.0, HARDLY, LIKELY, 0.9, CERTAIN, 1.0]


@pytest.mark.parametrize("is_due", [False, True])
def test_load_and_waste_never_buy_more_and_evidence_never_less(is_due: bool) -> None:
    for pressure, dropped, prob in itertools.product(range(4), range(MOST_DROPPED + 2), PROBS):
        level = most_level(pressure, Pause(prob, is_due, dropped))
        assert most_level(pressure + 1, Pause(prob, is_due, dropped)) <= level
        assert most_level(pressure, Pause(prob, is_due, dropped + 1)) <= level
        assert most_level(pressure, Pause(1.0, is_due, dropped)) >= level
        assert most_level(pressure, Pause(prob, True, dropped)) >= level


@pytest.mark.parametrize(
    ("pressure", "dropped", "is_written", "is_kept"),
    [
        (0, 0, False, True),
        (0, MOST_DROPPED, False, False),
        (0, MOST_DROPPED, True, True),
        (PARTIALS, 0, False, False),
        (PARTIALS, 0, True, True),
        (ATTEMPTS, 0, True, True),
    ],
)
def test_what_may_be_put_aside(pressure: int, dropped: int, is_written: bool, is_kept: bool) -> None:
    assert may_keep(pressure, dropped, is_written=is_written) is is_kept
