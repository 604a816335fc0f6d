"""How long a pause must last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.items import TurnDetection
from duologue.session.endpointing import (
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


@pytest.mark.parametrize(("prob", "wait"), [(p, w) for p, w in WAITS_MS if 0.02 <= p <= 0.98])
def test_the_table_is_met_at_its_points(prob: float, wait: float) -> None:
    assert wait_ms(Evidence(prob), NORMAL) == pytest.approx(wait)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_more_finished_it_sounds_the_shorter_the_wait(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert wait_ms(Evidence(low), NORMAL) >= wait_ms(Evidence(high), NORMAL) - 1e-6


def test_words_that_ask_for_more_wait_longer() -> None:
    assert wait_ms(Evidence(0.6, "I went to the"), NORMAL) > wait_ms(Evidence(0.6), NORMAL)
    assert wait_ms(Evidence(0.6, "What time is it?"), NORMAL) < wait_ms(Evidence(0.6), NORMAL)


def test_empty_words_say_nothing() -> None:
    assert combined_prob(Evidence(0.7, "")) == pytest.approx(0.7)


def test_an_earlier_pause_is_learnt_unless_the_end_is_certain() -> None:
    assert wait_ms(Evidence(0.9, None, 800), NORMAL) == 800
    assert wait_ms(Evidence(0.9, None, 9_000), NORMAL) == LONGEST_LEARNT_MS
    assert wait_ms(Evidence(1.0, None, 800), NORMAL) < 400


def test_the_silence_rule_knows_nothing_else() -> None:
    rule = TurnDetection(silence_ms=500, patience=3.0)
    assert wait_ms(Evidence(0.0, "and", 2_000), rule) == wait_ms(Evidence(1.0), rule) == 500


def test_patience_scales() -> None:
    assert wait_ms(Evidence(0.6), TurnDetection(patience=2.0)) == pytest.approx(2 * wait_ms(Evidence(0.6), NORMAL))


@given(evidences, st.floats(0.1, 10), st.integers(200, 8_000))
def test_the_bound_is_never_passed(evidence: Evidence, patience: float, bound_ms: int) -> None:
    assert 0 < wait_ms(evidence, TurnDetection(patience=patience, max_wait_ms=bound_ms)) <= bound_ms
