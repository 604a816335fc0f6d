"""What is learned of how a speaker pauses."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from duologue.session.pauses import KEPT, SHORTEST_PAUSE_MS, STRANGER, OwnPauses

speakers = st.builds(OwnPauses, st.floats(0, 5), st.floats(0, 5), st.floats(0, 5_000))


def test_of_a_stranger_nothing_is_believed() -> None:
    assert STRANGER.end_log_odds == 0.0
    assert STRANGER.longest_ms == 0.0


@given(speakers)
def test_a_pause_makes_an_end_less_likely_and_an_end_more(own: OwnPauses) -> None:
    assert own.went_on(600).end_log_odds <= own.end_log_odds + 0.5
    assert own.went_on(600).end_log_odds < own.ended().end_log_odds


def test_the_gap_between_two_words_is_no_pause() -> None:
    assert STRANGER.went_on(SHORTEST_PAUSE_MS - 1) == STRANGER


def test_the_longest_pause_fades() -> None:
    paused = STRANGER.went_on(1_200)
    assert paused.longest_ms == 1_200
    assert paused.went_on(300).longest_ms < 1_200
    assert paused.went_on(2_000).longest_ms == 2_000
    fading = [own.longest_ms for own in accumulate([paused] + [None] * 40, lambda own, _: own.ended())]
    assert fading == sorted(fading, reverse=True)
    assert fading[-1] < 100


def test_old_habits_are_forgotten() -> None:
    own = STRANGER
    for _ in range(50):
        own = own.went_on(800)
    pausing = own.end_log_odds
    for _ in range(10):
        own = own.ended()
    assert pausing < -1
    assert own.end_log_odds > 0.5
    assert own.ends <= 1 / (1 - KEPT)
