"""How long a pause must last."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.items import TurnDetection
from duologue.session.endpointing import (
    DOUBT,
    LEARNT_MORE_MS,
    LEAST_LEARNT_MS,
    LONGEST_LEARNT_MS,
    UNKNOWN_WAIT_MS,
    WAITS_MS,
    Evidence,
    combined_prob,
    wait_ms,
)

NORMAL = TurnDetection()
probs = st.one_of(st.none(), st.floats(0, 1))
texts = st.sampled_from([None, "", "I went to the", "Yes.", "and so um", "what time is it?"])
evidences = st.builds(Evidence, probs, texts, st.floats(0, 5_000))


def test_nothing_known_waits_the_middle_way() -> None:
    assert combined_prob(Evidence()) is None
    assert wait_ms(Evidence(), NORMAL) == UNKNOWN_WAIT_MS


def _sound_of(prob: float) -> float:
    """What the model of the sound says where, by itself, it makes the turn ``prob`` likely to be over."""
    odds = math.log(prob / (1 - prob)) - DOUBT
    return 1 / (1 + math.exp(-odds))


@pytest.mark.parametrize(("prob", "wait"), WAITS_MS[1:-1])
def test_the_table_is_met_at_its_points(prob: float, wait: float) -> None:
    assert wait_ms(Evidence(_sound_of(prob)), NORMAL) == pytest.approx(wait)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_more_finished_it_sounds_the_shorter_the_wait(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert wait_ms(Evidence(low), NORMAL) >= wait_ms(Evidence(high), NORMAL) - 1e-6


def test_words_that_ask_for_more_wait_longer() -> None:
    assert wait_ms(Evidence(0.5, "I went to the"), NORMAL) > 2 * wait_ms(Evidence(0.5), NORMAL)
    assert wait_ms(Evidence(0.5, "I went to the."), NORMAL) > 2 * wait_ms(Evidence(0.5), NORMAL)
    assert wait_ms(Evidence(0.5, "What time is it?"), NORMAL) < wait_ms(Evidence(0.5), NORMAL)


@pytest.mark.parametrize("text", ["Half an hour.", "What's the weather like?", "Today,", "book a room"])
@pytest.mark.parametrize("sound", [0.1, 0.3, 0.6, 0.9])
def test_words_that_do_not_hang_are_answered_soon_though_the_sound_doubts(text: str, sound: float) -> None:
    assert wait_ms(Evidence(sound, text), NORMAL) < 600


@pytest.mark.parametrize("text", ["I want to", "And um,", "Because", "the first one and"])
def test_words_that_hang_wait_long_though_the_sound_does_not_doubt(text: str) -> None:
    assert wait_ms(Evidence(0.6, text), NORMAL) > 1500


def test_a_sound_that_surely_goes_on_waits_long_whatever_the_words() -> None:
    assert wait_ms(Evidence(0.005, "Montreal."), NORMAL) > 1200


def test_each_alone_is_enough_to_go_by() -> None:
    assert wait_ms(Evidence(None, "Yes."), NORMAL) < 600
    assert wait_ms(Evidence(None, "and so um"), NORMAL) > 1500
    assert wait_ms(Evidence(0.9), NORMAL) < 600


def test_empty_words_say_nothing() -> None:
    assert combined_prob(Evidence(0.7, "")) == combined_prob(Evidence(0.7))
    assert combined_prob(Evidence(None, "")) is None


def test_an_earlier_pause_is_learnt_unless_the_end_is_certain() -> None:
    assert wait_ms(Evidence(0.9, None, 800), NORMAL) == 800 + LEARNT_MORE_MS
    assert wait_ms(Evidence(0.9, None, 9_000), NORMAL) == LONGEST_LEARNT_MS
    assert wait_ms(Evidence(0.99, "Yes!", 800), NORMAL) < 400


def test_the_gap_between_two_words_is_no_pause_to_learn_from() -> None:
    assert wait_ms(Evidence(0.9, None, LEAST_LEARNT_MS - 1), NORMAL) == wait_ms(Evidence(0.9), NORMAL)


def test_the_silence_rule_knows_nothing_else() -> None:
    rule = TurnDetection(silence_ms=500, patience=3.0)
    assert wait_ms(Evidence(0.0, "and", 2_000), rule) == wait_ms(Evidence(1.0), rule) == 500


def test_patience_scales() -> None:
    assert wait_ms(Evidence(0.6), TurnDetection(patience=2.0)) == pytest.approx(2 * wait_ms(Evidence(0.6), NORMAL))


@given(evidences, st.floats(0.1, 10), st.integers(200, 8_000))
def test_the_bound_is_never_passed(evidence: Evidence, patience: float, bound_ms: int) -> None:
    assert 0 < wait_ms(evidence, TurnDetection(patience=patience, max_wait_ms=bound_ms)) <= bound_ms
